//! Smokes of the installed program.

use crate::harness::{Process, run};
use crate::harness::{Scripted, Tap, Wire, json_of, response};

const PAGE: &str = r#"{"result":{"points":[{"id":1,"version":0,"score":0.9,"payload":{"text":"a 1"}},{"id":2,"version":0,"score":0.8,"payload":{"text":"b 2"}}]},"status":"ok","time":0.1}"#;

/// A configuration file before this database and with this rerank service.
fn file(upstream: std::net::SocketAddr, service: std::net::SocketAddr) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let yaml = format!(
        "listeners:\n  - listen: 127.0.0.1:0\n    upstream: {{ url: \"http://{upstream}\" }}\n\
         admin: {{ listen: 127.0.0.1:0 }}\nrerank: {{ deadline: 20s }}\n\
         providers:\n  cohere: {{ kind: cohere, base_url: \"http://{service}\" }}\n"
    );
    std::fs::write(file.path(), yaml).unwrap();
    file
}

#[tokio::test]
async fn it_forwards_and_reranks_and_leaves_with_0_when_told_to_stop() {
    let database = Scripted::start(|_| Some(response(200, "application/json", PAGE))).await;
    let service = Scripted::scoring(|text| if text.starts_with('b') { 0.9 } else { 0.1 }).await;
    let file = file(database.addr, service.addr);
    let path = file.path().to_str().unwrap();
    let program = Process::start(&["serve", "--config", path], &[("CO_API_KEY", "key")]).await;

    let mut client = Wire::connect(program.listening[0]).await;
    client.send("GET /collections HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.response(false).await.unwrap().text(), PAGE);
    let body = r#"{"query":[0.1],"limit":2,"with_payload":true}"#;
    client
        .send(format!(
            "POST /collections/c/points/query HTTP/1.1\r\nHost: a\r\nx-rerank-query: b\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    let got = client.message().await.unwrap();
    assert!(got.contains("x-rerank-status: applied"), "{got}");
    assert_eq!(json_of(&got)["result"]["points"][0]["id"], 2);
    drop(client);

    let mut admin = Wire::connect(program.admin).await;
    admin.send("GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(admin.response(false).await.unwrap().word(1), "200");

    let ended = program.stop().await;
    assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("stopping"), "{}", ended.stderr);
}

#[tokio::test]
async fn two_settings_are_enough_to_serve() {
    let database = Tap::echoing().await;
    let upstream = format!("http://{}", database.addr);
    let args = ["--upstream", &upstream, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let program = Process::start(&args, &[]).await;
    let mut client = Wire::connect(program.listening[0]).await;
    client.send("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(client.response(false).await.unwrap().text(), "GET /a");
    drop(client);
    let ended = program.stop().await;
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.stderr.contains("NO PROVIDER"), "without a key that is said: {}", ended.stderr);
}

#[tokio::test]
async fn check_tells_what_is_in_effect_or_every_problem() {
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let good = file(nowhere, nowhere);
    let ended =
        run(&["check", "--config", good.path().to_str().unwrap()], &[("CO_API_KEY", "k3y-canary")]).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("api_key: \"***\"") && !ended.stdout.contains("k3y-canary"),
        "{}",
        ended.stdout
    );

    let bad = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bad.path(), "listeners: []\nrerank: { windwo: 3 }\n").unwrap();
    let path = bad.path().to_str().unwrap();
    for args in [&["check", "--config", path][..], &["serve", "--config", path]] {
        let ended = run(args, &[]).await;
        assert_eq!(ended.status.code(), Some(1));
        let told = ended.stdout + &ended.stderr;
        assert!(told.contains("2:11 rerank.windwo: unknown key `windwo`; did you mean `window`?"), "{told}");
        assert!(told.contains("listeners"), "{told}");
    }
}

#[tokio::test]
async fn a_bad_configuration_can_be_served_as_a_plain_proxy() {
    let database = Tap::echoing().await;
    let upstream = format!("http://{}", database.addr);
    let bad = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bad.path(), "rerank: { windwo: 3 }\n").unwrap();
    let args = [
        "serve",
        "--config",
        bad.path().to_str().unwrap(),
        "--on-bad-config",
        "passthrough",
        "--upstream",
        &upstream,
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ];
    let program = Process::start(&args, &[]).await;
    let mut client = Wire::connect(program.listening[0]).await;
    client.send("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(client.response(false).await.unwrap().text(), "GET /a");
    drop(client);
    let ended = program.stop().await;
    assert_eq!(ended.status.code(), Some(0));
    assert!(
        ended.stderr.contains("windwo") && ended.stderr.contains("BAD CONFIGURATION"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn it_says_its_version_and_rejects_what_it_does_not_understand() {
    let ended = run(&["--version"], &[]).await;
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(ended.stdout.trim_end(), concat!("rerankd ", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(&["--windwo"], &[]).await.status.code(), Some(2));
}

#[tokio::test]
async fn the_demo_prints_both_orders_and_their_measure_and_leaves_with_0() {
    let ended = run(&["demo", "--once"], &[]).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let rows = ended.stdout.lines().filter(|line| line.contains(" | ")).count();
    assert!(
        rows > 50 && ended.stdout.contains("nDCG@5") && ended.stdout.contains("reranked"),
        "{}",
        ended.stdout
    );
}
