//! What is read from and made of Weaviate's messages, held against recorded traffic and invented messages.

mod messages;

use std::{collections::HashMap, fs};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};
use prost::Message as _;

use super::*;
use crate::{
    dialect::{
        DialectError,
        laws::{Sample, Widened},
        test_support::OfBody,
    },
    search::{
        FetchPlan, HitAt, KeepReason, NativeText, PathStep, Ranked, Ranking, ScoreWriting, SearchIntent,
        Strip, WantedFields, Widening,
    },
    wire::{Page, Score},
};
use messages::*;

const PATH: &str = "/weaviate.v1.Weaviate/Search";

/// The messages of each stream in one direction of a recorded connection, without gRPC's prefix.
fn streams(file: &str, preface: usize) -> HashMap<u32, Bytes> {
    const DATA: u8 = 0;
    let all =
        fs::read(format!("{}/tests/fixtures/weaviate-grpc/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut rest = &all[preface..];
    let mut streams: HashMap<u32, Vec<u8>> = HashMap::new();
    while let Some((head, after)) = rest.split_first_chunk::<9>() {
        let &[a, b, c, kind, _, stream @ ..] = head;
        let (payload, after) = after.split_at(u32::from_be_bytes([0, a, b, c]) as usize);
        if kind == DATA {
            streams.entry(u32::from_be_bytes(stream)).or_default().extend(payload);
        }
        rest = after;
    }
    streams.into_iter().map(|(stream, body)| (stream, Bytes::from(body).slice(5..))).collect()
}

/// The recorded searches: BM25, near a vector, hybrid.
fn recorded() -> [Sample; 3] {
    let (requests, responses) = (streams("01.request", 24), streams("01.response", 0));
    [(3, "bm25"), (5, "near_vector"), (7, "hybrid")]
        .map(|(stream, name)| sample(name, requests[&stream].clone(), responses[&stream].clone()))
}

fn sample(name: &str, request: Bytes, response: Bytes) -> Sample {
    Sample {
        name: format!("weaviate-grpc: {name}"),
        dialect: &WeaviateGrpc,
        method: Method::POST,
        target: PATH.to_owned(),
        headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))]),
        request,
        response,
    }
}

/// Searches with their responses, for the laws.
pub(in crate::dialect) fn samples() -> Vec<Sample> {
    recorded()
        .into_iter()
        .chain([sample("every sort of property", bm25("a").message(), every_sort())])
        .collect()
}

/// Searches for a part of the properties or none, and the response with all of them.
pub(in crate::dialect) fn widened() -> Vec<Widened> {
    let [full, ..] = recorded();
    let of = |names: &[&str], fields: &[&str]| {
        let request = SearchRequest { properties: Some(properties(names)), ..bm25("train refund") };
        Widened {
            own: sample("some properties", request.message(), with_only(&full.response, names)),
            plan: plan(50, fields),
            more: full.response.clone(),
        }
    };
    vec![of(&["n"], &["text", "title"]), of(&[], &["text", "title", "n"]), of(&[], &["*"])]
}

/// A recorded response with these properties alone.
fn with_only(response: &Bytes, names: &[&str]) -> Bytes {
    let mut reply = SearchReply::decode(response.clone()).unwrap();
    for result in &mut reply.results {
        let of = result.properties.as_mut().unwrap();
        of.non_ref_props.as_mut().unwrap().fields.retain(|name, _| names.contains(&name.as_str()));
        of.non_ref_props.take_if(|_| names.is_empty());
    }
    Bytes::from(reply.encode_to_vec())
}

/// A hit with a property of every sort.
fn every_sort() -> Bytes {
    let nested = Properties { fields: [("inner".to_owned(), Value::text("deep"))].into() };
    let list = |kind| Value { kind: Some(Kind::List(ListValue { kind: Some(kind) })) };
    let fields = [
        ("number", Value { kind: Some(Kind::Number(0.5)) }),
        ("old", Value { kind: Some(Kind::String("of 1.24".to_owned())) }),
        ("yes", Value { kind: Some(Kind::Bool(true)) }),
        ("object", Value { kind: Some(Kind::Object(nested.clone())) }),
        ("date", Value { kind: Some(Kind::Date("2026-11-29T00:00:00Z".to_owned())) }),
        ("whole", Value { kind: Some(Kind::Int(-7)) }),
        ("blob", Value { kind: Some(Kind::Blob("QUJD".to_owned())) }),
        ("none", Value { kind: Some(Kind::Null(0)) }),
        ("text", Value::text("train")),
        ("texts", list(ListKind::Texts(Texts { values: vec!["a".to_owned(), "b".to_owned()] }))),
        ("objects", list(ListKind::Objects(Objects { values: vec![nested.clone(), nested] }))),
        ("numbers", list(ListKind::Numbers(Packed { values: 0.5_f64.to_le_bytes().to_vec() }))),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value)).into();
    let result = |id: u8| SearchResult {
        properties: Some(PropertiesResult {
            target_collection: "Docs".to_owned(),
            non_ref_props: Some(Properties { fields: HashMap::clone(&fields) }),
        }),
        metadata: Some(Metadata {
            id_as_bytes: vec![id; 16],
            distance: 0.25,
            distance_present: true,
            ..Metadata::default()
        }),
    };
    Bytes::from(SearchReply { took: 0.5, results: vec![result(1), result(0xab)] }.encode_to_vec())
}

fn plan(hits: impl Into<Option<u64>>, fields: &[&str]) -> FetchPlan {
    let fields = match fields {
        ["*"] => WantedFields::All,
        names => WantedFields::Named(names.iter().map(|name| (*name).to_owned()).collect()),
    };
    FetchPlan { hits: hits.into(), fields, ..FetchPlan::as_asked() }
}

fn properties(names: &[&str]) -> PropertiesRequest {
    PropertiesRequest { names: names.iter().map(|name| (*name).to_owned()).collect(), ..Default::default() }
}

/// A search of a client of today.
fn search() -> SearchRequest {
    SearchRequest { collection: "Docs".to_owned(), limit: 5, uses_123_api: true, ..SearchRequest::default() }
}

fn bm25(text: &str) -> SearchRequest {
    SearchRequest { bm25: Some(Bm25 { query: text.to_owned() }), ..search() }
}

fn near(near_vector: NearVector) -> SearchRequest {
    SearchRequest { near_vector: Some(near_vector), ..search() }
}

fn bytes_of(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|component| component.to_le_bytes()).collect()
}

fn request(message: Bytes) -> Arc<dyn crate::dialect::SearchRequest> {
    let headers = HeaderMap::new();
    let head = Head { method: &Method::POST, path: PATH, query: None, headers: &headers };
    WeaviateGrpc.read_body(&head, &message).unwrap()
}

fn parsed(message: Bytes) -> Result<SearchIntent, DialectError> {
    request(message).intents().map(|intents| intents.into_iter().next().unwrap())
}

fn intent(of: &SearchRequest) -> SearchIntent {
    parsed(of.message()).unwrap()
}

fn vectors(of: &SearchRequest) -> Vec<Vec<f32>> {
    let mut found = Vec::new();
    request(of.message()).vectors(&[0], &mut |_, vector| found.push(vector.to_vec())).unwrap();
    found
}

fn one(text: &str) -> NativeText {
    NativeText::One(text.to_owned())
}

#[test]
fn the_search_method_is_known_and_nothing_else() {
    let headers = HeaderMap::new();
    let found = |path: &str| {
        let route = WeaviateGrpc.route(&Head { method: &Method::POST, path, query: None, headers: &headers });
        route.map(|route| route.below_prefix)
    };
    assert_eq!(found(PATH), Some(false));
    assert_eq!(found("/db/weaviate.v1.Weaviate/Search"), Some(true));
    for other in [
        "/weaviate.v1.Weaviate/BatchObjects",
        "/weaviate.v1.Weaviate/BatchStream",
        "/weaviate.v1.Weaviate/Aggregate",
        "/weaviate.v1.Weaviate/search",
        "/weaviate.v1.Weaviate/Search/",
        "/weaviate.v1.WeaviateFileReplication/Search",
        "/xweaviate.v1.Weaviate/Search",
        "/grpc.health.v1.Health/Check",
    ] {
        assert_eq!(found(other), None, "{other}");
    }
}

#[test]
fn the_recorded_searches_of_the_python_client_are_read() {
    let [bm25, near_vector, hybrid] = recorded();
    let read = |sample: &Sample| parsed(sample.request.clone()).unwrap();
    let bm25 = read(&bm25);
    assert_eq!((bm25.collections, bm25.limit, bm25.offset), (vec!["Docs".to_owned()], 5, 0));
    assert_eq!((bm25.keep, bm25.widening), (None, Widening::Neutral));
    assert!(bm25.native == one("train refund") && bm25.vector.is_empty());
    let near = read(&near_vector);
    assert!(near.native == NativeText::None && near.keep.is_none());
    assert_eq!(near.widening, Widening::Neutral);
    assert_eq!(
        near.vector.iter().map(|&component| component as f32).collect::<Vec<_>>(),
        [0.3, 0.2, -0.5, 0.1]
    );
    let hybrid = read(&hybrid);
    assert!(hybrid.native == one("train refund") && hybrid.keep.is_none());
    assert_eq!((hybrid.limit, hybrid.offset, hybrid.vector.len()), (5, 2, 4));
    assert_eq!(hybrid.widening, Widening::NotNeutral, "fusion depends on how many hits are fused");
}

#[test]
fn the_hits_of_a_recorded_response_have_id_score_and_text() {
    let [bm25, near_vector, _] = recorded();
    let page = |sample: &Sample| response::page(sample.response.clone()).unwrap();
    let (of_words, of_vector) = (page(&bm25), page(&near_vector));
    let at = HitAt { list: 0, hit: 0 };
    assert_eq!((of_words.lists()[0].hits, of_vector.lists()[0].hits), (5, 5));
    assert_eq!(of_words.id(at).id, "2b254a85-147d-4275-bac4-54e19659742e");
    assert!(matches!(of_words.score(at), Some(Score::Float(score)) if (score - 0.661).abs() < 0.001));
    assert!(matches!(of_vector.score(at), Some(Score::Float(distance)) if distance < 0.5));
    let crate::wire::Found::Text { name: 1, value } = of_words.field(at, &["no", "text"]) else { panic!() };
    assert!(of_words.value(&value).unwrap().as_str().unwrap().starts_with("saddle saddle ticket"));
}

#[test]
fn a_property_of_every_sort_is_read() {
    let page = response::page(every_sort()).unwrap();
    let at = HitAt { list: 0, hit: 1 };
    assert_eq!(page.id(at).id, "abababab-abab-abab-abab-abababababab", "as the bytes of newer servers");
    let object = page.fields(at).objects.remove(0);
    let value = |name: &str| object.iter().find(|member| member.key == name).unwrap().value;
    for (name, text) in [("old", "of 1.24"), ("date", "2026-11-29T00:00:00Z"), ("text", "train")] {
        assert_eq!(value(name).as_str().as_deref(), Some(text), "{name}");
    }
    for (name, text) in [("number", "0.5"), ("yes", "true"), ("whole", "-7")] {
        assert_eq!(value(name).scalar_text(), text, "{name}");
    }
    assert_eq!(value("object").get("inner").unwrap().as_str().as_deref(), Some("deep"));
    let texts: Vec<_> = value("texts").items().unwrap().iter().map(|item| item.as_str().unwrap()).collect();
    assert_eq!(texts, ["a", "b"]);
    let objects = value("objects").items().unwrap();
    assert_eq!(objects[1].get("inner").unwrap().as_str().as_deref(), Some("deep"));
    assert!(value("numbers").items().unwrap().is_empty(), "no text is made of packed numbers");
    assert_eq!(
        (value("blob").kind(), value("none").kind()),
        (crate::wire::Kind::Null, crate::wire::Kind::Null)
    );
    assert!(matches!(page.field(at, &["texts"]), crate::wire::Found::Text { .. }));
}

#[test]
fn the_text_is_what_hits_are_ranked_by() {
    let hybrid = |query: &str, near: &[&str]| SearchRequest {
        hybrid: Some(Hybrid {
            query: query.to_owned(),
            near_text: (!near.is_empty()).then(|| NearText::of(near)),
            ..Hybrid::default()
        }),
        ..search()
    };
    let near_text = |texts: &[&str]| SearchRequest { near_text: Some(NearText::of(texts)), ..search() };
    assert!(intent(&near_text(&["late trains"])).native == one("late trains"));
    assert!(intent(&near_text(&["a", "b"])).native == NativeText::Several);
    assert!(intent(&hybrid("late", &["late"])).native == one("late"));
    assert!(intent(&hybrid("", &["late"])).native == one("late"));
    assert!(intent(&hybrid("late", &["trains"])).native == NativeText::Several);
    assert!(intent(&bm25(" ")).native == NativeText::None);
}

#[test]
fn every_form_of_a_dense_vector_is_found() {
    let vector = [0.5_f32, -1.0];
    let bytes = || bytes_of(&vector);
    let of = |kind: i32| Vectors { bytes: bytes(), kind, ..Vectors::default() };
    let for_target = ForTarget { bytes: bytes(), vectors: Vec::new() };
    for form in [
        near(NearVector { vector: vector.to_vec(), ..NearVector::default() }),
        near(NearVector { vector_bytes: bytes(), vector: vec![9.0], ..NearVector::default() }),
        near(NearVector { vectors: vec![of(0)], ..NearVector::default() }),
        near(NearVector { vectors: vec![of(1)], ..NearVector::default() }),
        near(NearVector { per_target: [("t".to_owned(), bytes())].into(), ..NearVector::default() }),
        near(NearVector { for_targets: vec![for_target], ..NearVector::default() }),
        near(NearVector {
            for_targets: vec![ForTarget { vectors: vec![of(1)], ..ForTarget::default() }],
            ..NearVector::default()
        }),
        SearchRequest { hybrid: Some(Hybrid { vector_bytes: bytes(), ..Hybrid::default() }), ..search() },
        SearchRequest { hybrid: Some(Hybrid { vectors: vec![of(1)], ..Hybrid::default() }), ..search() },
        SearchRequest {
            hybrid: Some(Hybrid {
                near_vector: Some(NearVector { vector_bytes: bytes(), ..NearVector::default() }),
                ..Hybrid::default()
            }),
            ..search()
        },
    ] {
        assert_eq!(vectors(&form), [vector.to_vec()], "{form:?}");
        assert_eq!(intent(&form).vector, [0.5, -1.0], "{form:?}");
    }
    let several_as_one = near(NearVector { vectors: vec![of(2)], ..NearVector::default() });
    assert!(vectors(&several_as_one).is_empty());
    for broken in [&bytes()[..7], &bytes_of(&[f32::NAN]), &[]] {
        let broken = NearVector { vector_bytes: broken.to_vec(), ..NearVector::default() };
        assert!(vectors(&near(broken)).is_empty());
    }
}

#[test]
fn what_is_not_ranked_by_relevance_or_not_understood_is_left_alone() {
    let with = |number: u32, bytes: &[u8]| {
        let mut message = bm25("late").encode_to_vec();
        crate::wire::proto::write::bytes(&mut message, number, bytes);
        parsed(Bytes::from(message)).unwrap().keep
    };
    let unsupported = Some(KeepReason::Unsupported);
    assert_eq!(intent(&bm25("late")).keep, None);
    for (what, number) in [("group_by", 22), ("generative", 60), ("rerank", 61), ("boost", 62), ("later", 63)]
    {
        assert_eq!(with(number, b""), unsupported, "{what}");
    }
    assert_eq!(with(33, b"0f3c"), Some(KeepReason::NotRanked), "after");
    assert_eq!(with(33, b""), None, "no cursor");
    assert_eq!(with(34, b""), Some(KeepReason::NotRanked), "sort_by");
    assert_eq!(with(40, b""), None, "filters");
    assert_eq!(intent(&SearchRequest { autocut: 1, ..bm25("late") }).keep, unsupported);
    assert_eq!(intent(&search()).keep, Some(KeepReason::NotRanked), "all objects, in the order of ids");
    let both = SearchRequest { near_vector: Some(NearVector::default()), ..bm25("late") };
    assert_eq!(intent(&both).keep, unsupported, "the server rejects it");
    let old = SearchRequest { uses_123_api: false, ..bm25("late") };
    assert_eq!(intent(&old).keep, unsupported, "its response has another form");
}

#[test]
fn a_page_is_widened_where_the_limit_alone_decides_and_is_known() {
    assert_eq!(intent(&bm25("late")).widening, Widening::Neutral);
    let unset = intent(&SearchRequest { limit: 0, ..bm25("late") });
    assert_eq!((unset.widening, unset.keep), (Widening::Never, None), "the server's own limit");
    let targets =
        |names: &[&str]| Some(Targets { names: names.iter().map(|name| (*name).to_owned()).collect() });
    let of = |names| near(NearVector { targets: targets(names), ..NearVector::default() });
    assert_eq!(intent(&of(&["a"])).widening, Widening::Neutral);
    assert_eq!(intent(&of(&["a", "b"])).widening, Widening::NotNeutral, "hits of two vectors are combined");
    let of = |names| {
        let near_text = NearText { targets: targets(names), ..NearText::of(&["late"]) };
        intent(&SearchRequest { near_text: Some(near_text), ..search() }).widening
    };
    assert_eq!((of(&["a"]), of(&["a", "b"])), (Widening::Neutral, Widening::NotNeutral));
}

#[test]
fn a_widened_request_has_other_limits_and_the_properties_of_documents() {
    let rewritten = |of: &SearchRequest, plan: &FetchPlan| {
        let rewrite = request(of.message()).rewrite(std::slice::from_ref(plan)).unwrap();
        (SearchRequest::decode(rewrite.body).unwrap(), rewrite.strips.into_iter().next().unwrap())
    };
    let page = SearchRequest { offset: 10, ..bm25("late") };
    let (more, strip) = rewritten(&page, &plan(50, &["text"]));
    assert_eq!(
        (more.limit, more.offset, more.properties, strip),
        (50, 0, None, Strip::default()),
        "all come"
    );
    let some = SearchRequest { properties: Some(properties(&["n", "Title"])), ..page.clone() };
    for wanted in [&["text", "title"][..], &["*"]] {
        let (more, strip) = rewritten(&some, &plan(None, wanted));
        assert_eq!((more.limit, more.offset), (5, 10));
        let asked = more.properties.unwrap();
        assert!(asked.all && asked.names == ["n", "Title"], "a name that is not known would be rejected");
        let kept = strip.selection.unwrap();
        let key = |name: &str| vec![PathStep::Key(name.to_owned())];
        assert_eq!((kept.member.as_str(), kept.paths), ("properties", vec![key("n"), key("title")]));
    }
    assert_eq!(
        rewritten(&some, &plan(None, &["title"])),
        (some.clone(), Strip::default()),
        "it comes anyway"
    );
    let inside = PropertiesRequest { objects: vec![vec![10, 1, b'm']], ..properties(&["n"]) };
    let inside = SearchRequest { properties: Some(inside), ..page.clone() };
    assert_eq!(rewritten(&inside, &plan(None, &["text"])), (inside.clone(), Strip::default()));
    let all = SearchRequest {
        properties: Some(PropertiesRequest { all: true, ..properties(&[]) }),
        ..page.clone()
    };
    assert_eq!(rewritten(&all, &plan(None, &["text"])), (all.clone(), Strip::default()));
    let none = SearchRequest { properties: Some(properties(&[])), ..page };
    let (more, strip) = rewritten(&none, &plan(None, &["*"]));
    assert!(more.properties.unwrap().all);
    assert_eq!(strip.paths[0].keys, ["properties"]);
}

#[test]
fn a_response_without_a_property_that_the_search_names_is_none_to_it() {
    let [full, ..] = recorded();
    let page = |names: &[&str], wanted: &FetchPlan| {
        let search = SearchRequest { properties: Some(properties(names)), ..bm25("late") };
        request(search.message()).page_for(full.response.clone(), &[wanted]).map(|page| page.lists()[0].hits)
    };
    let wanted = plan(None, &["text"]);
    assert_eq!(page(&["n", "title"], &wanted), Ok(5));
    let lacks = Err(DialectError::LacksNamed);
    assert_eq!(page(&["n", "photo"], &wanted), lacks, "blobs do not come with all others");
    let search = SearchRequest { properties: Some(properties(&["n"])), ..bm25("late") };
    let empty = request(search.message()).page_for(SearchReply::default().encode_to_vec().into(), &[&wanted]);
    assert_eq!(empty.map(|_| 0), lacks, "without hits it does not say whether it knows the name");
    assert_eq!(page(&["n", "photo"], &FetchPlan::as_asked()), Ok(5), "nothing else was requested");
}

#[test]
fn scores_are_written_where_there_are_some_and_never_over_distances() {
    let ranking = |scores, annotate| {
        let ranked = |hit, score| Ranked {
            place: 0,
            score: Some(score),
            written: Some(score),
            ..Ranked::unscored(hit)
        };
        let hits = vec![ranked(1, 0.75), ranked(0, 0.5)];
        [Some(Ranking { hits, scores, annotate, best: None, offset: 0 })]
    };
    let first = |page: &dyn Page, ranking: &[Option<Ranking>]| {
        SearchReply::decode(page.reordered(&[], ranking)).unwrap().results.remove(0).metadata.unwrap()
    };
    let [bm25, near_vector, _] = recorded();
    let of_words = response::page(bm25.response).unwrap();
    let replaced = first(&of_words, &ranking(ScoreWriting::Relevance, false));
    assert_eq!((replaced.score, replaced.rerank_score_present), (0.75, false));
    let of_vector = response::page(near_vector.response).unwrap();
    let kept = first(&of_vector, &ranking(ScoreWriting::Relevance, false));
    assert!(kept.distance_present && !kept.score_present && kept.distance < 0.7);
    // The database's own rerankers write there, so that clients can read it.
    for page in [&of_words, &of_vector] {
        let annotated = first(page, &ranking(ScoreWriting::Keep, true));
        assert_eq!((annotated.rerank_score, annotated.rerank_score_present), (0.75, true));
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let [bm25, near_vector, hybrid] = recorded();
    for sample in [bm25, near_vector, hybrid] {
        for end in 0..sample.request.len() {
            let _ = parsed(sample.request.slice(..end));
        }
        for at in 0..sample.response.len() {
            let mut odd = sample.response.to_vec();
            odd[at] ^= 0x55;
            let _ = response::page(Bytes::from(odd))
                .map(|page| page.fields(HitAt { list: 0, hit: 0 }).objects.len());
        }
    }
}
