//! `listeners[]` and the `tls` of whatever listens.

use crate::config::{
    DialectChoice, ListenerConfig, ListenerTlsConfig, SignConfig,
    kind::Kind,
    out::Out,
    setting::{By, Scalar, Setting, Shown, by, print, setting},
    words::{HOSTS, SERVICES, SIGNED_CLIENTS},
};

/// `listeners[]`.
pub(in crate::config) static LISTENER: &[Setting<ListenerConfig>] = &[
    setting("listen", Kind::Address, "where clients connect", |to: &mut ListenerConfig| &mut to.listen)
        .flag("--listen"),
    setting(
        "grpc_listen",
        Kind::Address,
        "where they may connect too, for a client with a second port for gRPC; both take both. Not set: port 6344, where \
         listen has 6343 and a gRPC address is known; the same as listen: none",
        |to: &mut ListenerConfig| &mut to.grpc_listen,
    )
    .flag("--grpc-listen"),
    by(
        "tls",
        Kind::Section,
        "TLS for clients, HTTP/2 by ALPN",
        By::Section(|of, out, at| tls(out, at, of.tls.as_ref())),
    ),
    setting(
        "path_prefix",
        Kind::PathPrefix,
        "the path below which clients find the database here, such as /es; it is removed before forwarding",
        |to| &mut to.path_prefix,
    ),
    setting(
        "dialect",
        Kind::Word(DialectChoice::WORDS),
        "auto (by each request's path) | qdrant | elasticsearch (OpenSearch too) | chroma | solr | typesense | weaviate | \
         meilisearch | pinecone | milvus (REST) | azure-ai-search | vespa | postgrest | mongodb (over HTTP) | paths (as dialect_file \
         says) | none (forward only)",
        |to| &mut to.dialect,
    ),
    setting(
        "dialect_file",
        Kind::File,
        "how the database speaks, for `dialect: paths`: where queries and hits stand in its calls",
        |to| &mut to.dialect_file,
    ),
    setting(
        "max_connections",
        Kind::Whole(1, 1_000_000),
        "accepting pauses here, or sooner where fewer files may be open",
        |to| &mut to.max_connections,
    ),
    by(
        "upstream.url",
        Kind::Url,
        "the database: http or https, host, port. A path is its path_prefix. No default",
        By::Hand(|of: &ListenerConfig| {
            Shown::One(of.upstream.url.to_string().trim_end_matches('/').to_owned())
        }),
    )
    .flag("--upstream"),
    by(
        "upstream.path_prefix",
        Kind::PathPrefix,
        "the path below which the database is found there; it is added before forwarding",
        By::Hand(|of| Shown::One(of.upstream.path_prefix.to_text())),
    ),
    setting(
        "upstream.host",
        Kind::Word(HOSTS),
        "the Host header it sees: its own (upstream) or the client's (preserve)",
        |to| &mut to.upstream.host,
    ),
    setting(
        "upstream.grpc_url",
        Kind::Url,
        "where Qdrant or Weaviate takes gRPC calls: http or https, host, port. Not set: port 6334 of the same host, where url \
         has 6333; for Weaviate 50051, where it has 8080",
        |to| &mut to.upstream.grpc_url,
    ),
    setting(
        "upstream.http2",
        Kind::Bool,
        "speak HTTP/2 to url, also without TLS (to grpc_url always)",
        |to| &mut to.upstream.http2,
    ),
    setting(
        "upstream.ca_file",
        Kind::Certificate,
        "trust this PEM file instead of the system's roots",
        |to| &mut to.upstream.ca_file,
    ),
    setting(
        "upstream.client_cert_file",
        Kind::Certificate,
        "our certificate, then its chain (PEM), if the database requires one",
        |to| &mut to.upstream.client_cert_file,
    ),
    setting("upstream.client_key_file", Kind::PrivateKey, "its private key (PEM)", |to| {
        &mut to.upstream.client_key_file
    }),
    setting(
        "upstream.server_name",
        Kind::ServerName,
        "send this name (SNI) and expect it in the certificate, not the URL's host",
        |to| &mut to.upstream.server_name,
    ),
    by(
        "upstream.sign",
        Kind::Section,
        "sign every request anew for Amazon OpenSearch (SigV4), with this process's own AWS credentials",
        By::Section(|of, out, at| sign(out, at, of.upstream.sign.as_ref())),
    ),
    setting("upstream.connect_timeout", Kind::Duration, "for the connection, TLS included", |to| {
        &mut to.upstream.connect_timeout
    }),
    setting(
        "upstream.response_timeout",
        Kind::MaxWait,
        "until the head of the response to a search; half of it for a widened one",
        |to| &mut to.upstream.response_timeout,
    ),
    setting(
        "upstream.forward_timeout",
        Kind::MaxWait,
        "the same for any other request: a reindex that is waited for may take long",
        |to| &mut to.upstream.forward_timeout,
    ),
];

/// `tls` of a listener and of the rerank API.
pub(in crate::config) static TLS: &[Setting<ListenerTlsConfig>] = &[
    setting("cert_file", Kind::Certificate, "the certificate, then its chain (PEM)", |to| &mut to.cert_file),
    setting("key_file", Kind::PrivateKey, "its private key (PEM)", |to| &mut to.key_file),
    setting(
        "client_ca_file",
        Kind::Certificate,
        "let in only clients with a certificate of these authorities (PEM)",
        |to| &mut to.client_ca_file,
    ),
    setting("handshake_timeout", Kind::Duration, "a handshake that takes longer is aborted", |to| {
        &mut to.handshake_timeout
    }),
];

/// `sign` of a listener's upstream.
pub(in crate::config) static SIGN: &[Setting<SignConfig>] = &[
    setting(
        "service",
        Kind::Word(SERVICES),
        "es (a domain of Amazon OpenSearch Service) | aoss (a collection of OpenSearch Serverless)",
        |to| &mut to.service,
    ),
    setting("region", Kind::Name, "the AWS region that it is in, such as eu-west-1", |to| &mut to.region),
    setting(
        "clients",
        Kind::Word(SIGNED_CLIENTS),
        "whose requests are signed: those that carry a signature for AWS of their own, of which only the presence is \
         checked (signed), or everyone's who reaches the listener (any)",
        |to| &mut to.clients,
    ),
];

/// Prints a `sign` section, or that it is off.
fn sign(out: &mut Out, indent: usize, of: Option<&SignConfig>) {
    let Some(of) = of else { return out.set(indent, "sign", "null") };
    out.line(indent, "sign:");
    print(SIGN, out, indent + 2, of);
}

/// Prints a `tls` section, or that it is off.
pub(super) fn tls(out: &mut Out, indent: usize, of: Option<&ListenerTlsConfig>) {
    let Some(of) = of else { return out.set(indent, "tls", "null") };
    out.line(indent, "tls:");
    print(TLS, out, indent + 2, of);
}
