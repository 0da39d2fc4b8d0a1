//! [`Address`]: the upstream's address, as requests carry it.

use http::header::{COOKIE, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

use super::target::{self, OwnPrefix};
use super::{HostHeader, RawTarget, UpstreamError};
use crate::body::Body;

/// Where requests go, and the authority that they name.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) host_value: HeaderValue,
    pub(super) path_prefix: String,
    pub(super) host: HostHeader,
    pub(super) http2: bool,
}

impl Address {
    /// Puts the upstream's address on a request: target, version and `Host`.
    pub(super) fn put_on(&self, request: &mut Request<Body>) -> Result<(), UpstreamError> {
        if *request.method() == Method::CONNECT {
            return Err(UpstreamError::Unforwardable);
        }
        self.put_prefix_on(request)?;
        let asked = std::mem::take(request.uri_mut()).into_parts();
        let path = asked.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let mut hosts = request.headers().get_all(HOST).iter();
        let theirs = hosts.next().cloned();
        if hosts.next().is_some() {
            return Err(UpstreamError::Unforwardable);
        }
        if self.http2 {
            let authority = self.authority_of(asked.authority, theirs.as_ref())?;
            let path = match request.extensions().get::<RawTarget>() {
                Some(raw) => raw.escaped().ok_or(UpstreamError::Unforwardable)?,
                None => path,
            };
            *request.uri_mut() = self.absolute(authority, path)?;
            if request.headers().contains_key(HOST) {
                *request.headers_mut() = without(request.headers(), &[HOST]);
            }
            *request.version_mut() = Version::HTTP_2;
            return Ok(());
        }
        *request.uri_mut() = Uri::from(path);
        let host = match (self.host, &asked.authority) {
            (HostHeader::Upstream, _) => self.host_value.clone(),
            // An absolute target stands above the `Host` beside it (RFC 9112 §3.2.2).
            (HostHeader::Preserve, Some(authority)) => {
                HeaderValue::from_str(authority.as_str()).map_err(|_| UpstreamError::Unforwardable)?
            }
            (HostHeader::Preserve, None) => theirs.unwrap_or_else(|| self.host_value.clone()),
        };
        let from_http2 = request.version() == Version::HTTP_2;
        let headers = request.headers_mut();
        match headers.get_mut(HOST) {
            Some(theirs) if !from_http2 => *theirs = host,
            _ => *headers = with_host(headers, host, from_http2),
        }
        *request.version_mut() = Version::HTTP_11;
        Ok(())
    }

    /// The authority that a request names over HTTP/2, in place of `Host`.
    fn authority_of(
        &self,
        asked: Option<Authority>,
        host: Option<&HeaderValue>,
    ) -> Result<Authority, UpstreamError> {
        match (self.host, asked, host) {
            (HostHeader::Preserve, Some(authority), _) => Ok(authority),
            (HostHeader::Preserve, None, Some(host)) if !host.is_empty() => {
                Authority::try_from(host.as_bytes()).map_err(|_| UpstreamError::Unforwardable)
            }
            _ => Ok(self.authority.clone()),
        }
    }

    /// Puts the path below which the database is found before the target's own.
    fn put_prefix_on(&self, request: &mut Request<Body>) -> Result<(), UpstreamError> {
        let own = request.extensions().get::<OwnPrefix>();
        let prefix = own.and_then(|own| own.prefix.as_deref()).unwrap_or(&self.path_prefix);
        let target = target::as_str(request.uri(), request.extensions());
        // `*` is no path.
        if prefix.is_empty() || target == "*" {
            return Ok(());
        }
        let rest = match target.strip_prefix('/') {
            Some(rest) if own.is_some_and(|own| own.ends) => rest,
            _ => target,
        };
        let slash = if rest.starts_with('?') && own.is_none_or(|own| !own.ends) { "/" } else { "" };
        let target = format!("{prefix}{slash}{rest}");
        let uri = std::mem::take(request.uri_mut());
        let uri = target::replaced(uri, request.extensions_mut(), &target);
        *request.uri_mut() = uri.ok_or(UpstreamError::Unforwardable)?;
        Ok(())
    }

    /// The target with an authority, as HTTP/2 has it.
    fn absolute(&self, authority: Authority, path: PathAndQuery) -> Result<Uri, UpstreamError> {
        let mut target = http::uri::Parts::default();
        target.scheme = Some(self.scheme.clone());
        target.authority = Some(authority);
        target.path_and_query = Some(path);
        Uri::from_parts(target).map_err(|_| UpstreamError::Unforwardable)
    }
}

/// `HeaderMap::remove` moves the last name into the gap; this keeps the order.
fn without(headers: &HeaderMap, names: &[http::HeaderName]) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter().filter(|(name, _)| !names.contains(name)) {
        kept.append(name, value.clone());
    }
    kept
}

/// `Host` in the place where the client had it, or first; cookies that HTTP/2 has split put together again.
fn with_host(headers: &HeaderMap, host: HeaderValue, from_http2: bool) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(headers.len() + 1);
    if !headers.contains_key(HOST) {
        out.insert(HOST, host.clone());
    }
    for (name, value) in headers {
        if name == HOST {
            out.insert(HOST, host.clone());
        } else if let (true, &COOKIE, Some(before)) = (from_http2, name, out.get(name)) {
            let joined = [before.as_bytes(), b"; ", value.as_bytes()].concat();
            match HeaderValue::from_bytes(&joined) {
                Ok(joined) => out.insert(COOKIE, joined),
                Err(_) => None,
            };
        } else {
            out.append(name, value.clone());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_keeps_its_place_and_split_cookies_are_joined() {
        let mut headers = HeaderMap::new();
        headers.append("accept", HeaderValue::from_static("*/*"));
        headers.append(COOKIE, HeaderValue::from_static("a=1"));
        headers.append(HOST, HeaderValue::from_static("client"));
        headers.append(COOKIE, HeaderValue::from_static("b=2"));
        let out = with_host(&headers, HeaderValue::from_static("db"), true);
        let flat: Vec<_> = out.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        assert_eq!(flat, [("accept", "*/*"), ("cookie", "a=1; b=2"), ("host", "db")]);
    }
}
