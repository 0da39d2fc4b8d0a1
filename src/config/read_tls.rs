//! TLS: `tls` of `listeners[]` and of `rerank_api`, and the keys of `listeners[].upstream` for an `https://` one.

use super::{list, listener_tls::ListenerTlsConfig, problem::Problems, section::Section, setting};

pub(super) fn listener_tls(listener: &Section<'_>, problems: &mut Problems) -> Option<ListenerTlsConfig> {
    if !listener.has("tls") {
        return None;
    }
    let section = listener.inside("tls", &setting::keys(list::TLS), problems);
    for key in ["cert_file", "key_file"] {
        if !section.has(key) {
            section.complain(key, "TLS needs a certificate and its key, each in a PEM file.", problems);
        }
    }
    let mut tls = ListenerTlsConfig::new(Default::default(), Default::default());
    setting::read(list::TLS, &section, &mut tls, problems);
    Some(tls)
}

/// A certificate of ours is of no use without its key.
pub(super) fn client_certificate(section: &Section<'_>, problems: &mut Problems) {
    for (one, other) in [("client_cert_file", "client_key_file"), ("client_key_file", "client_cert_file")] {
        if section.has(one) && !section.has(other) {
            section.complain(one, format!("{one} and {other} are of use only together."), problems);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, path::Path};

    use crate::config::{Config, Flags, Problems, load, to_yaml};

    /// A folder with a certificate and its key.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["db".to_owned()]).unwrap();
        std::fs::write(folder.path().join("crt"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key"), made.signing_key.serialize_pem()).unwrap();
        folder
    }

    /// A listener with this `tls` and these keys of the upstream.
    fn try_load(folder: &Path, tls: &str, upstream: &str, env: &[(&str, &str)]) -> Result<Config, Problems> {
        let text = format!("listeners: [{{ tls: {tls}, upstream: {{ url: 'https://db'{upstream} }} }}]");
        let text = text.replace("DIR", folder.to_str().unwrap());
        let env: HashMap<String, String> =
            env.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        load(Some((Path::new("f.yaml"), &text)), &env, &Flags::default())
    }

    #[test]
    fn tls_is_read_printed_and_read_again() {
        let folder = folder();
        let config = try_load(
            folder.path(),
            "{ cert_file: DIR/crt, key_file: DIR/key, client_ca_file: DIR/crt, handshake_timeout: 3s }",
            ", ca_file: DIR/crt, client_cert_file: DIR/crt, client_key_file: DIR/key, server_name: a.b",
            &[],
        )
        .unwrap();
        let printed = to_yaml(&config);
        let again = printed.lines().filter(|l| !l.contains("api_key:")).collect::<Vec<_>>().join("\n");
        let again = load(Some((Path::new("f"), &again)), &HashMap::new(), &Flags::default()).unwrap();
        assert_eq!(again.listeners, config.listeners);
        assert_eq!(config.listeners[0].tls.as_ref().unwrap().handshake_timeout.as_secs(), 3);
        assert_eq!(config.listeners[0].upstream.server_name.as_ref().unwrap().to_str(), "a.b");
    }

    #[test]
    fn the_rerank_apis_tls_is_read_printed_and_read_again() {
        let folder = folder();
        let text = "rerank_api: { listen: '127.0.0.1:0', tls: { cert_file: DIR/crt, key_file: DIR/key } }";
        let read = |text: &str| load(Some((Path::new("f"), text)), &HashMap::new(), &Flags::default());
        let config = read(&text.replace("DIR", folder.path().to_str().unwrap())).unwrap();
        assert_eq!(config.rerank_api.tls.as_ref().unwrap().cert_file, folder.path().join("crt"));
        let printed = to_yaml(&config);
        let again = printed.lines().filter(|l| !l.contains("api_key:")).collect::<Vec<_>>().join("\n");
        assert_eq!(read(&again).unwrap().rerank_api.tls, config.rerank_api.tls);
        let problem = read(&text.replace("DIR", "/none")).unwrap_err().to_string();
        assert!(problem.contains("rerank_api.tls.cert_file"), "{problem}");
    }

    #[test]
    fn the_single_listeners_tls_can_come_from_the_environment() {
        let folder = folder();
        let (cert, key) = (folder.path().join("crt"), folder.path().join("key"));
        let pairs = [
            ("RERANKD_TLS__CERT_FILE", cert.to_str().unwrap()),
            ("RERANKD_TLS__KEY_FILE", key.to_str().unwrap()),
        ];
        let config = try_load(folder.path(), "null", "", &pairs).unwrap();
        assert_eq!(config.listeners[0].tls.as_ref().unwrap().cert_file, cert);
    }

    #[test]
    fn a_file_that_is_missing_or_of_no_use_is_reported_with_its_setting() {
        let folder = folder();
        for (tls, upstream, expected) in [
            ("{ cert_file: DIR/crt }", "", "listeners[0].tls.key_file: TLS needs a certificate and its key"),
            ("{ cert_file: DIR/key, key_file: DIR/key }", "", "listeners[0].tls.cert_file: `"),
            ("{ cert_file: DIR/crt, key_file: DIR/crt }", "", "holds no private key"),
            ("{ cert_file: DIR/crt, key_file: DIR/none }", "", "cannot be read"),
            ("{ cert: DIR/crt }", "", "did you mean `cert_file`"),
            ("{ cert_file: DIR/crt, key_file: DIR/key, client_ca_file: DIR/none }", "", "client_ca_file: "),
            ("null", ", ca_file: DIR/key", "upstream.ca_file: `"),
            ("null", ", client_cert_file: DIR/crt", "client_cert_file and client_key_file are of use only"),
            ("null", ", server_name: 'a b'", "is not a host name"),
        ] {
            let problems = try_load(folder.path(), tls, upstream, &[]).unwrap_err().to_string();
            assert!(problems.contains(expected), "{tls} {upstream} gave {problems}");
        }
    }

    #[test]
    fn an_authority_that_cannot_be_read_is_the_only_complaint_also_beside_tenants_that_show_certificates() {
        let folder = folder();
        let tls = "{ cert_file: DIR/crt, key_file: DIR/key, client_ca_file: DIR/none }";
        let text = format!(
            "listeners: [{{ tls: {tls}, upstream: {{ url: 'https://db' }} }}]\n\
             tenants: {{ names: {{ acme: {{ certificates: ['CN=acme'] }} }} }}\n"
        );
        let text = text.replace("DIR", folder.path().to_str().unwrap());
        let problems = load(Some((Path::new("f"), &text)), &HashMap::new(), &Flags::default()).unwrap_err();
        assert_eq!(problems.0.len(), 1, "{problems}");
        assert_eq!(problems.0[0].path, "listeners[0].tls.client_ca_file");
    }
}
