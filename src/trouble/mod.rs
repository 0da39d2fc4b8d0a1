//! Why a peer could not be reached or did not answer, in one word, with the remedy; and the log lines for it.
//! Metrics, log, responses and `explain` use the word from here.

mod lines;

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError};

pub use lines::{Failure, Lines, Peer, after, milliseconds, warn};

/// Why no connection could be made: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Its name has no address, or no name server answered.
    NameNotFound,
    /// Connection refused: nothing listens at that address and port.
    ConnectionRefused,
    /// There is no route to it.
    NoRoute,
    /// The connection timed out.
    ConnectTimeout,
    /// The connection was reset while it was made.
    Reset,
    /// Its certificate is signed by no authority that we trust.
    TlsUntrusted,
    /// Its certificate is for another name.
    TlsWrongName,
    /// Its certificate has expired or is not valid yet.
    TlsExpired,
    /// It shows an authority's certificate as its own.
    TlsCaAsEndEntity,
    /// The peer does not speak TLS.
    TlsNotSpoken,
    /// It requires a client certificate.
    TlsClientCertificate,
    /// TLS failed in another way.
    Tls,
    /// Anything else.
    Unreachable,
}

/// A name lookup that failed. The system's own error has no type to identify it by.
#[derive(Debug, thiserror::Error)]
#[error("the name was not found")]
pub struct NameNotFound(#[source] pub io::Error);

impl Trouble {
    /// Every cause, in the order of the metric's labels.
    pub const ALL: [Self; 13] = [
        Self::NameNotFound,
        Self::ConnectionRefused,
        Self::NoRoute,
        Self::ConnectTimeout,
        Self::Reset,
        Self::TlsUntrusted,
        Self::TlsWrongName,
        Self::TlsExpired,
        Self::TlsCaAsEndEntity,
        Self::TlsNotSpoken,
        Self::TlsClientCertificate,
        Self::Tls,
        Self::Unreachable,
    ];

    /// The word in metrics, log and `explain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NameNotFound => "name_not_found",
            Self::ConnectionRefused => "connection_refused",
            Self::NoRoute => "no_route",
            Self::ConnectTimeout => "connect_timeout",
            Self::Reset => "reset",
            Self::TlsUntrusted => "tls_untrusted",
            Self::TlsWrongName => "tls_wrong_name",
            Self::TlsExpired => "tls_expired",
            Self::TlsCaAsEndEntity => "tls_ca_as_end_entity",
            Self::TlsNotSpoken => "tls_not_spoken",
            Self::TlsClientCertificate => "tls_client_certificate",
            Self::Tls => "tls",
            Self::Unreachable => "unreachable",
        }
    }

    /// The remedy.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NameNotFound => {
                "its name was not found: check the URL's host, and the name server of this machine"
            }
            Self::ConnectionRefused => "nothing listens there: does it run, and is the port right?",
            Self::NoRoute => "there is no route to it: check the network, firewalls and network policies",
            Self::ConnectTimeout => {
                "no connection in time: check firewalls and network policies, and whether it is up"
            }
            Self::Reset => "the connection was cut: does it restart, or does something between cut it?",
            Self::TlsUntrusted => {
                "its certificate is not trusted: name the authority that signed it in ca_file"
            }
            Self::TlsWrongName => {
                "its certificate is for another name: use one of its names in the URL, or set server_name"
            }
            Self::TlsExpired => "its certificate is not valid today: renew it, or set the clock right",
            Self::TlsCaAsEndEntity => {
                "it shows an authority's certificate (CA:TRUE) as its own: make one with CA:FALSE, or one that the \
                 authority has signed"
            }
            Self::TlsNotSpoken => "it does not speak TLS on this port: write http://, or the port that does",
            Self::TlsClientCertificate => {
                "it rejects us without a certificate that it trusts: set client_cert_file and client_key_file"
            }
            Self::Tls => "the TLS handshake failed: does this port speak TLS 1.2 or later?",
            Self::Unreachable => "no connection could be made",
        }
    }

    /// Classifies an error while connecting.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        if find::<NameNotFound>(error).is_some() {
            return Self::NameNotFound;
        }
        if let Some(error) = find::<rustls::Error>(error) {
            return Self::of_tls(error);
        }
        if find::<tower::timeout::error::Elapsed>(error).is_some() {
            return Self::ConnectTimeout;
        }
        find::<io::Error>(error).map_or(Self::Unreachable, |error| Self::of_io(error.kind()))
    }

    /// Classifies a TLS error, which may come after a connection was made.
    pub fn of_tls_in(error: &(dyn Error + 'static)) -> Option<Self> {
        find::<rustls::Error>(error).map(Self::of_tls)
    }

    fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error),
            rustls::Error::InvalidMessage(_) => Self::TlsNotSpoken,
            rustls::Error::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
                | AlertDescription::CertificateUnknown
                | AlertDescription::NoCertificate,
            ) => Self::TlsClientCertificate,
            _ => Self::Tls,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::TlsWrongName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::TlsExpired,
            // The library that checks certificates has a word for it, but exposes no type.
            CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
                Self::TlsCaAsEndEntity
            }
            _ => Self::TlsUntrusted,
        }
    }

    fn of_io(kind: io::ErrorKind) -> Self {
        use io::ErrorKind as Kind;
        match kind {
            Kind::ConnectionRefused => Self::ConnectionRefused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown | Kind::AddrNotAvailable => {
                Self::NoRoute
            }
            Kind::TimedOut => Self::ConnectTimeout,
            Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => Self::Reset,
            // Only a handshake has an end to wait for.
            Kind::UnexpectedEof => Self::Tls,
            _ => Self::Unreachable,
        }
    }
}

/// Whether a connection was reset, not closed.
pub fn is_reset(error: &(dyn Error + 'static)) -> bool {
    find::<io::Error>(error).is_some_and(|error| Trouble::of_io(error.kind()) == Trouble::Reset)
}

/// The first of an error's causes of this type, the innermost for I/O errors that were made of others.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |&cause| cause.source()).find_map(|cause| {
        // An I/O error that was made of another error, maybe of such a one again, does not give that as its source.
        let made_of = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = made_of.and_then(|inner| find::<E>(inner));
        inner.or_else(|| cause.downcast_ref())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{InvalidMessage, OtherError};

    use super::*;

    #[test]
    fn every_cause_is_found_however_deep_it_lies_and_has_a_word_and_a_remedy_of_its_own() {
        let tls = |error: rustls::Error| io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error));
        let bad = |error| tls(rustls::Error::InvalidCertificate(error));
        let other = |text: &str| {
            bad(CertificateError::Other(OtherError(Arc::new(io::Error::other(text.to_owned())))))
        };
        for (error, expected) in [
            (io::Error::other(NameNotFound(io::Error::other("x"))), Trouble::NameNotFound),
            (io::ErrorKind::ConnectionRefused.into(), Trouble::ConnectionRefused),
            (io::Error::from_raw_os_error(111), Trouble::ConnectionRefused),
            (io::Error::from_raw_os_error(113), Trouble::NoRoute),
            (io::ErrorKind::TimedOut.into(), Trouble::ConnectTimeout),
            (io::Error::other(tower::timeout::error::Elapsed::new()), Trouble::ConnectTimeout),
            (io::ErrorKind::ConnectionReset.into(), Trouble::Reset),
            (io::ErrorKind::UnexpectedEof.into(), Trouble::Tls),
            (bad(CertificateError::UnknownIssuer), Trouble::TlsUntrusted),
            (bad(CertificateError::BadSignature), Trouble::TlsUntrusted),
            (bad(CertificateError::NotValidForName), Trouble::TlsWrongName),
            (bad(CertificateError::Expired), Trouble::TlsExpired),
            (bad(CertificateError::NotValidYet), Trouble::TlsExpired),
            (other("CaUsedAsEndEntity"), Trouble::TlsCaAsEndEntity),
            (other("something"), Trouble::TlsUntrusted),
            (tls(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)), Trouble::TlsNotSpoken),
            (
                tls(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)),
                Trouble::TlsClientCertificate,
            ),
            (tls(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)), Trouble::Tls),
            (io::Error::other("x"), Trouble::Unreachable),
        ] {
            assert_eq!(Trouble::of(&error), expected, "{error:?}");
            assert_eq!(Trouble::of(&io::Error::other(error)), expected);
        }
        let mut words: Vec<&str> =
            Trouble::ALL.iter().flat_map(|each| [each.as_str(), each.remedy()]).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), 2 * Trouble::ALL.len());
    }
}
