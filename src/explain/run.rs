//! Sends the search through the pipeline and collects what is known of it.

use http::StatusCode;
use percent_encoding::percent_decode;

use super::{
    Explanation,
    masks::Masks,
    settings::{explaining, section},
};
use crate::{
    app::StartError,
    config::{Config, ListenerConfig, Mode},
    dialect::paths::{Definition, Operation},
    pipeline::Question,
    probe::{Ask, Explained, Probe, ProbeError, Signature, Unexplained},
};

/// A path, and what may follow it.
type Endings = (&'static str, &'static [&'static str]);

/// The operations that are searches: by dialect, methods and path.
const SEARCHES: [(&str, &str, &[Endings]); 3] = [
    (
        "Qdrant",
        "POST",
        &[
            ("/collections/docs/points/query", &["", "/batch", "/groups"]),
            ("/collections/docs/points/search", &["", "/batch", "/groups"]),
            ("/collections/docs/points/recommend", &["", "/batch", "/groups"]),
            ("/collections/docs/points/discover", &["", "/batch"]),
        ],
    ),
    (
        "Qdrant over gRPC",
        "--grpc",
        &[
            ("Query", &["", "Batch", "Groups"]),
            ("Search", &["", "Batch", "Groups"]),
            ("Recommend", &["", "Batch", "Groups"]),
            ("Discover", &["", "Batch"]),
        ],
    ),
    (
        "Elasticsearch, OpenSearch",
        "GET or POST",
        &[
            ("/docs/_search", &["", "/template"]),
            ("/_search", &["", "/template"]),
            ("/docs/_msearch", &["", "/template"]),
            ("/_msearch", &["", "/template"]),
        ],
    ),
];

/// gRPC's status where there is none that can be read.
const UNKNOWN: u16 = 2;

/// The most characters that are shown of what the database says instead of hits.
const REFUSAL: usize = 2000;

/// What is to be explained.
pub struct Subject<'a> {
    /// The server's own configuration.
    pub config: &'a Config,
    /// Which listener's database is searched, counted from 0.
    pub listener: usize,
    /// Leave out the scores that a fleet has in its Redis.
    pub fresh: bool,
    /// The tenant whose the search is; `None`: whose its collections are.
    pub tenant: Option<&'a str>,
}

/// Why there is nothing to explain.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There are fewer listeners.
    #[error("the configuration has {has} listeners: --listener counts them from 1")]
    NoListener {
        /// How many there are.
        has: usize,
    },
    /// There is no tenant of this name.
    #[error("the configuration names no tenant `{0}`")]
    NoTenant(String),
    /// With POST it would be a search.
    #[error("this is a search only with POST, and with a body: --body")]
    PostIt,
    /// Not a search in any dialect.
    #[error("this is no search, so rerankd passes it on unchanged. Searches are:\n{}", searches())]
    NotASearch,
    /// Not one that the definition of the listener's database names.
    #[error(
        "this is no search, so rerankd passes it on unchanged. Searches are, as the listener's dialect describes them:\n{0}"
    )]
    NotDescribed(String),
    /// The listener forwards everything.
    #[error("this listener's dialect is `none`: it passes everything on unchanged")]
    NoDialect,
    /// A search without its body.
    #[error("this search needs a body: --body '{{…}}', --body @FILE, or --body @- for standard input")]
    NoBody,
    /// The database gave no response.
    #[error("{upstream}: {why}")]
    Upstream {
        /// Its URL.
        upstream: String,
        /// What went wrong.
        why: String,
    },
}

/// Sends the search, and explains the response. Blocks on the disk; needs a Tokio runtime.
pub async fn explain(subject: &Subject<'_>, ask: &Ask) -> Result<Explanation, ExplainError> {
    let Subject { config, listener, fresh, tenant } = *subject;
    if let Some(name) = tenant.filter(|name| config.tenants.each.iter().all(|each| each.name != **name)) {
        return Err(ExplainError::NoTenant(name.to_owned()));
    }
    let no_listener = ExplainError::NoListener { has: config.listeners.len() };
    let Some(own) = config.listeners.get(listener) else { return Err(no_listener) };
    let url = own.grpc_url().filter(|_| ask.is_call()).unwrap_or_else(|| own.upstream.url.clone());
    let upstream = url.to_string().trim_end_matches('/').to_owned();
    let probe = match Probe::new(&explaining(config, fresh), listener)? {
        Ok(probe) => probe,
        Err(ProbeError::NoListener | _) => return Err(no_listener),
    };
    let probe = tenant.into_iter().fold(probe, Probe::as_tenant);
    probe.ready().await;
    let explained = probe.explained(ask).await.map_err(|why| match (&own.definition, why) {
        (Some(definition), Unexplained::NotASearch { .. }) => {
            ExplainError::NotDescribed(described(definition))
        }
        (_, why) => ExplainError::from(why),
    })?;
    probe.flush().await;
    let signature = signature(own, explained.signature);
    if let Some(why) = explained.seen.failure {
        return Err(ExplainError::Upstream { upstream, why });
    }
    let mut explanation = put_together(config, upstream, ask, explained);
    explanation.notes.splice(0..0, signature);
    Ok(explanation)
}

fn put_together(config: &Config, upstream: String, ask: &Ask, explained: Explained) -> Explanation {
    let masks = Masks::of(&ask.headers, ask.target.query());
    let (notes, ended) = (notes(config, &explained), Ended::of(&explained, ask.is_call()));
    let Explained { dialect, operation, mut seen, .. } = explained;
    for question in &mut seen.asked {
        question.target = masks.target(&question.target);
    }
    let keys = Masks::of_providers(config);
    keys.everywhere(&mut seen);
    let mask = |said: String| masks.text(&keys.text(&said)).chars().take(REFUSAL).collect();
    // One provider's client does not mask another one's key.
    let mut calls = seen.calls.take().map(|log| log.calls()).unwrap_or_default();
    for call in &mut calls {
        keys.body(&mut call.body);
        keys.body(&mut call.response);
    }
    let mut headers = masks.headers(&ask.headers);
    headers.iter_mut().for_each(|(_, value)| *value = keys.text(value));
    Explanation {
        method: ask.method.to_string(),
        target: keys.text(&masks.target(&ask.target.to_string())),
        headers,
        upstream,
        dialect,
        operation,
        grpc: ended.grpc,
        status: ended.status,
        rejection: ended.said.map(mask),
        notes,
        calls,
        seen,
    }
}

/// The status with which a search ended, and what the database says instead of hits.
struct Ended {
    grpc: bool,
    status: u16,
    said: Option<String>,
}

impl Ended {
    /// The status of a call stands in its trailers, or with an error in the headers.
    fn of(explained: &Explained, grpc: bool) -> Self {
        let Explained { status, headers, body, trailers, .. } = explained;
        let ended =
            [trailers, headers].into_iter().find_map(|fields| Some((fields.get("grpc-status")?, fields)));
        match ended.filter(|_| grpc) {
            Some((status, fields)) => {
                let status = status.to_str().ok().and_then(|status| status.parse().ok()).unwrap_or(UNKNOWN);
                let said = || match fields.get("grpc-message") {
                    Some(said) => percent_decode(said.as_bytes()).decode_utf8_lossy().into_owned(),
                    None => String::new(),
                };
                Self { grpc, status, said: (status != 0).then(said) }
            }
            None => {
                let said = || String::from_utf8_lossy(body).into_owned();
                Self { grpc, status: status.as_u16(), said: (*status != StatusCode::OK).then(said) }
            }
        }
    }
}

/// Where the server would have acted differently, and why a request could not be read.
fn notes(config: &Config, explained: &Explained) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(error) = &explained.unread {
        notes.push(format!("The request was passed on unchanged: {error}."));
    }
    for (search, record) in explained.seen.searches.iter().zip(&explained.seen.records) {
        let own = section(config, &search.profile);
        if own.mode == Mode::Shadow {
            notes.push(
                "The mode is shadow: clients get the database's order, and this is what reranking makes of it."
                    .to_owned(),
            );
        }
        let took = record.timings.rerank;
        if took > own.deadline {
            notes.push(format!(
                "Reranking took {} ms, over the deadline of {} ms: the server would have kept the database's order. \
                 (The first call of a process is slower: it opens the connection.)",
                took.as_millis(),
                own.deadline.as_millis()
            ));
        }
    }
    notes.extend(rejected_names(&explained.seen.asked));
    notes.dedup();
    notes
}

/// What became of a signature for AWS.
fn signature(listener: &ListenerConfig, signature: Signature) -> Option<String> {
    match (signature, &listener.upstream.sign) {
        (Signature::OfOurs, Some(sign)) => Some(format!(
            "Each request is signed for AWS ({}, {}) as it is sent; the signature's headers are not shown.",
            sign.service.as_str(),
            sign.region
        )),
        (Signature::OfClient, _) => Some(
            "The request is signed for AWS, and a signature does not outlast a change: it was passed on as it came. With \
             upstream.sign rerankd signs it anew, and reranks it."
                .to_owned(),
        ),
        _ => None,
    }
}

/// The names of fields that were added to a request which the database rejected, and answered without them.
fn rejected_names(asked: &[Question]) -> Option<String> {
    let added = |question: &Question| {
        let paths = question.strips.iter().flat_map(|strip| &strip.paths);
        paths.map(|path| path.keys.join(".")).collect::<Vec<_>>()
    };
    let is_success = |question: &Question| question.status.is_some_and(|status| status < 300);
    let rejected = asked.iter().position(|each| !is_success(each) && !added(each).is_empty())?;
    let answered = asked.iter().skip(rejected + 1).any(|each| is_success(each) && added(each).is_empty());
    let mut names = added(asked.get(rejected).filter(|_| answered)?);
    names.dedup();
    Some(format!(
        "The database rejected a request to which rerankd had added the names of fields ({}), and answered it without \
         them. If it has no such fields, name those that hold text in rerank.fields.",
        names.join(", ")
    ))
}

impl From<Unexplained> for ExplainError {
    fn from(why: Unexplained) -> Self {
        match why {
            Unexplained::PostIt => Self::PostIt,
            Unexplained::NotASearch { has_dialects: true } => Self::NotASearch,
            Unexplained::NotASearch { has_dialects: false } => Self::NoDialect,
            Unexplained::NoBody => Self::NoBody,
        }
    }
}

/// The operations of a definition.
fn described(definition: &Definition) -> String {
    let operation = |operation: &Operation| {
        let methods: Vec<&str> = operation.methods.iter().map(http::Method::as_str).collect();
        let paths: Vec<String> = operation.paths.iter().map(|path| format!("    {path}")).collect();
        format!("  {}, {}:\n{}", operation.name, methods.join(" or "), paths.join("\n"))
    };
    definition.operations.iter().map(operation).collect::<Vec<_>>().join("\n")
}

fn searches() -> String {
    let path = |(path, endings): &Endings| {
        let more = endings.iter().filter(|ending| !ending.is_empty()).map(|ending| format!(", …{ending}"));
        format!("    {path}{}", more.collect::<String>())
    };
    let dialect = |(name, methods, paths): &(&str, &str, &[Endings])| {
        format!("  {name}, {methods}:\n{}", paths.iter().map(path).collect::<Vec<_>>().join("\n"))
    };
    SEARCHES.iter().map(dialect).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};

    use super::*;
    use crate::{
        dialect::{
            Dialect, Elastic,
            qdrant::{Qdrant, QdrantGrpc},
        },
        search::Head,
        search::{Strip, StripPath},
    };

    #[test]
    fn names_of_fields_that_the_database_rejected_are_told_with_what_to_set() {
        let question = |status: u16, added: &[&str]| {
            let path = |name: &&str| StripPath { keys: vec!["doc".to_owned(), (*name).to_owned()], keep: 0 };
            let strip = Strip { paths: added.iter().map(path).collect(), ..Strip::default() };
            Question {
                target: "/find".to_owned(),
                body: bytes::Bytes::new(),
                unchanged: false,
                strips: vec![strip],
                status: Some(status),
                took: std::time::Duration::ZERO,
            }
        };
        let said = rejected_names(&[question(422, &["text", "body"]), question(200, &[])]).unwrap();
        assert!(said.contains("(doc.text, doc.body)") && said.contains("rerank.fields"), "{said}");
        for other in [
            vec![question(200, &["text"])],
            vec![question(422, &[]), question(200, &[])],
            vec![question(422, &["text"]), question(422, &[])],
            vec![question(422, &["text"]), question(200, &["text"])],
        ] {
            assert_eq!(rejected_names(&other), None);
        }
    }

    #[test]
    fn the_operations_that_are_named_are_searches() {
        let grpc = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))]);
        let dialects: [(&dyn Dialect, &str, &HeaderMap); 3] = [
            (&Qdrant, "", &HeaderMap::new()),
            (&QdrantGrpc, "/qdrant.Points/", &grpc),
            (&Elastic, "", &HeaderMap::new()),
        ];
        for ((dialect, before, headers), (_, methods, paths)) in dialects.into_iter().zip(SEARCHES) {
            for (path, ending) in paths.iter().flat_map(|(path, all)| all.iter().map(move |end| (path, end)))
            {
                let path = format!("{before}{path}{ending}");
                for (method, named) in [(Method::GET, methods.contains("GET")), (Method::POST, true)] {
                    let head = Head { method: &method, path: &path, query: None, headers };
                    assert_eq!(
                        dialect.route(&head).is_some_and(|route| !route.below_prefix),
                        named,
                        "{method} {path}"
                    );
                }
            }
        }
        assert!(searches().contains("    /collections/docs/points/discover, …/batch\n"), "{}", searches());
    }
}
