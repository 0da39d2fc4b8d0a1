//! Traces: what a collector gets of requests, and what it never gets.

use crate::harness::{
    Collector, FakeDatabase, Points, Process, Program, Scripted, Span, Wire, header, points, qdrant_hits,
    response, search,
};

const JSON: &str = "application/json";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// The header of a caller that records its own span, or does not.
fn traceparent(sampled: bool) -> String {
    format!("traceparent: 00-{TRACE}-{CALLER}-0{}\r\n", u8::from(sampled))
}

/// A rerank service that scores everything.
async fn service() -> Scripted {
    Scripted::scoring(|text| text.len() as f64 / 1000.0).await
}

/// The only span of this name.
fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let named: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(named.len(), 1, "{name} in {spans:#?}");
    named[0]
}

/// The spans of one search that is traced by its caller, and the program's database after it.
async fn spans_of_a_search(protocol: &str, more: &str) -> (Vec<Span>, Collector, Scripted) {
    let (collector, service) = (Collector::start().await, service().await);
    let points = Points::before(service.addr, &collector.wanted(protocol, more)).await;
    points.search_with(points::QUERY, 5, &format!("{}tracestate: a=1,b=2\r\n", traceparent(true))).await;
    let Points { database, program } = points;
    program.stop().await;
    (collector.spans(), collector, database)
}

fn is_whole(spans: &[Span]) {
    assert_eq!(spans.len(), 5, "{spans:#?}");
    let server = one(spans, "POST /collections/*/points/query");
    assert_eq!((server.kind, server.parent.as_str(), server.state.as_str()), (2, CALLER, "a=1,b=2"));
    let step = one(spans, "rerank");
    let (database, cache) = (one(spans, "query docs"), one(spans, "cache lookup"));
    let call = one(spans, "rerank rerank-v3.5");
    for (span, parent) in [(database, server), (step, server), (cache, step), (call, step)] {
        assert_eq!(span.parent, parent.id, "{} below {}", span.name, parent.name);
        assert!(parent.times.0 <= span.times.0 && span.times.1 <= parent.times.1, "{span:#?} {parent:#?}");
    }
    assert!(spans.iter().all(|span| span.trace == TRACE && !span.failed), "{spans:#?}");
    for (span, key, value) in [
        (server, "http.request.method", "POST"),
        (server, "http.response.status_code", "200"),
        (server, "http.route", "/collections/*/points/query"),
        (server, "rerankd.status", "applied"),
        (server, "rerankd.query_source", "header"),
        (database, "db.system.name", "qdrant"),
        (database, "db.collection.name", "docs"),
        (database, "db.operation.name", "query"),
        (database, "http.response.status_code", "200"),
        (database, "server.address", "127.0.0.1"),
        (cache, "rerankd.cache.hits", "0"),
        (step, "rerankd.provider", "cohere"),
        (call, "gen_ai.operation.name", "rerank"),
        (call, "gen_ai.provider.name", "cohere"),
        (call, "gen_ai.request.model", "rerank-v3.5"),
        (call, "http.response.status_code", "200"),
    ] {
        assert_eq!(span.says(key), value, "{key} of {span:#?}");
    }
    assert_eq!((database.kind, call.kind, step.kind), (3, 3, 1));
}

#[tokio::test]
async fn the_steps_of_a_search_are_spans_of_its_callers_trace_over_http() {
    let (spans, collector, _) = spans_of_a_search("http/protobuf", "").await;
    is_whole(&spans);
    assert!(collector.heads().iter().all(|(path, _)| path == "/v1/traces"));
    let resource = collector.resource();
    assert_eq!(resource["service.name"], "rerankd");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn the_steps_of_a_search_are_spans_of_its_callers_trace_over_grpc() {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "api-key=s3cret\n").unwrap();
    let more = format!(", headers_file: '{}', service_name: search", key.path().display());
    let (spans, collector, _) = spans_of_a_search("grpc", &more).await;
    is_whole(&spans);
    assert!(collector.heads().iter().all(|(_, headers)| headers["api-key"] == "s3cret"));
    assert_eq!(collector.resource()["service.name"], "search");
}

#[tokio::test]
async fn a_request_that_its_caller_does_not_record_leaves_no_span() {
    let (collector, service) = (Collector::start().await, service().await);
    let points = Points::before(service.addr, &collector.wanted("grpc", "")).await;
    points.search_with(points::QUERY, 5, &traceparent(false)).await;
    let forward = format!("GET /collections HTTP/1.1\r\nhost: x\r\n{}\r\n", traceparent(false));
    points.program.ask(&forward).await;
    points.program.stop().await;
    assert_eq!(collector.spans().len(), 0, "{:#?}", collector.spans());
}

#[tokio::test]
async fn without_a_collector_nothing_is_traced_and_no_series_says_so() {
    let points = Points::before(service().await.addr, "").await;
    points.search_with(points::QUERY, 5, &traceparent(true)).await;
    assert!(!points.program.metrics().await.contains("rerankd_trace_spans_total"));
    let database = points.database.seen().join("\n");
    assert!(database.contains(traceparent(true).trim()), "{database}");
}

#[tokio::test]
async fn a_cached_search_has_no_call_in_its_trace() {
    let (collector, service) = (Collector::start().await, service().await);
    let points = Points::before(service.addr, &collector.wanted("grpc", "")).await;
    points.search_with(points::QUERY, 5, &traceparent(false)).await;
    points.search_with(points::QUERY, 5, &traceparent(true)).await;
    points.program.stop().await;
    let spans = collector.spans();
    assert_eq!(spans.len(), 4, "{spans:#?}");
    let cache = one(&spans, "cache lookup");
    assert_eq!(cache.says("rerankd.cache.hits"), cache.says("rerankd.cache.lookups"));
}

/// The spans of one request of no search, before a database that answers so.
async fn spans_of_a_forward(answer: &'static str, request: &str) -> Vec<Span> {
    let (collector, database) = (Collector::start().await, FakeDatabase::answering(answer).await);
    let program = Program::before(database.addr, &collector.wanted("grpc", "")).await;
    let response = program.ask(request).await;
    assert!(response.contains("ok"), "{response}");
    program.stop().await;
    collector.spans()
}

#[tokio::test]
async fn a_forward_is_one_request_and_one_call_however_it_passes() {
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let lines = ["", "connection: close\r\n", "te: trailers\r\n"];
    for (answer, more) in [whole, chunked].iter().flat_map(|answer| lines.map(|more| (*answer, more))) {
        let request = format!("GET /collections/docs HTTP/1.1\r\nhost: x\r\n{}{more}\r\n", traceparent(true));
        let spans = spans_of_a_forward(answer, &request).await;
        assert_eq!(spans.len(), 2, "{more} {answer}: {spans:#?}");
        let (server, call) = (one(&spans, "GET /collections/*"), one(&spans, "GET"));
        assert_eq!((call.parent.as_str(), server.parent.as_str()), (server.id.as_str(), CALLER));
        assert!(spans.iter().all(|span| span.says("http.response.status_code") == "200" && !span.failed));
    }
}

#[tokio::test]
async fn a_search_that_is_not_ranked_says_so_in_its_trace() {
    let (collector, service) = (Collector::start().await, service().await);
    let more = format!("rerank: {{ mode: off }}\n{}", collector.wanted("grpc", ""));
    let points = Points::before(service.addr, &more).await;
    points.search_with(points::QUERY, 5, &traceparent(true)).await;
    points.program.stop().await;
    let spans = collector.spans();
    assert_eq!(spans.len(), 2, "{spans:#?}");
    let server = one(&spans, "POST /collections/*/points/query");
    assert_eq!((server.says("rerankd.status"), server.says("rerankd.reason")), ("kept", "off"));
    assert_eq!(one(&spans, "query docs").says("db.collection.name"), "docs");
}

#[tokio::test]
async fn each_try_of_a_provider_is_a_span_and_the_failed_one_says_why() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let service = Scripted::start(move |_| {
        let failed = first.swap(false, std::sync::atomic::Ordering::Relaxed);
        let good = r#"{"results":[{"index":0,"relevance_score":0.9},{"index":1,"relevance_score":0.1}]}"#;
        Some(if failed { response(503, JSON, "{}") } else { response(200, JSON, good) })
    })
    .await;
    let (collector, database) =
        (Collector::start().await, Scripted::start(|_| Some(response(200, JSON, &qdrant_hits(2, 9)))).await);
    let more = format!(
        "providers: {{ cohere: {{ base_url: 'http://{}' }} }}\n{}",
        service.addr,
        collector.wanted("grpc", "")
    );
    let program = Program::with_key(database.addr, &more).await;
    program.ask(&search(r#"{"query":[0.1],"with_payload":true}"#)).await;
    program.stop().await;
    let spans = collector.spans();
    let tries: Vec<&Span> = spans.iter().filter(|span| span.name == "rerank rerank-v3.5").collect();
    assert_eq!(tries.len(), 2, "{spans:#?}");
    assert_eq!((tries[0].failed, tries[0].says("error.type")), (true, "503"));
    assert_eq!((tries[1].failed, tries[1].says("http.response.status_code")), (false, "200"));
    assert_eq!(tries[0].parent, tries[1].parent);
}

#[tokio::test]
async fn each_try_of_the_database_is_a_span() {
    let (collector, database) = (Collector::start().await, FakeDatabase::by_hand().await);
    let service = service().await;
    let more = format!(
        "providers: {{ cohere: {{ base_url: 'http://{}' }} }}\n{}",
        service.addr,
        collector.wanted("grpc", ", propagate: upstream")
    );
    let program = Program::with_key(database.addr, &more).await;
    let mut client = program.client().await;
    client.send(search(r#"{"query":[0.1],"with_payload":true}"#)).await;
    let mut told = Vec::new();
    let mut broken = database.connection().await;
    told.push(broken.message().await.unwrap());
    drop(broken);
    let mut good = database.connection().await;
    told.push(good.message().await.unwrap());
    good.send(response(200, JSON, &qdrant_hits(2, 9))).await;
    client.message().await.unwrap();
    drop((client, good));
    program.stop().await;
    let spans = collector.spans();
    let tries: Vec<&Span> = spans.iter().filter(|span| span.name == "query docs").collect();
    assert_eq!(tries.len(), 2, "{spans:#?}");
    assert_eq!((tries[0].failed, tries[0].says("error.type")), (true, "broken"));
    assert!(!tries[1].failed, "{tries:#?}");
    for (request, attempt) in told.iter().zip(tries) {
        let expected = format!("00-{}-{}-01", attempt.trace, attempt.id);
        assert_eq!(header(request, "traceparent"), Some(expected.as_str()), "{request}");
    }
}

#[tokio::test]
async fn the_clients_traceparent_goes_on_unchanged_unless_the_database_is_to_be_told() {
    let (spans, _, database) = spans_of_a_search("grpc", "").await;
    let seen = database.seen().join("\n");
    assert!(seen.contains(traceparent(true).trim()) && seen.contains("tracestate: a=1,b=2"), "{seen}");
    assert!(!seen.contains(&one(&spans, "query docs").id));

    let (spans, _, database) = spans_of_a_search("grpc", ", propagate: upstream").await;
    is_whole(&spans);
    let told = format!("traceparent: 00-{TRACE}-{}-01\r\n", one(&spans, "query docs").id);
    let seen = database.seen().join("\n");
    assert!(seen.contains(&told) && seen.contains("tracestate: a=1,b=2"), "{seen}");
    assert_eq!(seen.matches("traceparent").count(), 1, "{seen}");

    let (collector, database) =
        (Collector::start().await, Scripted::start(|_| Some(response(200, JSON, "ok"))).await);
    let program = Program::before(database.addr, &collector.wanted("grpc", ", propagate: all")).await;
    program.ask("GET /collections HTTP/1.1\r\nhost: x\r\n\r\n").await;
    program.stop().await;
    let (spans, seen) = (collector.spans(), database.seen());
    assert_eq!(spans.len(), 2, "{spans:#?}");
    let call = one(&spans, "GET");
    let told = format!("00-{}-{}-01", call.trace, call.id);
    assert_eq!(header(&seen[0], "traceparent"), Some(told.as_str()), "{seen:?}");
}

#[tokio::test]
async fn a_provider_is_told_of_the_trace_only_if_all_are() {
    for (propagate, told) in [("off", false), ("upstream", false), ("all", true)] {
        let (collector, service) = (Collector::start().await, service().await);
        let more = collector.wanted("grpc", &format!(", propagate: {propagate}"));
        let points = Points::before(service.addr, &more).await;
        points.search(points::QUERY, 5).await;
        let call = service.seen().join("\n");
        assert_eq!(call.contains("traceparent"), told, "{propagate}: {call}");
    }
}

#[tokio::test]
async fn a_request_that_its_client_has_signed_is_never_told_to_the_database() {
    let (collector, database) =
        (Collector::start().await, Scripted::start(|_| Some(response(200, JSON, "ok"))).await);
    let program = Program::before(database.addr, &collector.wanted("grpc", ", propagate: all")).await;
    let signed = "authorization: AWS4-HMAC-SHA256 Credential=a/20250101/eu-west-1/es/aws4_request, \
                  SignedHeaders=host;traceparent, Signature=0\r\n";
    let request = format!("GET /_cat HTTP/1.1\r\nhost: x\r\n{signed}{}\r\n", traceparent(true));
    program.ask(&request).await;
    program.stop().await;
    assert!(database.seen()[0].contains(traceparent(true).trim()), "{:?}", database.seen());
    assert_eq!(collector.spans().len(), 2, "{:#?}", collector.spans());
}

#[tokio::test]
async fn no_text_no_key_and_no_id_is_in_a_trace() {
    const CANARIES: [&str; 6] =
        ["canary-query", "canary-document", "canary-key", "canary-id", "canary-q", "canary-header"];
    let service = Scripted::start(|request| match request.contains("canary-fails") {
        true => Some(response(400, JSON, request.split("\r\n\r\n").last().unwrap())),
        false => Some(response(
            200,
            JSON,
            r#"{"results":[{"index":0,"relevance_score":0.9},{"index":1,"relevance_score":0.1}]}"#,
        )),
    })
    .await;
    let collector = Collector::start().await;
    let page = r#"{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"total":{"value":2,"relation":"eq"},"hits":[{"_index":"i","_id":"canary-id","_score":2.0,"_source":{"text":"canary-document 1"}},{"_index":"i","_id":"2","_score":1.0,"_source":{"text":"canary-document 2"}}]}}"#;
    let database = Scripted::start(move |_| Some(response(200, JSON, page))).await;
    let listener = format!("{{ url: 'http://{}' }}", database.addr);
    let yaml = format!(
        "listeners: [{{ listen: '127.0.0.1:0', upstream: {listener} }}]\nadmin: {{ listen: '127.0.0.1:0' }}\n\
         rerank_api: {{ listen: '127.0.0.1:0' }}\n\
         providers: {{ cohere: {{ base_url: 'http://{}' }} }}\n{}",
        service.addr,
        collector.wanted("grpc", ""),
    );
    let program = Program::start(&yaml, &[("CO_API_KEY", "canary-key")]).await;
    let post = |target: &str, body: &str| {
        format!(
            "POST {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer canary-key\r\nx-rerank-query: canary-query\r\n\
             x-canary: canary-header\r\ncontent-type: {JSON}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for target in [
        "/i/_search?q=text:canary-q",
        "/i/_search?q=canary-fails",
        "/i/_doc/canary-id?pipeline=canary-q",
        "/canary-q/canary-id",
        "/_security/api_key/canary-key",
    ] {
        program.ask(&post(target, r#"{"query":{"match":{"text":"canary-query"}},"size":2}"#)).await;
    }
    let mut caller = Wire::connect(program.rerank_api.unwrap()).await;
    let call = r#"{"model":"rerank-v3.5","query":"canary-query","documents":["canary-document","b"]}"#;
    caller.send(post("/v2/rerank", call)).await;
    caller.message().await.unwrap();
    drop(caller);
    program.stop().await;
    assert!(collector.spans().len() > 12, "{:#?}", collector.spans());
    let api = one(&collector.spans(), "POST /v2/rerank").clone();
    assert!(collector.spans().iter().any(|span| span.parent == api.id), "{:#?}", collector.spans());
    for canary in CANARIES {
        assert!(!collector.has(canary), "{canary} in {:#?}", collector.spans());
    }
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    // It takes connections, and never answers.
    let (silent, service) = (FakeDatabase::by_hand().await, service().await);
    let otlp = format!(
        "telemetry: {{ otlp: {{ endpoint: 'http://{}', protocol: http/protobuf, queue: 4, timeout: 1m }} }}\n",
        silent.addr
    );
    let points = Points::before(service.addr, &format!("shutdown: {{ grace: 1s }}\n{otlp}")).await;
    // The first ones are being exported, for ever; the queue holds the next, and what comes then is dropped.
    let searching = async {
        while points.program.metric("rerankd_trace_spans_total{result=\"dropped\"}").await < 10 {
            let found = points.search_with(points::QUERY, 5, &traceparent(true)).await;
            assert!(found.0.contains("x-rerank-status: applied"), "{}", found.0);
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), searching).await.expect("spans are dropped");
    assert_eq!(points.program.metric("rerankd_trace_spans_total{result=\"exported\"}").await, 0);
    let Points { program, .. } = points;
    // It ends all the same.
    program.stop().await;
}

#[tokio::test]
async fn what_a_collector_does_not_take_is_counted_and_said_once() {
    let refusing = Collector::answering(401).await;
    let database = FakeDatabase::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let (upstream, collector) = (format!("http://{}", database.addr), format!("http://{}", refusing.addr));
    let args = ["--upstream", &upstream, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let mut process = Process::start(&args, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector)]).await;
    let mut client = Wire::connect(process.listening[0]).await;
    client.send("GET /collections HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.message().await.unwrap();
    let line = process.line_with("spans were lost").await;
    assert!(line.contains(&collector) && line.contains("not_exported") && line.contains("401"), "{line}");
}

#[tokio::test]
async fn a_kept_search_of_a_new_trace_has_its_id_in_log_and_inspector() {
    let (collector, database) =
        (Collector::start().await, Scripted::start(|_| Some(response(200, JSON, &qdrant_hits(2, 9)))).await);
    let service = Scripted::start(|_| Some(response(401, JSON, "{}"))).await;
    let (upstream, provider) = (format!("http://{}", database.addr), format!("http://{}", service.addr));
    let endpoint = format!("http://{}", collector.addr);
    let args = [
        "--upstream",
        &upstream,
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--log-format",
        "json",
    ];
    let env = [
        ("CO_API_KEY", "sekrit"),
        ("CO_API_URL", provider.as_str()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ];
    let mut process = Process::start(&args, &env).await;
    let mut client = Wire::connect(process.listening[0]).await;
    client.send(search(r#"{"query":[0.1],"with_payload":true}"#)).await;
    client.message().await.unwrap();
    let kept = process.line_with("kept the database's order").await;
    let spans = collector.until(2).await;
    let json: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(json["trace_id"], spans[0].trace.as_str(), "{kept}");
    assert!(spans.iter().all(|span| span.trace == spans[0].trace), "{spans:#?}");
    let mut admin = Wire::connect(process.admin).await;
    admin.send("GET /api/searches HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    let shown = admin.rest().await;
    assert!(shown.contains(&spans[0].trace), "{shown}");
}
