//! Reading `listeners[].upstream.sign`.

use super::{DialectChoice, list, problem::Problems, section::Section, setting, sign::SignConfig};
use crate::signing::Service;

/// `upstream` is the section around it, `dialect` that of its listener.
pub(super) fn sign(
    upstream: &Section<'_>,
    dialect: DialectChoice,
    problems: &mut Problems,
) -> Option<SignConfig> {
    if !upstream.has("sign") {
        return None;
    }
    let section = upstream.inside("sign", &setting::keys(list::SIGN), problems);
    for (key, sentence) in [
        ("service", "signing needs the AWS service: es (a domain) or aoss (a serverless collection)."),
        ("region", "signing needs the AWS region that the database is in, such as eu-west-1."),
    ] {
        if !section.has(key) {
            section.complain(key, sentence, problems);
        }
    }
    if !matches!(dialect, DialectChoice::Auto | DialectChoice::Elasticsearch | DialectChoice::None) {
        let sentence = format!(
            "it is Amazon OpenSearch to which requests are signed, and dialect is {}; write elasticsearch.",
            dialect.as_str()
        );
        upstream.complain("sign", sentence, problems);
    }
    let mut sign = SignConfig::new(Service::Es, String::new());
    setting::read(list::SIGN, &section, &mut sign, problems);
    let is_region = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !sign.region.chars().all(is_region) {
        let sentence = format!("`{}` is no AWS region, such as eu-west-1.", sign.region);
        section.complain("region", sentence, problems);
    }
    Some(sign)
}

#[cfg(test)]
mod tests {
    use crate::{
        config::{SignConfig, tests::try_load, to_yaml},
        signing::{Service, SignedClients},
    };

    fn said(sign: &str, more: &str) -> String {
        let text = format!("listeners: [{{ upstream: {{ url: 'https://db', sign: {sign} }}{more} }}]");
        match try_load(&text, &[]) {
            Ok(config) => format!("{:?}", config.listeners[0].upstream.sign),
            Err(problems) => problems.to_string(),
        }
    }

    #[test]
    fn signing_is_off_and_with_service_and_region_lends_to_signed_clients_only() {
        assert_eq!(said("null", ""), "None");
        let sign = SignConfig::new(Service::Aoss, "eu-west-1".to_owned());
        assert_eq!(sign.clients, SignedClients::Signed);
        assert_eq!(said("{ service: aoss, region: eu-west-1 }", ""), format!("{:?}", Some(sign)));
        let any = said("{ service: es, region: eu-west-1, clients: any }", ", dialect: elasticsearch");
        assert!(any.contains("Es") && any.contains("Any"), "{any}");
    }

    #[test]
    fn what_is_missing_or_does_not_go_together_is_a_problem() {
        for (sign, more, part) in [
            ("{ region: eu-west-1 }", "", "upstream.sign.service: signing needs the AWS service"),
            ("{ service: es }", "", "upstream.sign.region: signing needs the AWS region"),
            ("{ service: s3, region: a }", "", "`s3` is not one of es, aoss"),
            ("{ service: es, region: 'eu west' }", "", "upstream.sign.region: "),
            ("{ service: es, region: a, who: any }", "", "who"),
            ("{ service: es, region: a }", ", dialect: qdrant", "dialect is qdrant; write elasticsearch"),
        ] {
            let said = said(sign, more);
            assert!(said.contains(part), "{sign}{more}: {said}");
        }
    }

    #[test]
    fn it_is_printed_and_read_again_and_has_variables() {
        let text = "listeners: [{ upstream: { url: 'https://db', sign: { service: es, region: eu-west-1, clients: any } } }]";
        let config = try_load(text, &[]).unwrap();
        let printed = to_yaml(&config);
        let listeners = printed.split("\nadmin:").next().unwrap();
        let again = try_load(listeners, &[]).unwrap_or_else(|problems| panic!("{problems}\n{printed}"));
        assert_eq!(again.listeners, config.listeners);
        let env = [
            ("RERANKD_UPSTREAM__URL", "https://db"),
            ("RERANKD_UPSTREAM__SIGN__SERVICE", "es"),
            ("RERANKD_UPSTREAM__SIGN__REGION", "eu-west-1"),
            ("RERANKD_UPSTREAM__SIGN__CLIENTS", "any"),
        ];
        let of_variables = try_load("", &env).unwrap();
        assert_eq!(of_variables.listeners[0].upstream.sign, config.listeners[0].upstream.sign);
    }
}
