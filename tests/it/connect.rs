//! `rerankd check --connect`: every database, provider and Redis is asked, and what is wrong is said with what to do.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::harness::grpc::{GrpcServer, Move};
use crate::harness::{Authority, Ended, FakeRedis, Folder, Scripted, TlsDatabase, response, run};

const QDRANT: &str = r#"{"title":"qdrant - vector search engine","version":"1.18.3"}"#;
const ELASTIC: &str =
    r#"{"version":{"number":"9.5.0","build_flavor":"default"},"tagline":"You Know, for Search"}"#;
const KEYS: [(&str, &str); 2] = [("CO_API_KEY", "k3y-canary"), ("JINA_API_KEY", "other-canary")];

async fn database(root: &'static str) -> Scripted {
    Scripted::start(move |_| Some(response(200, "application/json", root))).await
}

/// The same with a header more.
fn with_header(response: String, header: &str) -> String {
    response.replacen("\r\n", &format!("\r\n{header}\r\n"), 1)
}

async fn check(yaml: &str, env: &[(&str, &str)]) -> Ended {
    let folder = Folder::new(yaml);
    folder.write("secret", "0123456789abcdef0123456789abcdef");
    let path = folder.path("rerankd.yaml");
    let ended = run(&["check", "--connect", "--config", path.to_str().unwrap()], env).await;
    assert!(!ended.stdout.contains("canary") && !ended.stderr.contains("canary"), "{}", ended.stdout);
    ended
}

fn listener(upstream: SocketAddr) -> String {
    format!("{{ listen: '127.0.0.1:0', upstream: {{ url: 'http://{upstream}' }} }}")
}

/// The line of a check, in the section that begins with `section`.
fn line<'a>(ended: &'a Ended, section: &str, check: &str) -> &'a str {
    let lines = ended.stdout.lines().skip_while(|line| !line.starts_with(&format!("{section}  ")));
    let mut own = lines.skip(1).take_while(|line| !line.is_empty());
    let found = own.find(|line| line.get(7..).is_some_and(|rest| rest.starts_with(check)));
    found.unwrap_or_else(|| panic!("{section}, {check}: {}", ended.stdout))
}

#[tokio::test]
async fn everything_that_is_configured_is_asked_and_what_is_well_ends_with_ok() {
    let (qdrant, elastic) = (database(QDRANT).await, database(ELASTIC).await);
    let service = Scripted::start(|_| {
        let scores = r#"{"id":"r","results":[{"index":0,"relevance_score":0.93}]}"#;
        let scored = response(200, "application/json", scores);
        Some(with_header(scored, "x-trial-endpoint-call-remaining: 8"))
    })
    .await;
    let redis = FakeRedis::start().await;
    let yaml = format!(
        "listeners: [{}, {}]\nrerank: {{ deadline: 20s, providers: [cohere, second, here] }}\nproviders:\n  cohere: \
         {{ base_url: 'http://{}' }}\n  second: {{ kind: jina, base_url: 'http://{}' }}\n  here: {{ kind: lexical }}\n\
         cache: {{ secret_file: DIR/secret, redis: {{ url: 'redis://{}', timeout: 5s }} }}\nrerank_api: {{ listen: '127.0.0.1:0' }}\n",
        listener(qdrant.addr),
        listener(elastic.addr),
        service.addr,
        service.addr,
        redis.addr,
    );
    let ended = check(&yaml, &KEYS).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("\nOK\n"), "{}", ended.stdout);
    for (section, name, said) in [
        ("listeners[0]", "reached", "ok   reached      Qdrant 1.18.3, in "),
        ("listeners[1]", "reached", "ok   reached      Elasticsearch 9.5.0, in "),
        ("listeners[0]", "certificate", "-    certificate  none: plain HTTP"),
        ("providers.cohere", "key", "ok   key          CO_API_KEY"),
        ("providers.cohere", "scored pair", "ok   scored pair  0.930 by rerank-v3.5, in "),
        ("providers.cohere", "limits", "ok   limits       x-trial-endpoint-call-remaining: 8"),
        ("providers.second", "key", "ok   key          JINA_API_KEY"),
        ("providers.second", "scored pair", "ok   scored pair  0.930 by jina-reranker-v2"),
        ("providers.here", "scored pair", "scores are computed in this process"),
        ("cache.redis", "reached", "ok   reached      Valkey 8.1.0, PING in "),
        ("cache.redis", "scripts", "ok   scripts      they run"),
        ("cache.redis", "clock", "ok   clock        "),
        ("rerank_api", "providers", "ok   providers    cohere, second, here"),
    ] {
        let line = line(&ended, section, name);
        assert!(line.contains(said), "{section}: {line:?} in {}", ended.stdout);
    }
    assert_eq!(service.seen().len(), 2, "one pair for each provider");
}

#[tokio::test]
async fn the_grpc_address_is_asked_for_its_health() {
    let qdrant = database(QDRANT).await;
    let server = GrpcServer::start().await;
    server.will([Move::message(b"\x0a\x06qdrant\x12\x061.19.0")]);
    let yaml = |grpc: String| {
        format!(
            "listeners: [{{ listen: '127.0.0.1:0', upstream: {{ url: 'http://{}', grpc_url: 'http://{grpc}' }} }}]\nrerank: \
             {{ providers: [here] }}\nproviders: {{ here: {{ kind: lexical }} }}\n",
            qdrant.addr
        )
    };
    let ended = check(&yaml(server.addr.to_string()), &[]).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stdout);
    let said = format!("ok   gRPC         Qdrant 1.19.0 at http://{}, in ", server.addr);
    assert!(line(&ended, "listeners[0]", "gRPC").contains(&said), "{}", ended.stdout);
    assert_eq!(server.last().path, "/qdrant.Qdrant/HealthCheck");

    let closed = check(&yaml("127.0.0.1:9".to_owned()), &[]).await;
    assert_eq!(closed.status.code(), Some(1), "{}", closed.stdout);
    let said = "1. listeners[0], gRPC: http://127.0.0.1:9: cannot connect to the upstream (connection_refused)\n   Nothing \
                listens there";
    assert!(closed.stdout.contains(said), "{}", closed.stdout);
    // It is no gRPC port.
    let rest = check(&yaml(qdrant.addr.to_string()), &[]).await;
    assert_eq!(rest.status.code(), Some(1), "{}", rest.stdout);
}

#[tokio::test]
async fn each_problem_is_numbered_with_its_place_and_what_to_do_and_fails_the_check() {
    let database = database(ELASTIC).await;
    let rejecting = Scripted::start(|_| Some(response(401, "application/json", "{}"))).await;
    let yaml = format!(
        "listeners: [{{ listen: '127.0.0.1:0', dialect: qdrant, upstream: {{ url: 'http://{}' }} }}]\nrerank: {{ \
         providers: [cohere, second, third] }}\nproviders:\n  cohere: {{ base_url: 'http://{}' }}\n  second: {{ kind: jina, \
         base_url: 'http://127.0.0.1:9' }}\n  third: {{ kind: voyage }}\ncache: {{ secret_file: DIR/secret, redis: {{ url: 'redis://127.0.0.1:9' }} \
         }}\n",
        database.addr, rejecting.addr,
    );
    let ended = check(&yaml, &KEYS).await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stdout);
    let (_, problems) =
        ended.stdout.split_once("\n4 problems, 1 warning:\n").unwrap_or_else(|| panic!("{}", ended.stdout));
    for part in [
        "1. listeners[0], dialect: it is Elasticsearch 9.5.0, and dialect is qdrant\n   Write `dialect: elasticsearch`",
        "2. providers.cohere, scored pair: provider answered 401 (auth), after ",
        "   It rejects the API key",
        "3. providers.second, scored pair: no connection to the provider: connection_refused, after ",
        "   Nothing listens there: does it run, and is the port right?",
        "4. cache.redis, reached: no connection\n   See that it runs",
        "5. providers.third, key (warning): none: this provider is left out\n   Set VOYAGE_API_KEY, or api_key_file",
    ] {
        assert!(problems.contains(part), "{part}: {problems}");
    }
}

#[tokio::test]
async fn without_any_key_it_says_that_nothing_is_reranked() {
    let database = database(QDRANT).await;
    let yaml = format!("listeners: [{}]\n", listener(database.addr));
    let ended = check(&yaml, &[]).await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stdout.contains("FAIL key          none: nothing is reranked"), "{}", ended.stdout);
    assert!(ended.stdout.contains("Set CO_API_KEY or COHERE_API_KEY, or api_key_file"), "{}", ended.stdout);
    let off = check(&format!("{yaml}rerank: {{ mode: off }}\n"), &[]).await;
    assert_eq!(off.status.code(), Some(0), "{}", off.stdout);
}

#[tokio::test]
async fn a_provider_that_never_answers_is_given_up() {
    let database = database(QDRANT).await;
    // Its connections wait in the system's queue for ever.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let yaml = format!(
        "listeners: [{}]\nproviders: {{ cohere: {{ base_url: 'http://{}', timeout: 200ms }} }}\n",
        listener(database.addr),
        silent.local_addr().unwrap(),
    );
    let ended = check(&yaml, &KEYS).await;
    assert_eq!(ended.status.code(), Some(1));
    let said = "scored pair: provider did not answer in time (timeout), after ";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
}

#[tokio::test]
async fn a_clock_that_differs_is_a_warning_and_the_check_is_still_ok() {
    let database = Scripted::start(|_| {
        let root = response(200, "application/json", QDRANT);
        Some(with_header(root, "date: Tue, 15 Nov 1994 08:12:31 GMT"))
    })
    .await;
    let yaml = format!(
        "listeners: [{}]\nrerank: {{ providers: [here] }}\nproviders: {{ here: {{ kind: lexical }} }}\n",
        listener(database.addr)
    );
    let ended = check(&yaml, &[]).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("\nOK, with 1 warning:\n1. listeners[0], clock (warning): ours is "),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("ahead of its clock\n   Let NTP set the clock"), "{}", ended.stdout);
}

#[tokio::test]
async fn certificates_are_shown_with_their_last_day() {
    let authority = Authority::new();
    let (theirs, ours) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    let database = TlsDatabase::start(&theirs, None, &["http/1.1"]).await;
    let folder = tempfile::tempdir().unwrap();
    ours.write(folder.path(), "own");
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let at = folder.path().display();
    let yaml = format!(
        "listeners:\n  - listen: '127.0.0.1:0'\n    tls: {{ cert_file: {at}/own.crt, key_file: {at}/own.key }}\n    upstream: \
         {{ url: 'https://localhost:{}', ca_file: {at}/ca.pem }}\nrerank: {{ providers: [here] }}\nproviders: {{ here: {{ \
         kind: lexical }} }}\n",
        database.addr.port(),
    );
    let ended = check(&yaml, &[]).await;
    for name in ["certificate", "own certificate"] {
        let line = line(&ended, "listeners[0]", name);
        assert!(line.contains("until 4096-01-01 ("), "{line}: {}", ended.stdout);
    }
}

#[tokio::test]
async fn embedding_services_of_ones_own_are_asked_and_those_on_the_internet_are_not() {
    let (qdrant, tei) = (database(QDRANT).await, database("{}").await);
    let services = format!("tei: {{ url: 'http://{}/base', form: tei }}", tei.addr);
    let yaml = |services: &str| {
        format!(
            "listeners: [{}]\nrerank: {{ providers: [lexical] }}\nproviders: {{ lexical: {{}} }}\n\
             embeddings: {{ listen: '127.0.0.1:6363', services: {{ {services} }} }}\n",
            listener(qdrant.addr)
        )
    };
    let well = check(&yaml(&services), &[]).await;
    assert_eq!(well.status.code(), Some(0), "{}", well.stdout);
    assert!(line(&well, "embeddings.services.tei", "reached").contains("it answers (200), in"));
    assert!(tei.seen()[0].starts_with("GET /base HTTP/1.1"));
    let others = line(&well, "embeddings", "services");
    assert!(
        others.contains("openai, cohere, google, ollama, voyage, mistral, jina, nvidia: not called"),
        "{others}"
    );
    assert!(line(&well, "embeddings", "memory").contains("16.0 MiB for 1h"), "{}", well.stdout);

    let gone = check(&yaml("ollama: { url: 'http://127.0.0.1:9' }"), &[]).await;
    assert_eq!(gone.status.code(), Some(1), "{}", gone.stdout);
    let said = "1. embeddings.services.ollama, reached: http://127.0.0.1:9: cannot connect to the upstream \
                (connection_refused)\n   Nothing listens there: ";
    assert!(gone.stdout.contains(said), "{}", gone.stdout);
}
