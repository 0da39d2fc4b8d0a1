//! What can be meant but most likely is not: reported by `check` and at start, and loaded all the same.

mod authorities;
mod described;
mod patterns;

use super::{Config, instructions, read_telemetry::ENDPOINTS};
use crate::{search::FieldSet, signing::SignedClients};

impl Config {
    /// One sentence each, with its setting. Blocks on the disk.
    pub fn warnings(&self) -> Vec<String> {
        [
            collections(self),
            patterns::routes(self),
            fields(self),
            authorities::authorities(self),
            described::walks(self),
            described::columns(self),
            described::lists(self),
            lent(self),
            ignored(self),
            instructions::warnings(self),
            networks(self),
            patterns::shadowed(self),
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
    let warning = |name: &&str| match (telemetry.endpoint.is_some(), ENDPOINTS.contains(name)) {
        (false, true) => Some(format!(
            "{name}: its value is not understood, so that there are no traces: a URL begins with http:// or https://, also \
             for gRPC (docs/traces.md)."
        )),
        (true, _) => Some(format!("{name}: its value is not understood, and left out (docs/traces.md).")),
        (false, false) => None,
    };
    telemetry.ignored.iter().filter_map(warning).collect()
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

#[cfg(test)]
mod tests {
    use crate::config::tests::good;

    #[test]
    fn collections_that_are_only_kept_out_leave_none() {
        let said = good("rerank: { collections: ['-hr-*', '-.*'] }", &[]).warnings();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("rerank.collections: [-hr-*, -.*] only keeps out"), "{said:?}");
        assert!(good("rerank: { collections: ['*', '-hr-*'] }", &[]).warnings().is_empty());
    }

    #[test]
    fn a_name_with_a_blank_in_it_is_reported_with_the_list_that_was_meant() {
        let said = good("rerank: { fields: 'title body' }", &[]).warnings();
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("rerank.fields: ") && said[0].ends_with("[title, body]."), "{said:?}");
        assert!(good("rerank: { fields: [title, body] }", &[]).warnings().is_empty());
    }
}
