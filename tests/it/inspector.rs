//! The inspector over sockets: who may see it, what it tells, and what it never does.

use std::net::SocketAddr;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use rerankd::app::Reload;
use serde_json::Value;

use crate::harness::{
    Fault, Faulty, Folder, Points, QUERY, Scripted, Watched, Wire, body_of, header, json_of, response,
};

/// What comes to a GET with these header lines (each with its end).
async fn get(admin: SocketAddr, path: &str, headers: &str) -> String {
    let mut client = Wire::connect(admin).await;
    client.send(format!("GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n")).await;
    // Events that should have been rejected would go on for ever.
    tokio::time::timeout(Duration::from_secs(10), client.rest()).await.expect("the response ends")
}

const LOCAL: &str = "host: localhost:9464\r\n";

async fn json(admin: SocketAddr, path: &str) -> Value {
    let got = get(admin, path, LOCAL).await;
    assert!(got.starts_with("HTTP/1.1 200 OK"), "{got}");
    json_of(&got)
}

/// An open stream of events, past its first state: from now on no search is missed.
async fn events(admin: SocketAddr) -> Wire {
    let mut client = Wire::connect(admin).await;
    client.send(format!("GET /api/events HTTP/1.1\r\n{LOCAL}\r\n")).await;
    client.until("event: state\n").await;
    client
}

/// The next event of a search.
async fn next_search(events: &mut Wire) -> Value {
    events.until("event: search\ndata: ").await;
    serde_json::from_str(events.until("\n\n").await.trim()).unwrap()
}

#[tokio::test]
async fn a_search_is_reported_as_it_happens_and_hit_by_hit_when_asked_for() {
    let service = Faulty::start(Fault::Hang).await;
    let points = Points::before(service.addr, "rerank: { window: 4 }\n").await;
    let admin = points.program.admin;
    let mut events = events(admin).await;
    let trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    points.search_with(QUERY, 2, trace).await;

    let row = next_search(&mut events).await;
    let reported = |name: &str| row[name].clone();
    assert_eq!((reported("outcome"), reported("reason")), ("applied".into(), "none".into()));
    assert_eq!(
        (reported("limit"), reported("window"), reported("widened_to")),
        (2.into(), 4.into(), 4.into())
    );
    assert_eq!(
        (reported("collections"), reported("provider")),
        (serde_json::json!(["docs"]), "cohere".into())
    );
    assert_eq!(
        (reported("cache_hits"), reported("cache_lookups"), reported("query")),
        (0.into(), 4.into(), Value::Null)
    );
    assert_eq!(reported("trace_id"), "0af7651916cd43dd8448eb211c80319c");

    let whole = json(admin, &format!("/api/searches/{}", row["number"])).await;
    let hits: Vec<String> = whole["lists"][0]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| {
            format!(
                "{} {}→{} {} {} {}",
                hit["id"], hit["from"], hit["place"], hit["to"], hit["scored_by"], hit["database_score"]
            )
        })
        .collect();
    assert_eq!(
        hits,
        [
            r#""0" 0→3 "off_page" "provider" 0.999"#,
            r#""1" 1→2 "off_page" "provider" 0.998"#,
            r#""2" 2→1 "response" "provider" 0.997"#,
            r#""3" 3→0 "response" "provider" 0.996"#,
        ]
    );
    assert!(whole["lists"][0].as_array().unwrap().iter().all(|hit| hit["document"].is_null()));

    // The same again: known by now.
    points.search(QUERY, 2).await;
    let again = next_search(&mut events).await;
    let whole = json(admin, &format!("/api/searches/{}", again["number"])).await;
    assert!(whole["lists"][0].as_array().unwrap().iter().all(|hit| hit["scored_by"] == "cache"), "{whole}");

    let list = json(admin, "/api/searches").await;
    assert_eq!((list["capture"].as_str(), list["searches"].as_array().unwrap().len()), (Some("scores"), 2));
    assert_eq!(list["searches"][0]["number"], again["number"], "the latest first");
}

#[tokio::test]
async fn a_search_whose_order_was_kept_says_why() {
    let service = Faulty::start(Fault::Status(500)).await;
    service.set_broken(true);
    let points = Points::before(service.addr, "rerank: { window: 3 }\n").await;
    let admin = points.program.admin;
    let mut events = events(admin).await;
    points.search(QUERY, 2).await;
    let row = next_search(&mut events).await;
    assert_eq!((&row["outcome"], &row["reason"]), (&"kept".into(), &"provider_unavailable".into()));
    let whole = json(admin, &format!("/api/searches/{}", row["number"])).await;
    for (at, hit) in whole["lists"][0].as_array().unwrap().iter().enumerate() {
        assert_eq!((hit["from"].as_u64(), hit["place"].as_u64()), (Some(at as u64), Some(at as u64)));
        assert_eq!(
            (&hit["scored_by"], &hit["unscored_because"]),
            (&"nobody".into(), &"provider_unavailable".into())
        );
    }
    // Switched off is not worth a record.
    points.search_with(QUERY, 2, "x-rerank: off\r\n").await;
    points.search_with("", 2, "").await;
    assert_eq!(next_search(&mut events).await["reason"], "no_query");
}

#[tokio::test]
async fn in_shadow_what_is_reported_is_what_was_done_behind_the_response() {
    let service = Faulty::start(Fault::Hang).await;
    let points = Points::before(service.addr, "rerank: { mode: shadow, window: 4 }\n").await;
    let admin = points.program.admin;
    let mut events = events(admin).await;
    points.search(QUERY, 2).await.assert_kept("shadow", 2, "shadow");
    let row = next_search(&mut events).await;
    assert_eq!(
        (&row["shadow"], &row["outcome"], &row["mode"]),
        (&true.into(), &"applied".into(), &"shadow".into())
    );
    let state = json(admin, "/api/state").await;
    assert_eq!(state["rerank"]["mode"], "shadow");
    assert_eq!(state["effects"]["shadow"]["searches"], 1);
    assert_eq!(state["effects"]["on"]["searches"], 0);
    assert_eq!(json(admin, "/api/searches").await["searches"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_state_tells_what_is_active_and_no_key() {
    let service = Faulty::start(Fault::Hang).await;
    let more = format!(
        "providers:\n  cohere: {{ base_url: \"http://{}\", max_search_units_per_day: 9 }}\n\
         rerank: {{ sample: 100%, window: 4 }}\n",
        service.addr
    );
    let points = Points::with(&more).await;
    let admin = points.program.admin;
    points.search(QUERY, 2).await;
    let state = json(admin, "/api/state").await;
    let provider = &state["providers"][0];
    assert_eq!(
        (&provider["name"], &provider["circuit"], &provider["calls_ok"]),
        (&"cohere".into(), &"closed".into(), &1.into())
    );
    assert_eq!(
        provider["spend"][0],
        serde_json::json!({ "unit": "search_units", "window": "day", "limit": 9, "left": 8 })
    );
    assert_eq!(
        (&state["cache"]["entries"], &state["searches"]["by_outcome"]["applied"]),
        (&4.into(), &1.into())
    );
    assert_eq!(
        (&state["ready"]["ready"], &state["configuration"]["passthrough"]),
        (&true.into(), &false.into())
    );
    assert_eq!(state["records"]["capture"], "scores");
    let config = get(admin, "/api/config", LOCAL).await;
    assert!(config.contains("api_key: \"***\"") && config.contains("capture: scores"), "{config}");
    assert!(!config.contains("sekrit") && !state.to_string().contains("sekrit"));
}

#[tokio::test]
async fn others_see_probes_and_metrics_alone_unless_they_show_the_token_and_a_reload_changes_it() {
    let database = Scripted::start(|_| Some(response(200, "text/plain", "ok"))).await;
    let yaml = format!(
        "listeners: [{{ listen: '127.0.0.1:0', upstream: {{ url: 'http://{}' }} }}]\n\
         admin: {{ listen: '127.0.0.1:0', token_file: DIR/token }}\n",
        database.addr
    );
    let folder = Folder::new(&yaml);
    folder.write("token", "first-token\n");
    let sidecar = Watched::start_in(folder).await;
    let admin = sidecar.app.admin;
    // A proxy on this machine that says that it speaks for another one stands for a peer from elsewhere.
    let far = "host: rerankd.example\r\nx-forwarded-for: 10.0.0.9\r\n";
    for path in ["/livez", "/metrics", "/readyz"] {
        assert!(get(admin, path, far).await.starts_with("HTTP/1.1 200"), "{path}");
    }
    for path in
        ["/", "/inspector.js", "/api/state", "/api/searches", "/api/searches/1", "/api/events", "/nothing"]
    {
        let rejected = get(admin, path, far).await;
        assert!(
            rejected.starts_with("HTTP/1.1 401") && rejected.contains("www-authenticate: Bearer"),
            "{rejected}"
        );
        assert!(rejected.contains("admin.token_file"), "it says what to do: {rejected}");
    }
    let shown = |token: &str| format!("{far}authorization: Bearer {token}\r\n");
    assert!(get(admin, "/api/state", &shown("first-token")).await.starts_with("HTTP/1.1 200"));
    assert!(get(admin, "/api/state", &shown("second-token")).await.starts_with("HTTP/1.1 401"));
    sidecar.folder.write("token", "second-token\n");
    assert!(matches!(sidecar.reloader.check_now().await, Reload::Applied));
    assert!(get(admin, "/api/state", &shown("first-token")).await.starts_with("HTTP/1.1 401"));
    assert!(get(admin, "/api/state", &shown("second-token")).await.starts_with("HTTP/1.1 200"));
    assert!(get(admin, "/api/state", LOCAL).await.starts_with("HTTP/1.1 200"), "here none is needed");
    assert!(matches!(sidecar.reload(&yaml.replace(", token_file: DIR/token", "")).await, Reload::Applied));
    assert!(get(admin, "/api/state", &shown("second-token")).await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn a_foreign_name_and_a_foreign_page_are_rejected_and_reported_what_to_do() {
    let service = Faulty::start(Fault::Hang).await;
    let points = Points::before(service.addr, "").await;
    let admin = points.program.admin;
    let rebound = get(admin, "/api/state", "host: evil.example\r\n").await;
    assert!(rebound.starts_with("HTTP/1.1 421") && body_of(&rebound).contains("localhost"), "{rebound}");
    let foreign = get(admin, "/api/events", &format!("{LOCAL}origin: http://evil.example\r\n")).await;
    assert!(foreign.starts_with("HTTP/1.1 403") && body_of(&foreign).contains("another origin"), "{foreign}");
    let own = get(admin, "/api/state", &format!("{LOCAL}origin: http://localhost:9464\r\n")).await;
    assert!(own.starts_with("HTTP/1.1 200"), "{own}");
    for (path, status, hint) in [
        ("/api/searches/x", 400, "number"),
        ("/api/searches/99999", 404, "inspector.keep"),
        ("/api/nothing", 404, "/api/"),
    ] {
        let mistaken = get(admin, path, LOCAL).await;
        assert!(
            mistaken.starts_with(&format!("HTTP/1.1 {status}")) && body_of(&mistaken).contains(hint),
            "{mistaken}"
        );
    }
}

#[tokio::test]
async fn every_response_forbids_what_a_page_does_not_need() {
    let service = Faulty::start(Fault::Hang).await;
    let points = Points::before(service.addr, "").await;
    for path in ["/", "/inspector.css", "/api/state", "/metrics", "/api/nothing"] {
        let got = get(points.program.admin, path, LOCAL).await;
        let policy = header(&got, "content-security-policy").expect("a policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(header(&got, "x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header(&got, "cache-control"), Some("no-store"), "{path}");
        assert_eq!(header(&got, "access-control-allow-origin"), None, "{path}");
    }
}

#[tokio::test]
async fn probes_are_answered_while_as_many_streams_are_open_as_may_be() {
    let service = Faulty::start(Fault::Hang).await;
    let points = Points::before(service.addr, "").await;
    let admin = points.program.admin;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(events(admin).await);
    }
    let rejected = get(admin, "/api/events", LOCAL).await;
    assert!(rejected.starts_with("HTTP/1.1 503") && rejected.contains("close another page"), "{rejected}");
    for path in ["/livez", "/readyz", "/metrics", "/api/state"] {
        assert!(get(admin, path, LOCAL).await.starts_with("HTTP/1.1 200"), "{path}");
    }
    // A reader that leaves makes room, once it is noticed.
    drop(streams);
    let again = async {
        loop {
            let mut client = Wire::connect(admin).await;
            client.send(format!("GET /api/events HTTP/1.1\r\n{LOCAL}\r\n")).await;
            if client.head().await.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again).await.expect("no room");
}

#[tokio::test]
async fn a_failed_search_is_listed_with_its_cause_and_the_upstream_fails_until_it_responds() {
    let mode = Arc::new(AtomicUsize::new(0));
    let asked = mode.clone();
    let database = Scripted::start(move |_| match asked.load(Ordering::SeqCst) {
        0 => Some(response(200, "application/json", PAGE)),
        1 => Some("no HTTP at all\r\n\r\n".to_owned()),
        _ => Some(response(503, "application/json", "{}")),
    })
    .await;
    let yaml = format!(
        "listeners: [{{ listen: '127.0.0.1:0', upstream: {{ url: 'http://{}' }} }}]\n\
         admin: {{ listen: '127.0.0.1:0' }}\n\
         rerank: {{ providers: [lexical] }}\nproviders: {{ lexical: {{ kind: lexical }} }}\n",
        database.addr
    );
    let sidecar = Watched::start(&yaml).await;
    let admin = sidecar.app.admin;
    let mut stream = events(admin).await;
    let request = crate::harness::points::request("canary-query", 2, "");
    for (now, status, failure, failing) in [
        (0, 200, Value::Null, Value::Null),
        (1, 502, "bad_response".into(), "bad_response".into()),
        (2, 503, Value::Null, "5xx".into()),
        (0, 200, Value::Null, Value::Null),
    ] {
        mode.store(now, Ordering::SeqCst);
        let mut client = sidecar.client().await;
        client.send(&request).await;
        client.message().await.unwrap();
        let row = next_search(&mut stream).await;
        assert_eq!((&row["status"], &row["failure"]), (&status.into(), &failure), "{now}: {row}");
        assert_eq!(row["reason"] == "upstream_error", status != 200, "{row}");
        assert_eq!(row["collections"], serde_json::json!(["docs"]), "{row}");
        let state = json(admin, "/api/state").await;
        assert_eq!(state["listeners"][0]["failing"]["cause"], failing, "{now}: {state}");
    }
    let list = get(admin, "/api/searches", LOCAL).await;
    assert!(!list.contains("canary"), "{list}");
    assert_eq!(json_of(&list)["searches"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn the_page_has_plain_words_for_every_cause_of_a_failure() {
    let service = Faulty::start(Fault::Hang).await;
    let points = Points::before(service.addr, "").await;
    let words = get(points.program.admin, "/words.js", LOCAL).await;
    let metrics = get(points.program.admin, "/metrics", LOCAL).await;
    let causes: Vec<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("rerankd_requests_failed_total{cause=\"")?.split('"').next())
        .collect();
    assert!(causes.len() > 5, "{metrics}");
    let unreachable = rerankd::trouble::Trouble::ALL.iter().map(|trouble| trouble.as_str());
    for cause in causes.into_iter().chain(unreachable) {
        assert!(words.contains(&format!("\n  {cause}: \"")), "{cause}");
    }
}

#[tokio::test]
async fn text_is_reported_where_it_is_wanted_and_gone_once_it_is_not() {
    let database = Scripted::start(|_| Some(response(200, "application/json", PAGE))).await;
    let yaml = format!(
        "listeners: [{{ listen: '127.0.0.1:0', upstream: {{ url: 'http://{}' }} }}]\n\
         admin: {{ listen: '127.0.0.1:0' }}\n\
         rerank: {{ providers: [lexical] }}\nproviders: {{ lexical: {{ kind: lexical }} }}\n",
        database.addr
    );
    let with_text = format!("{yaml}inspector: {{ capture: text }}\n");
    let sidecar = Watched::start(&with_text).await;
    let admin = sidecar.app.admin;
    let mut stream = events(admin).await;
    let search = crate::harness::points::request("canary-query", 2, "");
    let mut client = sidecar.client().await;
    client.send(&search).await;
    client.message().await.unwrap();
    let row = next_search(&mut stream).await;
    assert_eq!(row["query"], "canary-query");
    let path = format!("/api/searches/{}", row["number"]);
    let hit = json(admin, &path).await["lists"][0][0].clone();
    assert_eq!(hit["document"], serde_json::json!({ "text": "canary-document one", "cut": false }));
    assert_eq!(hit["title"], "canary-document one");

    assert!(matches!(sidecar.reload(&yaml).await, Reload::Applied));
    for path in [path.as_str(), "/api/searches"] {
        let reported = get(admin, path, LOCAL).await;
        assert!(reported.starts_with("HTTP/1.1 200") && !reported.contains("canary"), "{reported}");
    }
    let off = format!("{yaml}inspector: {{ capture: off }}\n");
    assert!(matches!(sidecar.reload(&off).await, Reload::Applied));
    assert_eq!(json(admin, "/api/searches").await["searches"], serde_json::json!([]));
}

const PAGE: &str = r#"{"result":{"points":[{"id":1,"score":0.9,"payload":{"text":"canary-document one"}},{"id":2,"score":0.8,"payload":{"text":"two"}}]}}"#;
