//! What is measured: each hot function with its input made ready. Used by the timed benches and by the guard.

use std::{
    hint::black_box,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method};
use rerankd::{
    config::preset,
    dialect::{
        Dialect, Elastic, Paths, SearchRequest,
        paths::Names,
        qdrant::{Qdrant, QdrantGrpc},
    },
    document,
    embedding::{
        Memory, MemorySettings, Recalled,
        form::{Form, Prefixes, Remember},
    },
    rerank::{
        Billing, ProviderFacts, RerankRequest, ScoreStore, Scoring,
        cache::{KeyBase, KeySecret, Keys},
    },
    search::{Document, FetchPlan, FieldSet, Head, HitAt, Ranked, Ranking, ScoreWriting, Strip, StripPath},
    wire::{
        Page,
        json::{ListKey, page_bytes, start_of_list},
    },
};
use tokio::time::Instant;

use super::inputs::{self, Embedding, Text};
use super::traces;

/// One bench: a name, and what to make ready before the work is done as often as one likes.
pub struct Case {
    /// `function/dialect/hits/text`.
    pub name: String,
    /// Makes the input ready.
    pub ready: Box<dyn Fn() -> Work>,
}

/// The work itself.
pub type Work = Box<dyn FnMut()>;

/// The default of `rerank.document_bytes`, or more: nothing here is cut.
const DOCUMENT_BYTES: usize = 16 * 1024;
const SECRET: [u8; 32] = [7; 32];

/// Every case.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for speech in [Speech::Qdrant, Speech::Elastic] {
        for text in [Text::Plain, Text::Escaped] {
            for hits in [10, 50, 200] {
                cases.extend(of_response(speech, hits, text));
            }
        }
    }
    // Nothing is escaped in messages.
    for hits in [10, 50, 200] {
        cases.extend(of_response(Speech::Grpc, hits, Text::Plain));
    }
    for hits in [10, 50, 200] {
        cases.extend(of_response(Speech::Rows, hits, Text::Plain));
        cases.extend(of_response(Speech::Columns, hits, Text::Plain));
    }
    for speech in [Speech::Qdrant, Speech::Elastic, Speech::Grpc, Speech::Rows, Speech::Columns] {
        cases.push(case(format!("parse/{}", speech.name()), move || parse(speech)));
        cases.push(case(format!("widen/{}", speech.name()), move || widen(speech)));
        cases.push(case(format!("vectors/{}", speech.name()), move || vectors(speech)));
    }
    for (name, how) in
        [("floats", Embedding::Floats), ("base64", Embedding::Base64), ("ids", Embedding::TokenIds)]
    {
        cases.push(case(format!("embedding/{name}"), move || embedding(how)));
    }
    for (name, tolerant, known) in [
        ("known", false, true),
        ("unknown", false, false),
        ("tolerant_known", true, true),
        ("tolerant_unknown", true, false),
    ] {
        cases.push(case(format!("recall/{name}"), move || recall(tolerant, known)));
    }
    cases.push(case("remember".to_owned(), remember));
    cases.extend(traces::cases());
    cases
}

static ROWS: LazyLock<Paths> = LazyLock::new(|| described("pinecone"));
static COLUMNS: LazyLock<Paths> = LazyLock::new(|| described("chroma"));

fn described(name: &str) -> Paths {
    Paths::new(preset(name).expect("a preset"), Arc::new(Names::new(std::time::Instant::now)))
}

#[derive(Clone, Copy)]
enum Speech {
    Qdrant,
    Elastic,
    Grpc,
    /// A database that is described, whose hits are objects: Pinecone.
    Rows,
    /// One whose hits stand in columns: Chroma.
    Columns,
}

impl Speech {
    fn name(self) -> &'static str {
        match self {
            Self::Qdrant => "qdrant",
            Self::Elastic => "elastic",
            Self::Grpc => "grpc",
            Self::Rows => "rows",
            Self::Columns => "columns",
        }
    }

    fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::Qdrant => &Qdrant,
            Self::Elastic => &Elastic,
            Self::Grpc => &QdrantGrpc,
            Self::Rows => &*ROWS,
            Self::Columns => &*COLUMNS,
        }
    }

    fn respond(self, hits: usize, text: Text) -> Bytes {
        match self {
            Self::Qdrant => inputs::qdrant_response(hits, text),
            Self::Elastic => inputs::elastic_response(hits, text),
            Self::Grpc => inputs::grpc_response(hits),
            Self::Rows => inputs::rows_response(hits, text),
            Self::Columns => inputs::columns_response(hits, text),
        }
    }

    fn request(self) -> Bytes {
        match self {
            Self::Qdrant => inputs::qdrant_request(),
            Self::Elastic => inputs::elastic_request(),
            Self::Grpc => inputs::grpc_request(),
            Self::Rows => inputs::rows_request(),
            Self::Columns => inputs::columns_request(),
        }
    }

    /// What is taken out of a hit where the client had not asked for the text.
    fn added(self) -> Strip {
        let keys: &[&str] = match self {
            Self::Qdrant | Self::Grpc => &["payload", "text"],
            Self::Elastic => &["_source", "text"],
            Self::Rows => &["metadata", "text"],
            Self::Columns => &["documents"],
        };
        let path = StripPath { keys: keys.iter().map(|&key| key.to_owned()).collect(), keep: 1 };
        Strip { paths: vec![path], ..Strip::default() }
    }

    fn with_head<T>(self, f: impl FnOnce(&Head<'_>) -> T) -> T {
        let path = match self {
            Self::Qdrant => "/collections/docs/points/query",
            Self::Elastic => "/docs/_search",
            Self::Grpc => "/qdrant.Points/Query",
            Self::Rows => "/query",
            Self::Columns => "/api/v2/tenants/t/databases/d/collections/c/query",
        };
        f(&Head { method: &Method::POST, path, query: None, headers: &HeaderMap::new() })
    }

    fn read(self, body: Bytes) -> Arc<dyn SearchRequest> {
        let route = self.with_head(|head| self.dialect().route(head)).expect("a search");
        route.endpoint.read(body).expect("a search")
    }

    fn page(self, body: &Bytes) -> Arc<dyn Page> {
        self.split(&*self.read(self.request()), body)
    }

    fn split(self, request: &dyn SearchRequest, body: &Bytes) -> Arc<dyn Page> {
        request.page(body.clone()).expect("a response")
    }
}

fn case(name: String, ready: impl Fn() -> Work + 'static) -> Case {
    Case { name, ready: Box::new(ready) }
}

fn of_response(speech: Speech, hits: usize, text: Text) -> Vec<Case> {
    let style = if text == Text::Plain { "plain" } else { "escaped" };
    let name = move |function: &str| format!("{function}/{}/{hits}/{style}", speech.name());
    let body = move || speech.respond(hits, text);
    let mut cases = vec![
        case(name("split"), move || {
            let (request, body) = (speech.read(speech.request()), body());
            Box::new(move || drop(black_box(speech.split(&*request, &body))))
        }),
        case(name("documents"), move || {
            let page = speech.page(&body());
            Box::new(move || drop(black_box(texts(&*page))))
        }),
        case(name("join"), move || join(speech, &body(), Strip::default())),
        case(name("join_stripped"), move || join(speech, &body(), speech.added())),
        case(name("search"), move || search(speech, body())),
    ];
    // Of the others no list is known again.
    if matches!(speech, Speech::Qdrant | Speech::Elastic) {
        cases.push(case(name("known"), move || known(speech, body())));
    }
    // These know no dialect.
    if matches!(speech, Speech::Qdrant) {
        cases.push(case(format!("weigh/{hits}/{style}"), move || {
            let body = body();
            Box::new(move || {
                black_box(page_bytes(black_box(&body)));
            })
        }));
        cases.push(case(format!("write/{hits}/{style}"), move || {
            let (page, text) = (speech.page(&body()), FieldSet::Named(vec!["text".to_owned()]));
            let (_, documents) = document::documents(&page, 0, 0..hits, &text, DOCUMENT_BYTES);
            let mut out = Vec::with_capacity(page.body().len());
            Box::new(move || {
                out.clear();
                let written =
                    documents.iter().filter(|document| document.write_json(DOCUMENT_BYTES, &mut out));
                black_box(written.count());
            })
        }));
        cases.push(case(format!("keys/{hits}/{style}"), move || {
            let request = request(documents(&speech.page(&body())));
            let namer = namer();
            Box::new(move || drop(black_box(keys(&namer, &request))))
        }));
        if text == Text::Plain {
            cases.push(case(format!("lookup/{hits}/{style}"), move || {
                let request = request(documents(&speech.page(&body())));
                let (keys, store) = filled(&request);
                Box::new(move || drop(black_box(store.known(&keys))))
            }));
        }
    }
    cases
}

/// All that a reranked search whose scores are known adds between two sockets, but for the request.
fn search(speech: Speech, body: Bytes) -> Work {
    let search = speech.read(speech.request());
    let warm = request(documents(&speech.page(&body)));
    let (_, store) = filled(&warm);
    let namer = namer();
    Box::new(move || {
        let page = speech.split(&*search, &body);
        let request = request(documents(&page));
        let scores = store.known(&keys(&namer, &request));
        let joined = page.reordered(&[Strip::default()], &[Some(ranking(&scores))]);
        drop(black_box(joined));
    })
}

/// The same where the list of hits has been there before.
fn known(speech: Speech, body: Bytes) -> Work {
    let search = speech.read(speech.request());
    let page = speech.page(&body);
    let (key, namer) = (ListKey::new([1, 2, 3, 4]), namer());
    let list = Arc::new(page.to_know(&key, (&FieldSet::Auto, DOCUMENT_BYTES)).expect("a list"));
    let (_, store) = filled(&request(documents(&page)));
    Box::new(move || {
        let start = start_of_list(&body).filter(|&start| list.is_at(&key, &body, start)).expect("the list");
        let left = list.taken_out(&body, start).and_then(|left| search.page_without_hits(left));
        let page = left.and_then(|page| page.with_known(body.clone(), &list, start)).expect("a page");
        let page: Arc<dyn Page> = Arc::new(page);
        let request = request(documents(&page));
        let scores = store.known(&keys(&namer, &request));
        let joined = page.reordered(&[Strip::default()], &[Some(ranking(&scores))]);
        drop(black_box(joined));
    })
}

fn join(speech: Speech, body: &Bytes, strip: Strip) -> Work {
    let page = speech.page(body);
    let rankings = [Some(ranking(&vec![None; page.lists()[0].hits]))];
    let strips = [strip];
    Box::new(move || drop(black_box(page.reordered(&strips, &rankings))))
}

/// Every hit somewhere else.
fn ranking(scores: &[Option<f32>]) -> Ranking {
    let hits = scores
        .iter()
        .enumerate()
        .rev()
        .map(|(hit, &score)| Ranked { score, written: score, ..Ranked::unscored(hit) })
        .collect();
    Ranking { hits, scores: ScoreWriting::Keep, annotate: false, best: None, offset: 0 }
}

fn texts(page: &dyn Page) -> Vec<Arc<str>> {
    let hits = (0..page.lists()[0].hits).map(|hit| HitAt { list: 0, hit });
    let document = |at| document::document(page, at, &FieldSet::Auto, DOCUMENT_BYTES);
    hits.filter_map(document).map(Arc::from).collect()
}

/// The same where nobody reads them: the scores may be known.
fn documents(page: &Arc<dyn Page>) -> Arc<[Document]> {
    document::documents(page, 0, 0..page.lists()[0].hits, &FieldSet::Auto, DOCUMENT_BYTES).1.into()
}

fn request(documents: Arc<[Document]>) -> RerankRequest {
    RerankRequest::new("how do I rerank".into(), documents, Instant::now())
}

/// What names scores.
struct Namer {
    base: KeyBase,
    secret: KeySecret,
}

fn namer() -> Namer {
    let facts = ProviderFacts {
        scoring: Scoring::Pointwise,
        billing: Billing::SearchUnits,
        spans: false,
        model: "rerank-v3.5".into(),
        score_settings: "4096".to_owned(),
    };
    Namer { base: KeyBase::new("cohere".into(), &facts), secret: KeySecret::new(&SECRET) }
}

fn keys(namer: &Namer, request: &RerankRequest) -> Keys {
    namer.base.keys(&namer.secret, "rerank-v3.5", request)
}

/// A cache that knows every score of the request.
fn filled(request: &RerankRequest) -> (Keys, ScoreStore) {
    let store = ScoreStore::new(64 << 20, Duration::from_secs(3600), SECRET);
    let keys = keys(&namer(), request);
    store.put(keys.query, keys.documents.iter().map(|document| (*document, 0.5)).collect());
    (keys, store)
}

/// What an embedding call gives that is remembered: its text and its vector.
fn embedding(how: Embedding) -> Work {
    let (request, response) = (inputs::embedding_request(how), inputs::embedding_response(how));
    let prefixes = Prefixes::default();
    Box::new(move || {
        let call = Form::OpenAi.call(&Method::POST, "/v1/embeddings").expect("an embedding call");
        let asked = call.read(&request, Remember::Auto, &prefixes).expect("a question");
        let pairs = asked.pairs(&response, &mut |text, vector| {
            black_box((text, vector));
        });
        assert_eq!(black_box(pairs), Ok(1));
    })
}

fn parse(speech: Speech) -> Work {
    let body = speech.request();
    Box::new(move || {
        drop(black_box(speech.read(body.clone()).intents().expect("a search")));
    })
}

fn widen(speech: Speech) -> Work {
    let request = speech.read(speech.request());
    let fields = document::wanted_fields(&FieldSet::Auto);
    let plans = [FetchPlan { hits: Some(50), fields, ..FetchPlan::as_asked() }];
    Box::new(move || {
        drop(black_box(request.rewrite(&plans).expect("a search")));
    })
}

/// Reads the vector of a request, as it is looked up.
fn vectors(speech: Speech) -> Work {
    let request = speech.read(speech.request());
    Box::new(move || {
        let mut sum = 0.0;
        request.vectors(&[0], &mut |_, vector| sum += vector.iter().sum::<f32>()).expect("a vector");
        black_box(sum);
    })
}

/// A memory that knows the texts of a thousand vectors of 1,536 numbers.
fn memory(tolerant: bool) -> Memory {
    let memory = Memory::new(MemorySettings { tolerant, ..MemorySettings::default() }, &SECRET);
    for n in 0..1000 {
        assert!(memory.remember(&inputs::embedding(n), "how do I rerank what a vector search has found?"));
    }
    memory
}

/// The text of one of them, or of another vector.
fn recall(tolerant: bool, known: bool) -> Work {
    let memory = memory(tolerant);
    let vector = inputs::embedding(if known { 500 } else { 5000 });
    Box::new(move || {
        let found = memory.recall(black_box(&vector));
        assert_eq!(matches!(found, Recalled::Known(_)), known);
    })
}

fn remember() -> Work {
    let memory = memory(false);
    let vector = inputs::embedding(500);
    Box::new(move || {
        assert!(memory.remember(black_box(&vector), "how do I rerank what a vector search has found?"));
    })
}
