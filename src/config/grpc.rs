//! Where gRPC calls come in and go to. What is not set follows the database's own pair of ports, REST and gRPC beside
//! it.

use std::net::SocketAddr;

use http::Uri;
use http::uri::Authority;

use super::{Config, DialectChoice, ListenerConfig};

/// The usual ports of a database.
struct Ports {
    rest: u16,
    grpc: u16,
}

const QDRANT: Ports = Ports { rest: 6333, grpc: 6334 };
const WEAVIATE: Ports = Ports { rest: 8080, grpc: 50_051 };

/// Ours.
const OUR_REST: u16 = 6343;
const OUR_GRPC: u16 = 6344;

/// A second address of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcListen {
    /// The address.
    pub listen: SocketAddr,
    /// It follows from the first one: nothing depends on it where it cannot be had.
    pub is_default: bool,
}

impl ListenerConfig {
    /// Whether gRPC calls are told from other requests.
    pub fn tells_grpc(&self) -> bool {
        self.usual_ports().is_some()
    }

    /// Those of a database that has gRPC beside its other interface.
    fn usual_ports(&self) -> Option<&'static Ports> {
        match self.dialect {
            // Requests are signed for OpenSearch alone.
            DialectChoice::Auto if self.upstream.sign.is_some() => None,
            DialectChoice::Auto | DialectChoice::Qdrant => Some(&QDRANT),
            DialectChoice::Weaviate => Some(&WEAVIATE),
            _ => None,
        }
    }

    /// Where gRPC calls go, if that is known. An upstream to which HTTP/2 is spoken, or whose port is the database's for
    /// gRPC, takes them itself.
    pub fn grpc_url(&self) -> Option<Uri> {
        let usual = self.usual_ports()?;
        let url = &self.upstream.url;
        match (&self.upstream.grpc_url, url.port_u16()) {
            (Some(own), _) => Some(own.clone()),
            (None, Some(port)) if port == usual.rest => beside(url, usual.grpc),
            (None, port) => (self.upstream.http2 || port == Some(usual.grpc)).then(|| url.clone()),
        }
    }

    /// The port of the database's other interface, beside which that for gRPC is known.
    pub fn usual_rest_port(&self) -> Option<u16> {
        self.usual_ports().map(|usual| usual.rest)
    }
}

/// The same with the port of gRPC.
fn beside(url: &Uri, port: u16) -> Option<Uri> {
    let mut parts = url.clone().into_parts();
    parts.authority = Some(Authority::try_from(format!("{}:{port}", url.host()?)).ok()?);
    Uri::from_parts(parts).ok()
}

impl Config {
    /// The second address of each listener: for a client that has one port for REST and one for gRPC. Both take both.
    pub fn grpc_listens(&self) -> Vec<Option<GrpcListen>> {
        let firsts = self.listeners.iter().map(|each| each.listen);
        let others = [Some(self.admin.listen), self.rerank_api.listen, self.embeddings.listen];
        let own = self.listeners.iter().map(|each| each.grpc_listen);
        let taken: Vec<SocketAddr> = firsts.chain(others.into_iter().chain(own).flatten()).collect();
        let second = |each: &ListenerConfig| match each.grpc_listen {
            Some(listen) if listen == each.listen && listen.port() != 0 => None,
            Some(listen) => Some(GrpcListen { listen, is_default: false }),
            None => {
                let listen = SocketAddr::new(each.listen.ip(), OUR_GRPC);
                let clashes = taken.iter().any(|other| other.port() == OUR_GRPC);
                let wanted = each.listen.port() == OUR_REST && each.grpc_url().is_some() && !clashes;
                wanted.then_some(GrpcListen { listen, is_default: true })
            }
        };
        self.listeners.iter().map(second).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::try_load;

    fn config(listener: &str) -> Config {
        try_load(&format!("listeners: [{{ {listener} }}]"), &[])
            .unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn calls_go_to_the_port_beside_qdrants_own_or_where_they_are_sent() {
        for (upstream, url) in [
            ("url: 'http://db:6333'", Some("http://db:6334/")),
            ("url: 'https://a.b:6333/prefix'", Some("https://a.b:6334/")),
            ("url: 'http://[::1]:6333'", Some("http://[::1]:6334/")),
            ("url: 'http://db:6333', http2: true", Some("http://db:6334/")),
            ("url: 'http://db:6333', grpc_url: 'https://other'", Some("https://other/")),
            ("url: 'http://db:6334'", Some("http://db:6334/")),
            ("url: 'http://db', http2: true", Some("http://db/")),
            ("url: 'http://db'", None),
            ("url: 'http://db:9200'", None),
        ] {
            let got =
                |more: &str| config(&format!("{more}upstream: {{ {upstream} }}")).listeners[0].grpc_url();
            assert_eq!(got("").map(|url| url.to_string()).as_deref(), url, "{upstream}");
            assert_eq!(got("dialect: qdrant, "), got(""));
            assert_eq!(got("dialect: none, "), None);
            assert_eq!(got("dialect: elasticsearch, "), None);
        }
    }

    #[test]
    fn calls_go_to_the_port_beside_weaviates_own_or_where_they_are_sent() {
        for (upstream, url) in [
            ("url: 'http://db:8080'", Some("http://db:50051/")),
            ("url: 'http://db:50051'", Some("http://db:50051/")),
            ("url: 'http://db:8081', grpc_url: 'http://db:50052'", Some("http://db:50052/")),
            ("url: 'http://db:6333'", None),
        ] {
            let config = config(&format!("dialect: weaviate, upstream: {{ {upstream} }}"));
            let got = config.listeners[0].grpc_url();
            assert_eq!(got.map(|url| url.to_string()).as_deref(), url, "{upstream}");
            assert_eq!(config.grpc_listens()[0].is_some(), url.is_some(), "{upstream}");
        }
    }

    #[test]
    fn a_second_address_opens_beside_our_own_port_where_there_is_where_to_send_calls() {
        let second = |listener: &str| {
            let listens = config(listener).grpc_listens();
            listens[0].map(|second| (second.listen.to_string(), second.is_default))
        };
        let is = |listen: &str, is_default| Some((listen.to_owned(), is_default));
        let db = "upstream: { url: 'http://db:6333' }";
        assert_eq!(second(db), is("127.0.0.1:6344", true));
        assert_eq!(second(&format!("listen: '0.0.0.0:6343', {db}")), is("0.0.0.0:6344", true));
        assert_eq!(second(&format!("listen: '127.0.0.1:7000', {db}")), None);
        assert_eq!(second("upstream: { url: 'http://db:9200' }"), None);
        assert_eq!(second(&format!("dialect: none, {db}")), None);
        assert_eq!(second(&format!("grpc_listen: '127.0.0.1:7001', {db}")), is("127.0.0.1:7001", false));
        assert_eq!(second(&format!("grpc_listen: '127.0.0.1:6343', {db}")), None, "one port for both");
        assert_eq!(
            second(&format!("listen: '127.0.0.1:0', grpc_listen: '127.0.0.1:0', {db}")),
            is("127.0.0.1:0", false)
        );
    }

    #[test]
    fn what_is_set_for_another_keeps_its_port() {
        let text = "listeners: [{ listen: '127.0.0.1:6343', upstream: { url: 'http://db:6333' } },
            { listen: '127.0.0.1:6344', dialect: none, upstream: { url: 'http://db:6334', http2: true } }]";
        assert_eq!(
            try_load(text, &[]).unwrap_or_else(|problems| panic!("{problems}")).grpc_listens(),
            [None, None]
        );
    }
}
