use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

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
    #[error("RUST_LOG is not a list of directives such as info,rerankd=debug")]
    Filter,
    /// Somebody else logs in this process already.
    #[error("logging is set up already")]
    Twice,
}

/// Sends log lines to standard error, filtered by `RUST_LOG`-like directives (`info` by default). Lines are
/// coloured for a terminal only: elsewhere the codes would stand between a field's name and its value.
pub fn init_logging(format: LogFormat, directives: Option<&str>) -> Result<(), LogError> {
    let filter = filter(directives)?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => registry.with(layer).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    }
    .map_err(|_| LogError::Twice)
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

fn filter(directives: Option<&str>) -> Result<EnvFilter, LogError> {
    let directives = directives.map(str::trim).filter(|text| !text.is_empty()).unwrap_or("info");
    EnvFilter::try_new(directives).map_err(|_| LogError::Filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_the_default_and_a_bad_directive_is_an_error() {
        for unset in [None, Some(""), Some(" ")] {
            assert_eq!(filter(unset).unwrap().to_string(), "info");
        }
        assert_eq!(filter(Some("warn,rerankd=debug")).unwrap().to_string(), "rerankd=debug,warn");
        assert!(matches!(filter(Some("rerankd=loud")), Err(LogError::Filter)));
    }
}
