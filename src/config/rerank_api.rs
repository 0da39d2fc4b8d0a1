//! The `rerank_api` section: the Cohere-compatible endpoint.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::{
    problem::Problems,
    read_tls,
    render::{Out, list, listener_tls, or_null, path, time},
    section::Section,
    token::token,
    types::ListenerTlsConfig,
    values::{self, whole},
};

/// The Cohere-compatible endpoint.
#[derive(Clone, Debug)]
pub struct RerankApiConfig {
    /// Where it listens; nowhere by default.
    pub listen: Option<SocketAddr>,
    /// TLS for callers.
    pub tls: Option<ListenerTlsConfig>,
    /// Names of providers, tried in order; `None` means those of `rerank`.
    pub providers: Option<Vec<String>>,
    /// Patterns of models that callers may ask Cohere's providers for, beside the configured ones.
    pub allow_models: Vec<String>,
    /// From a request's head to its response.
    pub deadline: Duration,
    /// More are rejected.
    pub max_documents: usize,
    /// Larger bodies are rejected.
    pub max_request_bytes: usize,
    /// Add `x-rerank-*` and `server-timing` to answers.
    pub response_headers: bool,
    /// Where the token stands that callers have to show.
    pub token_file: Option<PathBuf>,
    /// What `token_file` holds.
    pub token: Option<SecretString>,
}

impl Default for RerankApiConfig {
    fn default() -> Self {
        Self {
            listen: None,
            tls: None,
            providers: None,
            allow_models: vec!["*".to_owned()],
            deadline: Duration::from_secs(10),
            max_documents: 1000,
            max_request_bytes: 8 << 20,
            response_headers: true,
            token_file: None,
            token: None,
        }
    }
}

const KEYS: [&str; 9] = [
    "listen",
    "tls",
    "providers",
    "allow_models",
    "deadline",
    "max_documents",
    "max_request_bytes",
    "response_headers",
    "token_file",
];

/// The most that Cohere takes (docs, rerank best practices).
const MOST_DOCUMENTS: usize = 10_000;

/// Reads the section.
pub(super) fn read(top: &Section<'_>, problems: &mut Problems) -> RerankApiConfig {
    let mut to = RerankApiConfig::default();
    let section = Section::open(top.node("rerank_api"), "rerank_api", &KEYS, problems);
    section.set_option("listen", &mut to.listen, problems, values::address);
    to.tls = read_tls::listener_tls(&section, problems);
    if section.has("providers") {
        let mut names = Vec::new();
        section.set_list("providers", &mut names, problems, values::name);
        if names.is_empty() {
            section.complain(
                "providers",
                "the list is empty; leave it out to take rerank.providers.",
                problems,
            );
        }
        to.providers = Some(names);
    }
    section.set_list("allow_models", &mut to.allow_models, problems, values::name);
    section.set("deadline", &mut to.deadline, problems, values::duration);
    section.set("max_documents", &mut to.max_documents, problems, whole(1, MOST_DOCUMENTS));
    section.set("max_request_bytes", &mut to.max_request_bytes, problems, values::memory);
    section.set("response_headers", &mut to.response_headers, problems, values::boolean);
    section.set_option("token_file", &mut to.token_file, problems, values::readable_file);
    to.token = token(&section, to.token_file.as_ref(), problems);
    to
}

/// Writes the section as it is read.
pub(super) fn render(out: &mut Out, each: &RerankApiConfig) {
    out.line(0, "rerank_api:");
    out.set(2, "listen", or_null(each.listen));
    listener_tls(out, 2, each.tls.as_ref());
    out.set(2, "providers", or_null(each.providers.as_deref().map(list)));
    out.set(2, "allow_models", list(&each.allow_models));
    out.set(2, "deadline", time(each.deadline));
    out.set(2, "max_documents", each.max_documents);
    out.set(2, "max_request_bytes", each.max_request_bytes);
    out.set(2, "response_headers", each.response_headers);
    out.set(2, "token_file", path(each.token_file.as_deref()));
}
