//! `rerank`, and with `collection` instead of `collections` each of `routes[]`.

use crate::{
    config::{
        PartialScores, RerankConfig, WidenMode, boosts,
        kind::Kind,
        score,
        setting::{By, Setting, Shown, by, setting},
        words::{FAIL_OPEN, MODES, NOTHING_RELEVANT, QUERY_SOURCES},
    },
    search::FieldSet,
};

/// No engine answers a page of more by default.
const MOST_HITS: u64 = 10_000;
/// Bytes of a passage: shorter ones say nothing by themselves, and no document is longer.
const LEAST_PASSAGE: u64 = 100;
const MOST_PASSAGE: u64 = 256 << 10;
/// Of one document: each costs as much as a document.
const MOST_PASSAGES: u64 = 64;

/// `rerank`.
pub(in crate::config) static RERANK: &[Setting<RerankConfig>] = &[
    setting(
        "mode",
        Kind::Switch(MODES),
        "on | shadow (the database's own response; reranked behind it, for the metrics) | off",
        |to| &mut to.mode,
    ),
    setting(
        "sample",
        Kind::Share,
        "share of queries that are reranked at all; the same query always falls alike",
        |to| &mut to.sample,
    ),
    setting(
        "collections",
        Kind::List(&Kind::Pattern),
        "which may be reranked, by where hits are from; * and ? are wild, a leading - excludes",
        |to| &mut to.collections,
    ),
    setting(
        "providers",
        Kind::List(&Kind::Name),
        "names of `providers`, tried in order; lexical needs no network",
        |to| &mut to.providers,
    ),
    setting(
        "window",
        Kind::Whole(1, MOST_HITS),
        "how many of the best hits are reranked, no more than max_window",
        |to| &mut to.window,
    ),
    setting("max_window", Kind::Whole(1, MOST_HITS), "the largest window, whoever sets it", |to| {
        &mut to.max_window
    }),
    by(
        "fields",
        Kind::Fields,
        "what makes a hit's document: auto (well-known names) | \"*\" (every string field) | [title, body.text]",
        By::Hand(|of| match &of.fields {
            FieldSet::Auto | FieldSet::Template(_) => Shown::One("auto".to_owned()),
            FieldSet::All => Shown::One("*".to_owned()),
            FieldSet::Named(names) => Shown::List(names.clone()),
        }),
    ),
    by(
        "template",
        Kind::Text,
        "how fields and labels make it, such as \"{title}\\n{body}\"; a missing field leaves no label; {day:date}; instead of fields",
        By::Hand(|of| match &of.fields {
            FieldSet::Template(template) => Shown::One(template.text().to_owned()),
            _ => Shown::Null,
        }),
    ),
    setting(
        "passages.bytes",
        Kind::Whole(LEAST_PASSAGE, MOST_PASSAGE),
        "score a longer document by passages of so many bytes that end with a sentence; not set: as a whole",
        |to| &mut to.passage_bytes,
    ),
    setting(
        "passages.overlap",
        Kind::Whole(0, MOST_PASSAGE / 2),
        "how many bytes of a passage the next one repeats, up to half of it, which is the default of short ones",
        |to| &mut to.passage_overlap,
    ),
    setting("passages.most", Kind::Whole(1, MOST_PASSAGES), "the most passages of a document", |to| {
        &mut to.most_passages
    }),
    setting(
        "passages.sum_of_best",
        Kind::Whole(1, MOST_PASSAGES),
        "a document's score: 1 (its best passage's) | more (the sum of so many)",
        |to| &mut to.passages_summed,
    ),
    setting(
        "instruction",
        Kind::Text,
        "what counts as relevant beside the query, in words, for providers that take an instruction (voyage, vllm)",
        |to| &mut to.instruction,
    ),
    by(
        "score",
        Kind::ScoreMode,
        "keep (hits' own) | replace (by relevance) | rrf (fuse both orders by ranks) | linear (by scores); the last two also as \
         { fuse: rrf, k: 60, weight: 1 }",
        By::Hand(|of| Shown::One(score::text(of.score))),
    ),
    by(
        "boosts",
        Kind::Boosts,
        "what fields add to relevance: [{ field: published, half_life: 30d, weight: 0.4 }], or with pivot (of a number), or values \
         with weight, floor or cap",
        By::Hand(|of| Shown::One(boosts::text(&of.boosts))),
    ),
    setting("annotate", Kind::Bool, "add rerank_score and rerank_from to every hit", |to| &mut to.annotate),
    setting(
        "answer_block",
        Kind::Bool,
        "say in the body of a JSON response how its searches ended: a member rerank, as the headers say it",
        |to| &mut to.answer_block,
    ),
    setting(
        "confidence.model",
        Kind::Name,
        "the model of the first provider whose scores were fitted (rerankd calibrate prints all four); others' say nothing",
        |to| &mut to.confidence_model,
    ),
    setting("confidence.slope", Kind::Number, "of the fit: over 0", |to| &mut to.confidence_slope),
    setting(
        "confidence.intercept",
        Kind::Number,
        "of the fit: a hit is relevant with probability 1 / (1 + e^-(slope * ln(score / (1 - score)) + intercept))",
        |to| &mut to.confidence_intercept,
    ),
    setting(
        "confidence.least",
        Kind::Share,
        "nothing is relevant if the best hit is less likely; not set: that is never said",
        |to| &mut to.confidence_least,
    ),
    setting(
        "on_nothing_relevant",
        Kind::Word(NOTHING_RELEVANT),
        "keep (and count) | header (say so) | empty (drop the hits of the window, and say so)",
        |to| &mut to.on_nothing_relevant,
    ),
    setting(
        "drift.model",
        Kind::Name,
        "the model of the first provider whose best scores are watched (rerankd calibrate prints all three)",
        |to| &mut to.drift_model,
    ),
    setting(
        "drift.searches",
        Kind::Whole(50, 1_000_000_000),
        "how many searches the quantiles are of",
        |to| &mut to.drift_searches,
    ),
    setting(
        "drift.quantiles",
        Kind::List(&Kind::Score),
        "of the best score of each search, from the lowest to the highest, all as far apart; where scores have moved from them, \
         min_score and confidence do not apply",
        |to| &mut to.drift_quantiles,
    ),
    setting(
        "min_score",
        Kind::Score,
        "drop hits of the window that score lower; what is low depends on the model",
        |to| &mut to.min_score,
    ),
    setting("min_keep", Kind::Whole(0, MOST_HITS), "keep at least this many of them all the same", |to| {
        &mut to.min_keep
    }),
    setting("deadline", Kind::Duration, "for the rerank step; then the database's order stands", |to| {
        &mut to.deadline
    }),
    setting(
        "shadow_deadline",
        Kind::Duration,
        "for the rerank step of mode: shadow, for which no client waits",
        |to| &mut to.shadow_deadline,
    ),
    setting(
        "partial_scores",
        Kind::Word(PartialScores::WORDS),
        "scores for some hits only: kept (database's order) | partial (scored ones first)",
        |to| &mut to.partial_scores,
    ),
    setting(
        "skip_when.identifiers",
        Kind::Bool,
        "rerank no query that names one thing: a single word with a digit, or with a sign inside (SKU-4711, a@b.org)",
        |to| &mut to.skip_when.identifiers,
    ),
    setting("skip_when.phrases", Kind::Bool, "rerank no query that is one phrase in quotation marks", |to| {
        &mut to.skip_when.phrases
    }),
    setting(
        "skip_when.questions",
        Kind::Bool,
        "rerank no question: a query that ends with a question mark, or begins as questions do (what, how, can i; ten languages)",
        |to| &mut to.skip_when.questions,
    ),
    setting("skip_when.words", Kind::Whole(1, 100), "rerank no query of so many words or fewer", |to| {
        &mut to.skip_when.words
    }),
    setting(
        "skip_when.words_over",
        Kind::Whole(1, 1000),
        "rerank no query of more than so many words",
        |to| &mut to.skip_when.words_over,
    ),
    setting(
        "skip_when.patterns",
        Kind::List(&Kind::Text),
        "rerank no query that matches one of these, such as [\"site:*\"]; * and ? are wild",
        |to| &mut to.skip_when.patterns,
    ),
    setting(
        "margin_gate",
        Kind::Share,
        "no call if the best hit leads the second by so much of the scores' range",
        |to| &mut to.margin_gate,
    ),
    setting(
        "fail_open",
        Kind::Word(FAIL_OPEN),
        "on failure: cut (the widened response) | replay (the client's own request)",
        |to| &mut to.fail_open,
    ),
    setting(
        "widen",
        Kind::Word(WidenMode::WORDS),
        "where widening moves inner limits: replay | never",
        |to| &mut to.widen,
    ),
    setting(
        "query_sources",
        Kind::List(&Kind::Word(QUERY_SOURCES)),
        "where the query's text may come from: header, body, native, embedding (what a vector was made of), and baggage, which \
         travels to other hosts too",
        |to| &mut to.query_sources,
    ),
    setting(
        "query_path",
        Kind::Dotted,
        "where a template's body holds the query text, such as params.query",
        |to| &mut to.query_path,
    ),
    setting(
        "inference_ids",
        Kind::List(&Kind::IdPattern),
        "rerankers of Elasticsearch requests that are served here, such as [my-cohere, \"team-*\"]",
        |to| &mut to.inference_ids,
    ),
    setting(
        "search_pipelines",
        Kind::List(&Kind::Pattern),
        "OpenSearch's, that a request may name and still be reranked",
        |to| &mut to.search_pipelines,
    ),
    setting(
        "allow.models",
        Kind::List(&Kind::Name),
        "models that callers may ask for; callers may always narrow, for more they need this",
        |to| &mut to.allow.models,
    ),
    setting(
        "allow.fields",
        Kind::List(&Kind::FieldName),
        "fields of the document that they may ask for",
        |to| &mut to.allow.fields,
    ),
    setting(
        "allow.instructions",
        Kind::List(&Kind::Text),
        "instructions that they may give instead, such as [\"Prefer laws.\"]; * and ? are wild",
        |to| &mut to.allow.instructions,
    ),
    setting("allow.max_window", Kind::Whole(1, MOST_HITS), "a window up to this one", |to| {
        &mut to.allow.max_window
    }),
    setting("allow.max_deadline", Kind::Duration, "a deadline up to this one", |to| {
        &mut to.allow.max_deadline
    }),
    setting("response_headers", Kind::Bool, "x-rerank-* and server-timing on responses to searches", |to| {
        &mut to.response_headers
    }),
];

/// What a route has besides the keys of `rerank`.
pub(in crate::config) static ROUTE: &[Setting<String>] = &[by(
    "collection",
    Kind::RoutePattern,
    "the pattern of the collections that it is for",
    By::Hand(|of| Shown::One(of.clone())),
)];
