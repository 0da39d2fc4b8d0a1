//! The target of a request, as the dialects read it and as it is forwarded: its `Uri`, or the [`RawTarget`] beside
//! it.

use http::Request;
use http::request::Parts;

use super::ProxyError;
use crate::{
    search::{Head, PathPrefix},
    upstream::{RawTarget, STAND_IN, is_odd, target, target::OwnPrefix},
};

/// The head of a request as the dialects read it.
pub(super) fn head_of<B>(request: &Request<B>) -> Head<'_> {
    let (path, query) = match request.extensions().get::<RawTarget>() {
        Some(raw) => raw.path_and_query(),
        None => (request.uri().path(), request.uri().query()),
    };
    Head { method: request.method(), path, query, headers: request.headers() }
}

/// Path and query.
pub(super) fn as_str(parts: &Parts) -> &str {
    target::as_str(&parts.uri, &parts.extensions)
}

/// Whether databases may differ in what the target of this request is.
pub(super) fn is_ambiguous<B>(request: &Request<B>) -> bool {
    request.extensions().get::<RawTarget>().is_some_and(RawTarget::has_fragment)
}

/// Sets another path and query, made out of those that are there; the authority stays.
pub(super) fn replace(parts: &mut Parts, new: &str) -> Result<(), ProxyError> {
    let uri = std::mem::take(&mut parts.uri);
    parts.uri = target::replaced(uri, &mut parts.extensions, new).ok_or(ProxyError::Unforwardable)?;
    Ok(())
}

/// Removes the clients' path prefix from the target. A target that is not below it is forwarded unchanged, without
/// the upstream's prefix: nothing can be said of it. Returns whether it is below. `keeps`: the upstream's prefix is
/// the same, so that the client's spelling of it stays.
pub(super) fn take_prefix_off<B>(request: &mut Request<B>, prefix: &PathPrefix, keeps: bool) -> bool {
    if prefix.is_empty() {
        return true;
    }
    let head = head_of(request);
    let Some((own, rest)) = prefix.strip(head.path) else {
        request.extensions_mut().insert(OwnPrefix { prefix: Some("".into()), ends: false });
        return false;
    };
    let path = if rest.is_empty() { "/" } else { rest };
    let new = head.query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let own = OwnPrefix { prefix: keeps.then(|| own.into()), ends: rest.is_empty() };
    let uri = std::mem::take(request.uri_mut());
    let Some(uri) = target::replaced(uri, request.extensions_mut(), &new) else { return false };
    *request.uri_mut() = uri;
    request.extensions_mut().insert(own);
    true
}

/// Puts the target beside the `Uri` of a request, which has stand-ins in it. `written` is all of the target as the
/// client wrote it. Returns whether it fits.
pub(super) fn put_on<B>(request: &mut Request<B>, written: &[u8]) -> bool {
    let Some(stands_in) = request.uri().path_and_query().map(|path| path.as_str().as_bytes()) else {
        return false;
    };
    let Some((before, own)) = written.split_at_checked(written.len().saturating_sub(stands_in.len())) else {
        return false;
    };
    let fits = |(byte, other): (&u8, &u8)| byte == other || (is_odd(*byte) && *other == STAND_IN);
    let all = own.len() == stands_in.len() && own.iter().zip(stands_in).all(fits);
    if !all || before.iter().any(|byte| is_odd(*byte)) {
        return false;
    }
    // An absolute target may begin with its query.
    let raw = match own.first() {
        Some(b'/') => RawTarget::new(own),
        _ => RawTarget::new(&[b"/", own].concat()),
    };
    let uri = std::mem::take(request.uri_mut());
    let Some(uri) = raw.stand_in().and_then(|path| target::with_path(uri, path)) else { return false };
    *request.uri_mut() = uri;
    request.extensions_mut().insert(raw);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(uri: &str, written: &[u8]) -> Option<(String, String)> {
        let mut request = Request::get(uri).body(()).unwrap();
        let well = put_on(&mut request, written);
        let (parts, ()) = request.into_parts();
        well.then(|| (parts.uri.to_string(), as_str(&parts).to_owned()))
    }

    #[test]
    fn a_target_goes_beside_the_uri_that_stands_in_for_it() {
        let both = |uri: &str, raw: &str| Some((uri.to_owned(), raw.to_owned()));
        assert_eq!(put("/a?q=!b!", b"/a?q=\"b\""), both("/a?q=!b!", "/a?q=\"b\""));
        assert_eq!(put("http://h:1/a?!", b"http://h:1/a?<"), both("http://h:1/a?!", "/a?<"));
        assert_eq!(put("http://h?!", b"http://h?<"), both("http://h/?!", "/?<"));
        for other in [&b"/a?q=\"c\""[..], b"/a?q=!b", b"\"/a?q=!b!", b"xx/a?q=\"b\"", b"\"\"\""] {
            let well = put("/a?q=!b!", other);
            assert_eq!(well.is_some(), other.starts_with(b"xx"), "{other:?}");
        }
    }

    #[test]
    fn a_changed_target_keeps_what_no_uri_holds() {
        let mut request = Request::get("/i/_search?q=!a!").body(()).unwrap();
        assert!(put_on(&mut request, b"/i/_search?q=\"a\""));
        assert_eq!(head_of(&request).query, Some("q=\"a\""));
        let (mut parts, ()) = request.into_parts();
        replace(&mut parts, "/i/_search?q=\"a\"&size=50").unwrap();
        assert_eq!(parts.uri, "/i/_search?q=!a!&size=50");
        assert_eq!(as_str(&parts), "/i/_search?q=\"a\"&size=50");
    }
}
