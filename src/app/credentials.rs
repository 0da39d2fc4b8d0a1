//! [`Keyring`]: the credentials that requests are signed with, kept over a reload; and whether there are any, where
//! `/readyz` depends on it.

use std::{collections::BTreeMap, time::Duration};

use tokio::time;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    admin::{Condition, Readiness},
    config::{Config, UpstreamConfig},
    signing::{Keys, Signer, SigningMetrics},
};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One set of credentials for each region in which something is signed: the token service is asked there.
#[derive(Clone, Default)]
pub(super) struct Keyring(BTreeMap<String, Keys>);

impl Keyring {
    /// What `config` needs; what there is already is kept.
    pub(super) fn renewed(&self, config: &Config, metrics: &SigningMetrics) -> Self {
        let regions = config.listeners.iter().filter_map(|each| Some(&each.upstream.sign.as_ref()?.region));
        let keys = |region: &String| {
            self.0.get(region).cloned().unwrap_or_else(|| Keys::fetched(region, metrics.clone()))
        };
        let mut all = BTreeMap::new();
        for region in regions {
            all.entry(region.clone()).or_insert_with(|| keys(region));
        }
        Self(all)
    }

    /// What signs requests to this database, if they are.
    pub(super) fn signer(&self, upstream: &UpstreamConfig, metrics: &SigningMetrics) -> Option<Signer> {
        let sign = upstream.sign.as_ref()?;
        let keys = self.0.get(&sign.region)?.clone();
        Some(Signer::new(sign.service, &sign.region, keys, metrics.clone()))
    }

    /// The credentials for a region.
    pub(super) fn keys(&self, region: &str) -> Option<Keys> {
        self.0.get(region).cloned()
    }
}

/// Tells readiness whether all of them are good, until it is dropped.
pub(super) struct Granted {
    _watch: AbortOnDropHandle<()>,
}

impl Granted {
    /// The watch over these, if there are any.
    pub(super) fn watch(keyring: &Keyring, readiness: &Readiness) -> Option<Self> {
        let all: Vec<Keys> = keyring.0.values().cloned().collect();
        if all.is_empty() {
            return None;
        }
        let condition: Condition = readiness.condition("aws_credentials");
        let watch = tokio::spawn(async move {
            loop {
                condition.set(all.iter().all(Keys::are_good));
                time::sleep(LOOK_EVERY).await;
            }
        });
        Some(Self { _watch: AbortOnDropHandle::new(watch) })
    }
}
