//! What can be meant but most likely is not: reported by `check` and at start, and loaded all the same.

use std::path::Path;

use super::{Config, RerankConfig, TenantConfig, instructions};
use crate::{
    dialect::paths::{FieldForm, Hits, Operation},
    rerank::ProviderKind,
    search::FieldSet,
    signing::SignedClients,
    tls::{self, Misuse},
};

impl Config {
    /// One sentence each, with its setting. Blocks on the disk.
    pub fn warnings(&self) -> Vec<String> {
        [
            collections(self),
            routes(self),
            fields(self),
            authorities(self),
            walks(self),
            columns(self),
            lists(self),
            lent(self),
            ignored(self),
            instructions::warnings(self),
            networks(self),
            shadowed(self),
        ]
        .concat()
    }
}

/// Collections of which none is let in.
fn collections(config: &Config) -> Vec<String> {
    let patterns = &config.rerank.collections;
    if patterns.is_empty() || patterns.iter().any(|pattern| !pattern.starts_with('-')) {
        return Vec::new();
    }
    vec![format!(
        "rerank.collections: [{}] only keeps out, so that nothing is reranked; write \"*\" beside it to let in all \
         others.",
        patterns.join(", ")
    )]
}

/// Variables of the OpenTelemetry specification that mean nothing here.
fn ignored(config: &Config) -> Vec<String> {
    let telemetry = &config.telemetry;
    let names = telemetry.ignored.iter().filter(|_| telemetry.endpoint.is_some());
    names.map(|name| format!("{name}: its value is not understood, and left out (docs/traces.md).")).collect()
}

/// Networks from which anybody could say that he is a tenant.
fn networks(config: &Config) -> Vec<String> {
    let wide = config.tenants.networks.iter().filter(|network| network.prefix_len() == 0);
    let warning = |network| {
        format!(
            "tenants.networks: {network} is everybody: whoever reaches a listener names his tenant himself. Name the \
             gateway's own network."
        )
    };
    wide.map(warning).collect()
}

/// Tenants whose collections are those of an earlier one.
fn shadowed(config: &Config) -> Vec<String> {
    let each = config.tenants.each.iter().enumerate();
    each.flat_map(|(at, tenant)| {
        let before = config.tenants.each.iter().take(at);
        let earlier = move |pattern: &String| {
            let mut before = before.clone();
            Some((pattern.clone(), before.find(|each| each.collections.iter().any(|other| covers(other, pattern)))?))
        };
        let warning = move |(pattern, other): (String, &TenantConfig)| {
            format!(
                "tenants.names.{}.collection: `{pattern}` never applies, since {} comes first and takes all of it.",
                tenant.name, other.name
            )
        };
        tenant.collections.iter().filter_map(earlier).map(warning)
    })
    .collect()
}

/// Credentials that anyone on the network is lent.
fn lent(config: &Config) -> Vec<String> {
    let listeners = config.listeners.iter().enumerate();
    let open = listeners.filter(|(_, each)| {
        let known = each.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
        let any = each.upstream.sign.as_ref().is_some_and(|sign| sign.clients == SignedClients::Any);
        any && !known && !each.listen.ip().is_loopback()
    });
    let warning = |at: usize, listen| {
        format!(
            "listeners[{at}].upstream.sign.clients: any lends this process's AWS credentials to everyone who reaches \
             {listen}; listen on the loopback interface, set tls.client_ca_file, or have a network policy."
        )
    };
    open.map(|(at, each)| warning(at, each.listen)).collect()
}

/// Routes that can never apply.
fn routes(config: &Config) -> Vec<String> {
    let earlier = |at: usize, pattern: &str| {
        let mut before = config.routes.iter().take(at).enumerate();
        before.find(|(_, other)| covers(&other.collection, pattern))
    };
    let routes = config.routes.iter().enumerate();
    routes
        .filter_map(|(at, route)| {
            let (by, other) = earlier(at, &route.collection)?;
            Some(format!(
                "routes[{at}].collection: `{}` never applies, since routes[{by}] (`{}`) comes first and takes all of \
                 it; put the narrower route first.",
                route.collection, other.collection
            ))
        })
        .collect()
}

/// Described searches that are widened though their responses seem to continue by a cursor.
fn walks(config: &Config) -> Vec<String> {
    const SIGNS: [&str; 5] = ["cursor", "next", "scroll", "continu", "token"];
    let is_cursor = |path: &&Vec<String>| {
        let key = path.last().map(|key| key.to_ascii_lowercase()).unwrap_or_default();
        SIGNS.iter().any(|sign| key.contains(sign))
    };
    let mut warnings = Vec::new();
    for (at, listener) in config.listeners.iter().enumerate() {
        let own = listener.definition.as_ref().filter(|_| listener.dialect_file.is_some());
        for each in own.iter().flat_map(|definition| &definition.operations).filter(|each| each.limit_decides)
        {
            if let Some(path) = each.response.leave_alone.iter().find(is_cursor) {
                warnings.push(format!(
                    "listeners[{at}].dialect_file: operations.{} has limit_decides, and leaves responses with `{}` \
                     alone: if every response has that member, also as null, each widened search is sent a second \
                     time; leave limit_decides out then.",
                    each.name,
                    path.join(".")
                ));
            }
        }
    }
    warnings
}

/// The operations of described databases, each with its listener's number.
fn operations(config: &Config) -> impl Iterator<Item = (usize, &Operation)> {
    config.listeners.iter().enumerate().flat_map(|(at, listener)| {
        listener.definition.iter().flat_map(move |of| of.operations.iter().map(move |each| (at, each)))
    })
}

/// The section that reranks by default, and those of routes, with the setting of each.
fn sections(config: &Config) -> impl Iterator<Item = (String, &RerankConfig)> {
    let routes = config.routes.iter().enumerate().map(|(at, route)| (format!("routes[{at}]"), &route.rerank));
    std::iter::once(("rerank".to_owned(), &config.rerank)).chain(routes)
}

/// Annotations that are wanted where there is no place for them.
fn columns(config: &Config) -> Vec<String> {
    let Some((setting, _)) = sections(config).find(|(_, section)| section.annotate) else {
        return Vec::new();
    };
    let in_columns = |(_, each): &(usize, &Operation)| matches!(each.response.hits, Hits::Columns(_));
    operations(config)
        .filter(in_columns)
        .map(|(at, each)| {
            format!(
                "{setting}.annotate writes nothing into the responses to `{}` of listeners[{at}]: their hits stand in \
                 columns.",
                each.name
            )
        })
        .collect()
}

/// Every field is wanted where requests name those that come.
fn lists(config: &Config) -> Vec<String> {
    let all = sections(config).find(|(_, section)| section.fields == FieldSet::All);
    let Some((setting, _)) = all else { return Vec::new() };
    let named = |(_, each): &(usize, &Operation)| {
        let rows = matches!(each.response.hits, Hits::Rows(_));
        rows && !each.fields.at.is_empty() && each.fields.form != FieldForm::Switch
    };
    operations(config)
        .filter(named)
        .map(|(at, each)| {
            format!(
                "{setting}.fields is every field: where a search names its fields (`{}` of listeners[{at}]), documents \
                 are made of those alone; names in {setting}.fields are asked for.",
                each.name
            )
        })
        .collect()
}

/// Whether every name that matches `narrow` matches `wide`. Never yes where it does not.
fn covers(wide: &str, narrow: &str) -> bool {
    // For each beginning of `wide`, whether it covers what has been read of `narrow`.
    let mut covered: Vec<bool> = vec![true];
    covered.extend(wide.chars().scan(true, |all, sign| {
        *all &= sign == '*';
        Some(*all)
    }));
    for sign in narrow.chars() {
        let mut next = vec![false];
        for (pattern, before) in wide.chars().zip(covered.windows(2)) {
            let (shorter, same) = (before.first() == Some(&true), before.last() == Some(&true));
            let covers = match pattern {
                '*' => same || next.last() == Some(&true),
                '?' => sign != '*' && shorter,
                literal => sign == literal && shorter,
            };
            next.push(covers);
        }
        covered = next;
    }
    covered.last().copied().unwrap_or_default()
}

/// Names of fields that look like several.
fn fields(config: &Config) -> Vec<String> {
    let routes =
        config.routes.iter().enumerate().filter(|(_, each)| each.rerank.fields != config.rerank.fields);
    let routes = routes.map(|(at, each)| (format!("routes[{at}].fields"), &each.rerank.fields));
    let sections = std::iter::once(("rerank.fields".to_owned(), &config.rerank.fields)).chain(routes);
    sections
        .flat_map(|(setting, fields)| {
            let names: &[String] = if let FieldSet::Named(names) = fields { names } else { &[] };
            let several = names.iter().filter(|name| name.trim().contains(char::is_whitespace));
            several
                .map(|name| {
                    let parts: Vec<&str> = name.split_whitespace().collect();
                    format!(
                        "{setting}: `{name}` is the name of one field; several are written as a list: [{}].",
                        parts.join(", ")
                    )
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Certificates in a `ca_file` that will not do what they are there for.
fn authorities(config: &Config) -> Vec<String> {
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

    use proptest::prelude::*;
    use wildmatch::WildMatch;

    use super::*;
    use crate::config::tests::good;

    #[test]
    fn a_route_behind_a_wider_one_is_reported() {
        for (one, other, never) in [
            ("legal-*", "legal-eu", true),
            ("*", "a", true),
            ("a", "a", true),
            ("a*", "a*b", true),
            ("*", "*", true),
            ("?", "a", true),
            ("a*c", "a?c", true),
            ("legal-eu", "legal-*", false),
            ("?", "*", false),
            ("a*", "b*", false),
            ("a?", "a", false),
            ("*a", "a*", false),
        ] {
            let config =
                good(&format!("routes: [{{ collection: '{one}' }}, {{ collection: '{other}' }}]"), &[]);
            let said = config.warnings();
            assert_eq!(said.len(), usize::from(never), "{one} before {other}: {said:?}");
            assert!(!never || said[0].starts_with("routes[1].collection: "), "{said:?}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_that_covers_another_matches_whatever_that_matches(
            wide in "[ab*?]{0,5}", narrow in "[ab*?]{0,5}", name in "[ab]{0,6}",
        ) {
            if covers(&wide, &narrow) && WildMatch::new(&narrow).matches(&name) {
                prop_assert!(WildMatch::new(&wide).matches(&name));
            }
        }
    }

    #[test]
    fn collections_that_are_only_kept_out_leave_none() {
        let said = good("rerank: { collections: ['-hr-*', '-.*'] }", &[]).warnings();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("rerank.collections: [-hr-*, -.*] only keeps out"), "{said:?}");
        assert!(good("rerank: { collections: ['*', '-hr-*'] }", &[]).warnings().is_empty());
    }

    #[test]
    fn a_described_search_that_is_widened_and_may_go_on_by_a_cursor_is_reported() {
        let (dir, file) = (tempfile::tempdir().unwrap(), "acme.yaml");
        let file = dir.path().join(file);
        let text = format!(
            "listeners: [{{ upstream: {{ url: 'http://h' }}, dialect: paths, dialect_file: '{}' }}]",
            file.display()
        );
        let said = |widens: &str, alone: &str| {
            let definition = format!(
                "operations: {{ find: {{ path: /a, limit: k, limit_decides: {widens}, response: {{ hits: h, leave_alone: [{alone}] }} }} }}"
            );
            fs::write(&file, definition).unwrap();
            crate::config::tests::try_load(&text, &[]).unwrap().warnings()
        };
        let warned = said("true", "meta.next_cursor");
        assert!(warned.len() == 1 && warned[0].contains("`meta.next_cursor`"), "{warned:?}");
        assert!(said("false", "meta.next_cursor").is_empty() && said("true", "groups").is_empty());
    }

    #[test]
    fn annotations_and_every_field_are_reported_where_a_described_database_has_no_way_for_them() {
        let said = |dialect: &str, rerank: &str| {
            let text = format!(
                "listeners: [{{ upstream: {{ url: 'http://h' }}, dialect: {dialect} }}]\nrerank: {{ {rerank} }}"
            );
            crate::config::tests::try_load(&text, &[]).unwrap().warnings()
        };
        let annotated = said("chroma", "annotate: true");
        assert!(
            annotated.len() == 1 && annotated[0].starts_with("rerank.annotate writes nothing"),
            "{annotated:?}"
        );
        assert!(said("solr", "annotate: true").is_empty() && said("chroma", "annotate: false").is_empty());
        let listed = said("solr", "fields: '*'");
        assert!(listed.len() == 1 && listed[0].contains("(`select` of listeners[0])"), "{listed:?}");
        assert!(said("chroma", "fields: '*'").is_empty() && said("solr", "fields: [text]").is_empty());
    }

    #[test]
    fn a_name_with_a_blank_in_it_is_reported_with_the_list_that_was_meant() {
        let said = good("rerank: { fields: 'title body' }", &[]).warnings();
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("rerank.fields: ") && said[0].ends_with("[title, body]."), "{said:?}");
        assert!(good("rerank: { fields: [title, body] }", &[]).warnings().is_empty());
    }

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
