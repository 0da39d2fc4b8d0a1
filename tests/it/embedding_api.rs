//! The listener for embedding services: everything passes as it is, streamed, to the service that the path names.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rerankd::app::Reload;
use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpListener};

use crate::harness::embedding::{Embedding, embedding, openai, post, said};
use crate::harness::{
    Authority, FakeDatabase, Folder, Scripted, TlsDatabase, Watched, Wire, body_of, gzip, handshake, header,
    json_of, response,
};

const JSON: &str = "application/json";

#[tokio::test]
async fn requests_and_responses_pass_byte_for_byte_below_the_services_name() {
    let service = FakeDatabase::by_hand().await;
    let program = Embedding::before(service.addr).await;
    let mut client = program.client().await;
    let head = "POST /openai/v1/chat/completions?x=\"a\"&y=%2F HTTP/1.1\r\nHost: localhost:6363\r\n\
                authorization: Bearer sk-1\r\nX-Stainless-OS: Linux\r\nACCEPT-ENCODING: gzip, br\r\n\
                OpenAI-Organization: o\r\nx-rerank-query: kept\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
    client.send(head).await;
    let mut call = service.connection().await;
    let expected =
        head.replace("/openai/v1/chat", "/v1/chat").replace("localhost:6363", &service.addr.to_string());
    assert_eq!(call.message().await.unwrap(), expected);
    let packed = gzip(b"{\"choices\":[]}");
    let answer = [
        format!(
            "HTTP/1.1 429 Slow Down\r\nX-RateLimit-Reset: 1s\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
             Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            packed.len()
        )
        .into_bytes(),
        packed,
    ]
    .concat();
    call.send(&answer).await;
    assert_eq!(client.bytes(answer.len()).await, answer);
    // Both connections go on, and paths with and without the version reach the same.
    for path in ["/openai/v1/models", "/openai/models"] {
        client
            .send(format!("GET {path} HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n"))
            .await;
        let asked = format!("GET /v1/models HTTP/1.1\r\nHost: {}\r\nTE: trailers\r\n\r\n", service.addr);
        assert_eq!(call.message().await.unwrap(), asked);
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n";
        call.send(chunked).await;
        let got = client.message().await.unwrap();
        assert!(got.ends_with("3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"), "{got}");
    }
}

#[tokio::test]
async fn every_event_of_a_stream_comes_before_the_next_one_is_written() {
    let service = FakeDatabase::by_hand().await;
    let program = Embedding::before(service.addr).await;
    let mut client = program.client().await;
    client.send(post("/openai/v1/chat/completions", r#"{"stream":true}"#)).await;
    let mut call = service.connection().await;
    call.message().await.unwrap();
    call.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    client.head().await;
    for event in ["data: {\"delta\":\"a\"}\n\n", "data: {\"delta\":\"b\"}\n\n", "data: [DONE]\n\n"] {
        let chunk = format!("{:X}\r\n{event}\r\n", event.len());
        call.send(&chunk).await;
        assert_eq!(client.exactly(chunk.len()).await, chunk);
    }
    call.send("0\r\n\r\n").await;
    assert_eq!(client.exactly(5).await, "0\r\n\r\n");
}

#[tokio::test]
async fn a_websocket_goes_through_both_ways() {
    let service = FakeDatabase::by_hand().await;
    let program = Embedding::before(service.addr).await;
    let mut client = program.client().await;
    client
        .send(
            "GET /openai/v1/realtime?model=m HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
        .await;
    let mut call = service.connection().await;
    let asked = call.head().await;
    assert!(asked.starts_with("GET /v1/realtime?model=m HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("Upgrade: websocket") && asked.contains("Sec-WebSocket-Key: k"), "{asked}");
    call.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 101"));
    client.send(b"\x81\x85from client").await;
    assert_eq!(call.bytes(13).await, b"\x81\x85from client");
    call.send(b"\x81\x07service").await;
    assert_eq!(client.bytes(9).await, b"\x81\x07service");
    client.end().await;
    assert_eq!(call.rest().await, "");
}

/// What the program holds while a body of this many MiB goes up, at the most.
async fn uploaded(path: &str, mebibytes: usize) -> (u64, usize) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let program = Embedding::before(socket.local_addr().unwrap()).await;
    let mut client = program.client().await;
    let length = mebibytes << 20;
    let counting = tokio::spawn(async move {
        let (mut stream, _) = socket.accept().await.unwrap();
        let (mut buffer, mut head, mut got, mut sum) = (vec![0; 256 << 10], Vec::new(), 0, 0_u64);
        while got < length {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "ended after {got}");
            let mut data = &buffer[..read];
            if got == 0 {
                head.extend_from_slice(data);
                let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
                data = &head[end + 4..];
            }
            got += data.len();
            sum = data.iter().fold(sum, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        }
        (sum, stream)
    });
    client.send(format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n")).await;
    let piece: Vec<u8> = (0..1 << 20).map(|at: usize| (at % 251) as u8).collect();
    let (mut sum, mut held) = (0_u64, 0);
    for at in 0..mebibytes {
        client.send(&piece).await;
        sum = piece.iter().fold(sum, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        if at % 25 == 0 {
            held = held.max(program.program.metric("rerankd_buffered_bytes").await);
        }
    }
    let (got, _stream) = counting.await.unwrap();
    assert_eq!(got, sum, "other bytes came");
    held = held.max(program.program.metric("rerankd_buffered_bytes").await);
    (held, length)
}

#[tokio::test]
async fn a_large_upload_goes_through_without_being_held() {
    assert_eq!(uploaded("/openai/v1/files", 100).await.0, 0);
    // One that says it is an embedding call is copied up to a limit, and no further.
    assert_eq!(uploaded("/openai/v1/embeddings", 20).await.0, 0);
}

#[tokio::test]
async fn a_service_of_ones_own_is_served_below_its_name_and_no_other_sees_a_key() {
    let one = Scripted::start(|_| Some(response(200, JSON, "[[0.5,0.25]]"))).await;
    let other = Scripted::start(|_| Some(response(200, JSON, "{}"))).await;
    let services = format!(
        "tei: {{ url: 'http://{}/base/', form: tei }}, openai: {{ url: 'http://{}/v1' }}",
        one.addr, other.addr
    );
    let program = Embedding::serving(&services, "").await;
    for (path, reached) in [
        ("/tei", "/base"),
        ("/tei/embed", "/base/embed"),
        ("/tei/base/embed", "/base/embed"),
        ("/tei?a=b", "/base?a=b"),
    ] {
        let got = program.ask(post(path, r#"{"inputs":"zebra"}"#)).await;
        assert_eq!(said(&got), (200, "[[0.5,0.25]]"));
        let asked = one.seen().last().unwrap().clone();
        assert!(asked.starts_with(&format!("POST {reached} HTTP/1.1")), "{path}: {asked}");
        assert!(asked.contains("Bearer sk-callers-own"));
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn a_path_that_names_no_service_is_answered_with_those_that_are_served() {
    let program = Embedding::serving("azure: { url: 'https://n.openai.azure.com', form: openai }", "").await;
    for (path, hint) in [
        ("/v1/embeddings", Some("http://HOST:PORT/openai")),
        ("/api/embed", Some("http://HOST:PORT/ollama")),
        ("/v2/embed", Some("http://HOST:PORT/cohere")),
        ("/opnai/v1/embeddings", Some("http://HOST:PORT/openai")),
        ("/", None),
        ("/OpenAI/x", None),
    ] {
        let got = program.ask(post(path, "{}")).await;
        let (status, body) = said(&got);
        assert_eq!((status, header(&got, "content-type")), (404, Some(JSON)), "{path}");
        assert!(body.contains("names no embedding service") && body.contains("/azure"), "{path}: {body}");
        match hint {
            Some(hint) => assert!(body.contains(&format!("{hint} is what")), "{path}: {body}"),
            None => assert!(!body.contains("HOST:PORT"), "{path}: {body}"),
        }
    }
    let got = program.ask("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let index = json_of(&got);
    assert_eq!((said(&got).0, index["services"].as_array().unwrap().len()), (200, 9));
    assert_eq!(
        index["services"][0],
        json!({"path": "/openai", "url": "https://api.openai.com/v1", "form": "openai", "remember": "auto"})
    );
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_a_502_that_names_it_as_its_clients_read_errors() {
    let gone = {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        socket.local_addr().unwrap()
    };
    let forms = ["openai", "cohere", "google", "ollama", "tei"];
    let services: Vec<String> =
        forms.iter().map(|form| format!("my-{form}: {{ url: 'http://{gone}', form: {form} }}")).collect();
    let program = Embedding::serving(&services.join(", "), "").await;
    for (form, pointer) in
        forms.into_iter().zip(["/error/message", "/message", "/error/message", "/error", "/error"])
    {
        let got = program.ask(post(&format!("/my-{form}/v1/embeddings"), &embedding("zebra crossing"))).await;
        assert_eq!((said(&got).0, header(&got, "content-type")), (502, Some(JSON)));
        let body = json_of(&got);
        let message = body.pointer(pointer).and_then(|message| message.as_str()).unwrap_or_default();
        assert!(
            message.contains(&format!("`my-{form}`")) && message.contains("(connection_refused)"),
            "{body}"
        );
        assert!(!got.contains("zebra") && !got.contains("sk-callers-own"), "{got}");
        assert_eq!(program.calls(&format!("my-{form}"), "broken").await, 1);
    }
}

#[tokio::test]
async fn a_services_own_errors_pass_as_they_are() {
    let service =
        Scripted::start(|_| Some(response(401, JSON, r#"{"error":{"message":"Incorrect API key"}}"#))).await;
    let program = Embedding::before(service.addr).await;
    let got = program.embed("zebra").await;
    assert_eq!(said(&got), (401, r#"{"error":{"message":"Incorrect API key"}}"#));
    assert_eq!(program.calls("openai", "rejected").await, 1);
}

#[tokio::test]
async fn redirects_pass_and_those_within_the_service_lead_through_here_again() {
    let service = Scripted::start(|request| {
        let to = request.lines().find_map(|line| line.strip_prefix("x-to: ")).unwrap();
        Some(format!("HTTP/1.1 307 X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
    })
    .await;
    let program = Embedding::before(service.addr).await;
    let own = format!("http://{}/v1/x?a=b", service.addr);
    for (to, expected) in [
        ("/v1/embeddings/", "/openai/v1/embeddings/"),
        (own.as_str(), "/openai/v1/x?a=b"),
        ("https://elsewhere.example/v1/x", "https://elsewhere.example/v1/x"),
        ("/login", "/login"),
    ] {
        let got = program.ask(format!("GET /openai/v1/x HTTP/1.1\r\nhost: x\r\nx-to: {to}\r\n\r\n")).await;
        assert_eq!((said(&got).0, header(&got, "location")), (307, Some(expected)));
    }
}

#[tokio::test]
async fn clients_of_http2_are_served_in_cleartext_and_an_offer_to_switch_to_it_is_not_taken() {
    let service = openai().await;
    let program = Embedding::before(service.addr).await;
    // The JDK's client offers it with every request.
    let body = embedding("zebra");
    let offer = post("/openai/v1/embeddings", &body).replace(
        "Host: x\r\n",
        "Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n",
    );
    assert_eq!(said(&program.ask(offer).await).0, 200);
    assert!(!service.seen()[0].to_lowercase().contains("upgrade"), "{}", service.seen()[0]);

    let stream = tokio::net::TcpStream::connect(program.program.embeddings.unwrap()).await.unwrap();
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://localhost:6363/openai/embeddings")
        .version(Version::HTTP_2)
        .header("authorization", "Bearer sk-2")
        .body(Full::new(Bytes::from(embedding("a horse"))))
        .unwrap();
    let got = send.send_request(request).await.unwrap();
    assert_eq!(got.status(), 200);
    let bytes = got.into_body().collect().await.unwrap().to_bytes();
    assert!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["data"].is_array());
    assert!(service.seen()[1].starts_with("POST /v1/embeddings HTTP/1.1\r\n"));
    assert_eq!(program.calls("openai", "remembered").await, 2);
}

#[tokio::test]
async fn tls_is_spoken_on_both_sides() {
    let authority = Authority::new();
    let service = TlsDatabase::start(&authority.issue(&["localhost"]), None, &["http/1.1"]).await;
    let folder = Folder::new(&format!(
        "admin: {{ listen: '127.0.0.1:0' }}\nembeddings:\n  listen: 127.0.0.1:0\n  \
         tls: {{ cert_file: DIR/us.crt, key_file: DIR/us.key }}\n  services:\n    \
         mine: {{ url: 'https://localhost:{}/v1', form: openai, ca_file: DIR/ca.crt }}\n",
        service.addr.port()
    ));
    authority.issue(&["localhost"]).write(&folder.path(""), "us");
    folder.write("ca.crt", &authority.pem());
    let sidecar = Watched::start_in(folder).await;
    let at = sidecar.app.embeddings.unwrap();
    let mut client = Wire::over(handshake(at, &authority, None, &["http/1.1"]).await.unwrap());
    client.send("GET /mine/models HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(said(&client.message().await.unwrap()), (200, "ok"));
}

#[tokio::test]
async fn what_is_not_configured_is_not_served() {
    let program = Embedding::with("").await;
    assert_eq!(program.program.embeddings, None);
    let metrics = program.program.metrics().await;
    assert!(!metrics.contains("rerankd_embedding"), "{metrics}");
    assert!(program.search("zebra crossing").await.status.contains("no_query"));
}

/// A program with services alone: no database, no reranker.
fn services_alone(url: &str, more: &str) -> String {
    format!(
        "admin: {{ listen: '127.0.0.1:0' }}\nembeddings: {{ listen: '127.0.0.1:0', services: {{ openai: {{ url: '{url}' \
         {more} }} }} }}\n"
    )
}

#[tokio::test]
async fn a_reload_takes_another_service_and_connections_go_on() {
    let (one, other) = (openai().await, openai().await);
    let sidecar = Watched::start(&services_alone(&format!("http://{}/v1", one.addr), "")).await;
    let mut client = Wire::connect(sidecar.app.embeddings.unwrap()).await;
    let call = post("/openai/v1/embeddings", &embedding("zebra"));
    client.send(&call).await;
    assert_eq!(said(&client.message().await.unwrap()).0, 200);
    sidecar.folder.configure(&services_alone(&format!("http://{}/v1", other.addr), ", remember: never"));
    assert!(matches!(sidecar.reloader.check_now().await, Reload::Applied));
    client.send(&call).await;
    assert_eq!(said(&client.message().await.unwrap()).0, 200);
    assert_eq!((one.seen().len(), other.seen().len()), (1, 1));
    let metrics = crate::harness::ask(sidecar.app.admin, "/metrics").await;
    for line in [
        "rerankd_embedding_calls_total{result=\"remembered\",service=\"openai\"} 1",
        "rerankd_embedding_calls_total{result=\"off\",service=\"openai\"} 1",
        "rerankd_embedding_memory_entries 1",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn a_stream_that_is_open_finishes_while_the_program_stops() {
    let service = FakeDatabase::by_hand().await;
    let program = Embedding::before(service.addr).await;
    let mut client = program.client().await;
    client.send(post("/openai/v1/chat/completions", "{}")).await;
    let mut call = service.connection().await;
    call.message().await.unwrap();
    call.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab").await;
    client.head().await;
    assert_eq!(client.exactly(2).await, "ab");
    let Embedding { program, .. } = program;
    let stopping = tokio::spawn(program.stop());
    client.until_rejected().await;
    call.send("cd").await;
    assert_eq!(client.exactly(2).await, "cd");
    tokio::time::timeout(Duration::from_secs(60), stopping).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_no_http_parser_should_take_is_refused_in_json() {
    let service = openai().await;
    let program = Embedding::before(service.addr).await;
    let two_hosts = "GET /openai/models HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let got = program.ask(two_hosts).await;
    assert_eq!((said(&got).0, header(&got, "content-type")), (400, Some(JSON)));
    assert!(body_of(&got).contains("cannot be forwarded"), "{got}");
    assert!(service.seen().is_empty());
}
