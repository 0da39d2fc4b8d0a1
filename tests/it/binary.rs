//! Smokes of the installed program.

use std::io::pipe;
use std::process::Stdio;

use crate::harness::{Ended, Process, command, run};
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
async fn it_forwards_and_reranks_and_leaves_with_0_when_reported_to_stop() {
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
        let reported = ended.stdout + &ended.stderr;
        assert!(
            reported.contains("2:11 rerank.windwo: unknown key `windwo`; did you mean `window`?"),
            "{reported}"
        );
        assert!(reported.contains("listeners"), "{reported}");
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

/// The demo with Cohere at this address.
async fn demo_with_cohere(service: &str) -> Ended {
    run(&["demo", "--once", "--provider", "cohere"], &[("CO_API_KEY", "k3y-canary"), ("CO_API_URL", service)])
        .await
}

#[tokio::test]
async fn the_demo_begins_with_a_question_that_is_mended_and_ends_with_one_that_is_spoiled_as_measured() {
    let ended = run(&["demo", "--once"], &[]).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let out = &ended.stdout;
    assert!(out.lines().filter(|line| line.contains(" | ")).count() > 50, "{out}");
    let said = |part: &str| out.find(part).unwrap_or_else(|| panic!("{part}: {out}"));
    let who = said("Scores: `lexical`");
    let first = said("[1 of 12] reranking mends this one most: nDCG@5 from 0.000 to 1.000\n");
    let last = said("[12 of 12] reranking spoils this one most: nDCG@5 from 1.000 to 0.431\n");
    let means =
        said("Reranked 12: 8 mended, 3 spoiled, 1 as before; mean nDCG@5: database 0.395, reranked 0.761.");
    assert!(who < first && first < last && last < means, "{out}");
}

#[tokio::test]
async fn a_key_in_the_environment_changes_nothing_of_the_demo_but_a_line_that_says_so() {
    let service = Scripted::scoring(|_| 0.5).await;
    let url = format!("http://{}", service.addr);
    for name in ["CO_API_KEY", "COHERE_API_KEY"] {
        let env = [(name, "k3y-canary"), ("CO_API_URL", url.as_str())];
        let (with, without) = (run(&["demo", "--once"], &env).await, run(&["demo", "--once"], &[]).await);
        let idle = format!("{name} is set and not used: `rerankd demo --provider cohere`");
        let said: Vec<&str> = with.stdout.lines().filter(|line| !line.starts_with(&idle)).collect();
        assert_eq!(said, without.stdout.lines().collect::<Vec<_>>());
        assert!(with.stdout.contains(&idle) && !with.stdout.contains("k3y-canary"), "{}", with.stdout);
        for command in ["eval", "calibrate", "explain"] {
            assert_ne!(run(&[command, "--demo"], &env).await.status.code(), Some(1), "{command}");
        }
    }
    assert_eq!(service.seen().len(), 0, "nobody has asked for Cohere");
}

#[tokio::test]
async fn the_demo_asks_cohere_where_that_is_asked_for_and_says_so_first() {
    let service = Scripted::scoring(|text| text.len() as f64 / 1000.0).await;
    let url = format!("http://{}", service.addr);
    let ended = demo_with_cohere(&url).await;
    assert_eq!(ended.status.code(), Some(0), "{}{}", ended.stdout, ended.stderr);
    let first = ended.stdout.find("[1 of 12]").unwrap();
    let who = ended.stdout.find(&format!("Scores: `cohere` (rerank-v3.5, {url})")).unwrap();
    assert!(who < first && service.seen().len() >= 12, "{}", ended.stdout);
    let ended = run(&["demo", "--once", "--provider", "cohere"], &[]).await;
    assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(1), ""));
    assert!(ended.stderr.contains("needs a key: set CO_API_KEY or COHERE_API_KEY"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_provider_that_fails_is_named_with_its_cause_and_the_demo_goes_on_with_the_databases_order() {
    let rejecting = |status| Scripted::start(move |_| Some(response(status, "application/json", "{}")));
    let (auth, limited) = (rejecting(401).await, rejecting(429).await);
    for (url, word, cause) in [
        (format!("http://{}", auth.addr), "auth", "the provider rejected the API key"),
        (
            format!("http://{}", limited.addr),
            "rate_limited",
            "a trial key of Cohere's allows about ten calls a minute",
        ),
        (
            "http://127.0.0.1:9".to_owned(),
            "provider_unavailable",
            "no connection to the provider: connection_refused.",
        ),
    ] {
        let ended = demo_with_cohere(&url).await;
        let out = &ended.stdout;
        assert_eq!(ended.status.code(), Some(1), "nothing was reranked: {out}");
        let line =
            out.lines().find(|line| line.starts_with("NOT RERANKED (")).unwrap_or_else(|| panic!("{out}"));
        assert!(line.contains(&format!("({word})")) && line.contains(cause), "{line}");
        assert_eq!(out.matches("NOT RERANKED").count(), 1, "{out}");
        assert_eq!(out.matches("both orders are the database's").count(), 12, "{out}");
        assert!(out.contains("What to do: ") && out.contains("12 kept the database's order"), "{out}");
        assert!(
            !out.contains("k3y-canary") && !ended.stderr.contains("a fault of its own"),
            "{}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn output_that_is_cut_off_is_a_quiet_success_of_every_command() {
    let database = Tap::echoing().await;
    let upstream = format!("http://{}", database.addr);
    for args in [
        &["demo", "--once"][..],
        &["demo"],
        &["check", "--upstream", &upstream],
        &["check", "--connect", "--upstream", &upstream],
        &["explain", "--demo"],
        &["explain", "--demo", "--json"],
        &["eval", "--demo"],
        &["calibrate", "--demo"],
        &["--help"],
        &["eval", "--help"],
        &["--version"],
    ] {
        // Every write fails, from the first one on.
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let child = command(args, &[]).stdout(Stdio::from(writer)).spawn().unwrap();
        let ended = child.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "{args:?}: {said}");
        assert!(!said.contains("a fault of its own") && !said.contains("Broken pipe"), "{args:?}: {said}");
    }
}

#[tokio::test]
async fn a_failure_that_nobody_reads_is_still_the_exit_code() {
    for args in [&["serve", "--config", "/no/such.yaml"][..], &["demo", "--provider", "cohere"], &["eval"]] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let status = command(args, &[]).stderr(Stdio::from(writer)).status().await.unwrap();
        assert_eq!(status.code(), Some(if args == ["eval"] { 2 } else { 1 }), "{args:?}");
    }
}

#[tokio::test]
async fn the_admin_listener_is_for_this_machine_unless_it_is_said_otherwise() {
    let ended = run(&["check", "--upstream", "http://127.0.0.1:6333"], &[]).await;
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(rerankd::config::Config::default().admin.listen.to_string(), "127.0.0.1:9464");
}

#[tokio::test]
async fn the_first_lines_of_serve_say_what_runs_who_scores_and_what_is_off() {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let yaml = "listeners: [{ listen: '127.0.0.1:0', upstream: { url: 'http://127.0.0.1:9' } }]\nadmin: { listen: \
                '127.0.0.1:0' }\nrerank: { providers: [cohere, spare] }\nproviders:\n  cohere: { base_url: \
                'http://127.0.0.1:9' }\n  spare: { kind: jina }\ninspector: { capture: text }\ntelemetry: { otlp: { endpoint: 'http://127.0.0.1:9' } }\n";
    std::fs::write(file.path(), yaml).unwrap();
    let args = ["--config", file.path().to_str().unwrap()];
    let env = [("CO_API_KEY", "k3y-canary")];
    let log = Process::start(&args, &env).await.stop().await.stderr;
    let lines: Vec<serde_json::Value> =
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let line = |message: &str| {
        let found =
            lines.iter().find(|line| line["message"].as_str().is_some_and(|said| said.starts_with(message)));
        found.unwrap_or_else(|| panic!("{message}: {log}"))
    };
    assert_eq!(lines[0]["message"], "rerankd");
    assert_eq!(lines[0]["version"], env!("CARGO_PKG_VERSION"));
    let serving = line("serving");
    assert_eq!((&serving["upstream"], &serving["dialect"]), (&"http://127.0.0.1:9/".into(), &"auto".into()));
    let provider = line("provider");
    for (field, value) in
        [("name", "cohere"), ("kind", "cohere"), ("model", "rerank-v3.5"), ("url", "http://127.0.0.1:9")]
    {
        assert_eq!(provider[field], value, "{log}");
    }
    let cache = line("score cache");
    assert_eq!((&cache["expiry"], &cache["shared"]), (&"1day".into(), &"no".into()), "{log}");
    assert!(cache["memory"].as_str().is_some_and(|memory| memory.starts_with("64")), "{log}");
    let admin = line("metrics and health");
    assert_eq!(admin["inspector"], format!("http://{}/", admin["listen"].as_str().unwrap()));
    assert_eq!(line("traces")["parent"], "follow", "the setting's own word");
    let off = line("off");
    assert_eq!(off["what"], "provider spare", "{log}");
    assert_eq!(off["why"], "it has no key: set JINA_API_KEY, or its api_key_file", "{log}");
    let warning = line("inspector.capture is text: query and document texts");
    assert_eq!(warning["level"], "WARN");
    assert!(!log.contains("canary"), "{log}");

    let text =
        Process::start(&[&args[..], &["--log-format", "text"]].concat(), &env).await.stop().await.stderr;
    for part in [
        "rerankd version=\"0.1.0\"",
        "serving listen=127.0.0.1:",
        "provider name=cohere place=1 kind=\"cohere\" model=\"rerank-v3.5\"",
        "score cache memory=\"64",
        "inspector=http://127.0.0.1:",
        "off what=\"provider spare\" why=\"it has no key",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
