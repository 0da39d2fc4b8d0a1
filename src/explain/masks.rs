//! The client's credentials and the providers' keys, and `***` where they stood.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::HeaderMap;
use secrecy::ExposeSecret;

use crate::{
    config::Config,
    pipeline::Seen,
    rerank::{ApiKey, ProviderKind},
};

const MASK: &str = "***";

/// Shorter values are masked only where they are meant to stand: any text may hold them.
const LEAST: usize = 6;

/// Parts of the names of headers and parameters that hold credentials.
const SECRET_NAMES: [&str; 9] =
    ["authorization", "api-key", "apikey", "api_key", "token", "secret", "password", "cookie", "signature"];

/// The credentials of one request, or the keys of a configuration.
#[derive(Clone, Default)]
pub struct Masks(Vec<String>);

impl Masks {
    /// The keys of every provider.
    pub fn of_providers(config: &Config) -> Self {
        let key = |kind: &ProviderKind| match kind {
            ProviderKind::Http(http) => match &http.api_key {
                ApiKey::Secret(key) => Some(key.expose_secret().trim().to_owned()),
                ApiKey::Missing | ApiKey::NotNeeded => None,
            },
            ProviderKind::Lexical(_) => None,
        };
        let mut keys: Vec<String> = config.providers.iter().filter_map(|each| key(&each.kind)).collect();
        keys.retain(|key| key.len() >= LEAST);
        Self(keys)
    }

    /// Masks them in texts and bodies, wherever a document or a client may have them from.
    pub fn everywhere(&self, seen: &mut Seen) {
        let mask = |text: &mut Arc<str>| {
            if self.0.iter().any(|secret| text.contains(secret.as_str())) {
                *text = self.text(text).into();
            }
        };
        for record in &mut seen.records {
            record.asked.iter_mut().filter_map(|asked| asked.query.as_mut()).for_each(mask);
            let hits = record.lists.iter_mut().flat_map(|list| &mut list.hits);
            hits.filter_map(|hit| hit.document.as_mut()).for_each(|document| mask(&mut document.text));
        }
        let works = seen.searches.iter_mut().filter_map(|search| search.work.as_mut().ok());
        works.for_each(|work| mask(&mut work.query));
        seen.asked.iter_mut().for_each(|question| self.body(&mut question.body));
    }

    /// Masks them in a body; one without any keeps its bytes.
    pub fn body(&self, body: &mut Bytes) {
        let text = String::from_utf8_lossy(body);
        if self.0.iter().any(|secret| text.contains(secret.as_str())) {
            *body = self.text(&text).into();
        }
    }

    /// Those in a request's headers and its query string.
    pub fn of(headers: &HeaderMap, query: Option<&str>) -> Self {
        let mut found = Vec::new();
        for (name, value) in headers.iter().filter(|(name, _)| is_secret(name.as_str())) {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let token = value.split_once(' ').map(|(_, token)| token.trim().to_owned());
            let login =
                token.as_deref().and_then(|token| String::from_utf8(STANDARD.decode(token).ok()?).ok());
            let password =
                login.as_deref().and_then(|login| login.split_once(':')).map(|(_, last)| last.to_owned());
            if name == "cookie" {
                found.extend(
                    value.split(';').filter_map(|pair| Some(pair.split_once('=')?.1.trim().to_owned())),
                );
            }
            found.extend([Some(value), token, login, password].into_iter().flatten());
        }
        let pairs =
            query.into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='));
        found.extend(pairs.filter(|(name, _)| is_secret_parameter(name)).map(|(_, value)| value.to_owned()));
        found.retain(|secret| secret.len() >= LEAST);
        // A longer one may hold a shorter one.
        found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(found)
    }

    /// A text without them.
    pub fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
    }

    /// A target without them, and without the values of parameters that are named like one.
    pub fn target(&self, target: &str) -> String {
        let Some((path, query)) = target.split_once('?') else { return self.text(target) };
        let shown = |pair: &str| match pair.split_once('=') {
            Some((name, _)) if is_secret_parameter(name) => format!("{name}={MASK}"),
            _ => pair.to_owned(),
        };
        self.text(&format!("{path}?{}", query.split('&').map(shown).collect::<Vec<_>>().join("&")))
    }

    /// Names and values without them.
    pub fn headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let shown = |name: &str, value: &[u8]| {
            if is_secret(name) { MASK.to_owned() } else { self.text(&String::from_utf8_lossy(value)) }
        };
        headers
            .iter()
            .map(|(name, value)| (name.to_string(), shown(name.as_str(), value.as_bytes())))
            .collect()
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

fn is_secret_parameter(name: &str) -> bool {
    name.eq_ignore_ascii_case("key") || is_secret(name)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const SECRET: &str = "canary-secret";

    fn masks(name: &'static str, value: &str) -> (Masks, HeaderMap) {
        let value = HeaderValue::from_str(value).unwrap();
        let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value)]);
        (Masks::of(&headers, Some("q=red&api_key=canary-query&key=k")), headers)
    }

    #[test]
    fn no_credential_of_the_client_is_shown() {
        let basic = format!("Basic {}", STANDARD.encode(format!("elastic:{SECRET}")));
        for (name, value) in [
            ("authorization", format!("Bearer {SECRET}")),
            ("authorization", basic),
            ("api-key", SECRET.to_owned()),
            ("x-amz-security-token", SECRET.to_owned()),
            ("cookie", format!("a=b; session={SECRET}")),
        ] {
            let (masks, headers) = masks(name, &value);
            assert_eq!(masks.headers(&headers), [(name.to_owned(), "***".to_owned())]);
            let said = masks.text(&format!("who is {value} with {SECRET}? canary-query?"));
            assert!(!said.contains("canary"), "{name}: {said}");
            assert_eq!(
                masks.target("/i/_search?q=red&api_key=canary-query&key=k"),
                "/i/_search?q=red&api_key=***&key=***"
            );
        }
    }

    #[test]
    fn other_headers_are_shown_as_they_are() {
        let (masks, headers) = masks("x-rerank-query", "red shoes");
        assert_eq!(masks.headers(&headers), [("x-rerank-query".to_owned(), "red shoes".to_owned())]);
    }
}
