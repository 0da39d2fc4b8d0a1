use std::time::Duration;

use super::*;
use crate::{
    pipeline::{
        DocumentRecord, HitRecord, ListRecord, NewPlace, Origin, Question, Report, ScoredBy, Unscored,
    },
    rerank::{CallEnd, FailureClass, ProviderCall},
    search::{Boosted, HitId, KeepReason, Passage},
};

fn hit(id: &str, from: u64, to: NewPlace, scored_by: ScoredBy) -> HitRecord {
    let scored = matches!(scored_by, ScoredBy::Cache | ScoredBy::Provider);
    HitRecord {
        id: HitId { id: id.to_owned(), index: Some("docs".to_owned()) },
        from,
        to,
        database_score: Some("12.3456789012345".into()),
        relevance: scored.then_some(0.5),
        scored_by,
        boosted: None,
        passage: None,
        document: scored.then(|| DocumentRecord { text: "long \u{1b}[2J ".repeat(300).into(), cut: true }),
    }
}

#[test]
fn of_a_document_in_passages_the_best_one_is_shown() {
    let mut of_best = hit("a", 0, NewPlace::Response(0), ScoredBy::Provider);
    let document = DocumentRecord { text: "Nothing here. Trains are refunded.".into(), cut: false };
    (of_best.document, of_best.passage) = (Some(document), Some(Passage { offset: 14, length: 20 }));
    let out = reported(&explanation(Outcome::Applied, vec![of_best]), false);
    assert!(out.contains("[from 14] Trains are refunded."), "{out}");
}

#[test]
fn what_boosts_added_to_a_hit_is_shown_below_it() {
    let mut boosted = hit("a", 0, NewPlace::Response(0), ScoredBy::Provider);
    boosted.boosted = Some(Box::new(Boosted { score: 0.6, parts: vec![0.3, 0.0, -0.2] }));
    let out = reported(&explanation(Outcome::Applied, vec![boosted]), false);
    assert!(out.contains("boosted: 0.50000 + 0.30000 (1) - 0.20000 (3) = 0.60000"), "{out}");
}

fn explanation(outcome: Outcome, hits: Vec<HitRecord>) -> Explanation {
    let record = SearchRecord {
        started: std::time::SystemTime::UNIX_EPOCH,
        origin: Origin::default(),
        asked: None,
        report: Report { outcome, ..Report::kept(KeepReason::Off) },
        timings: Timings::default(),
        status: Some(200),
        failure: None,
        lists: if hits.is_empty() { Vec::new() } else { vec![ListRecord { hits }] },
    };
    let mut explanation = Explanation { method: "POST".to_owned(), ..Explanation::default() };
    explanation.seen.records.push(record);
    explanation
}

fn reported(explanation: &Explanation, full: bool) -> String {
    table(explanation, Style { full })
}

#[test]
fn every_way_of_a_hit_has_a_row_in_its_part() {
    let nobody = |why| ScoredBy::Nobody(why);
    let out = reported(
        &explanation(
            Outcome::Partial(KeepReason::Timeout),
            vec![
                hit("past", 9, NewPlace::OffPage(9), nobody(Unscored::PastWindow)),
                hit("none", 1, NewPlace::Response(1), nobody(Unscored::NoText)),
                hit("late", 2, NewPlace::Response(2), nobody(Unscored::Reason(KeepReason::Timeout))),
                hit("known", 3, NewPlace::Response(0), ScoredBy::Cache),
                hit("low", 0, NewPlace::BelowFloor, ScoredBy::Provider),
            ],
        ),
        false,
    );
    let at = |part: &str| out.find(part).unwrap_or_else(|| panic!("{part}: {out}"));
    let order = [
        "docs/known",
        "floor: dropped",
        "docs/low",
        "without a score",
        "docs/none",
        "docs/late",
        "end of the window",
        "docs/past",
    ];
    assert!(order.map(at).is_sorted(), "{out}");
    assert!(out.contains("    1     4    +3    12.34568    0.50000  cache "), "{out}");
    assert!(out.contains("    -     1  gone") && out.contains("(10)    10     ="), "{out}");
    assert!(out.contains("RERANKED IN PART by nobody: timeout"), "{out}");
    assert!(out.contains("[it came without any field]"), "{out}");
    assert!(out.contains("[the provider did not answer in time]"), "{out}");
    assert!(!out.contains('\u{1b}'), "escapes of a document stay away from the terminal");
    let wide =
        out.lines().filter(|line| !line.starts_with("    | ")).find(|line| line.chars().count() > WIDTH);
    assert_eq!(wide, None);
}

#[test]
fn a_text_is_shown_to_its_end_only_if_that_is_asked_for() {
    let explanation = explanation(
        Outcome::Applied,
        vec![
            hit("page", 1, NewPlace::Response(0), ScoredBy::Provider),
            hit("off", 0, NewPlace::OffPage(1), ScoredBy::Cache),
        ],
    );
    let (brief, full) = (reported(&explanation, false), reported(&explanation, true));
    assert!(brief.contains("bytes more: --full") && !brief.contains("docs/off, place"), "{brief}");
    assert!(!full.contains("--full") && full.contains("docs/off, place 1"), "{full}");
    assert!(
        full.contains("its score was cached: nothing was sent") && full.contains("the rest was cut"),
        "{full}"
    );
}

#[test]
fn calls_and_questions_are_shown_with_how_they_ended() {
    let mut explanation = explanation(Outcome::Kept(KeepReason::Timeout), Vec::new());
    assert!(reported(&explanation, false).contains("nothing: no call was made"));
    let took = Duration::from_micros(12_340);
    for end in [
        CallEnd::Open,
        CallEnd::ProbeResponse { status: 429, took },
        CallEnd::Failed { class: FailureClass::Timeout, cause: "timeout", took },
    ] {
        explanation.calls.push(ProviderCall {
            provider: "cohere".into(),
            documents: 2,
            method: "POST".to_owned(),
            url: "https://api.cohere.com/v2/rerank".to_owned(),
            headers: vec![("authorization".to_owned(), "Bearer ***".to_owned())],
            body: "{}".into(),
            end,
            response: "slow down".into(),
            heard: None,
        });
    }
    explanation.seen.asked.push(Question {
        target: "/docs/_search".to_owned(),
        body: "{}".into(),
        unchanged: true,
        strips: Vec::new(),
        status: None,
        took,
    });
    let out = reported(&explanation, false);
    for part in [
        "cohere: nobody waited for its end; 2 documents, 2 bytes",
        "cohere: 429 after 12.3 ms",
        "    | {}\n    the response began:\n    | slow down\n",
        "cohere: timeout after 12.3 ms",
        "    POST https://api.cohere.com/v2/rerank\n    authorization: Bearer ***\n\n    | {}\n",
        "  POST /docs/_search: no response after 12.3 ms\n    the client's own body, byte for byte\n",
        "THE DATABASE'S ORDER WAS KEPT: timeout\n  The provider did not answer in time.\n",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
}
