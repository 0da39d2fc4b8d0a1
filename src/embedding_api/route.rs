//! Paths: which service they name, and what the service's own path is. Pure.

use crate::search::PathPrefix;

/// A target, taken apart: the name of the service, and what follows it with its slash and query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) rest: &'a str,
}

/// Where a request goes at its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Path and query at the service.
    pub(super) target: String,
    /// Where the path below the service's base path begins and ends in it.
    below: (usize, usize),
}

impl Target {
    /// The path below the service's base path, without a query.
    pub(super) fn below(&self) -> &str {
        self.target.get(self.below.0..self.below.1).unwrap_or_default()
    }
}

/// The first segment of a target in origin form, and the rest.
pub(super) fn named(target: &str) -> Option<Named<'_>> {
    let path = target.strip_prefix('/')?;
    let end = path.find(['/', '?']).unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    Some(Named { name, rest })
}

/// The target at a service whose URL has the path `base`. Clients' base URLs differ in whether they have the version:
/// what begins with the service's own path stays, anything else goes below it.
pub(super) fn at_service(base: &PathPrefix, rest: &str) -> Target {
    let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    let (mut target, below) = match base.strip(path) {
        Some((own, _)) if !base.is_empty() => (path.to_owned(), own.len()),
        _ => (format!("{}{path}", base.as_str()), base.as_str().len()),
    };
    if target.is_empty() {
        target.push('/');
    }
    let below = (below.min(target.len()), target.len());
    target.push_str(query);
    Target { target, below }
}

/// What a client is to make of a `Location` that leads to another place of the same service: one that leads through
/// here again. `None` for any other, and for one that leads out of the service's own path.
pub(super) fn relocated(location: &str, name: &str, origin: &str, base: &PathPrefix) -> Option<String> {
    let path = match location.strip_prefix(origin) {
        Some(path) => path,
        None if location.starts_with("//") => return None,
        None => location,
    };
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let is_path = path.starts_with('/') && base.strip(path.get(..end)?).is_some();
    is_path.then(|| format!("/{name}{path}"))
}

/// The service whose client has most likely sent this path, where it names none.
pub(super) fn meant(target: &str) -> Option<&'static str> {
    let path = target.split('?').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    match () {
        () if path.starts_with("/api/") => Some("ollama"),
        () if last.contains("Content") || path.starts_with("/v1beta") => Some("google"),
        () if path.starts_with("/v2/") || matches!(last, "embed" | "rerank") => Some("cohere"),
        () if path.starts_with("/v1/") || matches!(last, "embeddings" | "completions" | "responses") => {
            Some("openai")
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> PathPrefix {
        PathPrefix::parse(text).unwrap()
    }

    #[test]
    fn the_first_segment_names_the_service() {
        let named = |target| named(target).map(|named| (named.name, named.rest));
        assert_eq!(named("/openai/v1/embeddings?a=b"), Some(("openai", "/v1/embeddings?a=b")));
        assert_eq!(named("/tei"), Some(("tei", "")));
        assert_eq!(named("/tei?x"), Some(("tei", "?x")));
        assert_eq!(named("/tei/"), Some(("tei", "/")));
        assert_eq!(named("/"), Some(("", "")));
        assert_eq!(named("*"), None);
    }

    #[test]
    fn a_base_url_with_the_services_path_and_one_without_reach_the_same() {
        let at = |base: &str, rest| {
            let target = at_service(&prefix(base), rest);
            (target.target.clone(), target.below().to_owned())
        };
        let of = |target: &str, below: &str| (target.to_owned(), below.to_owned());
        for rest in ["/v1/embeddings", "/embeddings"] {
            assert_eq!(at("/v1", rest), of("/v1/embeddings", "/embeddings"));
        }
        assert_eq!(at("/v1", "/v1beta/x"), of("/v1/v1beta/x", "/v1beta/x"));
        assert_eq!(at("/v1", "/v1"), of("/v1", ""));
        assert_eq!(at("/v1", ""), of("/v1", ""));
        assert_eq!(at("/v1", "?limit=1"), of("/v1?limit=1", ""));
        assert_eq!(at("", "/v2/embed?a=/v1"), of("/v2/embed?a=/v1", "/v2/embed"));
        assert_eq!(at("", ""), of("/", "/"));
        assert_eq!(at("", "?truncate=true"), of("/?truncate=true", "/"));
        assert_eq!(at("/a/b", "/a/b/c"), of("/a/b/c", "/c"));
        assert_eq!(at("/a/b", "/a/bc"), of("/a/b/a/bc", "/a/bc"));
        let odd = at("", "/v1beta/models/m:embedContent?key=\"<é");
        assert_eq!(odd.0, "/v1beta/models/m:embedContent?key=\"<é");
    }

    #[test]
    fn a_redirect_within_the_service_leads_through_here_again_and_no_other_is_touched() {
        let to = |location| relocated(location, "tei", "http://tei:8080", &prefix("/v1"));
        assert_eq!(to("/v1/embed/"), Some("/tei/v1/embed/".to_owned()));
        assert_eq!(to("http://tei:8080/v1/x?y=/z#f"), Some("/tei/v1/x?y=/z#f".to_owned()));
        for other in [
            "/login",
            "//elsewhere/v1",
            "http://elsewhere/v1/x",
            "https://tei:8080/v1/x",
            "http://tei:80801/v1/x",
            "embed/",
            "",
        ] {
            assert_eq!(to(other), None, "{other}");
        }
        assert_eq!(
            relocated("http://h", "a", "http://h", &prefix("")),
            None,
            "no path: nothing that has to lead here"
        );
    }

    #[test]
    fn a_path_without_a_service_is_known_by_whose_it_is() {
        for (path, name) in [
            ("/v1/embeddings", "openai"),
            ("/embeddings", "openai"),
            ("/v1/chat/completions", "openai"),
            ("/api/embed", "ollama"),
            ("/v2/embed", "cohere"),
            ("/v1/embed", "cohere"),
            ("/v1beta/models/m:batchEmbedContents", "google"),
            ("/v1/models/m:embedContent", "google"),
        ] {
            assert_eq!(meant(path), Some(name), "{path}");
        }
        assert_eq!(meant("/"), None);
        assert_eq!(meant("/points/query"), None);
    }
}
