//! What is counted against the budget is what is really allocated. A binary of its own, for its allocator.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header::RETRY_AFTER};
use peak_alloc::PeakAlloc;
use rerankd::{
    body,
    bounds::{Bounds, Limits},
    dialect::{Dialect, Elastic, qdrant::Qdrant},
    embedding::{ENTRY_BYTES, Memory, MemorySettings},
    pipeline::{
        AllowList, CallerHeaders, FailOpen, Mode, Pipeline, PlannedSearch, Profile, Profiles, QuerySource,
        ScoreMode, plan_bytes,
    },
    rerank::{
        CircuitSettings, LexicalSettings, LimitSettings, ProviderKind, ProviderSettings, Providers,
        RerankMetrics, ScoreStore, SingleFlightSettings, StackShared,
    },
    rerank_api::{ApiMetrics, ApiSettings, Offer, RerankApi},
    search::{FetchPlan, FieldSet, Head},
};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;
/// The allocator counts for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// What the allocations of a few small things come to.
const SLACK: usize = 16 << 10;

/// The most bytes that `work` holds at a time.
fn peak<T>(work: impl FnOnce() -> T) -> usize {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let made = work();
    let most = ALLOCATED.peak_usage();
    drop(made);
    most.saturating_sub(before)
}

/// 128 KiB of `part`s between `start` and `end`.
fn many(start: &str, part: &str, end: &str) -> Bytes {
    Bytes::from(format!("{start}{}{end}", part.repeat((128 << 10) / part.len())))
}

fn head<'a>(path: &'a str, headers: &'a HeaderMap) -> Head<'a> {
    Head { method: &Method::POST, path, query: None, headers }
}

fn stack() -> StackShared {
    let metrics = Arc::new(RerankMetrics::register(&prometheus::Registry::new()).unwrap());
    StackShared::new(Arc::new(ScoreStore::new(0, Duration::ZERO, [0; 32])), metrics)
}

/// Reranks everything, lexically.
fn pipeline(mode: Mode) -> Pipeline {
    let provider = ProviderSettings {
        name: "lexical".into(),
        kind: ProviderKind::Lexical(LexicalSettings::default()),
        limits: LimitSettings::default(),
        circuit: CircuitSettings::default(),
        single_flight: SingleFlightSettings::default(),
    };
    let stack = stack();
    let providers = Providers::build(vec![provider], &Providers::default(), &stack).unwrap();
    let default = Profile {
        route: None,
        tenant: None,
        mode,
        sample: 1.0,
        collections: vec!["*".into()],
        reranker: providers.chain(&["lexical".to_owned()], &stack),
        has_provider: true,
        may_ask: Arc::new(|| true),
        asked_again: Arc::new(|_| None),
        first_provider: Some("lexical".into()),
        providers: vec!["lexical".into()],
        window: 50,
        max_window: 200,
        fields: FieldSet::Auto,
        document_bytes: 1 << 18,
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
        min_score: None,
        min_keep: 0,
        deadline: Duration::from_secs(1),
        shadow_deadline: Duration::from_secs(1),
        partial: false,
        margin_gate: None,
        fail_open: FailOpen::Cut,
        widen: true,
        sources: vec![QuerySource::Header],
        query_path: None,
        inference_ids: vec!["*".into()],
        search_pipelines: Vec::new(),
        allow: AllowList::default(),
    };
    Pipeline::new(Profiles { routes: Vec::new(), default: Arc::new(default) })
}

#[test]
fn reading_a_request_takes_no_more_than_is_counted_for_it() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let long = format!("/{}/_msearch", "a,".repeat(200));
    let headers = HeaderMap::new();
    for (path, dialect, body) in [
        ("/collections/c/points/query", &Qdrant as &dyn Dialect, many(r#"{"query":["#, "0,", "0]}")),
        ("/collections/c/points/query", &Qdrant, many(r#"{"query":{"#, r#""a":1,"#, r#""b":1}}"#)),
        ("/collections/c/points/query", &Qdrant, many(r#"{"prefetch":["#, "{},", "{}]}")),
        ("/collections/c/points/query", &Qdrant, many(r#"{"filter":"#, "[", "")),
        ("/collections/c/points/query/batch", &Qdrant, many(r#"{"searches":["#, r#"{"limit":1},"#, "{}]}")),
        ("/i/_search", &Elastic, many(r#"{"query":{"match":{"t":"x"}},"a":["#, "0,", "0]}")),
        ("/i/_search", &Elastic, many("{", r#""a":{},"#, r#""b":1}"#)),
        ("/i/_search", &Elastic, many(r#"{"query":{"bool":{"must":["#, r#"{"match":{"t":"x"}},"#, "{}]}}}")),
        ("/i/_msearch", &Elastic, many("", "{}\n{}\n", "")),
        (&long, &Elastic, Bytes::from("{}\n{}\n".repeat(1000))),
    ] {
        let endpoint = dialect.route(&head(path, &headers)).unwrap().endpoint;
        let counted = endpoint.working_bytes(&body);
        let case = String::from_utf8_lossy(&body[..30]).into_owned();
        let (mut intents, mut request) = (Vec::new(), None);
        let parsed = peak(|| {
            request = endpoint.clone().read(body.clone()).ok();
            if let Some(request) = &request {
                intents = request.intents().unwrap_or_default();
            }
        });
        assert!(parsed <= counted + SLACK, "{case}: parsing took {parsed}, counted {counted}");

        let before = ALLOCATED.current_usage();
        let again = endpoint.clone().read(body.clone()).ok();
        let held = ALLOCATED.current_usage().saturating_sub(before);
        let held_counted = again.as_ref().map_or(0, |request| request.held_bytes());
        assert!(held <= held_counted + SLACK, "{case}: a reading holds {held}, counted {held_counted}");
        drop(again);

        for mode in [Mode::On, Mode::Shadow] {
            let pipeline = pipeline(mode);
            let (mut searches, mut planned, mut plans_counted) = (Vec::new(), 0, 0);
            for text in ["zebra", &"zebra ".repeat(1000)] {
                let caller = CallerHeaders { query: Some(text.to_owned()), ..CallerHeaders::default() };
                let intents = intents.clone();
                (searches, plans_counted) = (Vec::new(), plan_bytes(&intents, &caller));
                planned = peak(|| searches = pipeline.plan(intents, &caller, &body));
                assert!(
                    planned <= plans_counted + SLACK,
                    "{case}: plans took {planned}, counted {plans_counted}"
                );
            }

            let widened = peak(|| {
                // What follows behind the response has its own copy.
                let behind: Vec<PlannedSearch> = match mode {
                    Mode::Shadow => searches.iter().map(PlannedSearch::in_shadow).collect(),
                    _ => Vec::new(),
                };
                let searches = if behind.is_empty() { &searches } else { &behind };
                let plans: Vec<FetchPlan> = searches.iter().map(|search| search.fetch.clone()).collect();
                request.as_ref().map(|request| request.rewrite(&plans))
            });
            let most = counted + plans_counted + body.len() + SLACK;
            assert!(planned + widened <= most, "{case}: {planned} + {widened} for widening, counted {most}");
        }
    }
}

#[test]
fn reading_a_response_takes_no_more_than_is_counted_for_it() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let headers = HeaderMap::new();
    for (path, dialect, body) in [
        (
            "/collections/c/points/query",
            &Qdrant as &dyn Dialect,
            many(r#"{"result":{"points":["#, r#"{"id":1,"score":0.5},"#, "{}]}}"),
        ),
        ("/collections/c/points/query", &Qdrant, many(r#"{"result":{"points":["#, "{},", "{}]}}")),
        ("/collections/c/points/query", &Qdrant, many(r#"{"result":{"points":["#, "0,", "0]}}")),
        ("/collections/c/points/query", &Qdrant, many("{", r#""a":1,"#, r#""b":1}"#)),
        ("/i/_search", &Elastic, many(r#"{"hits":{"hits":["#, r#"{"_score":1.0},"#, "{}]}}")),
        ("/i/_search", &Elastic, many(r#"{"hits":{"hits":["#, r#"{"_source":{"a":1,"b":2}},"#, "{}]}}")),
    ] {
        let endpoint = dialect.route(&head(path, &headers)).unwrap().endpoint;
        let request = endpoint.read(Bytes::from_static(b"{}")).unwrap();
        let counted = request.page_bytes(&body);
        let mut places = 0;
        let copy = body.clone();
        let split = peak(|| {
            let page = request.page(copy);
            places = page.as_ref().map_or(0, |page| page.held_bytes());
            page
        });
        let start = String::from_utf8_lossy(&body[..30]).into_owned();
        assert!(split <= counted + SLACK, "{start}: splitting took {split}, counted {counted}");
        assert!(places <= split);
    }
}

/// The rerank API with no provider, within so many bytes.
fn rerank_api(buffered_bytes: usize) -> RerankApi {
    let settings = ApiSettings {
        offer: Offer::default(),
        deadline: Duration::from_secs(10),
        max_documents: 10_000,
        max_request_bytes: 8 << 20,
        response_headers: true,
        token: None,
    };
    let bounds = Bounds::new(Limits { buffered_bytes, searches: 1 });
    let metrics = ApiMetrics::register(&prometheus::Registry::new()).unwrap();
    RerankApi::new(settings, Providers::default().chain(&[], &stack()), bounds, metrics)
}

#[test]
fn a_request_to_the_rerank_api_takes_no_more_than_the_budget_that_lets_it_through() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for body in [
        many(r#"{"model":"m","query":"q","documents":["#, r#""a","#, r#""b"]}"#),
        many(r#"{"model":"m","query":"q","documents":["#, r#""zebra crossing at noon","#, r#""b"]}"#),
        many(r#"{"query":"q","return_documents":true,"documents":["#, r#"{"text":"a"},"#, r#""b"]}"#),
        many(r#"{"query":"q","rank_fields":["a"],"documents":["#, r#"{"a":"x","b":1},"#, r#"{"a":"b"}]}"#),
        many(r#"{"query":"q","documents":["#, "1,", "1]}"),
        many(r#"{"query":"q","#, r#""a":1,"#, r#""documents":["b"]}"#),
    ] {
        let case = String::from_utf8_lossy(&body[..60]).into_owned();
        let path = if case.contains("model") { "/v2/rerank" } else { "/v1/rerank" };
        // Whether there was room, and what was taken. Only what has none is told to come back.
        let ask = |bytes: usize| {
            let api = rerank_api(bytes);
            let request = Request::post(path).body(body::full(body.clone())).unwrap();
            let mut response = None;
            let taken = peak(|| response = Some(runtime.block_on(api.respond(request))));
            let passed = response.is_some_and(|response| !response.headers().contains_key(RETRY_AFTER));
            (passed, taken)
        };
        let (mut rejected, mut passes) = (body.len(), 16 << 20);
        assert!(ask(passes).0 && !ask(rejected).0, "{case}");
        while passes - rejected > passes / 32 {
            let middle = (passes + rejected) / 2;
            if ask(middle).0 { passes = middle } else { rejected = middle }
        }
        let (_, taken) = ask(passes);
        assert!(taken + body.len() <= passes + SLACK, "{case}: took {taken} of {passes}");
    }
}

/// A vector of its own for each number, its components of either sign.
fn embedding(n: u64) -> Vec<f32> {
    let mut state = n;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..128).map(|_| next()).collect()
}

#[test]
fn a_remembered_text_takes_at_most_200_bytes_beside_itself_and_what_is_counted_for_it() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let text = "x".repeat(60);
    assert_eq!(ENTRY_BYTES, 200);
    for tolerant in [false, true] {
        // Few, many, the table just grown, and a full memory after many evictions.
        for count in [0_u64, 1000, 15_000, 40_000] {
            let before = ALLOCATED.current_usage();
            let settings = MemorySettings { tolerant, max_bytes: 4 << 20, ..MemorySettings::default() };
            let memory = Memory::new(settings, &[7; 32]);
            for n in 0..count {
                assert!(memory.remember(&embedding(n), &text));
            }
            let held = ALLOCATED.current_usage().saturating_sub(before);
            let most = memory.entries() * (ENTRY_BYTES + text.len());
            let case = format!("{} of {count} texts, tolerant {tolerant}", memory.entries());
            assert!(held <= most + SLACK, "{case}: {held} bytes, at most {most} are allowed");
            assert!(held <= memory.bytes() + SLACK, "{case}: {held} bytes, counted {}", memory.bytes());
            assert!(memory.bytes() <= 4 << 20, "{case}");
            assert!(memory.entries() as u64 >= count.min((4 << 20) / 260 * 9 / 10), "{case}");
        }
    }
}
