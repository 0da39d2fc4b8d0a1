use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;
use tower::{service_fn, util::BoxCloneSyncService};

use super::*;
use crate::{
    bounds::{Budget, Permit},
    pipeline::{
        AllowList, Asked, CallerHeaders, FailOpen, Mode, Pipeline, Profile, Profiles, QuerySource, ScoreMode,
        Waiting,
    },
    rerank::{RerankError, RerankRequest, Reranker, Scores},
    search::{CallerOptions, FieldSet, NativeText, SearchIntent, Widening},
    wire::json::{
        HitArray, JsonPage, PageStyle, Value,
        hits::{Fields, Hit},
    },
};

/// Scores documents by the number that they begin with; what has none stays without. The first two are known.
fn by_number() -> Reranker {
    BoxCloneSyncService::new(service_fn(|request: RerankRequest| async move {
        let number = |document: &crate::search::Document| {
            document.text().split(' ').next().and_then(|word| word.parse::<f32>().ok())
        };
        let scores: Vec<Option<f32>> = request.documents.iter().map(number).collect();
        Ok(Scores {
            missed: (2..scores.len()).collect(),
            cache_lookups: scores.len() as u32,
            cache_hits: 2,
            sent_bytes: Some(8),
            scores,
            ..Scores::default()
        })
    }))
}

fn failing() -> Reranker {
    BoxCloneSyncService::new(service_fn(|_: RerankRequest| async { Err(RerankError::Deadline) }))
}

fn profile(reranker: Reranker) -> Profile {
    Profile {
        route: None,
        tenant: None,
        mode: Mode::On,
        sample: 1.0,
        collections: vec!["*".to_owned()],
        reranker,
        has_provider: true,
        may_ask: Arc::new(|| true),
        asked_again: Arc::new(|_| None),
        first_provider: None,
        providers: Vec::new(),
        window: 5,
        max_window: 200,
        fields: FieldSet::Auto,
        document_bytes: 1024,
        passages: None,
        cohere_model: None,
        instruction: None,
        instructed: Vec::new(),
        skip_when: Default::default(),
        score: ScoreMode::Keep,
        boosts: None,
        annotate: false,
        answer_block: false,
        confidence: None,
        drift: None,
        min_score: Some(0.2),
        min_keep: 0,
        deadline: Duration::from_secs(1),
        shadow_deadline: Duration::from_secs(1),
        partial: true,
        margin_gate: None,
        fail_open: FailOpen::Cut,
        widen: true,
        sources: vec![QuerySource::Header],
        query_path: None,
        inference_ids: Vec::new(),
        search_pipelines: Vec::new(),
        allow: AllowList::default(),
    }
}

fn intent() -> SearchIntent {
    SearchIntent {
        collections: vec!["c".to_owned()],
        expression: false,
        limit: 2,
        offset: 1,
        keep: None,
        native: NativeText::None,
        recalled: NativeText::None,
        caller: CallerOptions::default(),
        own_members: false,
        own_ext: false,
        vector: Vec::new(),
        widening: Widening::Neutral,
        max_hits: 1000,
        most_per_shard: None,
        grouped: false,
        timeout: None,
        pipeline: None,
        reranker: None,
        pins: Default::default(),
    }
}

/// One list; the hits' payloads.
fn page(payloads: &[&str]) -> Arc<dyn Page> {
    let hit = |(id, payload): (usize, &&str)| format!(r#"{{"id":{id},"score":0.50,"payload":{payload}}}"#);
    let hits: Vec<String> = payloads.iter().enumerate().map(hit).collect();
    let body = Bytes::from(format!("[{}]", hits.join(",")));
    let found = |hit: Value<'_>| Hit {
        span: hit.span(),
        id: hit.get("id").map(Value::span),
        score: hit.get("score").map(Value::span),
        source: hit.get("payload").map(|payload| Fields::new(payload.span(), None)),
        ..Hit::default()
    };
    let hits = Value::parse(&body).unwrap().items().unwrap().into_iter().map(found).collect();
    let list = HitArray { hits: Arc::new(hits), array: 0..body.len(), ..HitArray::default() };
    static STYLE: PageStyle = PageStyle { without_lists: None };
    Arc::new(JsonPage::new(body, vec![list], Vec::new(), &STYLE))
}

/// For documents that nobody counts.
fn held() -> Permit {
    Budget::new(0).nothing()
}

/// The record of a search from `reranker`.
async fn record(reranker: Reranker, capture: Capture) -> (Vec<PlannedSearch>, Vec<HitRecord>) {
    let pipeline = Pipeline::new(Profiles { routes: Vec::new(), default: Arc::new(profile(reranker)) });
    let caller = CallerHeaders { query: Some("secret-query".to_owned()), ..CallerHeaders::default() };
    let searches = pipeline.plan(vec![intent()], &caller, b"{}");
    let page = page(&[
        r#"{"text":"0.5 secret-document"}"#,
        r#"{"text":"0.1 low"}"#,
        r#"{"other":1}"#,
        r#"{"text":"0.9 best one"}"#,
        r#"{"text":"none"}"#,
        r#"{"text":"0.99 late"}"#,
    ]);
    let ranked = pipeline
        .rank(
            &pipeline.judge(&searches, &*page),
            &page,
            Waiting::Client(Instant::now()),
            held(),
            (capture, None),
        )
        .await;
    let trace = ranked.trace.expect("it was asked for");
    let mut lists = trace.lists(&searches, &*page, &ranked.reports, capture);
    let (search, list) = lists.remove(0);
    assert_eq!((search, lists.len()), (0, 0));
    (searches, list.hits)
}

#[tokio::test(start_paused = true)]
async fn every_hit_says_where_it_went_and_who_scored_it_or_why_nobody_did() {
    let (searches, hits) = record(by_number(), Capture::Scores).await;
    let asked = Asked::of(&searches[0], Capture::Scores);
    assert_eq!((asked.window, asked.widened_to, asked.query), (Some(5), Some(5), None));
    let reported: Vec<_> = hits.iter().map(|hit| (hit.from, hit.to, hit.scored_by)).collect();
    let budget = Unscored::Reason(KeepReason::Budget);
    assert_eq!(
        reported,
        [
            (0, NewPlace::Response(1), ScoredBy::Cache),
            (1, NewPlace::BelowFloor, ScoredBy::Cache),
            (2, NewPlace::Response(2), ScoredBy::Nobody(Unscored::NoText)),
            (3, NewPlace::OffPage(0), ScoredBy::Provider),
            (4, NewPlace::OffPage(3), ScoredBy::Nobody(budget)),
            // The place that the floor emptied stays empty: other pages have this hit there, too.
            (5, NewPlace::OffPage(5), ScoredBy::Nobody(Unscored::PastWindow)),
        ]
    );
    assert_eq!((hits[3].relevance, hits[3].database_score.as_deref()), (Some(0.9), Some("0.50")));
    assert!(hits.iter().all(|hit| hit.document.is_none()), "no text at this level");
}

#[tokio::test(start_paused = true)]
async fn text_is_kept_as_it_was_sent_and_never_in_debug() {
    let (searches, hits) = record(by_number(), Capture::Text).await;
    let documents: Vec<_> = hits.iter().map(|hit| hit.document.as_ref().map(|d| (&*d.text, d.cut))).collect();
    assert_eq!(
        documents,
        [
            // Its score was known, so nothing was sent.
            Some(("0.5 secret-document", false)),
            Some(("0.1 low", false)),
            None,
            Some(("0.9 best", true)),
            Some(("none", false)),
            None,
        ]
    );
    let asked = Asked::of(&searches[0], Capture::Text);
    assert_eq!(asked.query.as_deref(), Some("secret-query"));
    let debug = format!("{asked:?} {hits:?}");
    assert!(!debug.contains("secret") && debug.contains("bytes: 19"), "{debug}");
}

#[tokio::test(start_paused = true)]
async fn where_the_call_failed_nothing_moved_and_the_reason_is_reported() {
    let (_, hits) = record(failing(), Capture::Scores).await;
    let places: Vec<_> = hits.iter().map(|hit| hit.to).collect();
    let off = NewPlace::OffPage;
    assert_eq!(places, [off(0), NewPlace::Response(1), NewPlace::Response(2), off(3), off(4), off(5)]);
    let reason = ScoredBy::Nobody(Unscored::Reason(KeepReason::Deadline));
    assert_eq!((hits[0].scored_by, hits[2].scored_by), (reason, ScoredBy::Nobody(Unscored::NoText)));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_where_nobody_asks() {
    let profile = profile(by_number());
    let pipeline = Pipeline::new(Profiles { routes: Vec::new(), default: Arc::new(profile) });
    let caller = CallerHeaders { query: Some("q".to_owned()), ..CallerHeaders::default() };
    let searches = pipeline.plan(vec![intent()], &caller, b"{}");
    let page = page(&[r#"{"text":"0.5"}"#, r#"{"text":"0.6"}"#]);
    let ranked = pipeline
        .rank(&pipeline.judge(&searches, &*page), &page, Waiting::Nobody, held(), (Capture::Off, None))
        .await;
    assert!(ranked.trace.is_none() && ranked.rankings[0].is_some());
}
