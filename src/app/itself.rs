//! Whether what the process connects to is one of its own listeners, where only the system knows: by name, or on a
//! listener bound to every address of this machine.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::StartError;
use crate::config::{Config, OwnAddress, Target, is_at};

/// Timeout of name lookups, so that they do not delay the start.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// An error for the first that is. Blocks, at most for that timeout.
pub(super) fn check(config: &Config) -> Result<(), StartError> {
    let own = config.own_addresses();
    for target in config.targets() {
        let unsure: Vec<&OwnAddress> = own.iter().filter(|own| target.leads_to(own).is_none()).collect();
        if unsure.is_empty() {
            continue;
        }
        let addresses = addresses(&target);
        let found = unsure.iter().find(|own| addresses.iter().any(|ip| is_ours(*ip, own.listen.ip())));
        if let Some(own) = found {
            let own = format!("{} ({})", own.setting, own.listen);
            return Err(StartError::Itself { setting: target.setting, own });
        }
    }
    Ok(())
}

/// The addresses of a host by the system's resolver; none if that takes too long.
fn addresses(target: &Target) -> Vec<IpAddr> {
    let (found, asked) = (mpsc::channel(), (target.host.clone(), target.port));
    let (tell, reported) = found;
    let looking = thread::Builder::new().name("lookup".to_owned()).spawn(move || {
        let addresses = asked.to_socket_addrs().map(|all| all.map(|each| each.ip()).collect());
        // The receiver may have gone.
        tell.send(addresses.unwrap_or_default()).ok();
    });
    match looking {
        Ok(_) => reported.recv_timeout(MAX_WAIT).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

fn is_ours(ip: IpAddr, bound: IpAddr) -> bool {
    is_at(ip, bound).unwrap_or_else(|| is_of_this_machine(ip.to_canonical()))
}

/// Whether an address is one of this machine's: it is reached from itself. Nothing is sent.
fn is_of_this_machine(ip: IpAddr) -> bool {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let from = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(SocketAddr::new(ip, 9))?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::test_support::config;

    fn rejected(listen: &str, url: &str) -> bool {
        let mut config = config("");
        config.listeners[0].listen = listen.parse().unwrap();
        config.listeners[0].upstream.url = url.parse().unwrap();
        match check(&config) {
            Ok(()) => false,
            Err(StartError::Itself { setting, own }) => {
                assert_eq!(
                    (setting.as_str(), own),
                    ("listeners[0].upstream.url", format!("listeners[0].listen ({listen})"))
                );
                true
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// An address of this machine that is not a loopback one, if it has any.
    fn own_address() -> Option<IpAddr> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
    }

    #[test]
    fn an_address_of_this_machine_is_ours_behind_a_listener_on_all_of_them() {
        assert!(is_of_this_machine(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_of_this_machine(Ipv4Addr::new(192, 0, 2, 1).into()));
        if let Some(ip) = own_address() {
            assert!(rejected("0.0.0.0:6343", &format!("http://{ip}:6343")));
            assert!(rejected("[::]:6343", &format!("http://{ip}:6343")));
            assert!(!rejected("0.0.0.0:6343", &format!("http://{ip}:6344")));
            assert!(!rejected("127.0.0.1:6343", &format!("http://{ip}:6343")));
        }
    }

    #[test]
    fn other_spellings_of_an_address_are_looked_up_and_names_that_lead_nowhere_are_no_matter() {
        // The system takes it for 127.0.0.1 (inet_aton).
        assert!(rejected("127.0.0.1:6343", "http://127.1:6343"));
        assert!(!rejected("127.0.0.1:6343", "http://name.invalid:6343"));
        assert!(!rejected("0.0.0.0:6343", "http://192.0.2.1:6343"));
    }
}
