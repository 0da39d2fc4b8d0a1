//! Which series there are: those of what is configured, and `docs/metrics.md` names them all.

use std::collections::{BTreeMap, BTreeSet};

use rerankd::app::Reload;

use crate::harness::{Authority, Folder, Process, Program, Scripted, Watched, Wire, response};

const PAGE: &str = include_str!("../../docs/metrics.md");

/// What is said of one metric.
#[derive(Debug, Default, PartialEq, Eq)]
struct Family {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

/// The metrics of a scrape by name.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut all: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => all.entry(name.to_owned()).or_default().help = help.to_owned(),
            ["#", "TYPE", name, kind] => all.entry(name.to_owned()).or_default().kind = kind.to_owned(),
            _ => {
                let Some((name, rest)) = line.split_once(['{', ' ']) else { continue };
                let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
                let name = base.filter(|base| all.contains_key(*base)).unwrap_or(name);
                let Some(family) = all.get_mut(name) else { continue };
                let labels = rest.rsplit_once("} ").map_or("", |(labels, _)| labels);
                let names =
                    labels.split(',').filter_map(|label| label.split_once("=\"")).map(|(name, _)| name);
                family.labels.extend(names.filter(|name| *name != "le").map(str::to_owned));
            }
        }
    }
    all
}

/// The rows of the page's table.
fn rows() -> BTreeMap<String, Family> {
    let table = PAGE.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind, labels, help, ..] = cells[..] else { panic!("{line}") };
        let names = labels.split(", ").filter(|label| *label != "–").map(|label| label.trim_matches('`'));
        let family = Family {
            kind: kind.to_owned(),
            help: format!("{help}."),
            labels: names.map(str::to_owned).collect(),
        };
        (name.trim_matches('`').to_owned(), family)
    });
    table.collect()
}

/// A configuration with all that has metrics: both dialects, shadow searches, a budget, a chain, `lexical`, Redis (which is
/// not there), the rerank API, TLS on both sides, signatures for AWS, traces, a tenant.
async fn everything() -> (Process, Folder) {
    let folder = Folder::new(
        "admin: { listen: '127.0.0.1:0' }
listeners:
  - { listen: '127.0.0.1:0', upstream: { url: 'https://127.0.0.1:9' },
      tls: { cert_file: DIR/us.crt, key_file: DIR/us.key } }
  - { listen: '127.0.0.1:0', upstream: { url: 'https://127.0.0.1:9', sign: { service: es, region: eu-west-1 } } }
rerank_api: { listen: '127.0.0.1:0' }
cache: { secret_file: DIR/secret, redis: { url: 'redis://127.0.0.1:9' } }
rerank: { providers: [paid, tokens, lexical], mode: on }
routes: [{ collection: shadowed, mode: shadow, sample: 0.5, margin_gate: 0.5, answer_block: true,
    confidence: { model: m, slope: 1, intercept: 0, least: 0.5 },
    drift: { model: m, searches: 100, quantiles: [0, 1] } }]
telemetry: { otlp: { endpoint: 'http://127.0.0.1:9' } }
tenants: { names: { acme: { collection: acme, max_search_units_per_day: 5, cache: { max_bytes: 1MiB } } } }
providers:
  paid: { kind: cohere, base_url: 'http://127.0.0.1:9', api_key_env: KEY, max_search_units_per_day: 10 }
  tokens: { kind: voyage, base_url: 'https://127.0.0.1:9', api_key_env: KEY }
",
    );
    folder.write("secret", "a secret of 32 characters or more");
    Authority::new().issue(&["localhost"]).write(&folder.path(""), "us");
    let path = folder.path("rerankd.yaml");
    let process = Process::start(
        &["--config", path.to_str().unwrap()],
        &[("KEY", "k"), ("AWS_EC2_METADATA_DISABLED", "true")],
    )
    .await;
    (process, folder)
}

async fn scrape(process: &Process) -> String {
    let mut client = Wire::connect(process.admin).await;
    client.send("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    client.rest().await
}

#[tokio::test]
async fn the_page_names_every_metric_that_there_can_be_and_no_other() {
    let (process, _folder) = everything().await;
    let (exported, written) = (families(&scrape(&process).await), rows());
    let names = |all: &BTreeMap<String, Family>| all.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&exported), names(&written));
    for (name, family) in &exported {
        let row = &written[name];
        assert_eq!((&row.kind, &row.labels), (&family.kind, &family.labels), "{name}");
        // The process's own come from a library, which has another idea of a full stop.
        assert_eq!(row.help.trim_end_matches('.'), family.help.trim_end_matches('.'), "{name}");
    }
}

#[tokio::test]
async fn every_help_text_is_a_sentence_that_says_the_unit_of_what_has_one() {
    let (process, _folder) = everything().await;
    for (name, Family { help, kind, .. }) in families(&scrape(&process).await) {
        if name.starts_with("process_") {
            continue;
        }
        assert!(help.ends_with('.') && help.starts_with(char::is_uppercase), "{name}: {help}");
        assert!(help.len() <= 120 && !help.contains(" .."), "{name}: {help}");
        for (part, unit) in [("_seconds", "seconds"), ("_bytes", "bytes"), ("_ratio", "0 to 1")] {
            let says = help.to_lowercase().contains(unit) || !name.contains(part);
            assert!(says || name.ends_with("_total"), "{name}: {help}");
        }
        if kind == "gauge" && (name.ends_with("_state") || name.ends_with("_ready")) {
            assert!(help.contains('0') && help.contains('1'), "{name}: {help}");
        }
    }
}

#[tokio::test]
async fn a_plain_configuration_has_no_series_of_what_is_off() {
    let database = Scripted::start(|_| Some(response(200, "application/json", "{}"))).await;
    let program = Program::with_key(database.addr, "").await;
    let text = program.metrics().await;
    for off in [
        "rerankd_fleet_",
        "rerankd_api_",
        "rerankd_lexical_",
        "rerankd_shadow_",
        "mode=\"shadow\"",
        "reason=\"shadow\"",
        "rerankd_spend_",
        "reason=\"budget\"",
        "reason=\"not_sampled\"",
        "reason=\"skipped\"",
        "reason=\"margin\"",
        "reason=\"no_provider\"",
        "rerankd_provider_failovers_total",
        "rerankd_tokens_",
        "rerankd_requests_failed_total{cause=\"tls",
        "rerankd_certificate_",
    ] {
        let found = text.lines().find(|line| line.contains(off) && !line.starts_with('#'));
        assert_eq!(found, None, "{off}");
    }
    for (on, value) in [
        (
            "rerankd_searches_total{dialect=\"qdrant\",operation=\"query\",outcome=\"applied\",reason=\"none\"}",
            0,
        ),
        (
            "rerankd_searches_total{dialect=\"qdrant\",operation=\"query\",outcome=\"kept\",reason=\"timeout\"}",
            0,
        ),
        ("rerankd_provider_calls_total{provider=\"cohere\",status=\"ok\"}", 0),
        ("rerankd_requests_total{handling=\"search\",status=\"5xx\"}", 0),
        ("rerankd_cache_lookups_total{result=\"miss\"}", 0),
        ("rerankd_providers_usable", 1),
    ] {
        assert_eq!(program.metric(on).await, value, "{on}");
    }
}

#[tokio::test]
async fn what_a_reload_adds_is_there_at_zero_and_the_states_of_what_it_removes_go() {
    const PLAIN: &str = "admin: { listen: '127.0.0.1:0' }
listeners: [{ listen: '127.0.0.1:0', dialect: qdrant, upstream: { url: 'http://127.0.0.1:9' } }]
";
    const MORE: &str = "cache: { secret_file: DIR/secret, redis: { url: 'redis://127.0.0.1:9' } }
rerank: { providers: [lexical] }
routes: [{ collection: shadowed, mode: shadow }]
";
    let sidecar = Watched::start(PLAIN).await;
    sidecar.folder.write("secret", "a secret of 32 characters or more");
    let has =
        async |series: &str| sidecar.admin("/metrics").await.lines().any(|line| line.starts_with(series));
    let states =
        ["rerankd_fleet_breaker_state{", "rerankd_fleet_queue_length ", "rerankd_lexical_documents "];
    let counts = ["rerankd_fleet_scores_written_total ", "rerankd_shadow_searches_total{"];
    for series in states.iter().chain(&counts) {
        assert!(!has(series).await, "{series}");
    }
    let reloaded = sidecar.reload(&format!("{PLAIN}{MORE}")).await;
    assert!(matches!(reloaded, Reload::Applied), "{reloaded:?}");
    for series in states.iter().chain(&counts) {
        assert!(has(series).await, "{series}");
    }
    sidecar.reload(PLAIN).await;
    for series in states {
        assert!(!has(series).await, "{series}");
    }
    for series in counts {
        assert!(has(series).await, "what was counted stays: {series}");
    }
}

#[tokio::test]
async fn each_listener_shows_its_connections_beside_the_most_that_it_accepts() {
    let database = Scripted::start(|_| Some(response(200, "application/json", "{}"))).await;
    let listener = |host: &str, most: u64| {
        format!(
            "  - {{ listen: '{host}:0', max_connections: {most}, upstream: {{ url: 'http://{}' }} }}\n",
            database.addr
        )
    };
    let yaml = format!(
        "admin: {{ listen: '127.0.0.1:0' }}\nlisteners:\n{}{}",
        listener("127.0.0.1", 20),
        listener("127.0.0.2", 30)
    );
    let program = Program::start(&yaml, &[]).await;
    let of =
        |name: &str, at: std::net::SocketAddr| format!("rerankd_client_connections{name}{{listen=\"{at}\"}}");
    let second = program.listening()[1];
    assert_eq!(program.metric(&of("_limit", program.addr)).await, 20);
    assert_eq!(program.metric(&of("_limit", second)).await, 30);
    let _clients = [Wire::connect(second).await, Wire::connect(second).await];
    program.until(&of("", second), |open| open == 2).await;
    assert_eq!(program.metric(&of("", program.addr)).await, 0);
}
