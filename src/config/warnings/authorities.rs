//! Certificates that will not do what they are there for.

use std::path::Path;

use crate::{
    config::Config,
    rerank::ProviderKind,
    tls::{self, Misuse},
};

/// Certificates in a `ca_file` that will not do what they are there for.
pub(super) fn authorities(config: &Config) -> Vec<String> {
    let listeners = config.listeners.iter().enumerate();
    let upstreams = listeners
        .map(|(at, each)| (format!("listeners[{at}].upstream.ca_file"), each.upstream.ca_file.as_deref()));
    let providers = config.providers.iter().map(|each| {
        let file = match &each.kind {
            ProviderKind::Http(http) => http.ca_file.as_deref(),
            ProviderKind::Lexical(_) => None,
        };
        (format!("providers.{}.ca_file", each.name), file)
    });
    let redis = config
        .cache
        .redis
        .iter()
        .map(|each| ("cache.redis.ca_file".to_owned(), each.fleet.ca_file.as_deref()));
    let services = config.embeddings.services.iter();
    let services =
        services.map(|each| (format!("embeddings.services.{}.ca_file", each.name), each.ca_file.as_deref()));
    let files = upstreams.chain(providers).chain(services).chain(redis);
    files.flat_map(|(setting, file)| file.map(|file| of_file(&setting, file)).unwrap_or_default()).collect()
}

fn of_file(setting: &str, file: &Path) -> Vec<String> {
    let certificates = tls::certificates(file).unwrap_or_default();
    let mut said: Vec<String> = certificates
        .iter()
        .filter_map(|certificate| tls::misuse(certificate, std::time::SystemTime::now()))
        .map(|misuse| match misuse {
            Misuse::AuthorityWithHosts => format!(
                "{setting}: a certificate in it is an authority (CA:TRUE) that names hosts, as `openssl req -x509` \
                 makes them. If it is the server's own, it is not trusted as such (tls_ca_as_end_entity): make the \
                 server one with `-addext basicConstraints=critical,CA:FALSE`, or one that this authority has signed."
            ),
            Misuse::OutOfDate => {
                format!("{setting}: a certificate in it is not valid today: nothing that it signed is trusted.")
            }
        })
        .collect();
    said.dedup();
    said
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn an_authority_that_may_be_used_as_a_servers_own_certificate_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let key = rcgen::KeyPair::generate().unwrap();
        let authority = |hosts: &[&str], ca: bool, year: i32| {
            let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
            let mut params = rcgen::CertificateParams::new(hosts).unwrap();
            let limit = rcgen::BasicConstraints::Unconstrained;
            params.is_ca = if ca { rcgen::IsCa::Ca(limit) } else { rcgen::IsCa::ExplicitNoCa };
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            params.self_signed(&key).unwrap().pem()
        };
        let text = format!(
            "listeners: [{{ upstream: {{ url: 'https://localhost:9200', ca_file: '{0}' }} }}]\n\
             providers: {{ tei: {{ kind: tei, base_url: 'https://tei', ca_file: '{0}' }} }}",
            file.display()
        );
        for (pem, word) in [
            (authority(&["localhost", "127.0.0.1"], true, 4000), Some("CA:TRUE")),
            (authority(&[], true, 4000), None),
            (authority(&["localhost"], false, 4000), None),
            (authority(&[], true, 2001), Some("not valid today")),
        ] {
            fs::write(&file, pem).unwrap();
            let said = crate::config::tests::try_load(&text, &[]).unwrap().warnings();
            assert_eq!(said.len(), if word.is_some() { 2 } else { 0 }, "{said:?}");
            let Some(word) = word else { continue };
            assert!(
                said[0].starts_with("listeners[0].upstream.ca_file: ") && said[0].contains(word),
                "{said:?}"
            );
            assert!(said[1].starts_with("providers.tei.ca_file: "), "{said:?}");
        }
    }
}
