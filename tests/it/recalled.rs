//! Searches that carry only a vector, reranked by the text whose embedding call came through here.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use rerankd::wire::proto::write;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::task::JoinSet;

use crate::harness::embedding::{openai, vector};
use crate::harness::grpc::{GrpcClient, GrpcServer, Move, framed};
use crate::harness::{FakeRedis, Program, Scripted, Wire, body_of, header, json_of, response};

const QDRANT: &str = "/collections/docs/points/query";
const JSON: &str = "application/json";

/// A database of either kind: three hits for every search, best first.
fn database(request: &str) -> Option<String> {
    let path = request.split(' ').nth(1).unwrap();
    let asked = json_of(request);
    let point = |id: u64| json!({"id": id, "version": 0, "score": 1.0 - id as f64 / 10.0, "payload": {"text": format!("giraffe {id}")}});
    let points: Vec<Value> = (1..=3).map(point).collect();
    let hit = |id: u64| json!({"_index": "docs", "_id": id.to_string(), "_score": 1.0 - id as f64 / 10.0, "_source": {"body": format!("giraffe {id}")}});
    let hits: Vec<Value> = (1..=3).map(hit).collect();
    let result = match path {
        path if path.contains("_search") => {
            json!({"took": 1, "hits": {"total": {"value": 3, "relation": "eq"}, "max_score": 0.9, "hits": hits}})
        }
        path if path.ends_with("/batch") => {
            let searches = asked["searches"].as_array().unwrap();
            json!({"result": searches.iter().map(|_| json!({"points": points})).collect::<Vec<_>>(), "status": "ok", "time": 0.1})
        }
        path if path.ends_with("/groups") => {
            json!({"result": {"groups": [{"id": 1, "hits": points}]}, "status": "ok", "time": 0.1})
        }
        path if path.ends_with("/search") => json!({"result": points, "status": "ok", "time": 0.1}),
        _ => json!({"result": {"points": points}, "status": "ok", "time": 0.1}),
    };
    Some(response(200, JSON, &result.to_string()))
}

/// A rerank service for which the last of the database's order is the best.
async fn reversing() -> Scripted {
    Scripted::scoring(|text| text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 10.0).await
}

struct Setup {
    service: Scripted,
    database: Scripted,
    embedder: Arc<Scripted>,
    program: Program,
}

impl Setup {
    async fn new() -> Self {
        Self::with("").await
    }

    /// With further lines of the file.
    async fn with(more: &str) -> Self {
        Self::sharing(Arc::new(openai().await), "", more).await
    }

    /// With this embedding service, and further keys of `embeddings`.
    async fn sharing(embedder: Arc<Scripted>, embeddings: &str, more: &str) -> Self {
        let (database, service) = (Scripted::start(database).await, reversing().await);
        let yaml = file(&format!("url: \"http://{}\"", database.addr), &service, &embedder, embeddings);
        let program = Program::start(&format!("{yaml}{more}"), &[("CO_API_KEY", "k")]).await;
        Self { service, database, embedder, program }
    }

    async fn embed(&self, text: impl Into<Value>) {
        embed(&self.program, text).await;
    }

    async fn post(&self, path: &str, headers: &str, body: &Value) -> String {
        post(self.program.addr, path, headers, body).await
    }

    /// Sends a search without a text, which has to be reranked by this one.
    async fn finds(&self, path: &str, body: Value, text: &str) {
        let got = self.post(path, "", &body).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{body}: {got}");
        assert_eq!(header(&got, "x-rerank-query-source"), Some("embedding"), "{body}");
        let asked = json_of(self.service.seen().last().unwrap());
        assert_eq!(asked["query"], text, "{body}");
        let order: Vec<_> =
            ["giraffe 1", "giraffe 2", "giraffe 3"].map(|text| body_of(&got).find(text).unwrap()).into();
        assert!(order.is_sorted_by(|a, b| a > b), "{got}");
        let sent = self.database.seen().pop().unwrap();
        assert!(!sent.contains(text) && !got.contains(text), "{sent} {got}");
    }

    /// Sends a search that is kept for this reason.
    async fn kept(&self, path: &str, body: Value, reason: &str) {
        let got = self.post(path, "", &body).await;
        assert_eq!(header(&got, "x-rerank-status"), Some(&*format!("kept; reason={reason}")), "{body}");
    }

    async fn looked_up(&self, result: &str, tier: &str) -> u64 {
        self.program
            .metric(&format!("rerankd_embedding_lookups_total{{result=\"{result}\",tier=\"{tier}\"}}"))
            .await
    }
}

fn file(upstream: &str, service: &Scripted, embedder: &Scripted, embeddings: &str) -> String {
    format!(
        "listeners: [{{ listen: 127.0.0.1:0, upstream: {{ {upstream} }} }}]\nadmin: {{ listen: 127.0.0.1:0 }}\n\
         providers: {{ cohere: {{ base_url: \"http://{}\" }} }}\n\
         embeddings:\n  listen: 127.0.0.1:0\n  services: {{ openai: {{ url: \"http://{}/v1\" }} }}\n{embeddings}",
        service.addr, embedder.addr
    )
}

async fn post(addr: SocketAddr, path: &str, headers: &str, body: &Value) -> String {
    let mut client = Wire::connect(addr).await;
    let (body, head) = (body.to_string(), format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}"));
    client.send(format!("{head}content-type: {JSON}\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
    client.message().await.expect("a response")
}

async fn embed(program: &Program, text: impl Into<Value>) {
    let body = json!({"model": "m", "input": text.into(), "encoding_format": "float"});
    let got =
        post(program.embeddings.unwrap(), "/openai/v1/embeddings", "authorization: Bearer k\r\n", &body)
            .await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
}

#[tokio::test]
async fn a_vector_is_reranked_by_its_text_in_every_form_of_qdrants_searches() {
    let setup = Setup::new().await;
    setup.embed("which giraffe").await;
    let v = vector("which giraffe");
    let sparse = json!({"indices": [1, 2], "values": [0.5, 0.5]});
    for body in [
        json!({"query": v, "limit": 3, "with_payload": true}),
        json!({"query": {"nearest": v}, "limit": 3, "with_payload": true, "using": "dense"}),
        json!({"query": {"fusion": "rrf"}, "prefetch": [{"query": v, "using": "dense"}, {"query": sparse, "using": "sparse"}], "limit": 3, "with_payload": true}),
        json!({"query": {"recommend": {"positive": [v]}}, "limit": 3, "with_payload": true}),
    ] {
        setup.finds(QDRANT, body, "which giraffe").await;
    }
    setup
        .finds(
            &format!("{QDRANT}/groups"),
            json!({"query": v, "group_by": "a", "with_payload": true}),
            "which giraffe",
        )
        .await;
    let search = "/collections/docs/points/search";
    setup.finds(search, json!({"vector": v, "limit": 3, "with_payload": true}), "which giraffe").await;
    let named = json!({"vector": {"name": "dense", "vector": v}, "limit": 3, "with_payload": true});
    setup.finds(search, named, "which giraffe").await;
    assert_eq!((setup.looked_up("found", "memory").await, setup.looked_up("missed", "memory").await), (7, 0));
}

#[tokio::test]
async fn a_text_that_a_tenant_keeps_to_itself_is_recalled_for_its_own_searches_alone() {
    let names = "{ acme: { cache: { max_bytes: 1MiB } }, bolt: {} }";
    let more = format!("tenants: {{ header: x-tenant, networks: [127.0.0.1], names: {names} }}\n");
    let setup = Setup::with(&more).await;
    let body = json!({"model": "m", "input": "which giraffe", "encoding_format": "float"});
    let at = setup.program.embeddings.unwrap();
    let headers = "authorization: Bearer k\r\nx-tenant: acme\r\n";
    assert!(post(at, "/openai/v1/embeddings", headers, &body).await.starts_with("HTTP/1.1 200"));
    setup.embed("which zebra").await;
    let search = |text: &str| json!({"query": vector(text), "limit": 3, "with_payload": true});
    for (text, tenant, status) in [
        ("which giraffe", "acme", "applied"),
        ("which giraffe", "bolt", "kept; reason=no_query"),
        ("which giraffe", "nobody", "kept; reason=no_query"),
        ("which zebra", "acme", "kept; reason=no_query"),
        ("which zebra", "bolt", "applied"),
        ("which zebra", "nobody", "applied"),
    ] {
        let got = setup.post(QDRANT, &format!("x-tenant: {tenant}\r\n"), &search(text)).await;
        assert_eq!(header(&got, "x-rerank-status"), Some(status), "{text}, {tenant}");
    }
}

#[tokio::test]
async fn a_client_that_only_its_collections_give_to_a_tenant_is_recalled_what_it_has_embedded() {
    let names = "{ acme: { collection: ['*'], cache: { max_bytes: 1MiB } } }";
    let setup = Setup::with(&format!("tenants: {{ names: {names} }}\n")).await;
    setup.embed("which giraffe").await;
    let search = json!({"query": vector("which giraffe"), "limit": 3, "with_payload": true});
    setup.finds(QDRANT, search, "which giraffe").await;
}

#[tokio::test]
async fn the_searches_of_a_batch_are_each_reranked_by_their_own_text() {
    let setup = Setup::new().await;
    setup.embed(json!(["first", "second"])).await;
    let search = |text: &str| json!({"query": vector(text), "limit": 3, "with_payload": true});
    let own =
        json!({"query": vector("unknown"), "limit": 3, "with_payload": true, "rerank": {"query": "own"}});
    let body = json!({"searches": [search("second"), search("unknown"), search("first"), own]});
    let got = setup.post(&format!("{QDRANT}/batch"), "", &body).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("partial; reason=no_query"), "{got}");
    let mut asked: Vec<_> =
        setup.service.seen().iter().map(|request| json_of(request)["query"].clone()).collect();
    asked.sort_by_key(Value::to_string);
    assert_eq!(asked, ["first", "own", "second"]);
    let first = |at: usize| json_of(&got)["result"][at]["points"][0]["id"].clone();
    assert_eq!([first(0), first(1), first(2), first(3)], [3, 1, 3, 3]);
    assert_eq!((setup.looked_up("found", "memory").await, setup.looked_up("missed", "memory").await), (2, 1));
}

#[tokio::test]
async fn a_vector_is_reranked_by_its_text_in_elasticsearch_and_opensearch() {
    let setup = Setup::new().await;
    setup.embed("which giraffe").await;
    let v = vector("which giraffe");
    let big_endian: Vec<u8> = v.iter().flat_map(|x| x.to_be_bytes()).collect();
    let packed = base64::engine::general_purpose::STANDARD.encode(big_endian);
    let script = json!({"source": "cosineSimilarity(params.query_value, doc['vector']) + 1.0", "params": {"field": "vector", "query_value": v}});
    for body in [
        json!({"knn": {"field": "vector", "query_vector": v, "k": 3, "num_candidates": 10}}),
        json!({"knn": {"field": "vector", "query_vector": packed, "k": 3, "num_candidates": 10}}),
        json!({"query": {"knn": {"field": "vector", "query_vector": v, "k": 3}}}),
        json!({"retriever": {"knn": {"field": "vector", "query_vector": v, "k": 3, "num_candidates": 10}}}),
        json!({"query": {"knn": {"vector": {"vector": v, "k": 3}}}}),
        json!({"query": {"bool": {"must": [{"knn": {"vector": {"vector": v, "k": 3}}}], "filter": [{"term": {"lang": "en"}}]}}}),
        json!({"query": {"script_score": {"query": {"match_all": {}}, "script": script}}}),
    ] {
        setup.finds("/docs/_search", body, "which giraffe").await;
    }
}

#[tokio::test]
async fn what_a_search_says_itself_goes_before_its_vector() {
    let setup = Setup::new().await;
    setup.embed("which giraffe").await;
    let v = vector("which giraffe");
    let got =
        setup.post(QDRANT, "x-rerank-query: zebra\r\n", &json!({"query": v, "with_payload": true})).await;
    assert_eq!(header(&got, "x-rerank-query-source"), Some("header"));
    let own = json!({"query": v, "with_payload": true, "rerank": {"query": "zebra"}});
    assert_eq!(header(&setup.post(QDRANT, "", &own).await, "x-rerank-query-source"), Some("body"));
    let hybrid = json!({"retriever": {"rrf": {"retrievers": [
        {"standard": {"query": {"match": {"body": "zebra"}}}},
        {"knn": {"field": "vector", "query_vector": v, "k": 3, "num_candidates": 10}}]}}});
    let got = setup.post("/docs/_search", "", &hybrid).await;
    assert_eq!(header(&got, "x-rerank-query-source"), Some("native"), "{got}");
    assert!(setup.service.seen().iter().all(|request| json_of(request)["query"] == "zebra"));
    let off = setup.post(QDRANT, "x-rerank: off\r\n", &json!({"query": v, "with_payload": true})).await;
    assert_eq!(header(&off, "x-rerank-status"), Some("kept; reason=off"));
    // No vector was looked up.
    assert_eq!(setup.program.metric("rerankd_embedding_lookups_total").await, 0);
}

#[tokio::test]
async fn vectors_of_several_texts_are_ambiguous_and_unknown_ones_no_query() {
    let setup = Setup::new().await;
    setup.kept(QDRANT, json!({"query": vector("first")}), "no_query").await;
    assert_eq!(setup.program.metric("rerankd_embedding_lookups_total").await, 0, "nothing is remembered yet");
    setup.embed(json!(["first", "second"])).await;
    let prefetch = |a: &str, b: &str| {
        let of = |text: &str| json!({"query": vector(text), "limit": 3});
        json!({"query": {"fusion": "rrf"}, "prefetch": [of(a), of(b)], "limit": 3, "with_payload": true})
    };
    setup.kept(QDRANT, prefetch("first", "second"), "ambiguous_query").await;
    setup.finds(QDRANT, prefetch("first", "first"), "first").await;
    setup.finds(QDRANT, prefetch("unknown", "second"), "second").await;
    let mut close = vector("first");
    close[0] = close[0].next_up();
    setup.kept(QDRANT, json!({"query": close}), "no_query").await;
    setup.kept(QDRANT, json!({"query": 7}), "no_query").await;
    let counted = ["found", "missed", "ambiguous"].map(|result| setup.looked_up(result, "memory"));
    let [found, missed, ambiguous] = counted;
    assert_eq!((found.await, missed.await, ambiguous.await), (2, 1, 1));
}

#[tokio::test]
async fn a_listener_without_the_source_looks_no_vector_up() {
    let setup = Setup::with("rerank: { query_sources: [header, body, native] }\n").await;
    setup.embed("first").await;
    setup.kept(QDRANT, json!({"query": vector("first")}), "no_query").await;
    assert_eq!(setup.program.metric("rerankd_embedding_lookups_total").await, 0);
}

#[tokio::test]
async fn many_questions_at_once_are_each_found_however_they_interleave() {
    let setup = Arc::new(Setup::with("rerank: { deadline: 30s }\n").await);
    let mut tasks = JoinSet::new();
    // As LangChain's `batch` does: all embedding calls first, then all searches, each on a connection of its own.
    for batch in 0..4 {
        let setup = setup.clone();
        tasks.spawn(async move {
            let texts: Vec<String> = (0..6).map(|n| format!("question {batch} {n}")).collect();
            let embeds = texts.iter().map(|text| setup.embed(text.as_str()));
            futures_util::future::join_all(embeds).await;
            let searches = texts.iter().map(|text| async {
                let body = json!({"query": {"nearest": vector(text)}, "limit": 3, "with_payload": true});
                let got = setup.post(QDRANT, "", &body).await;
                assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{got}");
                assert_eq!(header(&got, "x-rerank-query-source"), Some("embedding"));
            });
            futures_util::future::join_all(searches).await;
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let mut asked: Vec<String> = setup
        .service
        .seen()
        .iter()
        .map(|request| json_of(request)["query"].as_str().unwrap().to_owned())
        .collect();
    asked.sort();
    let mut expected: Vec<String> =
        (0..4).flat_map(|batch| (0..6).map(move |n| format!("question {batch} {n}"))).collect();
    expected.sort();
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_vector_over_grpc_is_reranked_by_its_text() {
    let (server, service, embedder) = (GrpcServer::start().await, reversing().await, openai().await);
    let upstream = format!("url: \"http://127.0.0.1:1\", grpc_url: \"http://{}\"", server.addr);
    let yaml = file(&upstream, &service, &embedder, "").replace("upstream:", "dialect: qdrant, upstream:");
    let program = Program::start(&yaml, &[("CO_API_KEY", "k")]).await;
    embed(&program, "which giraffe").await;

    let mut hits = Vec::new();
    for id in 1..=3 {
        write::message(&mut hits, 1, |out| {
            write::message(out, 1, |out| write::unsigned(out, 1, id));
            write::message(out, 2, |out| {
                write::bytes(out, 1, b"text");
                write::message(out, 2, |out| write::bytes(out, 4, format!("giraffe {id}").as_bytes()));
            });
            write::float(out, 3, 1.0 - id as f32 / 10.0);
        });
    }
    server.will([Move::message(&hits)]);
    let mut query = Vec::new();
    write::bytes(&mut query, 1, b"docs");
    let dense = |out: &mut Vec<u8>| write::floats(out, 1, &vector("which giraffe"));
    write::message(&mut query, 3, |out| write::message(out, 1, |out| write::message(out, 2, dense)));
    let client = GrpcClient::connect(program.addr).await;
    let got = client.call_with("/qdrant.Points/Query", &[], framed(0, query)).await;
    assert_eq!(
        (&got.headers["x-rerank-status"], &got.headers["x-rerank-query-source"]),
        (&"applied".parse().unwrap(), &"embedding".parse().unwrap())
    );
    assert_eq!(json_of(service.seen().last().unwrap())["query"], "which giraffe");
}

#[tokio::test]
async fn the_inspector_shows_the_source_and_the_text_only_where_texts_are_kept() {
    for (capture, shown) in [("scores", Value::Null), ("text", json!("which giraffe"))] {
        let setup = Setup::with(&format!("inspector: {{ capture: {capture} }}\n")).await;
        setup.embed("which giraffe").await;
        setup
            .finds(QDRANT, json!({"query": vector("which giraffe"), "with_payload": true}), "which giraffe")
            .await;
        let searches = loop {
            let mut client = Wire::connect(setup.program.admin).await;
            client.send("GET /api/searches HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
            let got = json_of(&client.rest().await);
            if got["searches"].as_array().is_some_and(|all| !all.is_empty()) {
                break got;
            }
        };
        let row = &searches["searches"][0];
        assert_eq!((&row["query_source"], &row["query"]), (&json!("embedding"), &shown), "{searches}");
        assert_eq!(searches.to_string().contains("which giraffe"), capture == "text");
    }
}

#[tokio::test]
async fn an_index_with_a_route_of_its_own_is_reranked_by_the_text_too() {
    let setup =
        Setup::with("routes: [{ collection: docs, window: 2 }, { collection: secret, mode: off }]\n").await;
    setup.embed("which giraffe").await;
    let knn = json!({"knn": {"field": "vector", "query_vector": vector("which giraffe"), "k": 3, "num_candidates": 10}});
    let got = setup.post("/docs*,x/_search", "", &knn).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{got}");
    assert_eq!(header(&got, "x-rerank-query-source"), Some("embedding"));
}

#[tokio::test]
async fn a_replica_that_sees_only_the_search_has_the_text_from_the_fleet() {
    let redis = FakeRedis::start().await;
    let mut secret = NamedTempFile::new().unwrap();
    secret.write_all(b"the same for all of the fleet").unwrap();
    let cache = format!(
        "cache: {{ secret_file: '{}', redis: {{ url: 'redis://{}', timeout: 5s }} }}\n",
        secret.path().display(),
        redis.addr
    );
    let embedder = Arc::new(openai().await);
    let one = Setup::sharing(embedder.clone(), "", &cache).await;
    let other = Setup::sharing(embedder.clone(), "", &cache).await;
    let alone = Setup::sharing(embedder.clone(), "  memory: { shared: false }\n", &cache).await;
    for member in [&one, &other] {
        member
            .program
            .until("rerankd_fleet_round_trips_total{operation=\"probe\",result=\"ok\"}", |n| n >= 2)
            .await;
    }
    one.embed("which giraffe").await;
    while !redis.holds().iter().any(|(key, _)| key.starts_with("rerankd:e:")) {
        tokio::task::yield_now().await;
    }
    let held = redis.holds();
    assert!(held.iter().all(|(_, value)| !String::from_utf8_lossy(value).contains("giraffe")));
    let body = json!({"query": vector("which giraffe"), "limit": 3, "with_payload": true});
    other.finds(QDRANT, body.clone(), "which giraffe").await;
    alone.kept(QDRANT, body.clone(), "no_query").await;
    assert_eq!((other.looked_up("missed", "memory").await, other.looked_up("found", "fleet").await), (1, 1));
    other.finds(QDRANT, body, "which giraffe").await;
    assert_eq!(other.looked_up("found", "memory").await, 1, "now it is known here");
    assert_eq!(one.embedder.seen().len(), 1);
}
