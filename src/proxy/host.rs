//! The host that a request is for: it has to be named in exactly one way, whatever is sent on in its place.

use http::header::HOST;
use http::{Request, Version};

/// Whether its host can be one only (RFC 9112 §3.2): HTTP/1.1 has one `Host` line, other versions at most one, and all
/// that is there is a host.
pub(super) fn is_clear<B>(request: &Request<B>) -> bool {
    let mut lines = request.headers().get_all(HOST).iter();
    let first = lines.next();
    let well = first.map_or(request.version() != Version::HTTP_11, |host| is_host(host.as_bytes()));
    let authority = request.uri().authority().map_or(&b""[..], |authority| authority.as_str().as_bytes());
    well && lines.next().is_none() && is_host(authority)
}

/// Whether this is a host, with a port or without (RFC 9110 §7.2, RFC 3986 §3.2.2). It may be empty: that is how a
/// client says that its target has none.
pub(super) fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value.strip_prefix(b"[") {
        Some(rest) => match memchr::memchr(b']', rest) {
            Some(end) => (rest.get(..end).filter(|address| is_address(address)), rest.get(end + 1..)),
            None => (None, None),
        },
        None => {
            let end = memchr::memchr(b':', value).unwrap_or(value.len());
            (value.get(..end).filter(|name| is_name(name)), value.get(end..))
        }
    };
    let is_port = |port: &[u8]| match port.split_first() {
        Some((b':', digits)) => digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
        None => true,
    };
    host.is_some() && port.is_some_and(is_port)
}

/// Of IPv6 or what may come after it, with its zone.
fn is_address(address: &[u8]) -> bool {
    let may = |byte: &u8| byte.is_ascii_alphanumeric() || b":.%-_~".contains(byte);
    !address.is_empty() && address.iter().all(may)
}

fn is_name(name: &[u8]) -> bool {
    let may = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    let mut rest = name;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match (byte, after) {
            (b'%', [one, two, after @ ..]) if one.is_ascii_hexdigit() && two.is_ascii_hexdigit() => after,
            _ if may(byte) => after,
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses_with_or_without_a_port() {
        for good in [
            "",
            "a",
            "db:9200",
            "db:",
            "a_b.c-d",
            "10.0.0.1:1",
            "[::1]",
            "[::1]:6333",
            "[fe80::1%25eth0]",
            "%61b",
        ] {
            assert!(is_host(good.as_bytes()), "{good:?}");
        }
        for bad in [
            "a b",
            "a, b",
            "a/b",
            "a@b",
            "a:b",
            "a:1:2",
            "::1",
            "[::1",
            "[]",
            "[::1]a",
            "[a/b]",
            "a\"",
            "a?b",
            "a#b",
            "%6",
            "%zz",
            "caf\u{e9}",
            "a\tb",
            "<a>",
            "a\\b",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad:?}");
        }
    }
}
