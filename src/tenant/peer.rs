use std::{net::IpAddr, sync::Arc};

/// Who is at the other end of a client's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address, that of IPv4 as such.
    pub address: IpAddr,
    /// What its verified certificate calls it, each with its kind: `CN=acme`, `DNS:api.acme.example`; empty without a certificate.
    pub names: Arc<[String]>,
}

impl Peer {
    /// A peer at this address, which may be an IPv4 address inside an IPv6 one.
    pub fn new(address: IpAddr, names: Vec<String>) -> Self {
        Self { address: address.to_canonical(), names: names.into() }
    }
}

/// Set on a request by a command of this program: it is that of the tenant of this name, whoever sends it.
#[derive(Clone, Debug)]
pub struct AsTenant(pub Arc<str>);
