//! Embedding services: whether those of the user's own answer. Those on the internet want a key, which only clients have.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{database::sentence, report::Section};
use crate::{
    app::OfflineService,
    config::{Config, ServiceConfig},
};

/// Timeout after the connection is made.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// What is served, and which services are not called; `None` where none is served.
pub(super) fn served(config: &Config) -> Option<Section> {
    let services = config.served_services();
    if services.is_empty() {
        return None;
    }
    let listen = config.embeddings.listen;
    let at = listen.map_or_else(|| "behind rerank_api.listen".to_owned(), |listen| listen.to_string());
    let mut section = Section::new("embeddings", at);
    let named = |known: bool| -> Vec<&str> {
        let of = services.iter().filter(|each| each.is_where_it_is_known() == known);
        of.map(|each| each.name.as_str()).collect()
    };
    if !named(true).is_empty() {
        section.note("services", format!("{}: not called, clients bring their keys", named(true).join(", ")));
    }
    let memory = &config.embeddings.memory;
    match memory.max_bytes {
        0 => section.warning(
            "memory",
            "max_bytes is 0",
            "Without a memory no search is reranked by its vector.",
        ),
        bytes => {
            let size = bytesize::ByteSize(bytes).display().iec();
            section.good("memory", format!("{size} for {}", humantime::format_duration(memory.ttl)));
        }
    }
    match (listen, &config.embeddings.tls) {
        (Some(listen), None) if !listen.ip().is_loopback() => section.warning(
            "encryption",
            "none: clients' keys and texts come unencrypted",
            "Set embeddings.tls, or keep the address within a network that you trust.",
        ),
        _ => {}
    }
    Some(section)
}

/// Whether a service is called at all.
pub(super) fn is_called(service: &ServiceConfig) -> bool {
    !service.is_where_it_is_known()
}

/// Sends a request to a service; whatever it answers, it is there.
pub(super) async fn check(service: &OfflineService) -> Section {
    let (config, url) = (&service.config, service.config.written_url());
    let mut section =
        Section::new(format!("embeddings.services.{}", config.name), format!("/{} -> {url}", config.name));
    let begun = Instant::now();
    let max_wait = config.connect_timeout.saturating_add(MAX_WAIT);
    match timeout(max_wait, service.forwarder.ask(config.path.as_str())).await {
        Ok(Ok(response)) => {
            let status = response.status.as_u16();
            let said = format!("it answers ({status}), in {} ms", begun.elapsed().as_millis());
            match response.status.is_server_error() {
                true => section.warning("reached", said, "See its own log: it answers with an error."),
                false => section.good("reached", said),
            }
        }
        Ok(Err(why)) => {
            let (said, remedy) = why.split_once("): ").unwrap_or((&why, ""));
            let end = if remedy.is_empty() { "" } else { ")" };
            let remedy = if remedy.is_empty() { "see that it runs, and its URL" } else { remedy };
            section.problem("reached", format!("{url}: {said}{end}"), sentence(remedy));
        }
        Err(_) => section.problem(
            "reached",
            format!("{url} has not answered within {} s (silent)", max_wait.as_secs()),
            "See whether it is overloaded, or speaks another protocol on that port.",
        ),
    }
    section
}
