//! How a line of the log is written: for people, or as one flat JSON object. A span's fields stand with the event's own,
//! each name once.

use std::{
    fmt::{self, Write},
    time::SystemTime,
};

use serde_json::Value;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::LookupSpan,
};

use super::own::is_own;

/// `2026-01-31T12:00:00.000Z  WARN message key="value"`. The target is shown only for lines of other crates.
pub(super) struct TextLines;

/// `{"timestamp":…,"level":…,"message":…,"key":"value","target":…}`.
pub(super) struct JsonLines;

/// With milliseconds, in UTC.
fn timestamp() -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_millis(SystemTime::now())
}

/// The fields of the spans around an event, as their layer has written them; equal ones once.
fn span_fields<S, N>(context: &FmtContext<'_, S, N>) -> Vec<String>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let mut all: Vec<String> = Vec::new();
    for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
        if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
            && !fields.is_empty()
            && !all.contains(&fields.fields)
        {
            all.push(fields.fields.clone());
        }
    }
    all
}

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        match writer.has_ansi_escapes() {
            true => write!(writer, "\x1b[2m{}\x1b[0m {} ", timestamp(), coloured(*metadata.level()))?,
            false => write!(writer, "{} {:>5} ", timestamp(), metadata.level())?,
        }
        if !is_own(metadata) {
            write!(writer, "{}: ", metadata.target())?;
        }
        context.field_format().format_fields(writer.by_ref(), event)?;
        for fields in span_fields(context) {
            write!(writer, " {fields}")?;
        }
        writeln!(writer)
    }
}

fn coloured(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31mERROR\x1b[0m",
        Level::WARN => "\x1b[33m WARN\x1b[0m",
        Level::INFO => "\x1b[32m INFO\x1b[0m",
        Level::DEBUG => "\x1b[34mDEBUG\x1b[0m",
        Level::TRACE => "\x1b[35mTRACE\x1b[0m",
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut fields = Members { target: metadata.target().to_owned(), ..Members::default() };
        event.record(&mut fields);
        write!(writer, "{{\"timestamp\":\"{}\",\"level\":\"{}\"", timestamp(), metadata.level())?;
        if let Some(message) = &fields.message {
            write!(writer, ",\"message\":{message}")?;
        }
        writer.write_str(&fields.others)?;
        for fields in span_fields(context) {
            // An object of the layer's JSON.
            let members =
                fields.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
            if !members.is_empty() {
                write!(writer, ",{members}")?;
            }
        }
        writeln!(writer, ",\"target\":{}}}", Value::from(fields.target))
    }
}

/// The members of a line's object.
#[derive(Default)]
struct Members {
    message: Option<Value>,
    /// Each with a comma before it.
    others: String,
    target: String,
}

impl Members {
    fn put(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => self.message = Some(value),
            // A record of the `log` crate names its target itself.
            "log.target" => self.target = value.as_str().unwrap_or_default().to_owned(),
            name if name.starts_with("log.") => {}
            name => {
                let _ = write!(self.others, ",{}:{value}", Value::from(name));
            }
        }
    }
}

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{Layer, fmt, fmt::format::JsonFields, layer::SubscriberExt};

    use super::*;
    use crate::telemetry::test_support::Said;

    fn say(said: &Said, layer: impl Layer<tracing_subscriber::Registry> + Send + Sync) -> String {
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::error_span!("search", trace_id = "0af7");
            let _outer = span.enter();
            let again = tracing::error_span!("search", trace_id = "0af7");
            let _inner = again.enter();
            let none: Option<u64> = None;
            tracing::warn!(
                reason = "auth",
                total_ms = 12.3,
                left_out = none,
                hits = 3_u64,
                "a \"line\"\n\x1b[31m"
            );
            tracing::warn!(target: "h2::server", "theirs");
        });
        said.text()
    }

    #[test]
    fn a_text_line_is_time_level_message_and_fields_each_once() {
        let said = Said::default();
        let writer = said.clone();
        let layer = fmt::layer().with_ansi(false).event_format(TextLines).with_writer(move || writer.clone());
        let text = say(&said, layer);
        let (time, rest) = text.lines().next().unwrap().split_once(' ').unwrap();
        let fraction = time.split_once('.').unwrap().1;
        assert!(fraction.len() == 4 && fraction.ends_with('Z'), "{time}");
        assert!(rest.starts_with(" WARN a \"line\""), "{rest}");
        assert!(!text.contains('\x1b') && text.matches("trace_id").count() == 2, "{text}");
        assert!(text.contains("reason=\"auth\" total_ms=12.3 hits=3 trace_id=\"0af7\""), "{text}");
        assert!(text.contains(" WARN h2::server: theirs"), "{text}");
        assert!(!text.contains("left_out"), "{text}");
    }

    #[test]
    fn a_json_line_is_one_flat_object_with_each_field_once() {
        let said = Said::default();
        let writer = said.clone();
        let layer = fmt::layer().fmt_fields(JsonFields::new()).event_format(JsonLines);
        let text = say(&said, layer.with_writer(move || writer.clone()));
        let line = text.lines().next().unwrap();
        let object: Value = serde_json::from_str(line).unwrap();
        assert!(object.as_object().unwrap().values().all(|value| !value.is_object() && !value.is_array()));
        assert_eq!((&object["level"], &object["reason"]), (&"WARN".into(), &"auth".into()));
        assert_eq!((&object["total_ms"], &object["hits"]), (&12.3.into(), &3.into()));
        assert_eq!(
            (&object["trace_id"], &object["message"]),
            (&"0af7".into(), &"a \"line\"\n\u{1b}[31m".into())
        );
        assert_eq!(line.matches("trace_id").count(), 1, "{line}");
        assert!(line.starts_with("{\"timestamp\":\"") && object["timestamp"].as_str().unwrap().len() == 24);
    }
}
