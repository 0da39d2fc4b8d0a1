//! Instructions that nobody would read.

use super::{Config, RerankConfig};
use crate::rerank::{ProviderKind, ProviderSettings, instructed};

impl Config {
    /// The names of a section's providers that take an instruction.
    pub fn instruction_takers(&self, section: &RerankConfig) -> Vec<String> {
        takers(self, section).0.into_iter().map(str::to_owned).collect()
    }
}

/// The names of a section's providers that take an instruction, and of those that take none.
fn takers<'a>(config: &'a Config, section: &'a RerankConfig) -> (Vec<&'a str>, Vec<&'a str>) {
    let named =
        section.providers.iter().filter_map(|name| config.providers.iter().find(|each| each.name == *name));
    let (takers, others): (Vec<_>, Vec<_>) = named.partition(|each| match &each.kind {
        ProviderKind::Http(http) => {
            instructed(http.kind, &http.base_url, http.model.as_deref().unwrap_or_default()).is_some()
        }
        ProviderKind::Lexical(_) => false,
    });
    let names = |all: Vec<&'a ProviderSettings>| all.into_iter().map(|each| &*each.name).collect();
    (names(takers), names(others))
}

/// One sentence for each section with an instruction that some of its providers do not take.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let routes = config.routes.iter().enumerate().filter(|(_, route)| {
        let (own, base) = (&route.rerank, &config.rerank);
        (&own.instruction, &own.allow.instructions, &own.providers)
            != (&base.instruction, &base.allow.instructions, &base.providers)
    });
    let routes = routes.map(|(at, route)| (format!("routes[{at}]"), &route.rerank));
    // What a tenant says lies over every route, too.
    let tenants = config.tenants.each.iter().filter(|tenant| {
        let (own, base) = (&tenant.rerank, &config.rerank);
        (&own.instruction, &own.allow.instructions, &own.providers)
            != (&base.instruction, &base.allow.instructions, &base.providers)
    });
    let tenants = tenants.map(|tenant| (format!("tenants.names.{}", tenant.name), &tenant.rerank));
    let sections = std::iter::once(("rerank".to_owned(), &config.rerank)).chain(routes).chain(tenants);
    let told = sections.filter_map(|(path, section)| {
        let key = match (&section.instruction, section.allow.instructions.is_empty()) {
            (Some(_), _) => "instruction",
            (None, false) => "allow.instructions",
            (None, true) => return None,
        };
        let (takers, others) = takers(config, section);
        let names = others.join(", ");
        match (takers.is_empty(), others.is_empty()) {
            (_, true) => None,
            (true, false) => Some(format!(
                "{path}.{key} is never sent: {names} takes no instruction; providers of kind voyage (rerank-2.5) and vllm do."
            )),
            (false, false) => Some(format!(
                "{path}.{key} is sent to {} alone: {names} takes no instruction, and ranks without it.",
                takers.join(", ")
            )),
        }
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use crate::config::tests::try_load;

    fn warnings(rerank: &str, more: &str) -> Vec<String> {
        let text =
            format!("listeners: [{{ upstream: {{ url: 'http://db' }} }}]\nrerank: {{ {rerank} }}\n{more}");
        let config = try_load(&text, &[("VOYAGE_API_KEY", "k"), ("CO_API_KEY", "k")]).unwrap();
        super::warnings(&config)
    }

    #[test]
    fn an_instruction_that_a_provider_does_not_take_is_warned_of() {
        let providers = "providers: { cohere: {}, voyage: {}, old: { kind: voyage, model: rerank-2 } }";
        for (rerank, said) in [
            ("providers: [voyage], instruction: 'Prefer laws.'", &[][..]),
            ("providers: [cohere]", &[]),
            (
                "providers: [cohere, lexical], instruction: x",
                &["rerank.instruction is never sent: cohere, lexical takes"],
            ),
            (
                "providers: [old], allow: { instructions: [x] }",
                &["rerank.allow.instructions is never sent: old takes"],
            ),
            (
                "providers: [voyage, lexical], instruction: x",
                &["is sent to voyage alone: lexical takes no instruction"],
            ),
        ] {
            let warned = warnings(rerank, providers);
            assert_eq!(warned.len(), said.len(), "{rerank}: {warned:?}");
            assert!(
                warned.iter().zip(said).all(|(warned, said)| warned.contains(said)),
                "{rerank}: {warned:?}"
            );
        }
        let route = format!("{providers}\nroutes: [{{ collection: a, providers: [lexical] }}]");
        let warned = warnings("providers: [voyage], instruction: x", &route);
        assert!(
            warned.len() == 1 && warned[0].starts_with("routes[0].instruction is never sent"),
            "{warned:?}"
        );
        let tenant = format!(
            "{providers}\ntenants: {{ names: {{ acme: {{ collection: 'acme-*', instruction: x }} }} }}"
        );
        let warned = warnings("providers: [cohere]", &tenant);
        assert!(
            warned.len() == 1 && warned[0].starts_with("tenants.names.acme.instruction is never sent"),
            "{warned:?}"
        );
    }
}
