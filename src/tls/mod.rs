//! PEM files: certificates, private keys, and what is trusted. One wording for every file that cannot be used.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::{RootCertStore, crypto::CryptoProvider};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use x509_cert::{
    Certificate,
    der::{Decode, oid::ObjectIdentifier},
    ext::pkix::{BasicConstraints, SubjectAltName, name::GeneralName},
};

/// Why a PEM file cannot be used. Names the file, never its contents.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read.
    #[error("`{}` cannot be read: {}", .0.display(), .1.kind())]
    Unreadable(PathBuf, #[source] io::Error),
    /// It has no certificate, or an invalid one.
    #[error("`{}` holds no usable certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
    /// It has no private key.
    #[error("`{}` holds no private key in PEM form", .0.display())]
    NoKey(PathBuf),
}

/// Every certificate of a file, at least one, in its order.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(PemError::NoCertificate(path.to_owned())),
    }
}

/// The first private key of a file: PKCS #8, PKCS #1 or SEC 1.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| PemError::NoKey(path.to_owned()))
}

/// The authorities of a file; those that cannot be parsed are left out, as long as one can.
pub fn authorities(path: &Path) -> Result<RootCertStore, PemError> {
    let mut roots = RootCertStore::empty();
    match roots.add_parsable_certificates(certificates(path)?) {
        (0, _) => Err(PemError::NoCertificate(path.to_owned())),
        _ => Ok(roots),
    }
}

/// When a certificate expires, in seconds since 1970 (RFC 5280 §4.1.2.5); `None` if it cannot be parsed.
pub fn not_after(certificate: &CertificateDer<'_>) -> Option<u64> {
    let parsed = Certificate::from_der(certificate).ok()?;
    Some(parsed.tbs_certificate().validity().not_after.to_unix_duration().as_secs())
}

/// X.520, `id-at-commonName`.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// What a certificate calls its holder, in OpenSSL's words: the common name of its subject (`CN=acme`) and its other names
/// (`DNS:api.acme.example`, `URI:spiffe://corp/ns/acme`). Host names in small letters. None if it cannot be parsed.
pub fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(parsed) = Certificate::from_der(certificate) else { return Vec::new() };
    let parsed = parsed.tbs_certificate();
    // Several are none: nobody knows which of them the authority meant.
    let is_one = parsed.subject().iter().filter(|part| part.oid == COMMON_NAME).count() == 1;
    let common = parsed.subject().common_name().ok().flatten().filter(|_| is_one);
    let mut names: Vec<String> = common.iter().map(|name| format!("CN={}", name.value())).collect();
    if let Ok(Some((_, SubjectAltName(others)))) = parsed.get_extension::<SubjectAltName>() {
        names.extend(others.iter().filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(format!("DNS:{}", name.as_str().to_ascii_lowercase())),
            GeneralName::UniformResourceIdentifier(uri) => Some(format!("URI:{}", uri.as_str())),
            _ => None,
        }));
    }
    names
}

/// What is suspicious about a certificate in a CA file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// It is self-signed, may sign others, and names hosts: most likely a server shows it as its own, which our
    /// connections do not accept.
    AuthorityWithHosts,
    /// It has expired, or is not valid yet.
    OutOfDate,
}

/// Why a certificate of a CA file may not work as an authority; `None` if it looks right or cannot be parsed.
pub fn misuse(certificate: &CertificateDer<'_>, now: SystemTime) -> Option<Misuse> {
    let parsed = Certificate::from_der(certificate).ok()?;
    let parsed = parsed.tbs_certificate();
    let (now, validity) = (now.duration_since(UNIX_EPOCH).ok()?, parsed.validity());
    if now < validity.not_before.to_unix_duration() || validity.not_after.to_unix_duration() < now {
        return Some(Misuse::OutOfDate);
    }
    let constraints = parsed.get_extension::<BasicConstraints>().ok().flatten();
    let names = parsed.get_extension::<SubjectAltName>().ok().flatten();
    let (is_authority, names_hosts) =
        (constraints.is_some_and(|(_, each)| each.ca), names.is_some_and(|(_, names)| !names.0.is_empty()));
    let is_own = parsed.issuer() == parsed.subject();
    (is_own && is_authority && names_hosts).then_some(Misuse::AuthorityWithHosts)
}

/// The cryptography of every connection.
pub fn crypto() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn read(path: &Path) -> Result<Vec<u8>, PemError> {
    fs::read(path).map_err(|error| PemError::Unreadable(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_certificate_tells_when_it_ends() {
        let mut params = rcgen::CertificateParams::new(vec!["db".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let key = rcgen::KeyPair::generate().unwrap();
        let file = written(&params.self_signed(&key).unwrap().pem());
        let found = certificates(file.path()).unwrap();
        // date -u -d 2031-02-03 +%s
        assert_eq!(not_after(&found[0]), Some(1_927_843_200));
    }

    #[test]
    fn a_certificate_tells_its_names_by_their_kind_and_of_several_common_names_none() {
        let named = |common: &[&str], others: Vec<rcgen::SanType>| {
            let mut params = rcgen::CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            for (at, name) in common.iter().enumerate() {
                // rcgen keeps one of a kind: the second is an organization's, made a common name below.
                let kind = if at == 0 {
                    rcgen::DnType::CommonName
                } else {
                    rcgen::DnType::CustomDnType(vec![2, 5, 4, 3])
                };
                params.distinguished_name.push(kind, *name);
            }
            params.subject_alt_names = others;
            let key = rcgen::KeyPair::generate().unwrap();
            names(params.self_signed(&key).unwrap().der())
        };
        let dns = rcgen::SanType::DnsName("API.acme.example".try_into().unwrap());
        let uri = rcgen::SanType::URI("spiffe://corp/ns/acme/sa/web".try_into().unwrap());
        let address = rcgen::SanType::IpAddress("10.0.0.1".parse().unwrap());
        assert_eq!(
            named(&["acme"], vec![dns, uri, address]),
            ["CN=acme", "DNS:api.acme.example", "URI:spiffe://corp/ns/acme/sa/web"]
        );
        assert!(named(&["acme", "bolt"], Vec::new()).is_empty());
        assert!(names(&CertificateDer::from(vec![0, 1, 2])).is_empty());
    }

    #[test]
    fn a_file_that_is_no_use_is_named_with_what_it_lacks() {
        let empty = written("nothing");
        let broken = written("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        assert!(matches!(certificates(empty.path()), Err(PemError::NoCertificate(_))));
        assert!(matches!(private_key(empty.path()), Err(PemError::NoKey(_))));
        assert!(matches!(authorities(broken.path()), Err(PemError::NoCertificate(_))));
        let missing = certificates(Path::new("/no/such.pem")).unwrap_err();
        assert_eq!(missing.to_string(), "`/no/such.pem` cannot be read: entity not found");
    }
}
