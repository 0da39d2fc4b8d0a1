//! `embeddings`, and `embeddings.services.<name>`.

use super::listener::tls;
use crate::config::{
    EmbeddingsConfig, ServiceConfig,
    kind::Kind,
    setting::{By, Reload, Setting, Shown, by, setting},
    words::{FORMS, REMEMBERED},
};

/// `embeddings`.
pub(in crate::config) static EMBEDDINGS: &[Setting<EmbeddingsConfig>] = &[
    setting(
        "listen",
        Kind::Address,
        "where applications reach their embedding services, such as 127.0.0.1:6363; off if not set",
        |to: &mut EmbeddingsConfig| &mut to.listen,
    )
    .flag("--embeddings-listen"),
    by(
        "tls",
        Kind::Section,
        "TLS for applications, with the keys of a listener's",
        By::Section(|of, out, at| tls(out, at, of.tls.as_ref())),
    ),
    setting(
        "query_prefixes",
        Kind::List(&Kind::TextPrefix),
        "what a model wants before a query, which is taken off a text before it is remembered; * is wild",
        |to: &mut EmbeddingsConfig| &mut to.query_prefixes,
    ),
    setting(
        "memory.max_bytes",
        Kind::SizeOrOff,
        "the most that is remembered, texts encrypted, the least recently used go first; 0 remembers nothing",
        |to: &mut EmbeddingsConfig| &mut to.memory.max_bytes,
    )
    .reload(Reload::Forgets),
    setting(
        "memory.ttl",
        Kind::Duration,
        "how long a vector's text is remembered",
        |to: &mut EmbeddingsConfig| &mut to.memory.ttl,
    )
    .reload(Reload::Forgets),
    setting(
        "memory.tolerant",
        Kind::Bool,
        "recognise vectors too that a client has cut, normalised again or rounded a little",
        |to: &mut EmbeddingsConfig| &mut to.memory.tolerant,
    )
    .reload(Reload::Forgets),
    setting(
        "memory.shared",
        Kind::Bool,
        "the sidecars of a fleet share it through cache.redis, where that is configured",
        |to: &mut EmbeddingsConfig| &mut to.memory.shared,
    )
    .reload(Reload::Forgets),
];

/// `embeddings.services.<name>`.
pub(in crate::config) static SERVICE: &[Setting<ServiceConfig>] = &[
    by(
        "url",
        Kind::Url,
        "where the service is, with the path that its clients' base URL has; http:// for one of your own",
        By::Hand(|of: &ServiceConfig| Shown::One(of.written_url())),
    ),
    setting(
        "form",
        Kind::Word(FORMS),
        "how it speaks: openai (and all that copy it) | cohere | google | ollama | tei",
        |to| &mut to.form,
    ),
    setting(
        "remember",
        Kind::Word(REMEMBERED),
        "the texts that are remembered: auto (queries, single texts, lists of up to 16) | marked (only what is marked as a \
         query) | never",
        |to| &mut to.remember,
    ),
    setting("ca_file", Kind::Certificate, "trust this PEM file instead of the system's roots", |to| {
        &mut to.ca_file
    }),
    setting("connect_timeout", Kind::Duration, "for the connection, TLS included", |to| {
        &mut to.connect_timeout
    }),
];
