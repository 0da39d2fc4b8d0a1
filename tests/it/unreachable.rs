//! Why the database cannot be reached: log, metric, response and `explain` say it in one word.

use std::net::SocketAddr;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tokio::net::TcpListener;

use crate::harness::{
    Authority, Identity, Process, Scripted, TlsDatabase, Wire, body_of, header, response, run, search,
};

/// A database, and what is written of it.
struct Case {
    cause: &'static str,
    status: &'static str,
    upstream: String,
    /// Kept for as long as it is asked.
    _database: Option<Box<dyn std::any::Any>>,
}

fn case(cause: &'static str, upstream: String) -> Case {
    Case { cause, status: "502", upstream, _database: None }
}

/// A certificate that has signed itself, as `openssl req -x509` makes them.
fn self_signed(hosts: &[&str], authority: bool, year: i32) -> Identity {
    let mut params =
        CertificateParams::new(hosts.iter().map(|host| host.to_string()).collect::<Vec<_>>()).unwrap();
    params.is_ca = if authority { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().unwrap();
    Identity { cert: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// Behind TLS with this certificate, and trusted by what is in `ca`.
async fn tls(folder: &Path, cause: &'static str, us: Identity, ca: &str, host: &str) -> Case {
    let database = TlsDatabase::start(&us, None, &[]).await;
    let file = folder.join(format!("{cause}.pem"));
    std::fs::write(&file, ca).unwrap();
    let (port, file) = (database.addr.port(), file.display());
    let upstream = format!("{{ url: 'https://{host}:{port}', ca_file: '{file}' }}");
    Case { _database: Some(Box::new(database)), ..case(cause, upstream) }
}

/// Takes connections, and says this to each, once it has a request where it says nothing.
async fn peer(bytes: &'static str, close: bool) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = socket.accept().await {
            let mut wire = Wire::new(stream);
            if bytes.is_empty() {
                // All of it: what is left unread when a socket is closed makes a reset of that.
                wire.message().await;
            }
            wire.try_send(bytes).await;
            if !close {
                open.push(wire);
            }
        }
    });
    addr
}

async fn cases(folder: &Path) -> Vec<Case> {
    let (ours, other) = (Authority::new(), Authority::new());
    let good = || ours.issue(&["localhost", "127.0.0.1"]);
    let own = self_signed(&["localhost", "127.0.0.1"], true, 4000);
    let old = self_signed(&["localhost"], false, 2001);
    let plain = peer("HTTP/1.1 400 Bad Request\r\n\r\n", true).await;
    let not_tls = case("tls_not_spoken", format!("{{ url: 'https://{plain}' }}"));
    let behind_tls = TlsDatabase::start(&good(), None, &[]).await;
    let to_tls = case("bad_response", format!("{{ url: 'http://{}' }}", behind_tls.addr));
    let silent = format!(
        "{{ url: 'http://{}', response_timeout: 50ms, forward_timeout: 50ms }}",
        peer("", false).await
    );
    vec![
        case("connection_refused", "{ url: 'http://127.0.0.1:9' }".to_owned()),
        // A label of more than 63 letters is no name, so no resolver is asked.
        case("name_not_found", format!("{{ url: 'http://{}.test:1' }}", "x".repeat(64))),
        tls(folder, "tls_untrusted", good(), &other.pem(), "localhost").await,
        tls(folder, "tls_wrong_name", ours.issue(&["db.internal"]), &ours.pem(), "localhost").await,
        tls(folder, "tls_expired", old.clone(), &old.cert, "localhost").await,
        tls(folder, "tls_ca_as_end_entity", own.clone(), &own.cert, "127.0.0.1").await,
        not_tls,
        Case { _database: Some(Box::new(behind_tls)), ..to_tls },
        case("broken", format!("{{ url: 'http://{}' }}", peer("", true).await)),
        Case { status: "504", ..case("silent", silent) },
    ]
}

#[tokio::test]
async fn every_way_not_to_reach_the_database_has_one_word_and_one_line_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path()).await;
    let mut yaml = "admin: { listen: '127.0.0.1:0' }\nlisteners:\n".to_owned();
    for (at, Case { upstream, .. }) in cases.iter().enumerate() {
        // Each its own address; the ports are any that are free.
        yaml += &format!("  - {{ listen: '127.0.0.{}:0', upstream: {upstream} }}\n", at + 1);
    }
    let file = folder.path().join("rerankd.yaml");
    std::fs::write(&file, yaml).unwrap();
    let file = file.to_str().unwrap();
    let program = Process::start(&["--config", file], &[]).await;
    for (case, listen) in cases.iter().zip(&program.listening) {
        for request in [
            &search(r#"{"query":[0.1]}"#)[..],
            "GET /a HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET /b HTTP/1.1\r\nhost: x\r\n\r\n",
        ] {
            let mut client = Wire::connect(*listen).await;
            client.send(request).await;
            let got = client.message().await.unwrap();
            assert_eq!(got.split(' ').nth(1), Some(case.status), "{}: {got}", case.cause);
            assert!(body_of(&got).contains(&format!("({})", case.cause)), "{}: {got}", case.cause);
            assert_eq!(header(&got, "x-rerank-status"), None);
        }
    }
    let mut admin = Wire::connect(program.admin).await;
    admin.send("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let metrics = admin.rest().await;
    let log = program.stop().await.stderr;
    for (at, case) in cases.iter().enumerate() {
        let series = format!("rerankd_requests_failed_total{{cause=\"{}\"}} 3", case.cause);
        assert!(metrics.lines().any(|line| line == series), "{series} in {metrics}");
        let word = format!("\"cause\":\"{}\"", case.cause);
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&word)).collect();
        // At the end the others have one too.
        let [line, last] = lines.as_slice() else { panic!("{}: {lines:?} in {log}", case.cause) };
        assert!(!line.contains("left_out") && last.contains("\"left_out\":1"), "{line}\n{last}");
        let address = case.upstream.split('\'').nth(1).unwrap();
        for part in [
            "runbook.md#rerankdupstreamunreachable",
            "\"WARN\"",
            "\"message\":\"upstream: ",
            "\"detail\":\"",
            address,
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        if at == 0 {
            let ended = run(&["check", "--connect", "--config", file], &[]).await;
            assert_eq!(ended.status.code(), Some(1));
            let said = |at: usize, case: &Case| {
                let start = format!(". listeners[{at}], reached: ");
                let line = ended.stdout.lines().find(|line| line.contains(&start)).unwrap_or_default();
                assert!(line.contains(&format!("({})", case.cause)), "{}: {}", case.cause, ended.stdout);
            };
            cases.iter().enumerate().for_each(|(at, case)| said(at, case));
            assert!(ended.stdout.contains("# Warning: listeners[5].upstream.ca_file: "), "{}", ended.stdout);
        }
        if ["connection_refused", "tls_untrusted"].contains(&case.cause) {
            let (listener, body) = ((at + 1).to_string(), r#"{"query":[0.1],"limit":3}"#);
            let args = ["explain", "POST /collections/docs/points/query", "--body", body, "--config", file];
            let ended = run(&[&args[..], &["--listener", &listener]].concat(), &[]).await;
            assert!(ended.stderr.contains(&format!("({}): ", case.cause)), "{}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn a_provider_that_fails_has_one_line_for_each_cause() {
    let database =
        Scripted::start(|_| Some(response(200, "application/json", &crate::harness::qdrant_hits(9, 10))))
            .await;
    let service = Scripted::start(|_| Some(response(401, "application/json", "{}"))).await;
    for (url, cause) in [
        (format!("http://{}", service.addr), "auth"),
        ("http://127.0.0.1:9".to_owned(), "connection_refused"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rerankd.yaml");
        let yaml = format!(
            "admin: {{ listen: '127.0.0.1:0' }}\n\
             listeners: [{{ listen: '127.0.0.1:0', upstream: {{ url: 'http://{}' }} }}]\n\
             providers: {{ cohere: {{ kind: cohere, base_url: '{url}' }} }}\nrerank: {{ deadline: 20s }}\n",
            database.addr
        );
        std::fs::write(&file, yaml).unwrap();
        let program =
            Process::start(&["--config", file.to_str().unwrap()], &[("CO_API_KEY", "s3cret")]).await;
        for _ in 0..3 {
            let mut client = Wire::connect(program.listening[0]).await;
            client.send(search(r#"{"query":[0.1],"limit":3}"#)).await;
            assert!(client.message().await.unwrap().starts_with("HTTP/1.1 200"));
        }
        let log = program.stop().await.stderr;
        let word = format!("\"cause\":\"{cause}\"");
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&word)).collect();
        // After a rejected key the provider is left alone; of others the rest have a line at the end.
        let (line, rest) = lines.split_first().unwrap_or_else(|| panic!("{cause}: {log}"));
        assert!(!line.contains("left_out"), "{line}");
        assert_eq!(rest.len(), usize::from(cause == "connection_refused"), "{log}");
        assert!(rest.iter().all(|last| last.contains("\"left_out\":")), "{rest:?}");
        let help =
            if cause == "auth" { "docs/reasons.md#auth" } else { "docs/reasons.md#provider_unavailable" };
        for part in [help, "\"WARN\"", "\"message\":\"provider: ", "\"name\":\"cohere\"", &url] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(!log.contains("s3cret") && !log.contains("zebra"), "{log}");
    }
}
