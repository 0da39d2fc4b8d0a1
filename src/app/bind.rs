//! [`BindError`]: why an address cannot be listened on, and what to do about it.

use std::{io, net::SocketAddr};

use crate::config::Config;

/// Why an address cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct BindError {
    sentence: String,
    /// What the system said.
    pub kind: io::ErrorKind,
}

impl BindError {
    /// `config` knows which setting names the address.
    pub(super) fn new(config: &Config, address: SocketAddr, error: &io::Error) -> Self {
        let own = config.own_addresses().into_iter().find(|own| own.listen == address);
        let setting = own.map_or_else(|| "the setting".to_owned(), |own| own.setting);
        let place = match setting.as_str() {
            "admin.listen" => "admin.listen (--admin)".to_owned(),
            "listeners[0].listen" => "listeners[0].listen (--listen)".to_owned(),
            "listeners[0].grpc_listen" => "listeners[0].grpc_listen (--grpc-listen)".to_owned(),
            "embeddings.listen" => "embeddings.listen (--embeddings-listen)".to_owned(),
            _ => setting,
        };
        let port = address.port();
        let sentence = match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "the address is in use, perhaps by another rerankd (`ss -ltnp 'sport = :{port}'` shows by what); stop \
                 that, or give {place} another port"
            ),
            io::ErrorKind::AddrNotAvailable => format!(
                "no interface of this machine has the address {}; give {place} one of its own, 127.0.0.1 for this \
                 machine alone, or 0.0.0.0 for every one",
                address.ip()
            ),
            io::ErrorKind::PermissionDenied if port < 1024 => {
                format!("ports below 1024 need a privilege; give {place} a higher one")
            }
            kind => format!("{kind} ({place})"),
        };
        Self { sentence, kind: error.kind() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(listen: &str, kind: io::ErrorKind) -> String {
        let mut config = Config::default();
        config.admin.listen = listen.parse().unwrap();
        BindError::new(&config, config.admin.listen, &kind.into()).to_string()
    }

    #[test]
    fn an_address_that_cannot_be_had_is_reported_with_its_setting_and_a_way_out() {
        let in_use = said("127.0.0.1:9464", io::ErrorKind::AddrInUse);
        for part in
            ["perhaps by another rerankd", "sport = :9464", "give admin.listen (--admin) another port"]
        {
            assert!(in_use.contains(part), "{in_use}");
        }
        let foreign = said("192.0.2.1:9464", io::ErrorKind::AddrNotAvailable);
        assert!(foreign.contains("no interface of this machine has the address 192.0.2.1"), "{foreign}");
        assert!(said("127.0.0.1:80", io::ErrorKind::PermissionDenied).contains("below 1024"));
        let other = BindError::new(
            &Config::default(),
            "127.0.0.1:6343".parse().unwrap(),
            &io::ErrorKind::AddrInUse.into(),
        );
        assert!(other.to_string().contains("listeners[0].listen (--listen)"), "{other}");
    }
}
