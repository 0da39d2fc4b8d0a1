use std::io::{self, IsTerminal};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    Layer,
    filter::{Targets, filter_fn},
    fmt::{self, format::JsonFields},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::{
    lines::{JsonLines, TextLines},
    own::is_own,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `RUST_LOG` has a directive that is not one.
    #[error(
        "RUST_LOG is not a list of directives such as info,rerankd=debug (targets and levels; no spans or fields)"
    )]
    Filter,
    /// Another logger is installed in this process already.
    #[error("logging is set up already")]
    Twice,
}

/// The client for Redis logs every attempt to reconnect; the metrics and one line for each outage are enough.
const DEFAULT: &str = "info,redis=off";

/// What the crates of the AWS SDK are called. They log ids of keys, and a token that cannot be sent.
const OF_AWS: &str = "aws_";

/// Sends log lines to standard error, filtered by `RUST_LOG`-like directives (`info` by default). Lines are
/// coloured for a terminal only: elsewhere the codes would stand between a field's name and its value.
pub fn init_logging(format: LogFormat, directives: Option<&str>) -> Result<(), LogError> {
    let layer = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let layer = match format {
        LogFormat::Text => layer.event_format(TextLines).boxed(),
        LogFormat::Json => layer.fmt_fields(JsonFields::new()).event_format(JsonLines).boxed(),
    };
    let layer = layer.with_filter(filter_fn(may_be_said));
    let logged = tracing_subscriber::registry().with(filter(directives)?).with(layer).try_init();
    logged.map_err(|_| LogError::Twice)
}

/// Below `info` only this program's own lines, which are known to hold no text of requests: HTTP and TLS libraries
/// quote what they receive (h2 the path of a malformed request, with its query). Nothing of those that quote secrets.
fn may_be_said(metadata: &Metadata<'_>) -> bool {
    is_own(metadata) || (*metadata.level() <= Level::INFO && !metadata.target().starts_with(OF_AWS))
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        cause = inner.source();
    }
    line
}

fn filter(directives: Option<&str>) -> Result<Targets, LogError> {
    let directives = directives.map(str::trim).filter(|text| !text.is_empty()).unwrap_or(DEFAULT);
    // A span or its fields would be taken for the name of a target that nothing has, and nothing would be said.
    if directives.contains(['[', ']', '{', '}']) {
        return Err(LogError::Filter);
    }
    let each = directives.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    each.collect::<Vec<_>>().join(",").parse().map_err(|_| LogError::Filter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::test_support::Said;

    #[test]
    fn libraries_say_nothing_below_info_however_much_is_asked_for() {
        let said = Said::default();
        let writer = said.clone();
        let layer = fmt::layer().with_writer(move || writer.clone()).with_filter(filter_fn(may_be_said));
        let subscriber = tracing_subscriber::registry().with(filter(Some("trace")).unwrap()).with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!("own trace");
            tracing::debug!(target: "h2::server", "malformed path");
            tracing::debug!(target: "rerankd_of_somebody_else", "malformed path");
            tracing::warn!(target: "h2::server", "their warning");
            tracing::warn!(target: "aws_config::ecs", "a token");
        });
        let said = said.text();
        assert!(said.contains("own trace") && said.contains("their warning"), "{said}");
        assert!(!said.contains("malformed path") && !said.contains("a token"), "{said}");
    }

    #[test]
    fn info_is_the_default_and_a_bad_directive_is_an_error() {
        for unset in [None, Some(""), Some(" ")] {
            assert_eq!(filter(unset).unwrap().to_string(), "redis=off,info");
        }
        assert_eq!(filter(Some("warn, rerankd=debug,")).unwrap().to_string(), "rerankd=debug,warn");
        for wrong in ["rerankd=loud", "rerankd[search]=debug", "[{collection=docs}]=trace"] {
            assert!(matches!(filter(Some(wrong)), Err(LogError::Filter)), "{wrong}");
        }
    }
}
