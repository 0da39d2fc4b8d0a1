//! The database behind a listener: whether it answers, what it is, its certificate and its clock.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::{facts, report::Section};
use crate::{
    app::upstream_certificate,
    config::{DialectChoice, ListenerConfig},
    dialect::{grpc, qdrant},
    proxy::{Health, Proxy, Root},
    signing::{Expiry, Keys},
    tls,
};

/// Timeout after the connection is made: the request is small.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// What the root's response shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    Qdrant,
    Elasticsearch,
    OpenSearch,
}

/// Sends a request to the database of one listener.
pub(super) async fn check(
    at: usize,
    listener: &ListenerConfig,
    (proxy, keys): (&Proxy, Option<&Keys>),
) -> Section {
    let url = listener.upstream.url.to_string();
    let url = url.trim_end_matches('/');
    let mut section = Section::new(format!("listeners[{at}]"), format!("{} -> {url}", listener.listen));
    let max_wait = listener.upstream.connect_timeout.saturating_add(MAX_WAIT);
    if let Some(keys) = keys {
        credentials(&mut section, keys).await;
    }
    let begun = Instant::now();
    match timeout(max_wait, proxy.root()).await {
        Ok(Ok(root)) => {
            reached(&mut section, listener, &root, begun.elapsed());
            facts::clock(&mut section, facts::date(&root.headers), SystemTime::now());
            shown(&mut section, listener).await;
        }
        Ok(Err(why)) => {
            let (said, remedy) =
                why.split_once("): ").map_or((why.as_str(), ""), |(said, remedy)| (said, remedy));
            let said = format!("{url}: {said}{}", if remedy.is_empty() { "" } else { ")" });
            let remedy = if remedy.is_empty() { "See that it runs, and its URL." } else { remedy };
            section.problem("reached", said, sentence(remedy));
        }
        Err(_) => section.problem(
            "reached",
            format!("{url} has not answered within {} s (silent)", max_wait.as_secs()),
            "See whether it is overloaded, or speaks another protocol on that port.",
        ),
    }
    calls(&mut section, listener, proxy).await;
    own_certificate(&mut section, listener);
    section
}

/// What requests are signed with.
async fn credentials(section: &mut Section, keys: &Keys) {
    match keys.shown().await {
        Ok((end, Expiry::Never)) => section.good("AWS credentials", format!("a key that ends in {end}")),
        Ok((end, Expiry::At(until))) => {
            let until = humantime::format_rfc3339_seconds(until);
            section.good("AWS credentials", format!("a key that ends in {end}, good until {until}"));
        }
        Err(why) => section.problem(
            "AWS credentials",
            format!("none: {why}"),
            "See the role or the AWS_ variables of this process: docs/aws.md says what is looked for.",
        ),
    }
}

/// Makes a health check where gRPC calls go. Only who has named that address needs it.
async fn calls(section: &mut Section, listener: &ListenerConfig, proxy: &Proxy) {
    let Some(url) = listener.grpc_url() else { return };
    let url = url.to_string();
    let url = url.trim_end_matches('/');
    let begun = Instant::now();
    let max_wait = listener.upstream.connect_timeout.saturating_add(MAX_WAIT);
    let (path, database) = match listener.dialect {
        DialectChoice::Weaviate => (grpc::health::PATH, "Weaviate"),
        _ => (qdrant::grpc::health::PATH, "Qdrant"),
    };
    let (said, remedy) = match timeout(max_wait, proxy.health(path)).await {
        Ok(None) => return,
        Ok(Some(Ok(Health::Serving(version)))) => {
            let what =
                version.map_or_else(|| "something that speaks gRPC".to_owned(), |it| format!("Qdrant {it}"));
            return section.good("gRPC", format!("{what} at {url}, in {} ms", begun.elapsed().as_millis()));
        }
        // Who has to show a key is there.
        Ok(Some(Ok(Health::Status(status @ (7 | 16))))) => {
            return section
                .good("gRPC", format!("{url} wants a login (status {status}), which clients bring"));
        }
        Ok(Some(Ok(Health::Status(status)))) => (
            format!("{url} answers a health check with status {status}"),
            format!("See that upstream.grpc_url is {database}'s gRPC port, and its log."),
        ),
        Ok(Some(Ok(Health::NoGrpc(status)))) => (
            format!("{url} does not speak gRPC (HTTP status {status})"),
            format!("See that upstream.grpc_url is {database}'s gRPC port, not that of its other interface."),
        ),
        Ok(Some(Err(why))) => {
            let (said, remedy) =
                why.split_once("): ").map_or((why.as_str(), ""), |(said, remedy)| (said, remedy));
            let end = if remedy.is_empty() { "" } else { ")" };
            let remedy = if remedy.is_empty() { "see that it runs, and its port" } else { remedy };
            (format!("{url}: {said}{end}"), sentence(remedy))
        }
        Err(_) => (format!("{url} has not answered (silent)"), "See whether it is overloaded.".to_owned()),
    };
    match &listener.upstream.grpc_url {
        Some(_) => section.problem("gRPC", said, remedy),
        None => section.warning("gRPC", said, remedy + " Clients that speak REST alone do not need it."),
    }
}

fn reached(section: &mut Section, listener: &ListenerConfig, root: &Root, took: Duration) {
    let (status, milliseconds) = (root.status.as_u16(), took.as_millis());
    let is_rejected = listener.upstream.sign.is_some() && matches!(status, 401 | 403);
    if is_rejected {
        return section.problem(
            "reached",
            format!("it rejects what rerankd signs ({status})"),
            "See the access policy of the domain or collection, and service and region of upstream.sign; \
             docs/aws.md says what each has to allow.",
        );
    }
    let product = product(&root.body);
    let what = match &product {
        Some((_, words)) => format!("{words}, in {milliseconds} ms"),
        None if matches!(status, 401 | 403) => {
            format!("it wants a login ({status}), which clients bring; in {milliseconds} ms")
        }
        None => format!("something that does not say what it is ({status}), in {milliseconds} ms"),
    };
    let known = product.is_some()
        || matches!(status, 401 | 403)
        || listener.dialect == DialectChoice::None
        || listener.definition.is_some();
    if root.status.is_server_error() {
        section.problem("reached", what, "See the database's own log: it answers its root with an error.");
    } else if known {
        section.good("reached", what);
    } else {
        let remedy =
            "See that upstream.url is the database's REST port, and not a page or a proxy in front of it.";
        section.warning("reached", what, remedy);
    }
    if let Some((product, words)) = product
        && let Some(word) = misfit(listener.dialect, product)
    {
        let said = format!("it is {words}, and dialect is {}", listener.dialect.as_str());
        section.problem(
            "dialect",
            said,
            format!("Write `dialect: {word}` for this listener, or leave it out (auto)."),
        );
    }
}

/// The right dialect, where the configured one is wrong.
fn misfit(dialect: DialectChoice, product: Product) -> Option<&'static str> {
    match (dialect, product) {
        (DialectChoice::Qdrant, Product::Elasticsearch | Product::OpenSearch) => Some("elasticsearch"),
        (DialectChoice::Elasticsearch, Product::Qdrant) => Some("qdrant"),
        (other, product)
            if !matches!(
                other,
                DialectChoice::Auto
                    | DialectChoice::None
                    | DialectChoice::Qdrant
                    | DialectChoice::Elasticsearch
            ) =>
        {
            Some(if matches!(product, Product::Qdrant) { "qdrant" } else { "elasticsearch" })
        }
        _ => None,
    }
}

/// Product and version, as the root states them.
fn product(body: &[u8]) -> Option<(Product, String)> {
    let said: Value = serde_json::from_slice(body).ok()?;
    let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str);
    let version = |pointer: &str| text(pointer).map(|version| version.chars().take(40).collect::<String>());
    if text("/title").is_some_and(|title| title.starts_with("qdrant")) {
        return Some((Product::Qdrant, format!("Qdrant {}", version("/version")?)));
    }
    let number = version("/version/number")?;
    match text("/version/distribution") {
        Some("opensearch") => Some((Product::OpenSearch, format!("OpenSearch {number}"))),
        _ => Some((Product::Elasticsearch, format!("Elasticsearch {number}"))),
    }
}

/// The database's certificate, from a TLS handshake of its own.
async fn shown(section: &mut Section, listener: &ListenerConfig) {
    if listener.upstream.url.scheme_str() != Some("https") {
        return section.note("certificate", "none: plain HTTP");
    }
    let max_wait = listener.upstream.connect_timeout;
    match timeout(max_wait, upstream_certificate(&listener.upstream)).await {
        Ok(Some(shown)) => {
            facts::certificate(section, &shown, SystemTime::now(), "Renew the database's certificate.");
        }
        _ => section.note("certificate", "it was not shown a second time"),
    }
}

/// The certificate that clients of this listener see.
fn own_certificate(section: &mut Section, listener: &ListenerConfig) {
    let Some(own) = &listener.tls else { return };
    // An unreadable file is a problem of the configuration, which has been reported by now.
    let Ok(chain) = tls::certificates(&own.cert_file) else { return };
    let Some(first) = chain.first() else { return };
    let remedy = format!("Renew {}: a new file is loaded without a restart.", own.cert_file.display());
    facts::certificate(section, first, SystemTime::now(), &remedy);
    section.rename_last("own certificate");
}

/// With a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.trim().chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let rest = chars.as_str();
    let stop = if rest.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{rest}{stop}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_known_by_what_it_says_at_its_root() {
        for (body, words) in [
            (r#"{"title":"qdrant - vector search engine","version":"1.18.3"}"#, "Qdrant 1.18.3"),
            (
                r#"{"name":"n","version":{"number":"9.5.0","build_flavor":"default"},"tagline":"You Know, for Search"}"#,
                "Elasticsearch 9.5.0",
            ),
            (r#"{"version":{"distribution":"opensearch","number":"2.19.1"}}"#, "OpenSearch 2.19.1"),
        ] {
            assert_eq!(product(body.as_bytes()).map(|(_, words)| words).as_deref(), Some(words));
        }
        assert_eq!(product(b"<html>"), None);
        assert_eq!(product(br#"{"version":"1"}"#), None);
    }

    #[test]
    fn a_dialect_of_another_database_is_seen() {
        assert_eq!(misfit(DialectChoice::Qdrant, Product::OpenSearch), Some("elasticsearch"));
        assert_eq!(misfit(DialectChoice::Elasticsearch, Product::Qdrant), Some("qdrant"));
        for dialect in [DialectChoice::Auto, DialectChoice::None, DialectChoice::Elasticsearch] {
            assert_eq!(misfit(dialect, Product::Elasticsearch), None);
        }
    }

    #[test]
    fn remedies_are_whole_sentences() {
        assert_eq!(sentence("nobody listens there: does it run?"), "Nobody listens there: does it run?");
        assert_eq!(sentence("check the network"), "Check the network.");
    }
}
