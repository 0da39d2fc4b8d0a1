//! What traces cost a request: the decision, and the spans of a search that is sampled.

use std::hint::black_box;

use http::{HeaderMap, HeaderValue, Method, Uri, uri::Authority};
use rerankd::traces::{OpenSpan, TraceMetrics, TraceSettings, Tracer, route};

use super::cases::{Case, Work};

/// Spans that a queue holds: so many searches are measured before it is full.
const QUEUE: usize = 1 << 20;

/// Decisions in one piece of work: one takes too few instructions to count by itself.
const DECISIONS: usize = 100;

/// A hundred decisions that a request is not traced, by its caller and by the ratio; and one search that is.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, ready: fn() -> Work| Case { name: name.to_owned(), ready: Box::new(ready) };
    vec![
        case("trace/unsampled_parent", || {
            unsampled(Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"))
        }),
        case("trace/unsampled_root", || unsampled(None)),
        case("trace/sampled_search", sampled),
    ]
}

fn tracer(ratio: f64) -> Tracer {
    let endpoint = Some(Uri::from_static("http://127.0.0.1:9"));
    let settings = TraceSettings { endpoint, ratio, queue: QUEUE, ..TraceSettings::default() };
    let metrics = TraceMetrics::register(&prometheus::Registry::new()).expect("it is new");
    Tracer::new(&settings, &metrics).expect("good settings").expect("there is a collector")
}

fn headers(traceparent: Option<&'static str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in ["host", "accept", "content-type", "content-length", "user-agent", "x-rerank-query"] {
        headers.insert(name, HeaderValue::from_static("some value"));
    }
    if let Some(value) = traceparent {
        headers.insert("traceparent", HeaderValue::from_static(value));
    }
    headers
}

fn unsampled(traceparent: Option<&'static str>) -> Work {
    let (tracer, headers) = (tracer(0.0), headers(traceparent));
    Box::new(move || {
        for _ in 0..DECISIONS {
            assert!(black_box(tracer.begin(black_box(&headers), || true)).is_none());
        }
    })
}

/// The five spans of a search that calls its provider, with all that is said in them.
fn sampled() -> Work {
    let (tracer, headers) = (tracer(1.0), headers(None));
    let database = Authority::from_static("127.0.0.1:6333");
    Box::new(move || {
        let Some(mut server) = tracer.begin(black_box(&headers), || true) else { return };
        let route = route("/collections/docs/points/query");
        server.name(format!("POST {route}"));
        server.set("http.request.method", "POST");
        server.set("http.route", route);
        server.set("network.protocol.version", "1.1");
        let parent = server.parent();
        parent.goes_to("qdrant");
        parent.searches("query", "docs".to_owned());
        let mut call = parent.tries(&Method::POST, &database);
        call.responded(200);
        call.end();
        let step = parent.child("rerank");
        for (name, values) in [("cache lookup", 2), ("rerank rerank-v3.5", 8)] {
            let mut span = step.parent().child(name);
            (0..values).for_each(|value| span.set("rerankd.documents", value));
            span.end();
        }
        step.end();
        parent.say("rerankd.status", "applied");
        server.responded(200);
        OpenSpan::end(server);
    })
}
