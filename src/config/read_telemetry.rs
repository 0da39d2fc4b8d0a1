//! The `telemetry` section, over what the variables of the OpenTelemetry specification say.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use super::{list, node::Value, problem::Problems, section::Section, setting, values};
use crate::traces::{Parents, Protocol, SecretHeaders, TraceSettings};

/// Reads the section. What it does not say, the standard variables do; `OTEL_SDK_DISABLED` stands above all.
pub(super) fn read(
    top: &Section<'_>,
    env: &HashMap<String, String>,
    problems: &mut Problems,
) -> TraceSettings {
    let section = top.inside("telemetry", &setting::keys(list::TELEMETRY), problems);
    let mut to = standard(env);
    setting::read(list::TELEMETRY, &section, &mut to, problems);
    let otlp = section.again("otlp");
    match otlp.node("endpoint").map(|node| &node.value) {
        Some(Value::Null) => to.switch_off(),
        Some(_) => {
            if let Some(endpoint) = otlp.read("endpoint", problems, values::url) {
                (to.endpoint, to.is_whole) = (Some(endpoint), false);
            }
        }
        None => {}
    }
    headers(&otlp, &mut to, problems);
    if let Some(file) = &to.ca_file {
        let mut hasher = DefaultHasher::new();
        std::fs::read(file).unwrap_or_default().hash(&mut hasher);
        to.ca_held = hasher.finish();
    }
    if variable(env, "OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        to.switch_off();
    }
    to
}

/// Adds the headers of the file.
fn headers(section: &Section<'_>, to: &mut TraceSettings, problems: &mut Problems) {
    let Some(file) = &to.headers_file else { return };
    // The file's kind has been checked: this fails only if it has just gone.
    let text = std::fs::read_to_string(file).unwrap_or_default();
    match SecretHeaders::read(&text) {
        Some(headers) => to.headers = headers,
        None => {
            let sentence = "the file has to hold name=value, one a line or with commas between, values \
                            percent-encoded.";
            section.complain("headers_file", sentence, problems);
        }
    }
}

/// Where traces go: the whole address, or what all signals share.
pub(super) const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// What is done with a variable's name and text; nothing comes back where the text makes no sense.
type Use<'a> = Box<dyn FnMut(&'static str, &str) -> Option<()> + 'a>;

/// What the standard's variables say. One that makes no sense is left out, and noted, as the specification has it: they
/// are set for all programs of a pod alike.
fn standard(env: &HashMap<String, String>) -> TraceSettings {
    let mut to = TraceSettings::default();
    let mut ignored = Vec::new();
    let mut take = |names: &[&'static str], mut use_it: Use| {
        let found = names.iter().find_map(|name| Some((*name, variable(env, name)?)));
        if let Some((name, text)) = found
            && use_it(name, text).is_none()
        {
            ignored.push(name);
        }
    };
    let mut is_off = false;
    take(
        &ENDPOINTS,
        Box::new(|name, text| {
            to.endpoint = Some(values::url(text).ok()?);
            to.is_whole = name == ENDPOINTS[0];
            Some(())
        }),
    );
    take(
        &["OTEL_TRACES_EXPORTER"],
        Box::new(|_, text| match text {
            "otlp" => Some(()),
            "none" => {
                is_off = true;
                Some(())
            }
            _ => None,
        }),
    );
    take(
        &["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"],
        Box::new(|_, text| {
            to.protocol = match text {
                "grpc" => Protocol::Grpc,
                "http/protobuf" => Protocol::Http,
                _ => return None,
            };
            Some(())
        }),
    );
    take(
        &["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"],
        Box::new(|_, text| {
            to.headers = SecretHeaders::read(text)?;
            Some(())
        }),
    );
    take(
        &["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"],
        Box::new(|_, text| {
            to.timeout = Duration::from_millis(text.parse().ok().filter(|&time| time > 0)?);
            Some(())
        }),
    );
    take(
        &["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"],
        Box::new(|_, text| {
            values::certificate_file(text).ok()?;
            to.ca_file = Some(text.into());
            Some(())
        }),
    );
    take(
        &["OTEL_RESOURCE_ATTRIBUTES"],
        Box::new(|_, text| {
            to.attributes = pairs(text)?;
            if let Some((_, name)) = to.attributes.iter().find(|(key, _)| key == "service.name") {
                to.service_name.clone_from(name);
            }
            Some(())
        }),
    );
    take(
        &["OTEL_SERVICE_NAME"],
        Box::new(|_, text| {
            text.clone_into(&mut to.service_name);
            Some(())
        }),
    );
    // The exporter reads it itself, and says nothing of what it does not know.
    take(
        &["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"],
        Box::new(|_, text| ["gzip", "none"].iter().any(|word| word.eq_ignore_ascii_case(text)).then_some(())),
    );
    let argument = variable(env, "OTEL_TRACES_SAMPLER_ARG");
    take(
        &["OTEL_TRACES_SAMPLER"],
        Box::new(|_, text| {
            (to.parents, to.ratio) = sampler(text, argument)?;
            Some(())
        }),
    );
    to.ignored = ignored;
    if is_off {
        to.switch_off();
    }
    to
}

/// A sampler of the specification.
fn sampler(name: &str, argument: Option<&str>) -> Option<(Parents, f64)> {
    let ratio = || match argument {
        None => Some(1.0),
        Some(text) => text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio)),
    };
    let (parents, name) = match name.strip_prefix("parentbased_") {
        Some(name) => (Parents::Follow, name),
        None => (Parents::Ignore, name),
    };
    Some((
        parents,
        match name {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => ratio()?,
            _ => return None,
        },
    ))
}

fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((key.trim().to_owned(), value.into_owned()))
    };
    text.split(',').map(str::trim).filter(|each| !each.is_empty()).map(pair).collect()
}

/// An empty one counts as not set.
fn variable<'a>(env: &'a HashMap<String, String>, name: &str) -> Option<&'a str> {
    env.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use crate::{
        config::tests::{bad, good},
        config::to_yaml,
        traces::{Parents, Propagate, Protocol},
    };

    #[test]
    fn there_are_no_traces_unless_somebody_names_a_collector() {
        assert_eq!(good("", &[]).telemetry.endpoint, None);
        assert_eq!(good("telemetry: { otlp: { sample: 5% } }", &[]).telemetry.endpoint, None);
        let config = good("telemetry: { otlp: { endpoint: 'http://c:4317', protocol: grpc } }", &[]);
        assert_eq!(config.telemetry.endpoint.unwrap().to_string(), "http://c:4317/");
        let config = good("", &[("RERANKD_TELEMETRY__OTLP__ENDPOINT", "http://c:4318")]);
        assert!(config.telemetry.endpoint.is_some());
        assert!(good("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")]).telemetry.endpoint.is_some());
    }

    #[test]
    fn the_standards_variables_count_where_the_settings_say_nothing() {
        let env = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1/all"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cret"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ("OTEL_SERVICE_NAME", "search"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=prod%20eu"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ];
        let read = good("", &env).telemetry;
        assert_eq!((read.endpoint.unwrap().to_string().as_str(), read.is_whole), ("http://t:1/all", true));
        assert_eq!((read.protocol, read.parents, read.ratio), (Protocol::Grpc, Parents::Follow, 0.25));
        assert_eq!((read.timeout.as_millis(), read.service_name.as_str()), (1500, "search"));
        assert_eq!(read.attributes[1], ("deployment.environment.name".to_owned(), "prod eu".to_owned()));
        assert_eq!(read.headers.0.len(), 1);

        let file = "telemetry: { otlp: { endpoint: 'http://own:2', protocol: http/protobuf, sample: 1%, \
                    parent: ignore, timeout: 2s, service_name: mine, propagate: upstream } }";
        let config = good(file, &env);
        assert!(!to_yaml(&config).contains("s3cret") && !format!("{config:?}").contains("s3cret"));
        let read = config.telemetry;
        assert_eq!((read.endpoint.unwrap().to_string().as_str(), read.is_whole), ("http://own:2/", false));
        assert_eq!((read.protocol, read.parents, read.ratio), (Protocol::Http, Parents::Ignore, 0.01));
        assert_eq!((read.timeout.as_secs(), read.service_name.as_str()), (2, "mine"));
        assert_eq!(read.propagate, Propagate::Upstream);
    }

    #[test]
    fn a_pod_can_switch_traces_off_and_odd_variables_are_left_out() {
        let file = "telemetry: { otlp: { endpoint: 'http://c:4318' } }";
        assert!(good(file, &[("OTEL_SDK_DISABLED", "true")]).telemetry.endpoint.is_none());
        let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"), ("OTEL_TRACES_EXPORTER", "none")];
        assert!(good("", &env).telemetry.endpoint.is_none());
        assert!(good("telemetry: { otlp: { endpoint: null } }", &env[..1]).telemetry.endpoint.is_none());
        let env = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_TRACES_SAMPLER", "xray"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ];
        let config = good(file, &env);
        assert_eq!(config.telemetry.protocol, Protocol::Http);
        let warned = config.warnings().join("\n");
        assert!(env.iter().all(|(name, _)| warned.contains(name)), "{warned}");
    }

    #[test]
    fn an_endpoint_that_makes_no_sense_is_said_although_there_are_no_traces_then() {
        let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317"), ("OTEL_TRACES_SAMPLER", "xray")];
        let config = good("", &env);
        assert_eq!(config.telemetry.endpoint, None);
        let warned = config.warnings();
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(
            warned[0].contains("OTEL_EXPORTER_OTLP_ENDPOINT: ") && warned[0].contains("http://"),
            "{warned:?}"
        );
        // Not where nobody wants any.
        for off in [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_SDK_DISABLED", "true")] {
            assert!(good("", &[env[0], off]).warnings().is_empty());
        }
        assert!(good("telemetry: { otlp: { endpoint: null } }", &env[..1]).warnings().is_empty());
    }

    #[test]
    fn what_is_wrong_with_traces_is_reported_with_its_setting() {
        for (text, expected) in [
            ("endpoint: collector", "telemetry.otlp.endpoint: the URL has to begin with http://"),
            ("protocol: http/json", "telemetry.otlp.protocol: "),
            ("sample: 2", "telemetry.otlp.sample: `2` is not a share"),
            ("headers_file: Cargo.toml", "telemetry.otlp.headers_file: the file has to hold name=value"),
            ("queue: 0", "telemetry.otlp.queue: "),
            ("headers: a=b", "unknown key `headers`"),
        ] {
            let problems = bad(&format!("telemetry: {{ otlp: {{ {text} }} }}"));
            assert!(problems.contains(expected), "{text} gave {problems}");
        }
    }
}
