//! [`ActiveConfig`]: which configuration is active, for `/metrics` and `/readyz`.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use serde_json::{Value, json};

/// How a reload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Applied,
    Rejected,
    Unchanged,
}

/// The expiry of one of our certificates.
pub(super) struct Expiry {
    /// `listener` or `upstream_client`.
    pub(super) used_as: &'static str,
    /// The listener's address, as configured.
    pub(super) listen: SocketAddr,
    /// In seconds since 1970.
    pub(super) not_after: u64,
}

pub(super) struct ActiveConfig {
    info: IntGaugeVec,
    loaded: IntGauge,
    reloads: [IntCounter; 3],
    last_successful: IntGauge,
    passthrough: IntGauge,
    certificates: IntGaugeVec,
    state: Mutex<State>,
}

struct State {
    hash: String,
    since: SystemTime,
    passthrough: bool,
    rejected: bool,
}

impl Ending {
    const ALL: [Self; 3] = [Self::Applied, Self::Rejected, Self::Unchanged];

    fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::Unchanged => "unchanged",
        }
    }
}

impl ActiveConfig {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauges.clone()))?;
            Ok::<_, prometheus::Error>(gauges)
        };
        let reloads = IntCounterVec::new(
            Opts::new("rerankd_config_reloads_total", "Reloads of the configuration, by how they ended."),
            &["result"],
        )?;
        registry.register(Box::new(reloads.clone()))?;
        Ok(Self {
            info: gauges(
                "rerankd_config_info",
                "Always 1; the label is the beginning of a hash of the active configuration, its keys masked.",
                &["hash"],
            )?,
            loaded: gauge(
                "rerankd_config_loaded_timestamp_seconds",
                "When the active configuration was loaded, in seconds since 1970.",
            )?,
            reloads: Ending::ALL.map(|ending| reloads.with_label_values(&[ending.as_str()])),
            last_successful: gauge(
                "rerankd_config_last_reload_successful",
                "Whether the last change, or the configuration at start, was good: 1 if so, 0 if it was rejected.",
            )?,
            passthrough: gauge(
                "rerankd_passthrough",
                "Whether a plain proxy runs, because the configuration at start was bad: 1 if so. Nothing is reranked then.",
            )?,
            certificates: gauges(
                "rerankd_certificate_not_after_timestamp_seconds",
                "When a certificate of rerankd's own expires, in seconds since 1970, by use and listener.",
                &["use", "listen"],
            )?,
            state: Mutex::new(State {
                hash: String::new(),
                since: SystemTime::UNIX_EPOCH,
                passthrough: false,
                rejected: false,
            }),
        })
    }

    /// A configuration became active; `passthrough` if it is the substitute for a bad one.
    pub(super) fn set(&self, hash: String, passthrough: bool, certificates: &[Expiry]) {
        let now = SystemTime::now();
        self.info.reset();
        self.info.with_label_values(&[&hash]).set(1);
        self.loaded.set(seconds(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()));
        self.last_successful.set(i64::from(!passthrough));
        self.passthrough.set(i64::from(passthrough));
        self.certificates.reset();
        for each in certificates {
            let labels = [each.used_as, &each.listen.to_string()];
            self.certificates.with_label_values(&labels).set(seconds(each.not_after));
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State { hash, since: now, passthrough, rejected: false };
    }

    /// Counts a reload.
    pub(super) fn ended(&self, ending: Ending) {
        for (counter, _) in self.reloads.iter().zip(Ending::ALL).filter(|(_, each)| *each == ending) {
            counter.inc();
        }
        if ending == Ending::Rejected {
            self.last_successful.set(0);
            self.state.lock().unwrap_or_else(PoisonError::into_inner).rejected = true;
        }
    }

    /// Whether the substitute for a bad configuration is active.
    pub(super) fn is_passthrough(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).passthrough
    }

    /// The same as JSON fields.
    pub(super) fn to_json(&self) -> Value {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let age = SystemTime::now().duration_since(state.since).unwrap_or_default();
        json!({
            "hash": state.hash,
            "since": humantime::format_rfc3339_seconds(state.since).to_string(),
            "age_seconds": age.as_secs(),
            "passthrough": state.passthrough,
            "change_rejected": state.rejected,
        })
    }

    /// The same as whole lines of text.
    pub(super) fn about(&self) -> String {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let age = SystemTime::now().duration_since(state.since).unwrap_or_default();
        let mut lines = format!(
            "configuration {} active since {}, for {}\n",
            state.hash,
            humantime::format_rfc3339_seconds(state.since),
            humantime::format_duration(Duration::from_secs(age.as_secs())),
        );
        if state.passthrough {
            lines.push_str("passthrough: the configuration at start was bad, nothing is reranked\n");
        }
        if state.rejected {
            lines.push_str("a later change of the configuration was rejected, the log says why\n");
        }
        lines
    }
}

fn seconds(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_active_is_reported_with_its_hash_age_and_flaws() {
        let registry = Registry::new();
        let active_config = ActiveConfig::register(&registry).unwrap();
        active_config.set("0123abcd".to_owned(), true, &[]);
        assert!(active_config.about().contains("passthrough:"), "{}", active_config.about());
        let listen = "127.0.0.1:6343".parse().unwrap();
        active_config.set(
            "89abcdef".to_owned(),
            false,
            &[Expiry { used_as: "listener", listen, not_after: 7 }],
        );
        active_config.ended(Ending::Rejected);
        let about = active_config.about();
        assert!(about.starts_with("configuration 89abcdef active since 20"), "{about}");
        assert!(
            about.contains("Z, for 0s\n") && about.contains("rejected") && !about.contains("passthrough")
        );
        let metrics = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            "rerankd_config_info{hash=\"89abcdef\"} 1",
            "rerankd_config_reloads_total{result=\"applied\"} 0",
            "rerankd_config_reloads_total{result=\"rejected\"} 1",
            "rerankd_config_last_reload_successful 0",
            "rerankd_passthrough 0",
            "rerankd_certificate_not_after_timestamp_seconds{listen=\"127.0.0.1:6343\",use=\"listener\"} 7",
        ] {
            assert!(metrics.contains(line), "{line} in {metrics}");
        }
        assert!(!metrics.contains("0123abcd"));
    }
}
