//! Tenants: whose a request is, and what each has of its own.

use std::net::SocketAddr;

use rerankd::app::Reload;

use crate::harness::composed::{hits, reversing};
use crate::harness::{
    Authority, Folder, Points, Program, QUERY, Scripted, Watched, Wire, handshake, header, json_of, points,
    response,
};

const JSON: &str = "application/json";
const TRUSTED: &str = "tenants:\n  header: x-tenant\n  networks: [127.0.0.0/8]\n";
const FORGED: &str = "tenants:\n  header: x-tenant\n  networks: [10.0.0.0/8, '::1']\n";

fn of(tenant: &str) -> String {
    format!("x-tenant: {tenant}\r\n")
}

/// How many searches of a tenant were reranked.
fn applied(tenant: &str) -> String {
    format!("rerankd_tenant_searches_total{{outcome=\"applied\",reason=\"none\",tenant=\"{tenant}\"}}")
}

async fn with(service: &Scripted, tenants: &str) -> Points {
    Points::before(service.addr, tenants).await
}

#[tokio::test]
async fn a_forged_header_gets_no_tenant_and_one_from_a_trusted_network_does_and_is_forwarded_as_it_came() {
    let service = reversing().await;
    for (tenants, counted) in [(TRUSTED, ["acme", "other"]), (FORGED, ["other", "acme"])] {
        let points = with(&service, &format!("{tenants}  names: {{ acme: {{ window: 2 }} }}\n")).await;
        let found = points.search_with(QUERY, 3, "X-Tenant: acme\r\n").await;
        assert_eq!(found.status(), "applied");
        let expected = if counted[0] == "acme" { [1, 0, 2] } else { [49, 48, 47] };
        assert_eq!(found.ids(), expected, "{counted:?}");
        let [one, none] = counted.map(applied);
        assert_eq!((points.metric(&one).await, points.metric(&none).await), (1.0, 0.0));
        assert!(
            points.database.seen()[0].contains("\r\nX-Tenant: acme\r\n"),
            "{}",
            points.database.seen()[0]
        );
    }
}

#[tokio::test]
async fn a_client_cannot_choose_its_tenant_beside_what_the_gateway_says() {
    let service = reversing().await;
    let points = with(&service, &format!("{TRUSTED}  names: {{ acme: {{}}, bolt: {{}} }}\n")).await;
    for headers in
        ["x-tenant: acme\r\nx-tenant: bolt\r\n", "x-tenant: acme, bolt\r\n", "x-tenant: Acme\r\n", ""]
    {
        assert_eq!(points.search_with(QUERY, 3, headers).await.status(), "applied");
    }
    assert_eq!(points.metric(&applied("other")).await, 4.0);
    assert_eq!((points.metric(&applied("acme")).await, points.metric(&applied("bolt")).await), (0.0, 0.0));
}

#[tokio::test]
async fn whoever_is_no_tenant_is_one_series_however_many_names_there_are() {
    let service = reversing().await;
    let points = with(&service, &format!("{TRUSTED}  names: {{ acme: {{}} }}\n")).await;
    for n in 0..50 {
        points.search_with(QUERY, 3, &of(&format!("tenant-{n}"))).await;
    }
    assert_eq!(points.metric(&applied("other")).await, 50.0);
    let all = points.program.metrics().await;
    assert!(!all.contains("tenant-"), "a name from outside is no label");
    let tenants = all.lines().filter(|line| line.starts_with("rerankd_tenant_search_duration_seconds_count"));
    assert_eq!(tenants.count(), 2);
}

/// A program with TLS that asks for certificates, before points.
async fn with_certificates(database: SocketAddr, service: SocketAddr, clients: &Authority) -> Watched {
    let folder = Folder::new(&format!(
        "listeners: [{{ listen: '127.0.0.1:0', tls: {{ cert_file: DIR/us.crt, key_file: DIR/us.key, client_ca_file: \
         DIR/clients.crt }}, upstream: {{ url: 'http://{database}' }} }}]\nadmin: {{ listen: '127.0.0.1:0' }}\n\
         providers: {{ own: {{ kind: tei, base_url: 'http://{service}' }} }}\nrerank: {{ providers: [own] }}\n\
         tenants: {{ names: {{ acme: {{ certificates: ['DNS:*.acme.example'] }}, bolt: {{ certificates: ['CN=bolt', \
         'DNS:bolt'] }} }} }}\n"
    ));
    clients.issue(&["localhost"]).write(&folder.path(""), "us");
    folder.write("clients.crt", &clients.pem());
    Watched::start_in(folder).await
}

#[tokio::test]
async fn a_verified_certificate_names_its_tenant() {
    let service = Scripted::start(|request| {
        let texts = json_of(request)["texts"].as_array().cloned().unwrap_or_default();
        let scores: Vec<String> =
            (0..texts.len()).map(|at| format!("{{\"index\":{at},\"score\":0.5}}")).collect();
        Some(response(200, JSON, &format!("[{}]", scores.join(","))))
    })
    .await;
    let database = Scripted::start(|request| {
        let limit = json_of(request)["limit"].as_u64().unwrap();
        Some(response(200, JSON, &format!(r#"{{"result":{{"points":[{}]}}}}"#, hits(limit))))
    })
    .await;
    let authority = Authority::new();
    let sidecar = with_certificates(database.addr, service.addr, &authority).await;
    for (names, tenant) in [(["api.acme.example"], "acme"), (["bolt"], "bolt"), (["acme"], "other")] {
        let identity = authority.issue(&names);
        let stream = handshake(sidecar.app.listening[0], &authority, Some(&identity), &[]).await.unwrap();
        let mut client = Wire::over(stream);
        client.send(points::request(QUERY, 3, "x-tenant: bolt\r\n")).await;
        let got = client.message().await.expect("a response");
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{got}");
        assert_eq!(sidecar.metric(&applied(tenant)).await, "1", "{tenant}");
    }
}

#[tokio::test]
async fn the_collections_of_a_tenant_tell_it_where_nobody_else_does() {
    let service = reversing().await;
    let tenants =
        "tenants: { names: { acme: { collection: [docs], window: 2 }, bolt: { collection: ['bolt-*'] } } }\n";
    let points = with(&service, tenants).await;
    assert_eq!(points.search_with(QUERY, 3, &of("bolt")).await.ids(), [1, 0, 2]);
    assert_eq!(points.metric(&applied("acme")).await, 1.0);
    assert_eq!(points.metric(&applied("bolt")).await, 0.0);
}

#[tokio::test]
async fn every_call_to_a_provider_carries_the_tenants_own_key_and_no_other() {
    let service = reversing().await;
    let database = Scripted::start(|request| {
        let limit = json_of(request)["limit"].as_u64().unwrap();
        Some(response(200, JSON, &format!(r#"{{"result":{{"points":[{}]}}}}"#, hits(limit))))
    })
    .await;
    let own = |name: &str, variable: &str| {
        format!(
            "  {name}: {{ kind: cohere, base_url: \"http://{}\", api_key_env: {variable} }}\n",
            service.addr
        )
    };
    let yaml = format!(
        "listeners: [{{ listen: 127.0.0.1:0, upstream: {{ url: \"http://{}\" }} }}]\nadmin: {{ listen: 127.0.0.1:0 }}\n\
         providers:\n{}{}{}{TRUSTED}  names:\n    acme: {{ providers: [acme-cohere] }}\n    bolt: {{ providers: \
         [bolt-cohere] }}\n",
        database.addr,
        own("cohere", "CO_API_KEY"),
        own("acme-cohere", "ACME_KEY"),
        own("bolt-cohere", "BOLT_KEY"),
    );
    let keys = [("CO_API_KEY", "key-of-all"), ("ACME_KEY", "key-of-acme"), ("BOLT_KEY", "key-of-bolt")];
    let program = Program::start(&yaml, &keys).await;
    for (tenant, key) in [("acme", "key-of-acme"), ("bolt", "key-of-bolt"), ("nobody", "key-of-all")] {
        let got = program.ask(&points::request(&format!("{QUERY} {tenant}"), 3, &of(tenant))).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{got}");
        let seen = service.seen();
        assert_eq!(
            header(seen.last().unwrap(), "authorization"),
            Some(&*format!("Bearer {key}")),
            "{tenant}"
        );
    }
    let shown = program.metrics().await;
    assert!(!shown.contains("key-of"), "no key is a label");
}

#[tokio::test]
async fn a_tenant_that_has_spent_its_budget_gets_the_databases_order_and_the_others_do_not() {
    let service = Scripted::start(|request| {
        let count = json_of(request)["documents"].as_array().map_or(0, Vec::len);
        let results: Vec<String> =
            (0..count).map(|at| format!("{{\"index\":{at},\"relevance_score\":0.{at:03}}}")).collect();
        let body = format!(
            "{{\"results\":[{}],\"meta\":{{\"billed_units\":{{\"search_units\":1}}}}}}",
            results.join(",")
        );
        Some(response(200, JSON, &body))
    })
    .await;
    let names =
        "  names:\n    acme: { max_search_units_per_day: 1 }\n    bolt: { max_search_units_per_day: 5 }\n";
    let points = with(&service, &format!("{TRUSTED}{names}")).await;
    assert_eq!(points.search_with("one", 3, &of("acme")).await.status(), "applied");
    points.search_with("two", 3, &of("acme")).await.assert_kept("budget", 3, "its budget is spent");
    assert_eq!(points.search_with("two", 3, &of("bolt")).await.status(), "applied");
    assert_eq!(points.search_with("three", 3, "").await.status(), "applied");
    for (series, value) in [
        (
            r#"rerankd_tenant_spend_left{provider="cohere",tenant="acme",unit="search_units",window="day"}"#,
            0.0,
        ),
        (
            r#"rerankd_tenant_spend_left{provider="cohere",tenant="bolt",unit="search_units",window="day"}"#,
            4.0,
        ),
        (r#"rerankd_tenant_billed_total{provider="cohere",tenant="acme",unit="search_units"}"#, 1.0),
        (r#"rerankd_tenant_shed_total{provider="cohere",reason="budget",tenant="acme"}"#, 1.0),
        (r#"rerankd_provider_shed_total{provider="cohere",reason="budget"}"#, 0.0),
        (r#"rerankd_tenant_searches_total{outcome="kept",reason="budget",tenant="acme"}"#, 1.0),
    ] {
        assert_eq!(points.metric(series).await, value, "{series}");
    }
}

#[tokio::test]
async fn what_one_tenant_has_asked_another_cannot_tell_where_their_caches_are_apart() {
    let service = reversing().await;
    let names = "  names:\n    acme: { cache: { max_bytes: 1MiB } }\n    bolt: {}\n    coil: {}\n";
    let points = with(&service, &format!("{TRUSTED}{names}")).await;
    for (tenant, cache) in
        [("acme", "0/50"), ("bolt", "0/50"), ("coil", "50/50"), ("acme", "50/50"), ("who", "50/50")]
    {
        let found = points.search_with(QUERY, 3, &of(tenant)).await;
        assert_eq!(found.header("x-rerank-cache"), Some(cache), "{tenant}");
    }
    assert_eq!(service.seen().len(), 2);
    assert!(points.metric(r#"rerankd_tenant_cache_bytes{tenant="acme"}"#).await > 0.0);
    assert_eq!(points.metric(r#"rerankd_tenant_cache_bytes{tenant="bolt"}"#).await, 0.0);
}

#[tokio::test]
async fn a_list_of_hits_that_one_tenant_has_had_is_read_anew_for_another() {
    let service = reversing().await;
    let names = "  names:\n    acme: { cache: { max_bytes: 1MiB } }\n    bolt: {}\n";
    let points = with(&service, &format!("{TRUSTED}{names}")).await;
    // Whose searches, and how many of their lists are known by then. The scores of the last one are those of `bolt`.
    for (tenant, known) in [("acme", 2.0), ("bolt", 4.0), ("acme", 8.0), ("who", 11.0)] {
        for _ in 0..4 {
            assert_eq!(points.search_with(QUERY, 3, &of(tenant)).await.status(), "applied");
        }
        assert_eq!(points.metric(r#"rerankd_pages_total{hits="known"}"#).await, known, "{tenant}");
    }
}

#[tokio::test]
async fn a_tenant_with_all_its_searches_in_flight_is_forwarded_and_the_others_are_reranked() {
    let service = Scripted::start(|request| {
        if request.contains("slow") {
            return None;
        }
        let count = json_of(request)["documents"].as_array().map_or(0, Vec::len);
        let results: Vec<String> =
            (0..count).map(|at| format!("{{\"index\":{at},\"relevance_score\":0.{at:03}}}")).collect();
        Some(response(200, JSON, &format!("{{\"results\":[{}]}}", results.join(","))))
    })
    .await;
    let more = format!(
        "{TRUSTED}  names: {{ acme: {{ max_searches_in_flight: 1 }} }}\nrerank: {{ deadline: 1h }}\n"
    );
    let points = with(&service, &more).await;
    let mut hanging = Wire::connect(points.program.addr).await;
    hanging.send(points::request("slow", 3, &of("acme"))).await;
    while service.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    points.search_with("quick", 3, &of("acme")).await.assert_kept("overloaded", 3, "its only place is taken");
    assert_eq!(points.search_with("quick", 3, "").await.status(), "applied");
    drop(hanging);
    points.program.until("rerankd_searches_in_flight", |held| held == 0).await;
    assert_eq!(points.search_with("quick", 3, &of("acme")).await.status(), "applied", "it is free again");
}

#[tokio::test]
async fn a_tenant_does_not_open_what_a_route_keeps_closed() {
    let service = reversing().await;
    let more = format!(
        "{TRUSTED}  names: {{ acme: {{ mode: on, window: 2 }}, quiet: {{ mode: off }} }}\nroutes: [{{ collection: docs, mode: off }}]\n"
    );
    let points = with(&service, &more).await;
    points.search_with(QUERY, 3, &of("acme")).await.assert_kept("off", 3, "the route");
    for routes in ["[{ collection: docs, mode: off }]", "[]"] {
        let more = format!(
            "{TRUSTED}  names: {{ acme: {{ mode: on }} }}\nrerank: {{ mode: off }}\nroutes: {routes}\n"
        );
        let for_tenants_alone = with(&service, &more).await;
        let found = for_tenants_alone.search_with(QUERY, 3, &of("acme")).await;
        match routes {
            "[]" => assert_eq!(found.status(), "applied"),
            _ => found.assert_kept("off", 3, "the route says so itself, as `rerank` does"),
        }
        for_tenants_alone.search_with(QUERY, 3, "").await.assert_kept("off", 3, "of no tenant");
    }
    let open = with(&service, &format!("{TRUSTED}  names: {{ quiet: {{ mode: off }} }}\n")).await;
    open.search_with(QUERY, 3, &of("quiet")).await.assert_kept("off", 3, "the tenant");
    assert_eq!(open.search_with(QUERY, 3, "").await.status(), "applied");
    assert!(service.seen().iter().all(|call| !call.contains("\"top_n\":2")));
    let series = r#"rerankd_tenant_searches_total{outcome="kept",reason="off",tenant="quiet"}"#;
    assert_eq!(open.metric(series).await, 1.0);
}

#[tokio::test]
async fn a_search_that_is_passed_on_unread_counts_for_the_tenant_of_its_collection() {
    let service = reversing().await;
    let tenants = "tenants: { names: { quiet: { collection: [docs], mode: off } } }\n";
    let points = with(&service, tenants).await;
    points.search(QUERY, 3).await.assert_kept("off", 3, "the tenant");
    let series = r#"rerankd_tenant_searches_total{outcome="kept",reason="off",tenant="quiet"}"#;
    assert_eq!(points.metric(series).await, 1.0);
}

#[tokio::test]
async fn a_tenant_lies_over_every_route() {
    let service = reversing().await;
    let more = format!(
        "{TRUSTED}  names: {{ acme: {{ window: 2 }} }}\nroutes: [{{ collection: docs, window: 20, annotate: true }}]\n"
    );
    let points = with(&service, &more).await;
    let found = points.search_with(QUERY, 3, &of("acme")).await;
    assert_eq!(found.ids(), [1, 0, 2]);
    assert!(found.0.contains("rerank_from"), "what the tenant does not say is the route's");
    assert_eq!(points.search_with(QUERY, 3, "").await.ids(), [19, 18, 17]);
}

#[tokio::test]
async fn a_reload_gives_a_tenant_no_new_budget() {
    let service = Scripted::start(|request| {
        let count = json_of(request)["documents"].as_array().map_or(0, Vec::len);
        let results: Vec<String> =
            (0..count).map(|at| format!("{{\"index\":{at},\"relevance_score\":0.{at:03}}}")).collect();
        let body = format!(
            "{{\"results\":[{}],\"meta\":{{\"billed_units\":{{\"search_units\":1}}}}}}",
            results.join(",")
        );
        Some(response(200, JSON, &body))
    })
    .await;
    let database = Scripted::start(|request| {
        let limit = json_of(request)["limit"].as_u64().unwrap();
        Some(response(200, JSON, &format!(r#"{{"result":{{"points":[{}]}}}}"#, hits(limit))))
    })
    .await;
    let yaml = |acme: &str| {
        format!(
            "listeners: [{{ listen: 127.0.0.1:0, upstream: {{ url: \"http://{}\" }} }}]\nadmin: {{ listen: 127.0.0.1:0 }}\n\
             providers: {{ own: {{ kind: cohere, base_url: \"http://{}\", api_key_file: DIR/key }} }}\nrerank: {{ \
             providers: [own] }}\n{TRUSTED}  names: {{ acme: {{ max_search_units_per_day: 1{acme} }} }}\n",
            database.addr, service.addr
        )
    };
    let folder = Folder::new(&yaml(""));
    folder.write("key", "sekrit");
    let sidecar = Watched::start_in(folder).await;
    let search = async |query: &str| {
        let mut client = sidecar.client().await;
        client.send(points::request(query, 3, &of("acme"))).await;
        let got = client.message().await.expect("a response");
        header(&got, "x-rerank-status").expect("a status").to_owned()
    };
    assert_eq!(search("one").await, "applied");
    assert!(matches!(sidecar.reload(&yaml(", window: 20")).await, Reload::Applied));
    assert_eq!(search("two").await, "kept; reason=budget");
    assert!(matches!(sidecar.reload(&yaml(", requests_per_minute: 100")).await, Reload::Applied));
    assert_eq!(search("three").await, "kept; reason=budget");
}

#[tokio::test]
async fn the_inspector_shows_whose_a_search_was() {
    let service = reversing().await;
    let points = with(&service, &format!("{TRUSTED}  names: {{ acme: {{}} }}\n")).await;
    points.search_with(QUERY, 3, &of("acme")).await;
    let page = loop {
        let mut client = Wire::connect(points.program.admin).await;
        client.send("GET /api/searches HTTP/1.1\r\nhost: localhost:9464\r\nconnection: close\r\n\r\n").await;
        let page = client.rest().await;
        if page.contains("\"outcome\"") {
            break page;
        }
    };
    assert!(page.contains(r#""tenant":"acme""#), "{page}");
}
