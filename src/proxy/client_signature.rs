//! Signatures for AWS that clients put on their requests: seen, and taken off where rerankd signs itself. Whether one is
//! right only AWS can tell.

use http::Request;
use http::header::AUTHORIZATION;
use percent_encoding::percent_decode_str;

use super::{headers, target as of_request};
use crate::signing::SIGNED;
use crate::upstream::target;

/// What the value of an `Authorization` begins with that is such a signature.
const SCHEME: &[u8] = b"AWS4-HMAC-SHA256 ";

/// The parameters of a signature in the query string.
const PARAMETERS: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// The signature for AWS that a request goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// None.
    None,
    /// Its client's own, so that nothing of it may change.
    OfClient,
    /// One by rerankd, over what is sent.
    OfOurs,
}

/// Whether a request carries a signature, in its headers or its query string.
pub(super) fn is_there<B>(request: &Request<B>) -> bool {
    let in_headers = request.headers().get(AUTHORIZATION).is_some_and(|value| {
        let value = value.as_bytes();
        value.starts_with(SCHEME) && memchr::memmem::find(value, b"Signature=").is_some()
    });
    in_headers
        || of_request::head_of(request)
            .query
            .is_some_and(|query| query.split('&').any(|pair| is_named(pair, "X-Amz-Signature")))
}

/// Takes off a request whatever would say to AWS who its client is. Whether it was signed; `None` if it has no form
/// without that.
pub(super) fn taken_off<B>(request: &mut Request<B>) -> Option<bool> {
    let was_signed = is_there(request);
    for name in &SIGNED {
        headers::replace(request.headers_mut(), name, None);
    }
    let of_signature = |pair: &&str| PARAMETERS.iter().any(|name| is_named(pair, name));
    let text = target::as_str(request.uri(), request.extensions());
    let Some((path, query)) = text.split_once('?') else { return Some(was_signed) };
    if !query.split('&').any(|pair| of_signature(&pair)) {
        return Some(was_signed);
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !of_signature(pair)).collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    let text = format!("{path}{mark}{}", kept.join("&"));
    let uri = std::mem::take(request.uri_mut());
    *request.uri_mut() = target::replaced(uri, request.extensions_mut(), &text)?;
    Some(was_signed)
}

/// Whether a parameter has this name, however it is written.
fn is_named(pair: &str, name: &str) -> bool {
    let own = pair.split_once('=').map_or(pair, |(own, _)| own);
    percent_decode_str(own).decode_utf8().is_ok_and(|own| own.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/es/aws4_request, \
                             SignedHeaders=host;x-amz-date, Signature=5fa0";

    fn request(target: &str, headers: &[(&'static str, &str)]) -> Request<()> {
        let mut request = Request::get(target).body(()).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
        }
        request
    }

    #[test]
    fn a_signature_is_seen_in_the_headers_or_the_query_string_and_nothing_else_is_one() {
        assert!(is_there(&request("/", &[("authorization", SIGNATURE)])));
        assert!(is_there(&request("/?a=b&X-Amz-Signature=5fa0", &[])));
        assert!(is_there(&request("/?x%2damz-signature=5fa0", &[])));
        for other in ["Basic dTpw", "Bearer x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=AKID"] {
            assert!(!is_there(&request("/", &[("authorization", other)])), "{other}");
        }
        assert!(!is_there(&request("/?X-Amz-Date=1", &[("x-amz-date", "1")])));
    }

    #[test]
    fn all_of_a_signature_is_taken_off_and_the_rest_keeps_its_order() {
        let mut signed = request(
            "/docs/_search?size=5&X-Amz-Algorithm=A&X-Amz-Credential=C&x-amz-date=D&X-Amz-Expires=E&\
             X-Amz-Security-Token=T&X-Amz-Signature=S&X%2dAmz-SignedHeaders=H&q=red",
            &[
                ("host", "x"),
                ("authorization", SIGNATURE),
                ("x-amz-date", "20150830T123600Z"),
                ("accept", "*/*"),
                ("authorization", "Basic dTpw"),
                ("x-amz-security-token", "token"),
                ("x-amz-content-sha256", "hash"),
                ("x-opaque-id", "1"),
            ],
        );
        assert_eq!(taken_off(&mut signed), Some(true));
        assert_eq!(signed.uri(), "/docs/_search?size=5&q=red");
        let names: Vec<&str> = signed.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["host", "accept", "x-opaque-id"]);
        assert!(!is_there(&signed));

        let mut only = request("/?X-Amz-Signature=S", &[]);
        assert_eq!(taken_off(&mut only), Some(true));
        assert_eq!(only.uri(), "/");
        let mut other = request("/?a=%zz", &[("authorization", "Basic dTpw")]);
        assert_eq!(taken_off(&mut other), Some(false));
        assert!(other.headers().is_empty(), "no client speaks for rerankd");
        assert_eq!(other.uri(), "/?a=%zz");
    }
}
