//! A provider: its key, one scored pair, limits, certificate and clock.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::{database::sentence, facts, report::Section};
use crate::{
    config::{Config, Mode},
    rerank::{ApiKey, FailureClass, HttpSettings, ProviderKind, ProviderSettings, Trial, trial},
    telemetry::chain,
};

/// Timeout of the pair; a provider's own timeout may be shorter.
const MAX_WAIT: Duration = Duration::from_secs(15);

/// Checks one provider, if it can be called.
pub(super) async fn check(
    config: &Config,
    provider: &ProviderSettings,
    env: &HashMap<String, String>,
) -> Section {
    let name = format!("providers.{}", provider.name);
    let ProviderKind::Http(http) = &provider.kind else {
        let mut section = Section::new(name, "lexical");
        section.good("scored pair", "scores are computed in this process: nothing is to be reached");
        return section;
    };
    let model = http.model.as_deref().unwrap_or("the server's own model");
    let mut section = Section::new(name, format!("{}, {model}", http.kind.as_str()));
    if provider.lacks_key() {
        lacks_key(&mut section, config, provider, http);
        return section;
    }
    match &http.api_key {
        ApiKey::Secret(key) => section.good("key", key_source(http, key.expose_secret(), env)),
        ApiKey::NotNeeded | ApiKey::Missing => section.note("key", "none, and none is needed"),
    }
    match timeout(MAX_WAIT + Duration::from_secs(1), trial(&provider.name, http, MAX_WAIT)).await {
        Ok(Ok(tried)) => tried_pair(&mut section, config, provider, &tried),
        Ok(Err(error)) => section.problem("scored pair", chain(&error), "See the settings of this provider."),
        Err(_) => {
            section.problem("scored pair", "no response (silent)", "See its address, and what is between.")
        }
    }
    section
}

/// Without a key a provider is not used: a problem where nothing else can score.
fn lacks_key(section: &mut Section, config: &Config, provider: &ProviderSettings, http: &HttpSettings) {
    let variables = http.kind.facts().key_variables.join(" or ");
    let variables = if variables.is_empty() { String::new() } else { format!("{variables}, or ") };
    let remedy = format!("Set {variables}api_key_file under providers.{}.", provider.name);
    let alone = !config.used_providers().iter().any(|other| !other.lacks_key());
    if config.rerank.mode == Mode::Off && config.routes.is_empty() && config.rerank_api.listen.is_none() {
        section.note("key", "none, and rerank.mode is off");
    } else if alone {
        section.problem("key", "none: nothing is reranked, searches are forwarded", remedy);
    } else {
        section.warning("key", "none: this provider is left out", remedy);
    }
}

/// Where the key comes from; never the key itself.
fn key_source(http: &HttpSettings, key: &str, env: &HashMap<String, String>) -> String {
    let holds = |name: &str| env.get(name).is_some_and(|value| value.trim() == key.trim());
    let usual =
        http.kind.facts().key_variables.iter().find(|name| holds(name)).map(|name| (*name).to_owned());
    let mut others: Vec<&String> = env.keys().filter(|name| holds(name)).collect();
    others.sort();
    usual
        .or_else(|| others.first().map(|name| (*name).clone()))
        .unwrap_or_else(|| "from the configuration".to_owned())
}

fn tried_pair(section: &mut Section, config: &Config, provider: &ProviderSettings, tried: &Trial) {
    let (milliseconds, now) = (tried.took.as_millis(), SystemTime::now());
    match &tried.scored {
        Ok(score) => {
            let said = format!("{score:.3} by {}, in {milliseconds} ms with the connection", tried.model);
            if tried.took > config.rerank.deadline {
                let deadline = config.rerank.deadline.as_millis();
                section.warning(
                    "scored pair",
                    format!("{said}: longer than rerank.deadline ({deadline} ms)"),
                    "Later calls need no new connection; where they are slow too, raise rerank.deadline.",
                );
            } else {
                section.good("scored pair", said);
            }
        }
        Err(error) => {
            let said = format!("{}, after {milliseconds} ms", error.with_cause());
            let remedy = sentence(error.remedy().unwrap_or("see its settings"));
            // The key is good, and a minute later it will be served.
            if error.class() == FailureClass::RateLimited {
                section.warning("scored pair", said, remedy);
            } else {
                section.problem("scored pair", said, remedy);
            }
        }
    }
    let said: Vec<String> = tried.limits.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let own = provider.limits.requests_per_minute.map(|most| format!("requests_per_minute is set to {most}"));
    let all: Vec<String> = said.into_iter().chain(own).collect();
    match all.is_empty() {
        true => section.note("limits", "it says none, and none is set"),
        false => section.good("limits", all.join(", ")),
    }
    match &tried.certificate {
        Some(shown) => facts::certificate(
            section,
            shown,
            now,
            "Renew it, if the server is yours; else tell who runs it.",
        ),
        None => section.note("certificate", "none was seen"),
    }
    facts::clock(section, tried.date, now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rerank::HttpKind;

    #[test]
    fn a_key_is_named_by_its_variable_and_never_shown() {
        let http = HttpSettings::new(HttpKind::Cohere, ApiKey::Secret("k3y".into()));
        let env =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        assert_eq!(
            key_source(&http, "k3y", &env(&[("A_COPY", "k3y"), ("CO_API_KEY", " k3y ")])),
            "CO_API_KEY"
        );
        assert_eq!(key_source(&http, "k3y", &env(&[("MY_KEY", "k3y")])), "MY_KEY");
        assert_eq!(key_source(&http, "k3y", &env(&[("CO_API_KEY", "other")])), "from the configuration");
    }
}
