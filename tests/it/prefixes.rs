//! A database that stands below a path, for its clients, behind the proxy, or both.

use serde_json::json;

use crate::harness::{Program, Scripted, header, qdrant_hits, response};

const JSON: &str = "application/json";

struct Setup {
    database: Scripted,
    service: Scripted,
    program: Program,
}

impl Setup {
    /// With these lines inside of the listener and of its upstream, and this path in its URL.
    async fn new(listener: &str, upstream: &str, path: &str) -> Self {
        let database = Scripted::start(|request| {
            let elastic: Vec<_> = (0..9)
                .map(|n| json!({"_index": "docs", "_id": n.to_string(), "_score": 1.0, "_source": {"text": format!("t {n}")}}))
                .collect();
            let body = match request.contains("_search") {
                true => json!({"hits": {"hits": elastic}}).to_string(),
                false => qdrant_hits(50, 100),
            };
            Some(response(200, JSON, &body))
        })
        .await;
        let service = Scripted::scoring(|_| 0.5).await;
        let yaml = format!(
            "listeners:\n  - listen: 127.0.0.1:0\n    {listener}\n    \
             upstream: {{ url: \"http://{}{path}\", {upstream} }}\n\
             admin: {{ listen: 127.0.0.1:0 }}\n\
             rerank: {{ collections: [\"*\", \"-secret\"] }}\n\
             providers: {{ cohere: {{ kind: cohere, base_url: \"http://{}\" }} }}\n",
            database.addr, service.addr
        );
        let program = Program::start(&yaml, &[("CO_API_KEY", "k")]).await;
        Self { database, service, program }
    }

    /// What is said of a search to this target, and where it arrived.
    async fn status(&self, target: &str) -> (Option<String>, String) {
        let body = match target.contains("_search") {
            true => r#"{"query":{"match":{"text":"giraffe"}}}"#,
            false => r#"{"query":[0.1],"rerank":{"query":"giraffe"},"with_payload":true,"limit":50}"#,
        };
        let length = body.len();
        let got = self
            .program
            .ask(&format!(
                "POST {target} HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON}\r\ncontent-length: {length}\r\n\r\n{body}"
            ))
            .await;
        let seen = self.database.seen();
        let arrived = seen.last().unwrap().split(' ').nth(1).unwrap().to_owned();
        (header(&got, "x-rerank-status").map(str::to_owned), arrived)
    }
}

#[tokio::test]
async fn without_a_setting_nothing_below_a_prefix_is_read_and_the_response_says_so() {
    let setup = Setup::new("dialect: auto", "", "").await;
    let paths =
        include_str!("../fixtures/cases/10/paths.txt").lines().filter_map(|line| line.strip_prefix("POST "));
    let more = ["/es/secret/_search", "/a/b/docs/_search?q=x", "/es/docs/_msearch", "/docs/type/_search"];
    for target in paths.chain(more) {
        let (status, arrived) = setup.status(target).await;
        assert_eq!(status.as_deref(), Some("kept; reason=unsupported"), "{target}");
        assert_eq!(arrived, target);
    }
    let (status, _) = setup.status("/_application/search_application/a/_search").await;
    assert_eq!(status, None);
    assert!(setup.service.seen().is_empty());
    let kept = "rerankd_searches_total{dialect=\"qdrant\",operation=\"query\",outcome=\"kept\",reason=\"unsupported\"}";
    assert_eq!(setup.program.metric(kept).await, 1);
}

#[tokio::test]
async fn a_prefix_is_taken_off_put_before_or_changed_for_another() {
    for (listener, upstream, path, below, sent) in [
        ("path_prefix: /es", "", "", "/es", ""),
        ("path_prefix: es/", "path_prefix: /es", "", "/es", "/es"),
        ("path_prefix: /a/b", "path_prefix: /c", "", "/a/b", "/c"),
        ("path_prefix: null", "path_prefix: /c/d/", "", "", "/c/d"),
        ("dialect: auto", "", "/c/d/", "", "/c/d"),
        ("path_prefix: /a", "path_prefix: /c", "/c", "/a", "/c"),
        ("path_prefix: \"/gr\u{f6}\u{df}e\"", "", "", "/gr%C3%B6%c3%9fe", ""),
        ("path_prefix: /es", "path_prefix: /es", "", "//%65s", "//%65s"),
        ("path_prefix: /es", "path_prefix: /x", "", "//%65s", "/x"),
    ] {
        let setup = Setup::new(listener, upstream, path).await;
        let name = format!("{listener} {upstream} {path}");
        for rest in
            ["/docs/_search", "/docs/_search/?pretty", "/collections/c/points/query", "/_search?q=\"a\""]
        {
            let (status, arrived) = setup.status(&format!("{below}{rest}")).await;
            assert_eq!(status.as_deref(), Some("applied"), "{name} {rest}");
            assert_eq!(
                arrived.split("size=").next().unwrap().trim_end_matches(['&', '?']),
                format!("{sent}{rest}"),
                "{name}"
            );
        }
        for rest in ["/secret/_search", "/collections/secret/points/query"] {
            let calls = setup.service.seen().len();
            let (status, arrived) = setup.status(&format!("{below}{rest}")).await;
            assert_eq!(status.as_deref(), Some("kept; reason=off"), "{name} {rest}");
            assert_eq!(arrived, format!("{sent}{rest}"));
            assert_eq!(setup.service.seen().len(), calls);
        }
        // Not a search, the prefix alone, and an absolute target.
        for (target, expected) in [
            (format!("{below}/docs/_doc/1%2F?a=%zz&\"b\""), format!("{sent}/docs/_doc/1%2F?a=%zz&\"b\"")),
            (
                format!("{below}?pretty"),
                if below.is_empty() || sent.is_empty() {
                    "/?pretty".to_owned()
                } else {
                    format!("{sent}?pretty")
                },
            ),
            (format!("http://h{below}/x?y"), format!("{sent}/x?y")),
        ] {
            if target.starts_with('?') {
                continue;
            }
            assert_eq!(setup.status(&target).await.1, expected, "{name}");
        }
    }
}

#[tokio::test]
async fn what_is_not_below_the_clients_prefix_goes_on_unchanged_and_is_no_search() {
    for upstream in ["", "path_prefix: /es", "path_prefix: /c"] {
        let setup = Setup::new("path_prefix: /es", upstream, "").await;
        for target in [
            "/docs/_search",
            "/",
            "/esx/docs/_search",
            "/ES/docs/_search",
            "/collections/c/points/query",
            "/x/es/_search",
        ] {
            let (status, arrived) = setup.status(target).await;
            assert_eq!((status, arrived.as_str()), (None, target), "{upstream}");
        }
        // Below it there may be another.
        let (status, _) = setup.status("/es/more/docs/_search").await;
        assert_eq!(status.as_deref(), Some("kept; reason=unsupported"));
        assert!(setup.service.seen().is_empty());
    }
}
