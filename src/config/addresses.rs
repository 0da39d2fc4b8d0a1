//! Where the process listens, and where it connects to: no two listeners on one address, and nothing that leads back
//! to itself. What only the system knows, such as a name's addresses, is resolved by callers that may block.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;

use super::{
    Config,
    node::{Node, Value},
    origin::Origin,
    problem::Problems,
};
use crate::rerank::{HttpKind, ProviderKind};

/// An address on which the process listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAddress {
    /// The setting that says so.
    pub setting: String,
    /// The address; an unspecified one is every address of its port.
    pub listen: SocketAddr,
}

/// What the process connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The setting that says so.
    pub setting: String,
    /// A name, or an IP address without brackets.
    pub host: String,
    /// The port, that of the scheme where none is written.
    pub port: u16,
}

impl Config {
    /// Every address on which the process listens, but those of any free port.
    pub fn own_addresses(&self) -> Vec<OwnAddress> {
        let own = |setting: String, listen: SocketAddr| OwnAddress { setting, listen };
        let listeners = self.listeners.iter().enumerate();
        let mut all: Vec<OwnAddress> =
            listeners.map(|(i, each)| own(format!("listeners[{i}].listen"), each.listen)).collect();
        let seconds = self.grpc_listens().into_iter().enumerate();
        all.extend(
            seconds
                .filter_map(|(i, second)| Some(own(format!("listeners[{i}].grpc_listen"), second?.listen))),
        );
        all.push(own("admin.listen".to_owned(), self.admin.listen));
        all.extend(self.rerank_api.listen.map(|listen| own("rerank_api.listen".to_owned(), listen)));
        all.extend(self.embeddings.listen.map(|listen| own("embeddings.listen".to_owned(), listen)));
        all.retain(|each| each.listen.port() != 0);
        all
    }

    /// Every database, every provider behind HTTP, and every embedding service that is served.
    pub fn targets(&self) -> Vec<Target> {
        let listeners = self.listeners.iter().enumerate();
        let upstreams = listeners
            .clone()
            .map(|(i, each)| target(format!("listeners[{i}].upstream.url"), &each.upstream.url));
        let calls = listeners.filter_map(|(i, each)| {
            Some(target(format!("listeners[{i}].upstream.grpc_url"), &each.grpc_url()?))
        });
        let providers = self.providers.iter().filter_map(|each| match &each.kind {
            ProviderKind::Http(http) => {
                let url: Uri = http.base_url.parse().ok()?;
                Some(target(format!("providers.{}.base_url", each.name), &url))
            }
            ProviderKind::Lexical(_) => None,
        });
        let services = self.served_services();
        let services =
            services.iter().map(|each| target(format!("embeddings.services.{}.url", each.name), &each.url));
        upstreams.chain(calls).chain(providers).chain(services).collect()
    }
}

fn target(setting: String, url: &Uri) -> Target {
    let default = if url.scheme_str() == Some("https") { 443 } else { 80 };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    Target { setting, host, port: url.port_u16().unwrap_or(default) }
}

impl Target {
    /// Whether it is that address of ours; `None` if only the system knows: where a name leads, or whether an address
    /// is this machine's.
    pub fn leads_to(&self, own: &OwnAddress) -> Option<bool> {
        if self.port != own.listen.port() {
            return Some(false);
        }
        let name = self.host.trim_end_matches('.').to_ascii_lowercase();
        match self.host.parse::<IpAddr>() {
            Ok(ip) => is_at(ip, own.listen.ip()),
            Err(_) if name == "localhost" || name.ends_with(".localhost") => {
                let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
                Some(loopback.iter().any(|ip| is_at(*ip, own.listen.ip()) == Some(true)))
            }
            Err(_) => None,
        }
    }
}

/// Whether a connection to `ip` comes to a socket bound to `bound`; `None` if that takes every address of this machine,
/// and it has to be known whether `ip` is one.
pub fn is_at(ip: IpAddr, bound: IpAddr) -> Option<bool> {
    let (ip, bound) = (reached(ip), bound.to_canonical());
    match bound {
        _ if !bound.is_unspecified() => Some(ip == bound),
        // A socket of IPv6's takes both.
        IpAddr::V4(_) if ip.is_ipv6() => Some(false),
        _ if ip.is_loopback() => Some(true),
        _ => None,
    }
}

/// Where a connection to an address goes: to none at all, it goes to this machine.
fn reached(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// Whether two sockets cannot both be bound.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    let takes = |wide: IpAddr, ip: IpAddr| wide.is_unspecified() && (wide.is_ipv6() || ip.is_ipv4());
    one.port() == other.port() && (a == b || takes(a, b) || takes(b, a))
}

/// A problem for every two listeners on one address, and for everything that leads to one.
pub(super) fn check(config: &Config, root: &Node, problems: &mut Problems) {
    let own = config.own_addresses();
    for (at, one) in own.iter().enumerate() {
        for other in own.iter().skip(at + 1).filter(|other| overlap(one.listen, other.listen)) {
            // Reported where it is written; the other may be a default.
            let (here, there) = match origin(root, &other.setting) {
                Some(_) => (other, one),
                None => (one, other),
            };
            let every = if there.listen.ip().is_unspecified() { ", every address of that port" } else { "" };
            let sentence = format!(
                "{} is taken by {} ({}{every}); give one of them another port.",
                here.listen, there.setting, there.listen
            );
            problems.add(&here.setting, &origin(root, &here.setting).unwrap_or(Origin::Nowhere), sentence);
        }
    }
    for target in config.targets() {
        for own in own.iter().filter(|own| target.leads_to(own) == Some(true)) {
            let hint = hint(config, root, &target);
            let sentence =
                format!("this is {} ({}) itself: rerankd would ask itself{hint}", own.setting, own.listen);
            problems.add(
                &target.setting,
                &origin(root, &target.setting).unwrap_or(Origin::Nowhere),
                sentence,
            );
        }
    }
}

/// What to write instead.
fn hint(config: &Config, root: &Node, target: &Target) -> &'static str {
    if target.setting.starts_with("embeddings.") {
        return "; write the service's own address.";
    }
    let Some(name) =
        target.setting.strip_prefix("providers.").and_then(|rest| rest.strip_suffix(".base_url"))
    else {
        return "; write the database's address.";
    };
    let is_cohere = config.providers.iter().any(|each| {
        each.name == name && matches!(&each.kind, ProviderKind::Http(http) if http.kind == HttpKind::Cohere)
    });
    match is_cohere && (name == HttpKind::Cohere.as_str() || origin(root, &target.setting).is_none()) {
        true => ". CO_API_URL is for the application; unset it where rerankd runs.",
        false => "; write the provider's address.",
    }
}

/// Where the setting of a path such as `listeners[0].listen` is written; `None` if it is not.
pub(super) fn origin(root: &Node, path: &str) -> Option<Origin> {
    let mut node = root;
    let mut rest = path;
    while !rest.is_empty() {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let found = match &node.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key)?,
            _ => return None,
        };
        (node, rest) = (&found.node, after);
        if let Some((index, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let Value::List(items) = &node.value else { return None };
            (node, rest) = (items.get(index.parse::<usize>().ok()?)?, after);
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    (!matches!(node.value, Value::Null)).then(|| node.origin.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::try_load;

    fn problems(text: &str) -> String {
        try_load(text, &[]).map(|_| String::new()).unwrap_or_else(|problems| problems.to_string())
    }

    #[test]
    fn two_listeners_on_one_address_are_a_problem_that_names_both() {
        let listener = |listen: &str| format!("{{ listen: '{listen}', upstream: {{ url: 'http://db' }} }}");
        let admin = "listeners[0].listen: 127.0.0.1:9464 is taken by admin.listen (127.0.0.1:9464); give one of \
                     them another port.";
        assert_eq!(
            problems(&format!("listeners: [{}]", listener("127.0.0.1:9464"))),
            format!("1:23 {admin}")
        );
        for (one, other, clash) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "0.0.0.0:1", true),
            ("[::]:1", "127.0.0.1:1", true),
            ("[::]:1", "0.0.0.0:1", true),
            ("[::1]:1", "[::]:1", true),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            for text in [
                format!("listeners: [{}, {}]", listener(one), listener(other)),
                format!("listeners: [{}]\nadmin: {{ listen: '{other}' }}", listener(one)),
                format!("listeners: [{}]\nrerank_api: {{ listen: '{other}' }}", listener(one)),
                format!("admin: {{ listen: '{one}' }}\nrerank_api: {{ listen: '{other}' }}"),
            ] {
                let got = problems(&text);
                assert_eq!(got.contains("is taken by"), clash, "{text}: {got}");
                assert!(!clash || got.matches("listen").count() >= 2, "{got}");
            }
        }
    }

    #[test]
    fn an_upstream_or_a_provider_that_is_one_of_our_own_listeners_is_a_problem() {
        for (listen, url, ours) in [
            ("127.0.0.1:6343", "http://127.0.0.1:6343", true),
            ("127.0.0.1:6343", "https://127.0.0.1:6343/", true),
            ("127.0.0.1:6343", "http://localhost:6343", true),
            ("127.0.0.1:6343", "http://LocalHost.:6343", true),
            ("127.0.0.1:6343", "http://db.localhost:6343", true),
            ("127.0.0.1:6343", "http://0.0.0.0:6343", true),
            ("127.0.0.1:80", "http://127.0.0.1", true),
            ("0.0.0.0:6343", "http://127.9.9.9:6343", true),
            ("[::]:6343", "http://127.0.0.1:6343", true),
            ("[::]:6343", "http://[::1]:6343", true),
            ("[::1]:6343", "http://[0:0:0:0:0:0:0:1]:6343", true),
            ("127.0.0.1:6343", "http://[::ffff:127.0.0.1]:6343", true),
            ("127.0.0.1:6343", "http://127.0.0.1:6333", false),
            ("127.0.0.1:6343", "http://127.0.0.2:6343", false),
            ("10.0.0.1:6343", "http://localhost:6343", false),
            ("0.0.0.0:6343", "http://[::1]:6343", false),
            ("127.0.0.1:443", "http://127.0.0.1", false),
            ("127.0.0.1:6343", "http://db:6343", false),
        ] {
            let upstream = format!("listeners: [{{ listen: '{listen}', upstream: {{ url: '{url}' }} }}]");
            let provider = format!(
                "listeners: [{{ listen: '{listen}', upstream: {{ url: 'http://db:1' }} }}]\n\
                 providers: {{ own: {{ kind: vllm, model: m, base_url: '{url}' }} }}"
            );
            for (text, setting) in
                [(upstream, "listeners[0].upstream.url: "), (provider, "providers.own.base_url: ")]
            {
                let got = problems(&text);
                assert_eq!(got.contains("rerankd would ask itself"), ours, "{text}: {got}");
                assert!(!ours || (got.contains(setting) && got.contains("listeners[0].listen")), "{got}");
            }
        }
        let others = "listeners:\n\
             - { listen: '127.0.0.1:1', upstream: { url: 'http://127.0.0.1:2' } }\n\
             - { listen: '127.0.0.1:2', upstream: { url: 'http://localhost:9464' } }";
        let got = problems(others);
        assert!(got.contains("this is listeners[1].listen (127.0.0.1:2) itself"), "{got}");
        assert!(got.contains("this is admin.listen (127.0.0.1:9464) itself"), "{got}");
    }

    #[test]
    fn names_and_addresses_of_other_machines_are_left_to_the_system() {
        let own = |listen: &str| OwnAddress { setting: String::new(), listen: listen.parse().unwrap() };
        let leads = |host: &str, listen: &str| {
            Target { setting: String::new(), host: host.to_owned(), port: 6343 }.leads_to(&own(listen))
        };
        assert_eq!(leads("db", "127.0.0.1:6343"), None);
        assert_eq!(leads("10.0.0.1", "0.0.0.0:6343"), None);
        assert_eq!(leads("10.0.0.1", "10.0.0.1:6343"), Some(true));
        assert_eq!(leads("db", "127.0.0.1:6344"), Some(false));
    }
}
