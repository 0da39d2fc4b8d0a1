//! Requests to Amazon OpenSearch: signed anew, by credentials of the program's own, over what is sent.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use serde_json::{Value, json};

use crate::harness::{
    Ended, Folder, Process, Scripted, Wire, ask,
    aws::{ID, SECRET, THEIRS, TOKEN, forbidden, verify},
    body_of, header, json_of, response, run,
};

const JSON: &str = "application/json";
const QUERY: &str = r#"{"query":{"match":{"text":"zebra"}},"size":2}"#;

/// The program with credentials in its environment, as a service of its own would be started.
struct Setup {
    database: Scripted,
    service: Scripted,
    program: Process,
}

/// Hits whose last one is the best for the service.
fn hits(request: &str) -> String {
    let size = json_of(request)["size"].as_u64().unwrap_or(10);
    let hits: Vec<Value> = (0..size)
        .map(|n| json!({"_index": "docs", "_id": n.to_string(), "_score": 9.0, "_source": {"text": format!("{n}")}}))
        .collect();
    let all = json!({"took": 1, "timed_out": false, "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
        "hits": {"total": {"value": 50, "relation": "eq"}, "max_score": 9.0, "hits": hits}});
    response(200, JSON, &all.to_string())
}

/// A database that takes only what is signed.
async fn verifying() -> Scripted {
    Scripted::start(|request| {
        Some(match verify(request) {
            Err(why) => forbidden(&why),
            Ok(_) if request.contains("/_search") => hits(request),
            Ok(_) => response(200, JSON, r#"{"acknowledged":true}"#),
        })
    })
    .await
}

/// Nothing outside of the environment is asked for credentials.
fn env(token: bool) -> Vec<(&'static str, &'static str)> {
    let mut env = vec![
        ("CO_API_KEY", "k"),
        ("AWS_ACCESS_KEY_ID", ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("HOME", "/nonexistent"),
    ];
    if token {
        env.push(("AWS_SESSION_TOKEN", TOKEN));
    }
    env
}

fn yaml(upstream: SocketAddr, service: SocketAddr, sign: &str, more: &str) -> String {
    format!(
        "listeners: [{{ listen: 127.0.0.1:0, upstream: {{ url: 'http://{upstream}'{sign} }} }}]\n\
         admin: {{ listen: 127.0.0.1:0 }}\n\
         rerank: {{ deadline: 20s }}\n\
         providers: {{ cohere: {{ kind: cohere, base_url: 'http://{service}' }} }}\n{more}"
    )
}

const ES: &str = ", sign: { service: es, region: eu-west-1 }";
const AOSS: &str = ", sign: { service: aoss, region: us-east-2, clients: any }";

async fn scoring() -> Scripted {
    Scripted::scoring(|text| text.parse::<f64>().unwrap_or(0.0) / 100.0).await
}

impl Setup {
    async fn new(sign: &str, more: &str, token: bool) -> Self {
        Self::before(verifying().await, sign, more, token).await
    }

    async fn before(database: Scripted, sign: &str, more: &str, token: bool) -> Self {
        let service = scoring().await;
        let folder = Folder::new(&yaml(database.addr, service.addr, sign, more));
        let path = folder.path("rerankd.yaml");
        let program = Process::start(&["--config", path.to_str().unwrap()], &env(token)).await;
        Self { database, service, program }
    }

    /// The whole response to these bytes on a connection of their own.
    async fn send(&self, request: String) -> String {
        let mut client = Wire::connect(self.program.listening[0]).await;
        client.send(request).await;
        client.message().await.expect("a response")
    }

    async fn ask(&self, line: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        let length = if body.is_empty() { String::new() } else { format!("content-length: {length}\r\n") };
        self.send(format!(
            "{line} HTTP/1.1\r\nhost: proxy:1\r\n{headers}content-type: {JSON}\r\n{length}\r\n{body}"
        ))
        .await
    }

    /// The value of a series of the metrics.
    async fn metric(&self, series: &str) -> String {
        let all = ask(self.program.admin, "/metrics").await;
        let value = all.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {series} in {all}")).to_owned()
    }
}

/// The ids of a response's hits.
fn ids(response: &str) -> Vec<String> {
    let hits = json_of(response)["hits"]["hits"].as_array().cloned().unwrap_or_default();
    hits.iter().map(|hit| hit["_id"].as_str().unwrap_or_default().to_owned()).collect()
}

fn status(response: &str) -> u16 {
    response.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_widened_search_is_signed_as_it_is_sent_and_reranked() {
    for (sign, service, region, token) in [(ES, "es", "eu-west-1", true), (AOSS, "aoss", "us-east-2", false)]
    {
        let setup = Setup::new(sign, "", token).await;
        let got = setup.ask("POST /docs/_search?pretty&filter_path=hits.*,took+x", THEIRS, QUERY).await;
        assert_eq!((status(&got), ids(&got)), (200, vec!["49".to_owned(), "48".to_owned()]), "{got}");
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"));
        let seen = setup.database.seen();
        let [sent] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!(json_of(sent)["size"], 50);
        assert!(
            sent.starts_with("POST /docs/_search?pretty&filter_path=hits.%2A%2Ctook%20x HTTP/1.1\r\n"),
            "{sent}"
        );
        let verified = verify(sent).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!((verified.service.as_str(), verified.region.as_str()), (service, region));
        let mut names = vec!["host", "x-amz-content-sha256", "x-amz-date"];
        names.extend(token.then_some("x-amz-security-token"));
        assert_eq!(verified.signed_headers, names);
        assert_eq!(header(sent, "x-amz-security-token"), token.then_some(TOKEN));
        assert_eq!(header(sent, "host"), Some(&*setup.database.addr.to_string()));
        assert!(!sent.contains("their") && !sent.contains("THEIRS"), "{sent}");
        assert_ne!(verified.date, "20150830T123600Z");
        assert_eq!(setup.service.seen().len(), 1);
    }
}

#[tokio::test]
async fn whatever_is_no_search_is_signed_too() {
    let setup = Setup::new(ES, "", true).await;
    let bulk = "{\"index\":{}}\n{\"text\":\"a\"}\n".repeat(2000);
    for (line, body) in [
        ("GET /", ""),
        ("PUT /docs", "{}"),
        ("POST /docs/_bulk", &*bulk),
        ("DELETE /docs/_doc/a%2Fb", ""),
        ("GET /_cat/indices/a,b*?h=index,health&s=index:desc", ""),
        ("GET /%3Clogs-%7Bnow%2Fd%7D%3E/_count?q=\"red+shoes\"", ""),
        ("POST /logs//_refresh", ""),
    ] {
        let got = setup.ask(line, THEIRS, body).await;
        assert_eq!(status(&got), 200, "{line}: {got}");
        let sent = setup.database.seen().pop().unwrap();
        assert_eq!(body_of(&sent), body, "{line}");
        assert!(verify(&sent).is_ok(), "{line}");
    }
    // In chunks, after an Expect, with trailers: it goes on whole.
    let mut client = Wire::connect(setup.program.listening[0]).await;
    client
        .send(format!(
            "POST /docs/_bulk HTTP/1.1\r\nhost: x\r\n{THEIRS}expect: 100-continue\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n"
        ))
        .await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 100 "));
    client.send("3\r\n{}\n\r\n3\r\n{}\n\r\n0\r\nx-sum: 1\r\n\r\n").await;
    assert!(client.message().await.unwrap().starts_with("HTTP/1.1 200 "));
    let sent = setup.database.seen().pop().unwrap();
    assert_eq!((body_of(&sent), header(&sent, "content-length")), ("{}\n{}\n", Some("6")));
}

#[tokio::test]
async fn a_request_without_a_signature_is_refused_in_the_engines_shape_and_reaches_nobody() {
    let setup = Setup::new(ES, "", false).await;
    let basic = "authorization: Basic dTpw\r\n";
    for (line, headers, body) in [
        ("POST /docs/_search", "", QUERY),
        ("GET /docs/_doc/1", "", ""),
        ("POST /docs/_bulk", basic, "{}\n"),
        ("POST /collections/c/points/query", "", "{}"),
        ("GET /", "x-amz-date: 20150830T123600Z\r\nauthorization: AWS4-HMAC-SHA256 Credential=a\r\n", ""),
    ] {
        let got = setup.ask(line, headers, body).await;
        assert_eq!(status(&got), 403, "{line}: {got}");
        let error = json_of(&got);
        assert_eq!((&error["status"], &error["error"]["type"]), (&json!(403), &json!("rerankd_exception")));
        assert!(error["error"]["reason"].as_str().unwrap().contains("upstream.sign.clients"), "{got}");
    }
    assert!(setup.database.seen().is_empty());
    assert_eq!(setup.metric("rerankd_requests_failed_total{cause=\"unsigned\"}").await, "5");
    // A signature in the query string is one too, and does not go on.
    let presigned = "GET /docs/_doc/1?X-Amz-Algorithm=AWS4-HMAC-SHA256&pretty=true&X-Amz-Credential=THEIRS&X-Amz-Signature=5fa0";
    assert_eq!(status(&setup.ask(presigned, "", "").await), 200);
    let sent = setup.database.seen().pop().unwrap();
    assert!(sent.starts_with("GET /docs/_doc/1?pretty=true HTTP/1.1\r\n"), "{sent}");
}

#[tokio::test]
async fn everyone_is_lent_the_credentials_where_the_setting_says_so() {
    let setup = Setup::new(AOSS, "", false).await;
    let got = setup.ask("POST /docs/_search", "authorization: Basic dTpw\r\n", QUERY).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{got}");
    let sent = setup.database.seen().pop().unwrap();
    assert!(verify(&sent).is_ok() && !sent.contains("Basic"), "{sent}");
}

#[tokio::test]
async fn a_body_that_is_too_large_to_be_held_is_answered_with_413_in_the_engines_shape() {
    let setup = Setup::new(ES, "limits: { max_request_bytes: 64KiB }\n", false).await;
    let large = format!("{{\"index\":{{}}}}\n{{\"text\":\"{}\"}}\n", "a".repeat(70_000));
    for line in ["POST /docs/_bulk", "POST /docs/_search"] {
        let got = setup.ask(line, THEIRS, &large).await;
        assert_eq!(status(&got), 413, "{line}: {got}");
        assert_eq!(header(&got, "connection"), Some("close"));
        assert!(
            json_of(&got)["error"]["reason"].as_str().unwrap().contains("limits.max_request_bytes"),
            "{got}"
        );
    }
    assert!(setup.database.seen().is_empty());
    let fits = format!("{{\"index\":{{}}}}\n{{\"text\":\"{}\"}}\n", "a".repeat(60_000));
    assert_eq!(status(&setup.ask("POST /docs/_bulk", THEIRS, &fits).await), 200);
}

#[tokio::test]
async fn each_form_of_a_search_that_is_sent_has_a_signature_of_its_own() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    // Takes only the client's own form.
    let database = Scripted::start(move |request| {
        counted.fetch_add(1, SeqCst);
        Some(match verify(request) {
            Err(why) => forbidden(&why),
            Ok(_) if json_of(request)["size"] == 2 => hits(request),
            Ok(_) => response(400, JSON, r#"{"error":{"type":"illegal_argument_exception"},"status":400}"#),
        })
    })
    .await;
    let setup = Setup::before(database, ES, "", true).await;
    let got = setup.ask("POST /docs/_search", THEIRS, QUERY).await;
    assert_eq!((status(&got), ids(&got)), (200, vec!["1".to_owned(), "0".to_owned()]), "{got}");
    let seen = setup.database.seen();
    assert!(seen.len() > 1 && seen.iter().all(|sent| verify(sent).is_ok()), "{seen:?}");
}

#[tokio::test]
async fn without_credentials_the_answer_says_so_in_the_engines_shape_and_the_program_is_not_ready() {
    let (database, service) = (verifying().await, scoring().await);
    let folder = Folder::new(&yaml(database.addr, service.addr, ES, ""));
    let path = folder.path("rerankd.yaml");
    let nothing: Vec<_> = env(false).into_iter().filter(|(name, _)| !name.contains("KEY_ID")).collect();
    let program = Process::start(&["--config", path.to_str().unwrap()], &nothing).await;
    let mut setup = Setup { database, service, program };
    let got = setup.ask("POST /docs/_search", THEIRS, QUERY).await;
    assert_eq!(status(&got), 503, "{got}");
    let reason = json_of(&got)["error"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("no AWS credentials to sign the request with (no_credentials)"), "{reason}");
    assert!(setup.database.seen().is_empty());
    let ready = ask(setup.program.admin, "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("aws_credentials"), "{ready}");
    assert_eq!(setup.metric("rerankd_aws_credentials_usable").await, "0");
    assert_eq!(setup.metric("rerankd_requests_failed_total{cause=\"no_credentials\"}").await, "1");
    let line = setup.program.said("upstream: no AWS credentials").await;
    assert_eq!(line["cause"], "no_credentials");
    let said = setup.program.stop().await.stderr;
    let warnings =
        said.lines().filter(|line| line.contains("AWS credentials to sign with could not be fetched"));
    assert_eq!(warnings.count(), 1, "{said}");
}

#[tokio::test]
async fn credentials_in_a_profile_file_are_found_and_the_program_is_ready_with_them() {
    let (database, service) = (verifying().await, scoring().await);
    let folder = Folder::new(&yaml(database.addr, service.addr, ES, ""));
    folder.write(
        "credentials",
        &format!("[search]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\naws_session_token = {TOKEN}\n"),
    );
    let (path, profile) = (folder.path("rerankd.yaml"), folder.path("credentials"));
    let mut env: Vec<_> = env(false).into_iter().filter(|(name, _)| !name.contains("ACCESS_KEY")).collect();
    env.extend([("AWS_PROFILE", "search"), ("AWS_SHARED_CREDENTIALS_FILE", profile.to_str().unwrap())]);
    let program = Process::start(&["--config", path.to_str().unwrap()], &env).await;
    let setup = Setup { database, service, program };
    assert_eq!(status(&setup.ask("POST /docs/_search", THEIRS, QUERY).await), 200);
    assert_eq!(setup.metric("rerankd_aws_credentials_usable").await, "1");
    assert_eq!(setup.metric("rerankd_aws_credentials_fetched_total{result=\"ok\"}").await, "1");
}

#[tokio::test]
async fn the_role_of_a_pod_is_asked_for_by_its_container_endpoint() {
    // What EKS Pod Identity and ECS serve: credentials with an end, for a token.
    let endpoint = Scripted::start(|request| {
        let good = header(request, "authorization") == Some("pod-token");
        let body = json!({"AccessKeyId": ID, "SecretAccessKey": SECRET, "Token": TOKEN, "Expiration": "2999-01-01T00:00:00Z"});
        Some(response(if good { 200 } else { 400 }, JSON, &body.to_string()))
    })
    .await;
    let (database, service) = (verifying().await, scoring().await);
    let folder = Folder::new(&yaml(database.addr, service.addr, ES, ""));
    let path = folder.path("rerankd.yaml");
    let url = format!("http://{}/v1/credentials", endpoint.addr);
    let mut env: Vec<_> = env(false).into_iter().filter(|(name, _)| !name.contains("ACCESS_KEY")).collect();
    env.extend([
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod-token"),
    ]);
    let program = Process::start(&["--config", path.to_str().unwrap()], &env).await;
    let setup = Setup { database, service, program };
    let got = setup.ask("POST /docs/_search", THEIRS, QUERY).await;
    assert_eq!(status(&got), 200, "{got}");
    let sent = setup.database.seen().pop().unwrap();
    assert_eq!(header(&sent, "x-amz-security-token"), Some(TOKEN));
}

#[tokio::test]
async fn a_rejected_signature_is_told_with_the_clock_where_that_is_wrong() {
    for (date, cause) in [("Sun, 06 Nov 1994 08:49:37 GMT", "clock_skew"), ("", "rejected")] {
        let database = Scripted::start(move |_| {
            let rejection = forbidden("Signature expired");
            let date = if date.is_empty() { String::new() } else { format!("date: {date}\r\n") };
            Some(rejection.replacen("\r\n", &format!("\r\n{date}"), 1))
        })
        .await;
        let mut setup = Setup::before(database, ES, "", false).await;
        let got = setup.ask("GET /docs/_doc/1", THEIRS, "").await;
        assert_eq!((status(&got), body_of(&got)), (403, r#"{"message":"Signature expired"}"#));
        let line = setup.program.said("upstream: it answers a signed request with 403").await;
        assert_eq!(line["cause"], cause, "{line}");
        assert_eq!(
            setup.metric(&format!("rerankd_aws_signatures_rejected_total{{cause=\"{cause}\"}}")).await,
            "1"
        );
    }
}

#[tokio::test]
async fn no_credential_is_in_anything_that_is_said() {
    let rejecting = Scripted::start(|_| Some(forbidden("no"))).await;
    let setup = Setup::before(rejecting, ES, "inspector: { capture: text }\n", true).await;
    for (line, body) in [("POST /docs/_search", QUERY), ("GET /", ""), ("POST /docs/_bulk", "{}\n")] {
        setup.ask(line, THEIRS, body).await;
        setup.ask(line, "", body).await;
    }
    let admin = setup.program.admin;
    let mut said = String::new();
    for path in ["/metrics", "/readyz", "/inspector/records", "/"] {
        said += &ask(admin, path).await;
    }
    let Ended { stderr, stdout, .. } = setup.program.stop().await;
    said += &(stderr + &stdout);
    for secret in [SECRET, TOKEN, ID, "their-token", "5fa00fa3", "THEIRS"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

#[tokio::test]
async fn a_signed_search_without_the_setting_goes_on_untouched_and_is_told_as_unsupported() {
    let database = Scripted::start(|request| Some(hits(request))).await;
    let mut setup = Setup::before(database, "", "", false).await;
    let own = "X-Rerank-Query: zebra\r\n";
    let got = setup.ask("POST /docs/_search?q=a+b", &format!("{own}{THEIRS}"), QUERY).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=unsupported"), "{got}");
    let sent = setup.database.seen().pop().unwrap();
    assert!(sent.starts_with("POST /docs/_search?q=a+b HTTP/1.1\r\n"), "{sent}");
    assert_eq!(body_of(&sent), QUERY);
    for line in THEIRS.split("\r\n").chain(["X-Rerank-Query: zebra"]).filter(|line| !line.is_empty()) {
        assert!(sent.contains(line), "{line} in {sent}");
    }
    let line = setup.program.line_with("signed for AWS").await;
    assert!(line.contains("listeners[].upstream.sign") && line.contains("docs/aws.md"), "{line}");
    assert!(setup.service.seen().is_empty());
}

#[tokio::test]
async fn check_connect_and_explain_sign_and_say_so() {
    let (database, service) = (verifying().await, scoring().await);
    let folder = Folder::new(&yaml(database.addr, service.addr, ES, ""));
    let path = folder.path("rerankd.yaml");
    let config = ["--config", path.to_str().unwrap()];
    let env = env(true);
    let ended = run(&[&["check", "--connect"][..], &config].concat(), &env).await;
    assert!(ended.stdout.contains("ok   AWS credentials  a key that ends in MPLE"), "{}", ended.stdout);
    let search = ["POST /docs/_search", "--body", QUERY];
    let ended = run(&[&["explain"][..], &config, &search].concat(), &env).await;
    assert_eq!(ended.status.code(), Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("signed for AWS (es, eu-west-1)"), "{}", ended.stdout);
    assert!(ended.stdout.contains("RERANKED by cohere"), "{}", ended.stdout);
    for said in [&ended.stdout, &ended.stderr] {
        assert!(!said.contains(SECRET) && !said.contains(TOKEN), "{said}");
    }
    let nothing: Vec<_> = env.iter().copied().filter(|(name, _)| !name.contains("ACCESS_KEY_ID")).collect();
    let ended = run(&[&["check", "--connect"][..], &config].concat(), &nothing).await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("listeners[0], AWS credentials: none: "), "{}", ended.stdout);
}
