//! Every setting, one list a section. A new setting is a line here, a field with its default in the settings type of
//! the module that uses it, and its use.

mod embeddings;
mod listener;
mod others;
mod provider;
mod rerank;
mod telemetry;
mod tenants;

pub(super) use embeddings::{EMBEDDINGS, SERVICE};
pub(super) use listener::{LISTENER, SIGN, TLS};
pub(super) use others::{ADMIN, CACHE, INSPECTOR, LIMITS, MEMORY_SECTION, REDIS, RERANK_API, SHUTDOWN};
pub(super) use provider::{HTTP, LEXICAL, LIMITS as PROVIDER_LIMITS, is_of};
pub(super) use rerank::{RERANK, ROUTE};
pub(super) use telemetry::TELEMETRY;
pub(super) use tenants::{NOT_OF_TENANTS, TENANT, TENANTS};

use super::{
    ListenerConfig, ListenerTlsConfig, RedisConfig, ServiceConfig, SignConfig, TenantConfig,
    kind::Kind,
    setting::{By, Reload, Setting},
};
use crate::{
    fleet::Address,
    rerank::{ApiKey, HttpKind, HttpSettings, LexicalSettings, ProviderKind, ProviderSettings},
    signing::Service,
};

/// A setting as it is published.
pub(super) struct Listed {
    /// Its path, members of lists under `[]`, of providers under `<name>`.
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    /// Its default, as a file says it.
    pub(super) default: String,
    pub(super) flag: Option<&'static str>,
    pub(super) reload: Reload,
}

impl Listed {
    /// Its key in its section.
    pub(super) fn key(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// The path of its section.
    pub(super) fn section(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// The variable that sets it, that of a provider named `cohere`; lists of sections have none.
    pub(super) fn variable(&self) -> Option<String> {
        let path = self.path.strip_prefix("listeners[].").unwrap_or(&self.path);
        let is_one = !path.contains('[') && (!matches!(self.kind, Kind::Section) || path == "cache.redis");
        let example = match path.split('.').next() {
            Some("embeddings") => "openai",
            Some("tenants") => "acme",
            _ => "cohere",
        };
        let path = path.replace("<name>", example).replace('.', "__").to_ascii_uppercase();
        is_one.then(|| format!("RERANKD_{path}"))
    }
}

/// Every setting, in the order of the reference file.
pub(super) fn entries() -> Vec<Listed> {
    let tls = || ListenerTlsConfig::new("/tls/tls.crt".into(), "/tls/tls.key".into());
    let listener = ListenerConfig::before(http::Uri::from_static("http://127.0.0.1:6333/"));
    let lexical = ProviderKind::Lexical(LexicalSettings::default());
    let mut all = of("listeners[]", LISTENER, listener);
    all.extend(of("listeners[].tls", TLS, tls()));
    let sign = SignConfig::new(Service::Es, "eu-west-1".to_owned());
    all.extend(of("listeners[].upstream.sign", SIGN, sign));
    all.extend(of("admin", ADMIN, Default::default()));
    all.extend(of("inspector", INSPECTOR, Default::default()));
    all.extend(of("rerank", RERANK, Default::default()));
    all.extend(of("routes[]", ROUTE, "legal-*".to_owned()));
    let of_routes = of("routes[]", RERANK, Default::default()).into_iter();
    all.extend(of_routes.filter(|entry| entry.key() != "collections"));
    all.extend(of("tenants", TENANTS, Default::default()));
    let tenant = TenantConfig::named("", &Default::default(), []);
    all.extend(of("tenants.names.<name>", TENANT, tenant));
    let of_tenants = of("tenants.names.<name>", RERANK, Default::default()).into_iter();
    all.extend(of_tenants.filter(|entry| !NOT_OF_TENANTS.contains(&entry.key())));
    all.extend(of("providers.<name>", HTTP, HttpSettings::new(HttpKind::Cohere, ApiKey::Missing)));
    all.extend(of("providers.<name>", PROVIDER_LIMITS, ProviderSettings::new("", lexical)));
    let of_lexical = of("providers.<name>", LEXICAL, LexicalSettings::default()).into_iter();
    all.extend(of_lexical.filter(|entry| entry.key() != "kind"));
    all.extend(of("rerank_api", RERANK_API, Default::default()));
    all.extend(of("rerank_api.tls", TLS, tls()));
    all.extend(of("embeddings", EMBEDDINGS, Default::default()));
    all.extend(of("embeddings.tls", TLS, tls()));
    all.extend(of("embeddings.services.<name>", SERVICE, ServiceConfig::named("openai")));
    all.extend(of("cache", CACHE, Default::default()));
    if let Ok(address) = Address::parse("redis://127.0.0.1:6379/0") {
        all.extend(of("cache.redis", REDIS, RedisConfig::at(address)));
    }
    all.extend(of("limits", LIMITS, Default::default()));
    all.extend(of("memory", MEMORY_SECTION, Default::default()));
    all.extend(of("shutdown", SHUTDOWN, Default::default()));
    all.extend(of("telemetry", TELEMETRY, Default::default()));
    all
}

fn of<T>(section: &str, settings: &[Setting<T>], mut default: T) -> Vec<Listed> {
    let read = settings.iter().filter(|setting| setting.is_read());
    let entry = |setting: &Setting<T>| Listed {
        path: format!("{section}.{}", setting.key),
        kind: setting.kind,
        help: setting.help,
        default: match setting.by {
            By::Read(default) => default.to_owned(),
            _ => setting.text(&mut default).unwrap_or_else(|| "null".to_owned()),
        },
        flag: setting.flag,
        reload: setting.reload,
    };
    read.map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_listed_once_with_its_help_and_every_choice_in_it() {
        let all = entries();
        assert!(all.len() > 100, "{}", all.len());
        for (at, entry) in all.iter().enumerate() {
            let (path, help) = (&entry.path, entry.help);
            assert!(all.iter().skip(at + 1).all(|other| other.path != *path), "{path} twice");
            assert!(!help.is_empty() && !help.ends_with('.'), "{path}: {help}");
            let choices = entry.kind.choices().iter().filter(|_| entry.key() != "kind");
            choices.for_each(|word| assert!(help.contains(word), "{path} does not tell of {word}: {help}"));
        }
    }
}
