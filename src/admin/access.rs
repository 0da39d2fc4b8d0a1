//! [`Access`]: who may see more than probes and metrics. Decides by what a foreign web page cannot forge: the
//! connection's two ends, `Host`, `Origin`, a bearer token.

use std::net::{IpAddr, SocketAddr};

use http::{
    HeaderMap, Request, StatusCode,
    header::{AUTHORIZATION, FORWARDED, HOST, HeaderName, ORIGIN, VIA},
    uri::Authority,
};
use secrecy::{ExposeSecret, SecretString};

/// What admits peers on other machines; nothing by default.
#[derive(Default)]
pub struct Access {
    /// Of the token. Compared in constant time.
    token: Option<blake3::Hash>,
}

/// Both ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The peer's address.
    pub peer: SocketAddr,
    /// The local address that it connected to.
    pub local: SocketAddr,
}

/// Why a request is rejected. Each says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejection {
    #[error(
        "only for connections from this machine: use `kubectl port-forward` (or ssh -L) to this port, or set \
         admin.token_file and send its token as `Authorization: Bearer …`"
    )]
    NotLocal,
    #[error("send the token of admin.token_file as `Authorization: Bearer …`")]
    Token,
    #[error("this name in Host is not accepted: open it as localhost, or by an IP address")]
    Host,
    #[error("the request is from a page of another origin; open this address itself")]
    Origin,
}

/// Headers that proxies add. They admit nobody; they show that the peer is not the client.
const OF_PROXIES: [HeaderName; 5] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-client-cert"),
    HeaderName::from_static("x-real-ip"),
];

impl Access {
    /// Admits those who send this token as well.
    pub fn new(token: Option<&SecretString>) -> Self {
        Self { token: token.map(|token| blake3::hash(token.expose_secret().as_bytes())) }
    }

    /// Whether a request may see everything.
    pub(super) fn check<B>(&self, ends: Ends, request: &Request<B>) -> Result<(), Rejection> {
        let headers = request.headers();
        let is_foreign = |origin: &str| !is_own(origin, headers);
        if headers.get_all(ORIGIN).iter().any(|value| value.to_str().map_or(true, is_foreign)) {
            return Err(Rejection::Origin);
        }
        if self.knows(headers) {
            return Ok(());
        }
        if !ends.are_local() || OF_PROXIES.iter().any(|name| headers.contains_key(name)) {
            return Err(if self.token.is_some() { Rejection::Token } else { Rejection::NotLocal });
        }
        let target = request.uri().authority();
        if is_local_host(headers) && target.is_none_or(is_local_name) { Ok(()) } else { Err(Rejection::Host) }
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        match (self.token, shown) {
            (Some(token), Some((_, shown))) => blake3::hash(shown.trim().as_bytes()) == token,
            _ => false,
        }
    }
}

impl Ends {
    /// Whether both are the loopback interface's. A mesh's proxy beside us connects from a loopback address for
    /// others too, but to the pod's own.
    fn are_local(self) -> bool {
        [self.peer, self.local].iter().all(|end| end.ip().to_canonical().is_loopback())
    }
}

impl Rejection {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::NotLocal | Self::Origin => StatusCode::FORBIDDEN,
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
        }
    }
}

/// Whether the one `Host` is a name of this machine that no foreign DNS server can give to itself.
fn is_local_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    host.is_some_and(|host| is_local_name(&host))
}

fn is_local_name(authority: &Authority) -> bool {
    let host = authority.host();
    let name = host.strip_suffix('.').unwrap_or(host);
    let ip = host.trim_start_matches('[').trim_end_matches(']');
    !authority.as_str().contains('@')
        && (name.eq_ignore_ascii_case("localhost") || ip.parse::<IpAddr>().is_ok())
}

/// Whether the origin is that of the page at this very `Host`.
fn is_own(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let of_origin = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    matches!((of_origin, host), (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(peer: &str, local: &str) -> Ends {
        let end = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 9464);
        Ends { peer: end(peer), local: end(local) }
    }

    fn asked(ends: Ends, token: Option<&str>, headers: &[(&str, &str)]) -> Result<(), Rejection> {
        let mut request = Request::builder().uri("/api/state");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let token = token.map(SecretString::from);
        Access::new(token.as_ref()).check(ends, &request.body(()).unwrap())
    }

    #[test]
    fn a_connection_within_the_machine_needs_no_token_by_either_family() {
        let host = [("host", "localhost:9464")];
        for (peer, local) in
            [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::ffff:127.0.0.1", "::ffff:127.0.0.1")]
        {
            assert_eq!(asked(ends(peer, local), None, &host), Ok(()), "{peer}");
            assert_eq!(asked(ends(peer, local), Some("t"), &host), Ok(()), "{peer}");
        }
        // Istio connects from 127.0.0.6 to the pod's address, whoever asked.
        for (peer, local) in [("10.0.0.9", "10.0.0.1"), ("127.0.0.6", "10.0.0.1"), ("::ffff:10.0.0.9", "::1")]
        {
            assert_eq!(asked(ends(peer, local), None, &host), Err(Rejection::NotLocal), "{peer}");
        }
    }

    #[test]
    fn a_token_opens_from_anywhere_by_any_name_and_only_the_right_one() {
        let far = ends("10.0.0.9", "10.0.0.1");
        let shown = |token| [("host", "rerankd.example:9464"), ("authorization", token)];
        assert_eq!(asked(far, Some("s3cret"), &shown("Bearer s3cret")), Ok(()));
        assert_eq!(asked(far, Some("s3cret"), &shown("bearer  s3cret ")), Ok(()));
        for wrong in ["Bearer s3cre", "Bearer ", "Basic s3cret", "s3cret", "Bearer s3cret x"] {
            assert_eq!(asked(far, Some("s3cret"), &shown(wrong)), Err(Rejection::Token), "{wrong}");
        }
        assert_eq!(asked(far, None, &shown("Bearer s3cret")), Err(Rejection::NotLocal), "none is set");
    }

    #[test]
    fn a_foreign_name_for_this_machine_is_rejected() {
        let near = ends("127.0.0.1", "127.0.0.1");
        for host in
            ["localhost", "LOCALHOST:1", "localhost.", "127.0.0.1:9464", "[::1]:9464", "192.168.0.7:9464"]
        {
            assert_eq!(asked(near, None, &[("host", host)]), Ok(()), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a@localhost", "", "a b"]
        {
            assert_eq!(asked(near, None, &[("host", host)]), Err(Rejection::Host), "{host}");
        }
        assert_eq!(asked(near, None, &[]), Err(Rejection::Host));
        assert_eq!(asked(near, None, &[("host", "localhost"), ("host", "evil")]), Err(Rejection::Host));
    }

    #[test]
    fn a_foreign_target_in_the_request_line_is_rejected_too() {
        let request =
            Request::builder().uri("http://evil.example/api").header("host", "localhost").body(()).unwrap();
        let near = ends("127.0.0.1", "127.0.0.1");
        assert_eq!(Access::default().check(near, &request), Err(Rejection::Host));
    }

    #[test]
    fn a_page_of_another_origin_is_rejected_with_or_without_a_token() {
        let near = ends("127.0.0.1", "127.0.0.1");
        let own = [("host", "localhost:9464"), ("origin", "http://localhost:9464")];
        assert_eq!(asked(near, None, &own), Ok(()));
        for origin in ["http://evil.example", "null", "http://localhost:9465", "localhost:9464", ""] {
            let headers = [("host", "localhost:9464"), ("origin", origin), ("authorization", "Bearer t")];
            assert_eq!(asked(near, Some("t"), &headers), Err(Rejection::Origin), "{origin}");
        }
    }

    #[test]
    fn a_proxy_on_this_machine_that_speaks_for_others_needs_the_token() {
        let near = ends("127.0.0.1", "127.0.0.1");
        for name in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
            let headers = [("host", "127.0.0.1"), (name, "127.0.0.1")];
            assert_eq!(asked(near, None, &headers), Err(Rejection::NotLocal), "{name}");
            assert_eq!(asked(near, Some("t"), &headers), Err(Rejection::Token), "{name}");
        }
    }
}
