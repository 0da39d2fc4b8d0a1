//! The bytes of a call for the call log, with `***` where the key stood.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use memchr::memmem;
use reqwest::{Request, Url};
use secrecy::ExposeSecret;

use crate::rerank::{ApiKey, CallEnd, ProviderCall};

/// What stands for a secret.
const MASK: &str = "***";

/// Shorter keys are masked only in their own places: any text may contain them.
const LEAST_SECRET: usize = 6;

/// The most bytes of a response that are noted: enough to see why it is an error.
const RESPONSE: usize = 2048;

/// Notes the requests of a provider, and what each carries beside its own headers.
pub(super) struct Sender {
    provider: Arc<str>,
    defaults: HeaderMap,
    key: ApiKey,
}

impl Sender {
    /// Every request of this provider's client has the default headers.
    pub(super) fn new(provider: Arc<str>, defaults: HeaderMap, key: &ApiKey) -> Self {
        Self { provider, defaults, key: key.clone() }
    }

    /// The call that a request makes.
    pub(super) fn note(&self, request: &Request, documents: usize) -> ProviderCall {
        let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        let mut headers = request.headers().clone();
        for (name, value) in &self.defaults {
            if !headers.contains_key(name) {
                headers.insert(name.clone(), value.clone());
            }
        }
        // The client adds this coding and its header by itself.
        headers.entry(header::ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip"));
        let host = request.url().host_str().unwrap_or_default();
        let host = request.url().port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let mut shown = vec![("host".to_owned(), host)];
        shown.extend(headers.iter().map(|(name, value)| (name.to_string(), self.header(name, value))));
        shown.push((header::CONTENT_LENGTH.to_string(), body.len().to_string()));
        ProviderCall {
            provider: self.provider.clone(),
            documents,
            method: request.method().to_string(),
            url: self.url(request.url()),
            headers: shown,
            body: self.body(body),
            end: CallEnd::Open,
            response: Bytes::new(),
            heard: None,
        }
    }

    /// The beginning of a response's body.
    pub(super) fn respond(&self, body: &[u8]) -> Bytes {
        // Masked as a whole: a key that is cut in two would not be found.
        let mut response = self.body(body);
        response.truncate(RESPONSE);
        response
    }

    /// A secret header shows its scheme only.
    fn header(&self, name: &HeaderName, value: &HeaderValue) -> String {
        let text = String::from_utf8_lossy(value.as_bytes());
        if !value.is_sensitive() {
            return self.text(&text).into_owned();
        }
        let scheme = (name == header::AUTHORIZATION).then(|| text.split_once(' ')).flatten();
        scheme.map_or_else(|| MASK.to_owned(), |(scheme, _)| format!("{scheme} {MASK}"))
    }

    fn url(&self, url: &Url) -> String {
        let mut url = url.clone();
        // Fails only for URLs that have no place for it.
        if url.password().is_some() {
            let _ = url.set_password(Some(MASK));
        }
        self.text(url.as_str()).into_owned()
    }

    fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.hidden() {
            Some(secret) if text.contains(secret) => text.replace(secret, MASK).into(),
            _ => text.into(),
        }
    }

    fn body(&self, body: &[u8]) -> Bytes {
        let Some(secret) = self.hidden() else { return Bytes::copy_from_slice(body) };
        let mut masked = Vec::with_capacity(body.len());
        let mut from = 0;
        for at in memmem::find_iter(body, secret.as_bytes()) {
            masked.extend_from_slice(body.get(from..at).unwrap_or_default());
            masked.extend_from_slice(MASK.as_bytes());
            from = at + secret.len();
        }
        masked.extend_from_slice(body.get(from..).unwrap_or_default());
        masked.into()
    }

    fn hidden(&self) -> Option<&str> {
        let ApiKey::Secret(key) = &self.key else { return None };
        Some(key.expose_secret().trim()).filter(|secret| secret.len() >= LEAST_SECRET)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Method;

    use super::*;

    const KEY: &str = "s3cr3t-k3y";

    fn noted(url: &str, name: &'static str, value: &str) -> ProviderCall {
        let mut value = HeaderValue::from_str(value).unwrap();
        value.set_sensitive(true);
        let defaults = HeaderMap::from_iter([(HeaderName::from_static(name), value)]);
        let sender = Sender::new("p".into(), defaults, &ApiKey::Secret(KEY.into()));
        let mut request = Request::new(Method::POST, Url::parse(url).unwrap());
        *request.body_mut() = Some(format!("a {KEY} in a text, and {KEY}").into());
        sender.note(&request, 1)
    }

    #[test]
    fn the_key_is_masked_wherever_it_stands() {
        for (name, value, shown) in [
            ("authorization", format!("Bearer {KEY}"), "Bearer ***"),
            ("api-key", KEY.to_owned(), "***"),
            ("x-anything", format!("{KEY} {KEY}"), "***"),
        ] {
            let call = noted(&format!("https://user:{KEY}@host:8443/{KEY}/v2?key={KEY}"), name, &value);
            assert!(call.headers.contains(&(name.to_owned(), shown.to_owned())), "{:?}", call.headers);
            assert_eq!(call.url, "https://user:***@host:8443/***/v2?key=***");
            assert_eq!(call.body, "a *** in a text, and ***");
            assert!(!format!("{call:?} {:?}", call.headers).contains(KEY));
        }
    }

    #[test]
    fn a_key_that_the_responses_cut_would_have_halved_is_masked_too() {
        let sender = Sender::new("p".into(), HeaderMap::new(), &ApiKey::Secret(KEY.into()));
        let said = sender.respond(format!("{}{KEY} and more", "x".repeat(RESPONSE - 4)).as_bytes());
        assert_eq!(said.len(), RESPONSE);
        assert!(said.ends_with(b"x*** "), "{said:?}");
    }

    #[test]
    fn a_calls_debug_has_none_of_its_text() {
        let call = noted("https://host/", "api-key", KEY);
        assert!(!format!("{call:?}").contains("text"), "{call:?}");
    }
}
