//! `providers.<name>`: what is behind HTTP, what it may be asked and may cost, and the one that needs no network.

use crate::{
    config::{
        kind::Kind,
        setting::{By, Setting, Shown, by, setting},
    },
    rerank::{Activation, ApiKey, HttpKind, HttpSettings, LexicalSettings, ProviderSettings, Scoring},
};

/// What every provider behind HTTP has, and what only some kinds have (`priority` and on).
pub(in crate::config) static HTTP: &[Setting<HttpSettings>] = &[
    by("kind", Kind::Provider, KIND, By::Hand(|of| Shown::One(of.kind.as_str().to_owned()))),
    by(
        "base_url",
        Kind::Url,
        "the kind's path is appended; CO_API_URL overrides it",
        By::Hand(|of| Shown::One(of.base_url.clone())),
    ),
    by(
        "api_key",
        Kind::Text,
        "",
        By::Printed(|of| match of.api_key {
            ApiKey::Secret(_) => Shown::One("***".to_owned()),
            ApiKey::Missing | ApiKey::NotNeeded => Shown::Null,
        }),
    ),
    by(
        "api_key_env",
        Kind::Text,
        "the variable that holds the key; COHERE_API_KEY is tried after this one",
        By::Read("CO_API_KEY"),
    ),
    by("api_key_file", Kind::File, "a file that holds the key, instead of the variable", By::Read("null")),
    by(
        "model",
        Kind::Name,
        "the model, unless a request names one that `allow` lets it",
        By::Hand(|of| of.model.clone().map_or(Shown::Null, Shown::One)),
    ),
    setting(
        "max_tokens_per_doc",
        Kind::Whole(1, 1_000_000),
        "null: the service's own default. Sent to cohere, azure-cohere, vllm and litellm; for the others texts are cut, at \
         3 bytes a token",
        |to| &mut to.max_tokens_per_doc,
    ),
    setting(
        "max_bytes_per_doc",
        Kind::Size(256, 256 << 10),
        "texts are cut to this before they are sent. Default 32KiB for tei, vllm, infinity, litellm, llama-cpp, localai, \
         xinference and jina",
        |to| &mut to.max_bytes_per_doc,
    ),
    setting(
        "priority",
        Kind::Whole(0, 999),
        "cohere only; null: the service's own default; 0 is the most urgent",
        |to| &mut to.priority,
    ),
    setting(
        "activation",
        Kind::Word(&ACTIVATIONS),
        "vllm, infinity, litellm, llama-cpp, localai, xinference: none | sigmoid, for models of logits; responses that lie \
         within 0 to 1 are left alone. Default none, for llama-cpp sigmoid",
        |to| &mut to.activation,
    ),
    setting(
        "scoring",
        Kind::Word(&SCORINGS),
        "litellm, localai, xinference: pointwise | listwise, where the model's name does not say",
        |to| &mut to.scoring,
    ),
    by("region", Kind::Name, "bedrock-cohere: instead of base_url; AWS_REGION if not set", By::Read("null")),
    setting("ca_file", Kind::File, "trust this PEM file beside the system's roots", |to| &mut to.ca_file),
    setting("timeout", Kind::Duration, "for one call; the search's deadline ends it sooner", |to| {
        &mut to.timeout
    }),
];

/// The limits of a provider behind HTTP on calls and cost, and its circuit.
pub(in crate::config) static LIMITS: &[Setting<ProviderSettings>] = &[
    setting("max_concurrency", CALLS, "calls at the same time; more are shed", |to| {
        &mut to.limits.max_concurrency
    }),
    setting("requests_per_minute", RATE, "calls in any minute, retries counted; more are shed", |to| {
        &mut to.limits.requests_per_minute
    }),
    setting(
        "max_search_units_per_minute",
        BUDGET,
        "beyond it: kept; reason=budget. Counts begin anew with the process",
        |to| &mut to.limits.search_units.per_minute,
    ),
    setting("max_search_units_per_day", BUDGET, "likewise; days are UTC", |to| {
        &mut to.limits.search_units.per_day
    }),
    setting(
        "max_search_units_per_search",
        Kind::Whole(1, 1000),
        "documents are cut, then the window, so that one search stays within",
        |to| &mut to.limits.search_units_per_search,
    ),
    setting("max_tokens_per_minute", BUDGET, "the same for providers that bill tokens", |to| {
        &mut to.limits.tokens.per_minute
    }),
    setting("max_tokens_per_day", BUDGET, "likewise", |to| &mut to.limits.tokens.per_day),
    setting(
        "finish_in_background",
        Kind::Bool,
        "calls whose callers are all gone go on, to fill the cache",
        |to| &mut to.single_flight.finish_in_background,
    ),
    setting(
        "max_in_background",
        Kind::Whole(0, 100_000),
        "the most of them at a time; others are cancelled",
        |to| &mut to.single_flight.max_in_background,
    ),
    setting("breaker.failure_ratio", Kind::Share, "the circuit opens at this share of failed calls", |to| {
        &mut to.circuit.failure_ratio
    }),
    setting("breaker.slow_ratio", Kind::Share, "or at this share of slow calls", |to| {
        &mut to.circuit.slow_ratio
    }),
    setting("breaker.slow_call", Kind::Duration, "from when on a call is slow", |to| {
        &mut to.circuit.slow_call
    }),
    setting(
        "breaker.min_calls",
        Kind::Whole(1, 1_000_000),
        "calls in the window before a share counts",
        |to| &mut to.circuit.min_calls,
    ),
    setting("breaker.window", Kind::Duration, "how far back calls are counted", |to| &mut to.circuit.window),
    setting(
        "breaker.open_for",
        Kind::Duration,
        "before it is tried again; doubled each time it fails then, up to 1m",
        |to| &mut to.circuit.open_for,
    ),
    setting(
        "breaker.probes",
        Kind::Whole(1, 1000),
        "calls that try it, and successes that close it again",
        |to| &mut to.circuit.probes,
    ),
];

/// What the provider that needs no network has.
pub(in crate::config) static LEXICAL: &[Setting<LexicalSettings>] = &[
    by("kind", Kind::Provider, KIND, By::Hand(|_| Shown::One("lexical".to_owned()))),
    setting(
        "fuse",
        Kind::Bool,
        "lexical only: fuse its order with the database's; false: its order stands alone",
        |to| &mut to.fuse,
    ),
];

const KIND: &str = "what it is; a provider with the name of its kind needs none";

/// How much of a bill may be spent in a minute or a day.
pub(super) const BUDGET: Kind = Kind::Whole(1, 1_000_000_000_000);
/// Calls at a time.
pub(super) const CALLS: Kind = Kind::Whole(1, 100_000);
/// Calls in any minute.
pub(super) const RATE: Kind = Kind::Whole(1, 10_000_000);

static ACTIVATIONS: [&str; 2] = ["none", "sigmoid"];
static SCORINGS: [&str; 2] = ["pointwise", "listwise"];

impl crate::config::setting::Scalar for Activation {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(if text == "sigmoid" { Self::Sigmoid } else { Self::None })
    }

    fn to_text(&self) -> String {
        let [none, sigmoid] = ACTIVATIONS;
        if *self == Self::Sigmoid { sigmoid } else { none }.to_owned()
    }
}

impl crate::config::setting::Scalar for Scoring {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(if text == "listwise" { Self::Listwise } else { Self::Pointwise })
    }

    fn to_text(&self) -> String {
        let [pointwise, listwise] = SCORINGS;
        if *self == Self::Listwise { listwise } else { pointwise }.to_owned()
    }
}

/// Keys that not every kind behind HTTP has, each with the words of those that do.
pub(in crate::config) fn is_of(key: &str, kind: HttpKind) -> bool {
    use crate::rerank::Setting as Own;
    let own = match key {
        "priority" => Own::Priority,
        "activation" => Own::Activation,
        "scoring" => Own::Scoring,
        "region" => Own::Region,
        _ => return true,
    };
    kind.facts().settings.contains(&own)
}
