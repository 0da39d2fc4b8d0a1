//! What is remembered of embedding calls that pass, and that nothing about it can break one.

use rerankd::wire::proto::write;
use serde_json::json;

use crate::harness::embedding::{Embedding, Searched, embedded, embedding, openai, post, said, vector};
use crate::harness::grpc::{GrpcClient, GrpcServer, Move, framed};
use crate::harness::rerank_api::{CALLERS_KEY, rejected};
use crate::harness::{
    FakeDatabase, Folder, Process, Program, RawServer, Scripted, Wire, ask, gzip, request, response, whole,
};

const JSON: &str = "application/json";

#[tokio::test]
async fn a_search_by_the_vector_of_an_embedded_text_is_reranked_by_that_text() {
    let service = openai().await;
    let program = Embedding::before(service.addr).await;
    assert!(program.search("zebra crossing").await.status.contains("no_query"));
    assert_eq!(said(&program.embed("zebra crossing").await).0, 200);
    let found = program.search("zebra crossing").await;
    assert!(found.is_recalled(), "{found:?}");
    assert!(program.reranker.seen().last().unwrap().contains("\"zebra crossing\""));
    // Another vector is that of no text.
    assert!(program.search("a horse").await.status.contains("no_query"));
    assert_eq!(program.calls("openai", "remembered").await, 1);
}

#[tokio::test]
async fn so_is_one_of_an_elasticsearch_by_knn() {
    let service = openai().await;
    let program = Embedding::before(service.addr).await;
    program.embed("zebra crossing").await;
    let body = json!({"knn": {"field": "v", "query_vector": vector("zebra crossing"), "k": 3, "num_candidates": 9}, "size": 3});
    let found = Searched::of(&program.program.ask(&post("/docs/_search", &body.to_string())).await);
    assert!(found.is_recalled(), "{found:?}");
}

/// A search of collection `docs` over gRPC.
fn grpc_search(vector: &[f32]) -> Vec<u8> {
    let mut out = Vec::new();
    write::bytes(&mut out, 1, b"docs");
    let dense = |out: &mut Vec<u8>| write::floats(out, 1, vector);
    let nearest = |out: &mut Vec<u8>| write::message(out, 2, dense);
    write::message(&mut out, 3, |out| write::message(out, 1, nearest));
    write::unsigned(&mut out, 8, 3);
    out
}

/// Hits over gRPC, the shortest text first.
fn grpc_hits() -> Vec<u8> {
    let mut out = Vec::new();
    for (id, text) in ["a giraffe", "a zebra", "a zebra crossing"].into_iter().enumerate() {
        write::message(&mut out, 1, |out| {
            write::message(out, 1, |out| write::unsigned(out, 1, id as u64));
            write::message(out, 2, |out| {
                write::bytes(out, 1, b"text");
                write::message(out, 2, |out| write::bytes(out, 4, text.as_bytes()));
            });
            write::float(out, 3, 0.9 - id as f32 / 10.0);
        });
    }
    out
}

#[tokio::test]
async fn so_is_one_of_a_qdrant_over_grpc() {
    let (service, reranker) = (openai().await, Scripted::scoring(|text| text.len() as f64 / 100.0).await);
    let server = GrpcServer::start().await;
    server.will([Move::message(grpc_hits())]);
    let program = Program::start(
        &format!(
            "listeners: [{{ listen: '127.0.0.1:0', dialect: qdrant, upstream: {{ url: 'http://127.0.0.1:9', grpc_url: \
             'http://{}' }} }}]\nadmin: {{ listen: '127.0.0.1:0' }}\n\
             providers: {{ cohere: {{ base_url: 'http://{}' }} }}\n\
             embeddings: {{ listen: '127.0.0.1:0', services: {{ openai: {{ url: 'http://{}/v1' }} }} }}\n",
            server.addr, reranker.addr, service.addr
        ),
        &[("CO_API_KEY", "k")],
    )
    .await;
    let mut client = Wire::connect(program.embeddings.unwrap()).await;
    client.send(post("/openai/v1/embeddings", &embedding("zebra crossing"))).await;
    assert_eq!(said(&client.message().await.unwrap()).0, 200);
    let client = GrpcClient::connect(program.addr).await;
    let asked = framed(0, grpc_search(&vector("zebra crossing")));
    let got = client.call_with("/qdrant.Points/Query", &[], asked).await;
    assert_eq!(got.headers["x-rerank-status"], "applied");
    assert_eq!(got.headers["x-rerank-query-source"], "embedding");
}

#[tokio::test]
async fn the_last_bytes_of_a_response_come_when_the_memory_has_its_vectors() {
    let service = FakeDatabase::by_hand().await;
    let program = Embedding::before(service.addr).await;
    let mut client = program.client().await;
    let call = post("/openai/v1/embeddings", &embedding("zebra crossing"));
    let body = embedded(&call);
    let (first, last) = body.split_at(body.len() - 1);
    // With its length declared, and chunked.
    client.send(&call).await;
    let mut there = service.connection().await;
    there.message().await.unwrap();
    there.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{first}", body.len())).await;
    client.head().await;
    // What does not complete it goes on at once.
    assert_eq!(client.exactly(first.len()).await, first);
    assert!(program.search("zebra crossing").await.status.contains("no_query"));
    there.send(last).await;
    assert_eq!(client.exactly(1).await, last);
    assert!(program.search("zebra crossing").await.is_recalled());

    let call = post("/openai/v1/embeddings", &embedding("another zebra"));
    client.send(&call).await;
    there.message().await.unwrap();
    let chunk = format!("{:X}\r\n{}\r\n", embedded(&call).len(), embedded(&call));
    there.send(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}")).await;
    client.head().await;
    assert_eq!(client.exactly(chunk.len()).await, chunk);
    there.send("0\r\n\r\n").await;
    assert_eq!(client.exactly(5).await, "0\r\n\r\n");
    assert!(program.search("another zebra").await.is_recalled());
    assert_eq!(program.calls("openai", "remembered").await, 2);
}

#[tokio::test]
async fn packed_calls_are_read_and_pass_as_they_are_packed() {
    let call = post("/v1/embeddings", &embedding("zebra crossing"));
    let packed = gzip(embedded(&call).as_bytes());
    let answer = whole(200, "content-type: application/json\r\ncontent-encoding: gzip\r\n", &packed);
    let service = RawServer::answering(answer.clone()).await;
    let program = Embedding::before(service.addr).await;
    let body = gzip(embedding("zebra crossing").as_bytes());
    let mut client = program.client().await;
    client.send(request("/openai/v1/embeddings", "content-encoding: gzip\r\n", &body)).await;
    let got = client.rest_bytes().await;
    assert!(got.ends_with(&packed));
    assert_eq!(service.last_body(), body);
    assert_eq!(program.calls("openai", "remembered").await, 1);
    assert!(program.search("zebra crossing").await.is_recalled());
}

#[tokio::test]
async fn nothing_that_a_service_or_a_client_sends_can_break_a_call() {
    let long = "x".repeat(3 << 20);
    let good = embedded(&post("/", &embedding("zebra")));
    let cases: Vec<(String, Vec<u8>, &str)> = vec![
        (embedding("zebra"), b"{\"data\":[{\"embedding\":[1e400,{}]}]}".to_vec(), "bad_response"),
        (embedding("zebra"), b"\xff\xfe not json".to_vec(), "bad_response"),
        (embedding("zebra"), b"{\"data\":[]}".to_vec(), "bad_response"),
        (embedding("zebra"), Vec::new(), "broken"),
        (embedding("zebra"), long.clone().into_bytes(), "too_large"),
        (format!("{{\"input\":\"{long}\"}}"), good.clone().into_bytes(), "too_large"),
        ("{\"input\":".to_owned(), good.clone().into_bytes(), "bad_request"),
        ("[".repeat(200_000), good.clone().into_bytes(), "bad_request"),
        (json!({"input": " "}).to_string(), good.clone().into_bytes(), "empty"),
        (json!({"input": vec!["a"; 17]}).to_string(), good.clone().into_bytes(), "long_list"),
        (json!({"input": "a", "input_type": "passage"}).to_string(), good.clone().into_bytes(), "document"),
        (json!({"input": [[900_000_000]]}).to_string(), good.into_bytes(), "tokens"),
    ];
    for (asked, answer, result) in cases {
        let service = RawServer::answering(whole(200, "", &answer)).await;
        let program = Embedding::serving(
            &format!("openai: {{ url: 'http://{}/v1' }}", service.addr),
            "limits: { max_request_bytes: 1MiB, max_response_bytes: 2MiB }\n",
        )
        .await;
        let mut client = program.client().await;
        client.send(request("/openai/v1/embeddings", "", asked.as_bytes())).await;
        let got = client.rest_bytes().await;
        assert!(got.starts_with(b"HTTP/1.1 200") && got.ends_with(&answer), "{result}");
        assert_eq!(service.last_body(), asked.as_bytes(), "{result}");
        let metrics = program.program.metrics().await;
        let counted: Vec<&str> = metrics
            .lines()
            .filter(|line| line.starts_with("rerankd_embedding_calls_total{") && !line.ends_with(" 0"))
            .collect();
        assert_eq!(
            counted,
            [format!("rerankd_embedding_calls_total{{result=\"{result}\",service=\"openai\"}} 1")]
        );
        assert!(
            metrics.contains("rerankd_buffered_bytes 0") || !metrics.contains("rerankd_buffered_bytes "),
            "{result}"
        );
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_breaks_off_for_the_client_and_teaches_nothing() {
    let service = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":").await;
    let program = Embedding::before(service.addr).await;
    let mut client = program.client().await;
    client.send(post("/openai/v1/embeddings", &embedding("zebra"))).await;
    assert!(client.rest().await.ends_with("{\"data\":"));
    assert_eq!(program.calls("openai", "broken").await, 1);
}

#[tokio::test]
async fn without_room_for_a_copy_a_call_passes_all_the_same() {
    let service = openai().await;
    let program = Embedding::serving(
        &format!("openai: {{ url: 'http://{}/v1' }}", service.addr),
        "memory: { max_buffered: 1KiB }\n",
    )
    .await;
    assert_eq!(said(&program.embed(&"zebra crossing ".repeat(100)).await).0, 200);
    assert_eq!(program.calls("openai", "no_room").await, 1);
}

#[tokio::test]
async fn a_service_of_which_nothing_is_to_be_remembered_teaches_nothing() {
    let service = openai().await;
    let at = format!("openai: {{ url: 'http://{}/v1'", service.addr);
    for (service, more, result) in [
        (format!("{at}, remember: never }}"), "", "off"),
        (format!("{at}, remember: marked }}"), "", "unmarked"),
    ] {
        let program = Embedding::serving(&service, more).await;
        program.embed("zebra crossing").await;
        assert!(program.search("zebra crossing").await.status.contains("no_query"));
        assert_eq!(program.calls("openai", result).await, 1);
    }
    let section = format!(
        "embeddings: {{ listen: '127.0.0.1:0', services: {{ {at} }} }}, memory: {{ max_bytes: 0 }} }}\n"
    );
    let program = Embedding::with(&section).await;
    program.embed("zebra crossing").await;
    assert_eq!(program.calls("openai", "off").await, 1);
}

#[tokio::test]
async fn what_a_model_wants_before_a_query_is_no_part_of_the_question() {
    let service = openai().await;
    let program = Embedding::before(service.addr).await;
    program.embed("query: zebra crossing").await;
    assert!(program.search("query: zebra crossing").await.is_recalled());
    let asked = program.reranker.seen().last().unwrap().clone();
    assert!(asked.contains("\"zebra crossing\"") && !asked.contains("query: zebra"), "{asked}");

    let section = format!(
        "embeddings: {{ listen: '127.0.0.1:0', query_prefixes: ['Frage: '], services: {{ openai: {{ url: 'http://{}/v1' }} }} }}\n",
        service.addr
    );
    let program = Embedding::with(&section).await;
    program.embed("Frage: zebra crossing").await;
    assert!(program.search("Frage: zebra crossing").await.is_recalled());
    assert!(!program.reranker.seen().last().unwrap().contains("Frage"));
}

/// The endpoint with Cohere's other calls, before a Cohere that embeds, and a database.
async fn passing_on(api: &str) -> (Embedding, Scripted) {
    let cohere = Scripted::start(|asked| {
        let vectors = json!({"id": "i", "embeddings": {"float": [vector("zebra crossing")]}, "texts": ["zebra crossing"]});
        Some(match asked.lines().next().is_some_and(|line| line.contains("/embed ")) {
            true => response(200, JSON, &vectors.to_string()),
            false => response(200, JSON, r#"{"id":"c"}"#),
        })
    })
    .await;
    let yaml = format!(
        "rerank_api: {{ listen: '127.0.0.1:0'{api} }}\nembeddings: {{ services: {{ cohere: {{ url: 'http://{}' }} }} }}\n",
        cohere.addr
    );
    (Embedding::with(&yaml).await, cohere)
}

async fn ask_api(program: &Embedding, request: &str) -> String {
    let mut client = Wire::connect(program.program.rerank_api.unwrap()).await;
    client.send(request).await;
    client.message().await.expect("a response")
}

fn embed(path: &str, key: &str) -> String {
    let body = json!({"texts": ["zebra crossing"], "model": "embed-v4.0", "input_type": "search_query", "embedding_types": ["float"]});
    post(path, &body.to_string()).replace("sk-callers-own", key)
}

#[tokio::test]
async fn the_rerank_endpoint_alone_serves_embed_search_rerank_and_answer() {
    let (program, cohere) = passing_on("").await;
    for path in ["/v2/embed", "/any/base/v2/embed"] {
        assert_eq!(said(&ask_api(&program, &embed(path, "co-own")).await).0, 200);
        let asked = cohere.seen().last().unwrap().clone();
        assert!(
            asked.starts_with("POST /v2/embed HTTP/1.1\r\n") && asked.contains("Bearer co-own"),
            "{asked}"
        );
    }
    assert!(program.search("zebra crossing").await.is_recalled());
    let reranking = json!({"model": "m", "query": "q", "documents": ["a", "bb"]}).to_string();
    let reranked = ask_api(&program, &post("/v2/rerank", &reranking)).await;
    assert_eq!(said(&reranked).0, 200);
    for path in
        ["/v2/chat", "/v1/models?page_size=1", "/v1/embed-jobs/7", "/compatibility/v1/chat/completions"]
    {
        assert_eq!(said(&ask_api(&program, &post(path, "{}")).await), (200, r#"{"id":"c"}"#));
        assert!(cohere.seen().last().unwrap().starts_with(&format!("POST {path} HTTP/1.1")));
    }
    // Reranking stays here, and our own key too.
    let seen = cohere.seen();
    assert!(seen.iter().all(|each| !each.contains("/rerank") && !each.contains("sekrit-key-123")));
    assert_eq!(program.calls("cohere", "remembered").await, 2);
    assert!(
        rejected(&ask_api(&program, &post("/elsewhere", "{}")).await, 404)
            .contains("passes Cohere's other calls")
    );
    assert!(
        rejected(&ask_api(&program, &post("/v1/v2/embed", "{}")).await, 404).contains("must not end in /v1")
    );
}

#[tokio::test]
async fn a_stream_of_coheres_passes_event_by_event() {
    let cohere = FakeDatabase::by_hand().await;
    let yaml = format!(
        "rerank_api: {{ listen: '127.0.0.1:0' }}\nembeddings: {{ services: {{ cohere: {{ url: 'http://{}' }} }} }}\n",
        cohere.addr
    );
    let program = Embedding::with(&yaml).await;
    let mut client = Wire::connect(program.program.rerank_api.unwrap()).await;
    client.send(post("/v2/chat", r#"{"stream":true}"#)).await;
    let mut call = cohere.connection().await;
    call.message().await.unwrap();
    call.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.head().await;
    for event in ["data: {\"type\":\"message-start\"}\n\n", "data: [DONE]\n\n"] {
        let chunk = format!("{:X}\r\n{event}\r\n", event.len());
        call.send(&chunk).await;
        assert_eq!(client.exactly(chunk.len()).await, chunk);
    }
}

#[tokio::test]
async fn our_own_token_never_leaves_for_cohere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{CALLERS_KEY}\n")).unwrap();
    let (program, cohere) = passing_on(&format!(", token_file: {}", file.display())).await;
    let refused = ask_api(&program, &embed("/v2/embed", CALLERS_KEY)).await;
    assert!(rejected(&refused, 401).contains("use a key of Cohere's"), "{refused}");
    let elsewhere =
        embed("/v2/embed", "co-own").replace("Host: x", &format!("Host: x\r\nX-Api-Key: {CALLERS_KEY}"));
    assert_eq!(said(&ask_api(&program, &elsewhere).await).0, 401);
    assert!(cohere.seen().is_empty());
    // Who has a key of Cohere's shows that; to rerank here, the token.
    assert_eq!(said(&ask_api(&program, &embed("/v2/embed", "co-own")).await).0, 200);
    let reranking = post("/v2/rerank", r#"{"model":"m","query":"q","documents":["a"]}"#);
    assert_eq!(said(&ask_api(&program, &reranking).await).0, 401);
}

#[tokio::test]
async fn no_key_and_no_text_of_a_call_is_in_the_log_the_metrics_or_an_error() {
    let service = Scripted::start(|asked| {
        let all = format!("{{\"error\":{}}}", json!(asked));
        Some(match asked.split([' ', '?']).nth(1).unwrap_or_default() {
            "/good/embeddings" => response(200, JSON, &embedded(asked)),
            "/garbage/embeddings" => response(200, JSON, &all[1..]),
            "/cut/embeddings" => "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"data\":".to_owned(),
            "/odd/embeddings" => format!("canary {all}"),
            _ => response(500, JSON, &all),
        })
    })
    .await;
    let mut services: Vec<String> = ["good", "garbage", "odd", "failing"]
        .iter()
        .map(|name| format!("{name}: {{ url: 'http://{}/{name}', form: openai }}", service.addr))
        .collect();
    services.push("gone: { url: 'http://127.0.0.1:9', form: openai }".to_owned());
    let folder = Folder::new(&format!(
        "admin: {{ listen: '127.0.0.1:0' }}\nembeddings: {{ listen: '127.0.0.1:0', services: {{ {} }} }}\n",
        services.join(", ")
    ));
    let path = folder.path("rerankd.yaml");
    let mut process = Process::start(&["--config", path.to_str().unwrap()], &[("RUST_LOG", "trace")]).await;
    let line = process.line_with("embedding services").await;
    let at = line.split("\"listen\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    for name in ["good", "garbage", "odd", "failing", "gone", "canary-unknown"] {
        let mut client = Wire::connect(at.parse().unwrap()).await;
        let asked = post(&format!("/{name}/embeddings?key=canary-query-key"), &embedding("canary text"));
        client.send(asked.replace("sk-callers-own", "canary-key")).await;
        let got = client.message().await.expect("a response");
        // What is not the service's own tells nothing.
        if ["odd", "gone", "canary-unknown"].contains(&name) {
            assert!(!got.contains("canary"), "{got}");
        }
    }
    let metrics = ask(process.admin, "/metrics").await;
    assert!(metrics.contains("{result=\"remembered\",service=\"good\"} 1"), "{metrics}");
    assert!(metrics.contains("{result=\"rejected\",service=\"failing\"} 1"), "{metrics}");
    let log = process.stop().await.stderr;
    assert!(log.contains("an embedding call") && log.contains("connection_refused"), "{log}");
    assert!(!metrics.contains("canary") && !log.contains("canary"), "{log}");
}
