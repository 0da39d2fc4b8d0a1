use std::time::SystemTime;

use crate::{
    config::Config,
    rerank::{ProviderKind, end_of_service},
};

/// One sentence for each configured provider whose service or model has ended, or will.
pub fn ended_services(config: &Config) -> Vec<String> {
    let today = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let today = today.get(..10).unwrap_or_default();
    let ends = config.providers.iter().filter_map(|provider| match &provider.kind {
        ProviderKind::Http(http) => {
            let sentence = end_of_service(http, today)?;
            Some(format!("The provider {}: {sentence}", provider.name))
        }
        ProviderKind::Lexical(_) => None,
    });
    ends.collect()
}
