use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use wildmatch::WildMatch;

use super::Peer;

/// Who is which tenant.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The header in which a gateway names the tenant.
    pub header: Option<HeaderName>,
    /// The networks of the gateways: from anywhere else the header says nothing.
    pub networks: Vec<IpNet>,
    /// In the configuration's order.
    pub tenants: Vec<Sources>,
}

/// What leads to one tenant.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Its name.
    pub name: Arc<str>,
    /// Patterns of the names in its certificates, such as `CN=acme`.
    pub certificates: Vec<WildMatch>,
    /// Patterns of its collections.
    pub collections: Vec<WildMatch>,
    /// Whether nothing of it may be told from what others get: its scores and its texts are kept apart.
    pub apart: bool,
}

/// Whose a request says that it is, as far as that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// Nobody has said.
    #[default]
    Nobody,
    /// Of somebody who is none of the tenants.
    Stranger,
    /// Of the tenant at this place.
    Tenant(usize),
}

/// The network that a text means; one address is a network of its own.
pub fn network(text: &str) -> Option<IpNet> {
    let net = text.parse().ok();
    net.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)).map(|net: IpNet| net.trunc())
}

/// Whether a pattern is one of the names in a certificate.
pub fn is_certificate_name(pattern: &str) -> bool {
    let rest = ["CN=", "DNS:", "URI:"].iter().find_map(|kind| pattern.strip_prefix(kind));
    rest.is_some_and(|rest| rest.chars().any(|c| !"*?. ".contains(c)))
}

impl Rules {
    /// Whose a request with these headers is, by its header or its peer's certificate: the first of the two that says
    /// anything decides.
    pub fn claim(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Claim {
        let Some(peer) = peer else { return Claim::Nobody };
        match self.by_header(headers, peer.address) {
            Claim::Nobody => self.by_certificate(&peer.names),
            claim => claim,
        }
    }

    /// The same, where nobody has said: whose all of these collections are.
    pub fn of_collections<'a>(&self, claim: Claim, names: impl Iterator<Item = &'a str> + Clone) -> Claim {
        if claim != Claim::Nobody || names.clone().next().is_none() {
            return claim;
        }
        let own = |tenant: &Sources| names.clone().all(|name| any(&tenant.collections, name));
        self.find(own)
    }

    /// The tenant of this name.
    pub fn named(&self, name: &str) -> Claim {
        match self.find(|tenant| *tenant.name == *name) {
            Claim::Nobody => Claim::Stranger,
            claim => claim,
        }
    }

    /// The tenant that a claim is of.
    pub fn tenant(&self, claim: Claim) -> Option<&Sources> {
        match claim {
            Claim::Tenant(at) => self.tenants.get(at),
            Claim::Nobody | Claim::Stranger => None,
        }
    }

    fn by_header(&self, headers: &HeaderMap, from: IpAddr) -> Claim {
        let Some(header) = &self.header else { return Claim::Nobody };
        let mut values = headers.get_all(header).iter();
        let Some(first) = values.next() else { return Claim::Nobody };
        if !self.networks.iter().any(|network| network.contains(&from)) {
            return Claim::Nobody;
        }
        // A gateway that adds its value to a client's has verified neither.
        match first.to_str() {
            Ok(name) if values.next().is_none() => self.named(name.trim()),
            _ => Claim::Stranger,
        }
    }

    fn by_certificate(&self, names: &[String]) -> Claim {
        self.find(|tenant| names.iter().any(|name| any(&tenant.certificates, name)))
    }

    fn find(&self, is_it: impl Fn(&Sources) -> bool) -> Claim {
        self.tenants.iter().position(is_it).map_or(Claim::Nobody, Claim::Tenant)
    }
}

fn any(patterns: &[WildMatch], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn rules() -> Rules {
        let tenant = |name: &str, certificates: &[&str], collections: &[&str]| Sources {
            name: name.into(),
            certificates: certificates.iter().map(|each| WildMatch::new(each)).collect(),
            collections: collections.iter().map(|each| WildMatch::new(each)).collect(),
            apart: false,
        };
        Rules {
            header: Some(HeaderName::from_static("x-tenant")),
            networks: ["10.1.0.0/16", "fd00::/8", "192.0.2.7"]
                .iter()
                .filter_map(|net| network(net))
                .collect(),
            tenants: vec![
                tenant("acme", &["CN=acme", "URI:spiffe://corp/ns/acme/*"], &["acme-*"]),
                tenant("bolt", &["DNS:*.bolt.example"], &["bolt-*", "b"]),
            ],
        }
    }

    fn headers(values: &[&'static str]) -> HeaderMap {
        let name = HeaderName::from_static("x-tenant");
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn peer(address: &str, names: &[&str]) -> Peer {
        Peer::new(address.parse().unwrap(), names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_header_counts_from_the_networks_that_are_trusted_alone() {
        let claim =
            |from: &str, values: &[&'static str]| rules().claim(&headers(values), Some(&peer(from, &[])));
        for trusted in ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1", "192.0.2.7"] {
            assert_eq!(claim(trusted, &["acme"]), Claim::Tenant(0), "{trusted}");
            assert_eq!(claim(trusted, &["bolt "]), Claim::Tenant(1));
            assert_eq!(claim(trusted, &["nobody"]), Claim::Stranger);
            assert_eq!(claim(trusted, &[]), Claim::Nobody);
        }
        for other in ["10.2.0.1", "192.0.2.8", "::1", "127.0.0.1", "fe80::1"] {
            assert_eq!(claim(other, &["acme"]), Claim::Nobody, "{other}");
        }
        assert_eq!(rules().claim(&headers(&["acme"]), None), Claim::Nobody);
    }

    #[test]
    fn a_header_that_comes_twice_is_nobodys() {
        let from = peer("10.1.0.1", &["CN=acme"]);
        for values in [&["bolt", "acme"][..], &["acme", "acme"], &["acme, bolt"]] {
            assert_eq!(rules().claim(&headers(values), Some(&from)), Claim::Stranger, "{values:?}");
        }
    }

    #[test]
    fn a_certificate_counts_by_the_kind_of_its_name_where_no_gateway_says_more() {
        let claim = |names: &[&str]| rules().claim(&HeaderMap::new(), Some(&peer("203.0.113.9", names)));
        assert_eq!(claim(&["CN=acme"]), Claim::Tenant(0));
        assert_eq!(claim(&["CN=x", "URI:spiffe://corp/ns/acme/sa/app"]), Claim::Tenant(0));
        assert_eq!(claim(&["DNS:api.bolt.example"]), Claim::Tenant(1));
        for none in
            [&["DNS:acme"][..], &["CN=api.bolt.example"], &["URI:spiffe://corp/ns/acme"], &["CN=Acme"], &[]]
        {
            assert_eq!(claim(none), Claim::Nobody, "{none:?}");
        }
        let forged = rules().claim(&headers(&["bolt"]), Some(&peer("203.0.113.9", &["CN=acme"])));
        assert_eq!(forged, Claim::Tenant(0), "its header says nothing");
    }

    #[test]
    fn collections_count_where_all_are_of_one_tenant_and_nobody_has_said() {
        let of = |claim, names: &[&'static str]| rules().of_collections(claim, names.iter().copied());
        assert_eq!(of(Claim::Nobody, &["acme-1", "acme-*"]), Claim::Tenant(0));
        assert_eq!(of(Claim::Nobody, &["b", "bolt-x"]), Claim::Tenant(1));
        for none in [&["acme-1", "bolt-1"][..], &["docs"], &["*"], &["-acme-1"], &[]] {
            assert_eq!(of(Claim::Nobody, none), Claim::Nobody, "{none:?}");
        }
        assert_eq!(of(Claim::Stranger, &["acme-1"]), Claim::Stranger);
        assert_eq!(of(Claim::Tenant(1), &["acme-1"]), Claim::Tenant(1));
    }

    #[test]
    fn networks_and_names_of_certificates_are_told_from_what_is_none() {
        assert_eq!(network("10.1.2.3/16").unwrap().to_string(), "10.1.0.0/16");
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        for bad in ["", "10.0.0.0/33", "gateway", "10.0.0"] {
            assert!(network(bad).is_none(), "{bad}");
        }
        for good in ["CN=acme", "DNS:*.acme.example", "URI:spiffe://corp/ns/acme/*"] {
            assert!(is_certificate_name(good), "{good}");
        }
        for bad in ["acme", "CN=*", "DNS:*.*", "O=acme", "CN=", "cn=acme"] {
            assert!(!is_certificate_name(bad), "{bad}");
        }
    }
}
