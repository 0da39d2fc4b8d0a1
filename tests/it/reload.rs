//! Another configuration while requests and connections are open.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rerankd::{
    app::{App, Rejection, Reload},
    workers::Workers,
};

use crate::harness::{
    FakeDatabase, Folder, Process, Scripted, Watched, Wire, ask, body_of, header, json_of, response,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const JSON: &str = "application/json";
const PAGE: &str = r#"{"result":{"points":[{"id":1,"score":0.9,"payload":{"text":"one"}},{"id":2,"score":0.8,"payload":{"text":"two"}}]}}"#;
const ADMIN: &str = "admin: { listen: '127.0.0.1:0' }\n";

fn before(database: SocketAddr) -> String {
    format!("{ADMIN}listeners: [{{ listen: '127.0.0.1:0', upstream: {{ url: 'http://{database}' }} }}]\n")
}

/// Before a database with two points and beside a service that likes the second better, its key in a file.
async fn searching() -> (Watched, String, Scripted, Scripted) {
    let database = Scripted::start(|_| Some(response(200, JSON, PAGE))).await;
    let service = Scripted::scoring(|text| if text == "two" { 0.9 } else { 0.1 }).await;
    let yaml = format!(
        "{}providers: {{ cohere: {{ base_url: 'http://{}', api_key_file: DIR/key }} }}\n",
        before(database.addr),
        service.addr
    );
    let folder = Folder::new(&yaml);
    folder.write("key", "first-key\n");
    (Watched::start_in(folder).await, yaml, database, service)
}

const SEARCH: &str = r#"{"query":[0.1,0.2],"limit":2,"with_payload":true}"#;

/// One search on an open connection: its outcome and the ids in their order.
async fn search(client: &mut Wire) -> (String, Vec<u64>) {
    let length = SEARCH.len();
    client
        .send(format!(
            "POST /collections/docs/points/query HTTP/1.1\r\nhost: x\r\nx-rerank-query: q\r\n\
             content-type: {JSON}\r\ncontent-length: {length}\r\n\r\n{SEARCH}"
        ))
        .await;
    let got = client.message().await.expect("a response");
    let points = json_of(&got)["result"]["points"].as_array().cloned().expect("points");
    let ids = points.iter().map(|point| point["id"].as_u64().unwrap()).collect();
    (header(&got, "x-rerank-status").expect("a status").to_owned(), ids)
}

#[tokio::test]
async fn switching_on_takes_effect_for_the_next_search_on_the_same_connection() {
    let (sidecar, yaml, _database, _service) = searching().await;
    let off = format!("{yaml}rerank: {{ mode: off }}");
    assert!(matches!(sidecar.reload(&off).await, Reload::Applied));
    let mut client = sidecar.client().await;
    assert_eq!(search(&mut client).await, ("kept; reason=off".to_owned(), vec![1, 2]));
    assert!(matches!(sidecar.reload(&yaml).await, Reload::Applied));
    assert_eq!(search(&mut client).await, ("applied".to_owned(), vec![2, 1]));
    assert_eq!(sidecar.metric("rerankd_config_reloads_total{result=\"applied\"}").await, "2");
}

#[tokio::test]
async fn a_request_in_flight_finishes_on_what_it_began_with() {
    let (old, new) = (FakeDatabase::by_hand().await, FakeDatabase::answering(OK).await);
    let sidecar = Watched::start(&before(old.addr)).await;
    let mut client = sidecar.client().await;
    client.send(GET).await;
    let mut upstream = old.connection().await;
    upstream.head().await;
    assert!(matches!(sidecar.reload(&before(new.addr)).await, Reload::Applied));
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold").await;
    assert!(client.message().await.unwrap().ends_with("old"));
    client.send(GET).await;
    assert_eq!(client.message().await.unwrap(), OK);
}

#[tokio::test]
async fn a_bad_file_is_rejected_with_every_problem_and_the_old_one_stays() {
    let (sidecar, yaml, _database, _service) = searching().await;
    let mut client = sidecar.client().await;
    assert_eq!(search(&mut client).await.0, "applied");
    let hash = sidecar.hash().await;

    let bad = format!("{yaml}rerank: {{ mode: off, windwo: 3 }}\ncache: {{ ttl: x }}");
    let Reload::Rejected(Rejection::Problems(problems)) = sidecar.reload(&bad).await else {
        panic!("activated")
    };
    let paths: Vec<&str> = problems.0.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["rerank.windwo", "cache.ttl"]);
    assert_eq!(search(&mut client).await.0, "applied");
    assert_eq!(sidecar.hash().await, hash);
    assert_eq!(sidecar.metric("rerankd_config_reloads_total{result=\"rejected\"}").await, "1");
    assert_eq!(sidecar.metric("rerankd_config_last_reload_successful").await, "0");
    assert!(sidecar.admin("/readyz").await.starts_with("HTTP/1.1 200"), "the old one serves on");

    assert!(matches!(sidecar.reload(&yaml).await, Reload::Applied));
    assert_eq!(sidecar.metric("rerankd_config_last_reload_successful").await, "1");
    assert!(matches!(sidecar.reloader.check_now().await, Reload::Unchanged));
    assert_eq!(sidecar.metric("rerankd_config_reloads_total{result=\"unchanged\"}").await, "1");
}

#[tokio::test]
async fn what_cannot_be_built_is_rejected_like_a_bad_file() {
    let (sidecar, yaml, _database, _service) = searching().await;
    sidecar.folder.write("ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let bad = yaml.replace("base_url: 'http:", "ca_file: DIR/ca.crt, base_url: 'https:");
    assert!(matches!(sidecar.reload(&bad).await, Reload::Rejected(Rejection::Build(_))), "{bad}");
    let mut client = sidecar.client().await;
    assert_eq!(search(&mut client).await.0, "applied");
}

#[tokio::test]
async fn the_symlink_swap_of_kubernetes_is_a_change() {
    let database = FakeDatabase::answering(OK).await;
    let folder = Folder::new("");
    let version = |name: &str, text: &str| {
        std::fs::create_dir(folder.path(name)).unwrap();
        folder.write(&format!("{name}/rerankd.yaml"), text);
    };
    std::fs::remove_file(folder.path("rerankd.yaml")).unwrap();
    version("..2026_1", &before(database.addr));
    symlink("..2026_1", folder.path("..data")).unwrap();
    symlink("..data/rerankd.yaml", folder.path("rerankd.yaml")).unwrap();
    version("..2026_2", &format!("{}rerank: {{ window: 20 }}", before(database.addr)));
    let sidecar = Watched::start_in(folder).await;
    let hash = sidecar.hash().await;

    symlink("..2026_2", sidecar.folder.path("..data_tmp")).unwrap();
    std::fs::rename(sidecar.folder.path("..data_tmp"), sidecar.folder.path("..data")).unwrap();
    assert!(matches!(sidecar.reloader.check_now().await, Reload::Applied));
    assert_ne!(sidecar.hash().await, hash);
}

#[tokio::test]
async fn a_new_key_in_its_file_is_the_one_that_the_provider_sees_and_no_hash_tells_of_it() {
    let (sidecar, yaml, _database, service) = searching().await;
    let mut client = sidecar.client().await;
    search(&mut client).await;
    let hash = sidecar.hash().await;
    sidecar.folder.write("key", "second-key\n");
    assert!(matches!(sidecar.reloader.check_now().await, Reload::Applied));
    assert_eq!(sidecar.hash().await, hash);
    // Another model, so that the scores in the cache are of no use.
    let other = yaml.replace("api_key_file", "model: other, api_key_file");
    assert!(matches!(sidecar.reload(&other).await, Reload::Applied));
    assert_ne!(sidecar.hash().await, hash);
    search(&mut client).await;
    let keys: Vec<String> =
        service.seen().iter().map(|call| header(call, "authorization").unwrap().to_owned()).collect();
    assert_eq!(keys, ["Bearer first-key", "Bearer second-key"]);
    let reported = sidecar.admin("/metrics").await + &sidecar.admin("/readyz").await;
    assert!(!reported.contains("first-key") && !reported.contains("second-key"));
}

#[tokio::test]
async fn scores_in_the_cache_outlive_a_reload_unless_the_cache_itself_changes() {
    let (sidecar, yaml, _database, service) = searching().await;
    let mut client = sidecar.client().await;
    search(&mut client).await;
    assert!(matches!(sidecar.reload(&format!("{yaml}rerank: {{ window: 20 }}")).await, Reload::Applied));
    assert_eq!(search(&mut client).await.0, "applied");
    assert_eq!(service.seen().len(), 1);
    assert!(matches!(sidecar.reload(&format!("{yaml}cache: {{ max_bytes: 1MiB }}")).await, Reload::Applied));
    assert_eq!(search(&mut client).await.0, "applied");
    assert_eq!(service.seen().len(), 2);
}

#[tokio::test]
async fn connections_to_the_database_outlive_a_reload_that_leaves_its_settings() {
    let database = FakeDatabase::by_hand().await;
    let sidecar = Watched::start(&before(database.addr)).await;
    let mut client = sidecar.client().await;
    client.send(GET).await;
    let mut upstream = database.connection().await;
    upstream.head().await;
    upstream.send(OK).await;
    client.message().await.unwrap();
    let more = "rerank: { window: 20 }\nlimits: { max_request_bytes: 1MiB, idle_timeout: 5m }";
    let yaml = format!("{}{more}", before(database.addr));
    assert!(matches!(sidecar.reload(&yaml).await, Reload::Applied));
    client.send(GET).await;
    upstream.head().await;
    upstream.send(OK).await;
    client.message().await.unwrap();

    let yaml = before(database.addr).replace("url:", "response_timeout: 9s, url:");
    assert!(matches!(sidecar.reload(&yaml).await, Reload::Applied));
    client.send(GET).await;
    database.connection().await.head().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_reloads_fail_no_request_and_drop_no_connection() {
    let database = Scripted::start(|_| Some(OK.to_owned())).await;
    let sidecar = Watched::start(&before(database.addr)).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..8 {
        let (mut client, over) = (sidecar.client().await, over.clone());
        clients.push(tokio::spawn(async move {
            let mut answered = 0;
            while !over.load(Ordering::Relaxed) {
                client.send(GET).await;
                assert_eq!(client.message().await.as_deref(), Some(OK));
                answered += 1;
            }
            answered
        }));
    }
    for window in 1..=20 {
        let yaml = format!(
            "{}rerank: {{ window: {window} }}",
            before(database.addr).replace("url:", &format!("response_timeout: {window}s, url:"))
        );
        assert!(matches!(sidecar.reload(&yaml).await, Reload::Applied));
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn listeners_come_and_go_while_the_others_stay() {
    let database = FakeDatabase::by_hand().await;
    let one = before(database.addr);
    let two = one.replace(
        "listeners: [",
        &format!(
            "listeners: [{{ listen: '127.0.0.1:0', upstream: {{ url: 'http://{}' }} }}, ",
            database.addr
        ),
    );
    let sidecar = Watched::start(&one).await;
    assert!(matches!(sidecar.reload(&two).await, Reload::Applied));
    let now = sidecar.app.listening_now().await;
    assert_eq!((now.len(), now[0]), (2, sidecar.app.listening[0]));

    let mut client = Wire::connect(now[1]).await;
    client.send(GET).await;
    let mut upstream = database.connection().await;
    upstream.head().await;
    assert!(matches!(sidecar.reload(&one).await, Reload::Applied));
    upstream.send(OK).await;
    let last = client.rest().await;
    assert!(last.ends_with("ok") && last.contains("connection: close"), "{last}");
    assert_eq!(sidecar.app.listening_now().await, [now[0]]);
    assert!(tokio::net::TcpStream::connect(now[1]).await.is_err());
}

#[tokio::test]
async fn an_address_that_is_taken_or_the_admins_rejects_the_whole_file() {
    let database = FakeDatabase::answering(OK).await;
    let yaml = before(database.addr);
    let sidecar = Watched::start(&yaml).await;
    let taken = FakeDatabase::answering(OK).await;
    let moved = yaml.replace("listen: '127.0.0.1:0', up", &format!("listen: '{}', up", taken.addr));
    let Reload::Rejected(rejection) = sidecar.reload(&moved).await else { panic!("activated") };
    assert_eq!(rejection.to_string(), format!("cannot listen on {}", taken.addr));

    let moved = yaml.replace("listen: '127.0.0.1:0', up", &format!("listen: '{}', up", database.addr));
    let Reload::Rejected(rejection) = sidecar.reload(&moved).await else { panic!("activated") };
    assert!(rejection.to_string().contains("rerankd would ask itself"), "{rejection}");

    let moved = yaml.replace(ADMIN, "admin: { listen: '127.0.0.2:0' }\n");
    let Reload::Rejected(rejection) = sidecar.reload(&moved).await else { panic!("activated") };
    assert!(
        rejection.to_string().contains("admin.listen") && rejection.to_string().contains("restart"),
        "{rejection}"
    );

    let mut client = sidecar.client().await;
    client.send(GET).await;
    assert_eq!(client.message().await.unwrap(), OK);
}

#[tokio::test]
async fn a_lower_cap_on_connections_holds_once_enough_have_left() {
    let database = FakeDatabase::answering(OK).await;
    let capped = |cap: usize| {
        before(database.addr).replace("upstream:", &format!("max_connections: {cap}, upstream:"))
    };
    let sidecar = Watched::start(&capped(2)).await;
    let mut clients = [sidecar.client().await, sidecar.client().await];
    for client in &mut clients {
        client.send(GET).await;
        client.message().await.unwrap();
    }
    assert!(matches!(sidecar.reload(&capped(1)).await, Reload::Applied));
    let mut third = sidecar.client().await;
    third.send("GET /third HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let [first, mut second] = clients;
    drop(first);
    // Time enough for the third to come in, if it could.
    for _ in 0..20 {
        second.send("GET /second HTTP/1.1\r\nHost: x\r\n\r\n").await;
        second.message().await.unwrap();
    }
    drop(second);
    third.message().await.unwrap();
    let requests = database.requests_so_far().await;
    let third = requests.iter().position(|request| request.starts_with("GET /third "));
    assert_eq!(third, Some(requests.len() - 1));
}

#[tokio::test]
async fn limits_hold_from_the_next_request_or_connection_on() {
    let (sidecar, yaml, _database, _service) = searching().await;
    let mut client = sidecar.client().await;
    assert_eq!(search(&mut client).await.0, "applied");
    let tight = "memory: { max_buffered: 8KiB }\nlimits: { max_searches_in_flight: 7, max_headers: 4 }\n";
    assert!(matches!(sidecar.reload(&format!("{yaml}{tight}")).await, Reload::Applied));
    assert_eq!(sidecar.metric("rerankd_buffered_bytes_limit").await, "8192");
    assert_eq!(sidecar.metric("rerankd_searches_in_flight_limit").await, "7");
    assert_eq!(search(&mut sidecar.client().await).await, ("kept; reason=overloaded".to_owned(), vec![1, 2]));
    let many = GET.replace("Host: x", "Host: x\r\na: 1\r\nb: 1\r\nc: 1\r\nd: 1");
    client.send(&many).await;
    assert!(client.message().await.unwrap().starts_with("HTTP/1.1 431 "));

    assert!(matches!(sidecar.reload(&yaml).await, Reload::Applied));
    let mut client = sidecar.client().await;
    assert_eq!(search(&mut client).await.0, "applied");
    client.send(&many).await;
    assert!(client.message().await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_plain_proxy_for_a_bad_file_raises_an_alert_until_the_file_is_good() {
    let (good, yaml, _database, _service) = searching().await;
    let folder = Folder::new(&format!("{yaml}rerank: {{ windwo: 3 }}"));
    folder.write("key", "first-key");
    let loaded = folder.source().load();
    assert!(loaded.config.is_err());
    let app = App::passthrough(Workers::here(), &folder.source().passthrough().unwrap()).await.unwrap();
    let reloader = app.reloader(folder.source(), loaded.fingerprint);
    let sidecar = Watched { app, reloader, folder };
    let mut client = sidecar.client().await;
    assert_eq!(search(&mut client).await.0, "kept; reason=off");
    assert_eq!(sidecar.metric("rerankd_passthrough").await, "1");
    assert_eq!(sidecar.metric("rerankd_config_last_reload_successful").await, "0");
    assert!(body_of(&sidecar.admin("/readyz").await).contains("passthrough"));
    assert!(matches!(sidecar.reloader.check_now().await, Reload::Rejected(_)));
    assert_eq!(sidecar.metric("rerankd_passthrough").await, "1");

    let roomy = format!("{yaml}cache: {{ max_bytes: 1MiB }}");
    assert!(matches!(sidecar.reload(&roomy).await, Reload::Applied));
    assert_eq!(search(&mut client).await.0, "applied");
    assert_eq!(sidecar.metric("rerankd_passthrough").await, "0");
    assert_eq!(good.metric("rerankd_passthrough").await, "0");
}

#[tokio::test]
async fn sighup_and_a_change_on_disk_reach_the_running_program() {
    let (old, new) = (FakeDatabase::answering(OK).await, Scripted::start(|_| Some(OK.to_owned())).await);
    let folder = Folder::new(&before(old.addr));
    let mut process = Process::of(&folder, &[]).await;
    let mut client = Wire::connect(process.listening[0]).await;
    folder.configure(&before(new.addr));
    process.signal("HUP").await;
    process.said("the changed configuration is active").await;
    client.send(GET).await;
    assert_eq!(client.message().await.unwrap(), OK);
    assert_eq!(new.seen().len(), 1);

    folder.configure("listeners: [");
    let rejected = process.said("BAD CONFIGURATION").await;
    assert!(rejected["problems"].as_str().unwrap().contains("this is not YAML"), "{rejected}");
    client.send(GET).await;
    assert_eq!(client.message().await.unwrap(), OK);
}

#[tokio::test]
async fn a_pod_with_a_bad_file_starts_as_a_plain_proxy_where_that_is_wanted() {
    let database = FakeDatabase::answering(OK).await;
    let folder = Folder::new(&format!("{}rerank: {{ windwo: 3 }}", before(database.addr)));
    let mut process = Process::of(&folder, &["--on-bad-config", "passthrough"]).await;
    assert!(ask(process.listening[0], "/a").await.ends_with("ok"));
    assert!(ask(process.admin, "/metrics").await.contains("rerankd_passthrough 1"));
    folder.configure(&before(database.addr));
    process.said("the changed configuration is active").await;
    assert!(ask(process.admin, "/metrics").await.contains("rerankd_passthrough 0"));
}
