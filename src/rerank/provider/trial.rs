//! One pair scored outside of the stack, to see whether a service can be used: no cache, no limits, no circuit, one call.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use reqwest::Client;
use rustls_pki_types::CertificateDer;
use tokio::time::Instant;
use tower::Service;

use super::call::HttpProvider;
use crate::{
    rerank::{BuildError, CallLog, Heard, HttpSettings, RerankError, RerankRequest},
    search::Document,
};

/// The pair that is sent, which is no one's data.
const QUERY: &str = "red shoes";
const DOCUMENT: &str = "A pair of red running shoes";

/// The most headers about limits that are kept.
const MOST_LIMITS: usize = 6;

/// The result of the pair.
#[derive(Debug)]
pub struct Trial {
    /// Its score, or why there is none.
    pub scored: Result<f32, RerankError>,
    /// The model that scored it, or was requested.
    pub model: Arc<str>,
    /// From the start of the connection to the last byte.
    pub took: Duration,
    /// The limits in the service's HTTP response: header names and values.
    pub limits: Vec<(String, String)>,
    /// The service's clock, from its `Date` header.
    pub date: Option<SystemTime>,
    /// The service's certificate; `None` without TLS.
    pub certificate: Option<CertificateDer<'static>>,
}

/// Requests one score of the service with these settings, within the timeout `within`. It may cost a search unit.
pub async fn trial(name: &str, settings: &HttpSettings, within: Duration) -> Result<Trial, BuildError> {
    let mut provider = HttpProvider::over(|| Client::builder().tls_info(true), name.into(), settings)?;
    let begun = Instant::now();
    let calls = CallLog::default();
    let documents = Arc::from([Document::from(DOCUMENT)]);
    let mut request = RerankRequest::new(QUERY.into(), documents, begun + within);
    request.calls = Some(calls.clone());
    let scores = provider.call(request).await;
    let took = begun.elapsed();
    let heard = calls.calls().into_iter().rev().find_map(|call| call.heard).unwrap_or_default();
    let (scored, model) = match scores {
        Ok(scores) => {
            let first = scores.scores.first().copied().flatten();
            (first.ok_or(RerankError::BadResponse("no score")), scores.model)
        }
        Err(error) => (Err(error), provider.facts().model.clone()),
    };
    let (limits, date) = (limits(&heard), date(&heard));
    Ok(Trial { scored, model, took, limits, date, certificate: heard.certificate })
}

/// The headers that state limits, by the names that services use for them.
fn limits(heard: &Heard) -> Vec<(String, String)> {
    let speaks =
        |name: &str| ["limit", "remaining", "quota", "retry-after"].iter().any(|word| name.contains(word));
    let headers = heard.headers.iter().filter(|(name, _)| speaks(name.as_str()));
    let shown = headers.filter_map(|(name, value)| {
        let value = value.to_str().ok().filter(|value| value.len() <= 60)?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    shown.take(MOST_LIMITS).collect()
}

fn date(heard: &Heard) -> Option<SystemTime> {
    httpdate::parse_http_date(heard.headers.get(http::header::DATE)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn heard(headers: &[(&'static str, &'static str)]) -> Heard {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
        Heard { headers: HeaderMap::from_iter(headers), certificate: None }
    }

    #[test]
    fn limits_and_clock_are_read_from_the_headers() {
        let heard = heard(&[
            ("date", "Tue, 15 Nov 1994 08:12:31 GMT"),
            ("x-trial-endpoint-call-remaining", "8"),
            ("x-ratelimit-limit-requests", "10"),
            ("content-type", "application/json"),
        ]);
        let names: Vec<String> =
            limits(&heard).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(names, ["x-trial-endpoint-call-remaining: 8", "x-ratelimit-limit-requests: 10"]);
        let since = date(&heard).unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(since.as_secs(), 784_887_151);
    }
}
