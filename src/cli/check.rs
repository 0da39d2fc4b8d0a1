use std::{collections::HashMap, io, io::Write};

use super::{ConfigArgs, EXIT_FAILURE, EXIT_OK};
use crate::{
    app::{App, StartError, ended_services},
    bounds::Limits,
    config::{
        Config, Difference, GrpcListen, ListenerConfig, Mode, TenantConfig, Written, differences,
        load_path_written, to_yaml,
    },
    dialect::paths::Operation,
    system::Resources,
    telemetry::chain,
};

/// Prints every problem of the configuration, or what is in effect, and gives the exit code. Without `all` only what
/// differs from the defaults is printed, in the words in which it was written.
pub fn check(
    args: &ConfigArgs,
    all: bool,
    env: &HashMap<String, String>,
    out: &mut dyn Write,
) -> io::Result<u8> {
    let (config, written) = match load_path_written(args.config.as_deref(), env, &args.flags()) {
        Ok(loaded) => loaded,
        Err(problems) => {
            writeln!(out, "{problems}")?;
            return Ok(EXIT_FAILURE);
        }
    };
    if let Err(error) = built(&config)? {
        writeln!(out, "{}", chain(&error))?;
        return Ok(EXIT_FAILURE);
    }
    for provider in &config.providers {
        if provider.lacks_key() {
            writeln!(out, "# The provider {} has no API key and will not be used.", provider.name)?;
        }
    }
    for warning in config.warnings() {
        writeln!(out, "# Warning: {warning}")?;
    }
    if let Some(kept_out) = kept_out(&config) {
        writeln!(
            out,
            "# Hits of these indices are never read, by whatever name they were reached: {kept_out}"
        )?;
    }
    for sentence in tenants(&config) {
        writeln!(out, "# {sentence}")?;
    }
    for sentence in ended_services(&config) {
        writeln!(out, "# {sentence}.")?;
    }
    match all {
        true => write!(out, "{}", to_yaml(&config))?,
        false => differing(&config, &written, env, out)?,
    }
    for sentence in described(&config) {
        writeln!(out, "# {sentence}")?;
    }
    for sentence in grpc(&config) {
        writeln!(out, "# {sentence}")?;
    }
    let (bytes, searches) = (config.memory.max_buffered, config.limits.max_searches_in_flight);
    let Limits { buffered_bytes, searches } = Limits::suited(bytes, searches, &Resources::detect());
    writeln!(
        out,
        "# Here memory.max_buffered is {buffered_bytes}, limits.max_searches_in_flight {searches}."
    )?;
    Ok(EXIT_OK)
}

/// The searches that definition files describe, so that a call which is missing is seen.
fn described(config: &Config) -> Vec<String> {
    let of_file = |(at, listener): (usize, &ListenerConfig)| {
        let definition = listener.definition.as_ref().filter(|_| listener.dialect_file.is_some())?;
        let operation = |of: &Operation| {
            let methods: Vec<&str> = of.methods.iter().map(http::Method::as_str).collect();
            let paths: Vec<String> = of.paths.iter().map(ToString::to_string).collect();
            format!("{} ({} {})", of.name, methods.join(" or "), paths.join(" or "))
        };
        let all: Vec<String> = definition.operations.iter().map(operation).collect();
        Some(format!("listeners[{at}].dialect_file describes {}; all other calls pass.", all.join(", ")))
    };
    config.listeners.iter().enumerate().filter_map(of_file).collect()
}

/// Who the tenants are, and what tells them.
fn tenants(config: &Config) -> Vec<String> {
    let all = &config.tenants;
    let networks = all.networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let header = all.header.as_ref().map(|name| format!("the header {name} from {networks}"));
    let told = |each: &TenantConfig| {
        let list =
            |what: &str, of: &[String]| (!of.is_empty()).then(|| format!("{what} {}", of.join(" or ")));
        let ways = [
            header.clone(),
            list("a certificate with", &each.certificates),
            list("searches of", &each.collections),
        ];
        let own = match each.cache_bytes {
            Some(0) => "; nothing of it is cached",
            Some(_) => "; its cache is its own",
            None => "",
        };
        format!(
            "Tenant {}: by {}{own}.",
            each.name,
            ways.into_iter().flatten().collect::<Vec<_>>().join(", ")
        )
    };
    all.each.iter().map(told).collect()
}

/// Where gRPC calls go: it follows from other settings as a rule.
fn grpc(config: &Config) -> Vec<String> {
    let seconds = config.grpc_listens();
    let listeners = config.listeners.iter().zip(&seconds).enumerate();
    let sentence = |(at, (each, second)): (usize, (&ListenerConfig, &Option<GrpcListen>))| {
        let url = each.grpc_url()?.to_string();
        let also =
            second.map_or_else(String::new, |second| format!("; clients reach it at {} too", second.listen));
        Some(format!("listeners[{at}] sends gRPC calls to {}{also}.", url.trim_end_matches('/')))
    };
    listeners.filter_map(sentence).collect()
}

/// A line for each setting that differs from its default: value, and where it was written.
fn differing(
    config: &Config,
    written: &Written,
    env: &HashMap<String, String>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let all = differences(config, written, env);
    let line = |each: &Difference| format!("{}: {}", each.setting, each.value);
    let width = all.iter().map(|each| line(each).chars().count()).max().unwrap_or_default().min(60);
    writeln!(out, "# What differs from the defaults (--all prints every setting):")?;
    for each in &all {
        let from = if each.from.is_empty() { String::new() } else { format!("  # {}", each.from) };
        writeln!(out, "{}", format!("{:width$}{from}", line(each)).trim_end())?;
    }
    Ok(())
}

/// The indices whose text never leaves, for people; `None` where there are none.
fn kept_out(config: &Config) -> Option<String> {
    let rerank = &config.rerank;
    let (out, let_in): (Vec<&String>, Vec<&String>) =
        rerank.collections.iter().partition(|pattern| pattern.starts_with('-'));
    let mut reported: Vec<String> = Vec::new();
    if rerank.mode == Mode::Off {
        let but = config.opened().map(|opened| format!(" but those of {opened}")).unwrap_or_default();
        reported.push(format!("all{but}"));
    } else if !let_in.iter().any(|pattern| *pattern == "*") {
        let names: Vec<&str> = let_in.iter().map(|pattern| pattern.as_str()).collect();
        reported.push(if names.is_empty() {
            "all".to_owned()
        } else {
            format!("all but {}", names.join(", "))
        });
    }
    reported.extend(out.iter().filter_map(|pattern| pattern.strip_prefix('-')).map(str::to_owned));
    reported.extend(config.closed_routes().map(|route| format!("{} (a route)", route.collection)));
    (!reported.is_empty()).then(|| reported.join(", "))
}

/// Whether certificates, keys and other files that the settings name can be used for their purpose.
fn built(config: &Config) -> io::Result<Result<(), StartError>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    Ok(App::check(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(file: &str, env: &[(&str, &str)]) -> (u8, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rerankd.yaml");
        std::fs::write(&path, file).unwrap();
        let env = env.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let mut out = Vec::new();
        let code = check(&ConfigArgs { config: Some(path), ..ConfigArgs::default() }, false, &env, &mut out)
            .unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_searches_that_a_file_describes_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("acme.yaml");
        let text = "operations:\n  find: { method: [GET, POST], path: '/v1/{collection}/find', limit: k, response: { hits: h } }\n";
        std::fs::write(&path, text).unwrap();
        let file = format!(
            "listeners: [{{ upstream: {{ url: 'http://h' }}, dialect: paths, dialect_file: '{}' }}]",
            path.display()
        );
        let (code, out) = run(&file, &[]);
        let said = "# listeners[0].dialect_file describes find (GET or POST /v1/{collection}/find); all other calls pass.\n";
        assert!(code == 0 && out.contains(said), "{out}");
    }

    #[test]
    fn every_problem_is_printed_with_its_place_and_the_exit_code_is_1() {
        let file = "listeners:\n  - upstream: { url: 'ftp://x' }\nrerank:\n  windwo: 3\n  score: best\n";
        let (code, out) = run(file, &[]);
        assert_eq!(code, 1);
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(
            lines,
            [
                "2:22 listeners[0].upstream.url: the URL has to begin with http:// or https://.",
                "4:3 rerank.windwo: unknown key `windwo`; did you mean `window`?",
                "5:10 rerank.score: `best` is not one of keep, replace, rrf, linear.",
            ]
        );
    }

    #[test]
    fn tenants_are_listed_with_what_tells_them_and_a_network_of_everybody_is_a_warning() {
        let file = "listeners: [{ upstream: { url: 'http://db' } }]\nroutes: [{ collection: x, window: 10 }]\n\
                    tenants:\n  header: X-Tenant\n  networks: [10.1.0.0/16, 0.0.0.0/0]\n  names:\n    acme: { window: 20, \
                    cache: { max_bytes: 1MiB } }\n    bolt: { collection: ['bolt-*'] }\n    coil: { collection: [bolt-x] }\n";
        let (code, out) = run(file, &[]);
        for line in [
            "# Tenant acme: by the header x-tenant from 10.1.0.0/16, 0.0.0.0/0; its cache is its own.",
            "# Tenant bolt: by the header x-tenant from 10.1.0.0/16, 0.0.0.0/0, searches of bolt-*.",
            "# Warning: tenants.networks: 0.0.0.0/0 is everybody",
            "# Warning: tenants.names.coil.collection: `bolt-x` never applies, since bolt comes first",
            "tenants.names.acme.window: 20",
        ] {
            assert!(code == 0 && out.contains(line), "{line}\n{out}");
        }
    }

    #[test]
    fn what_is_in_effect_is_printed_without_the_key() {
        let env = [("RERANKD_UPSTREAM__URL", "http://db:6333"), ("CO_API_KEY", "s3cr3t-k3y")];
        let (code, out) = run("", &env);
        assert_eq!(code, 0);
        let lines: Vec<String> =
            out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let differs = [
            "# What differs from the defaults (--all prints every setting):",
            "listeners[0].upstream.url: http://db:6333 # RERANKD_UPSTREAM__URL",
            "providers.cohere.api_key: \"***\" # CO_API_KEY",
        ];
        assert!(lines.windows(3).any(|three| three == differs), "{out}");
        assert!(!out.contains("max_window"), "defaults are left out: {out}");
        assert!(!out.contains("s3cr3t"));
        assert!(out.contains("# Here memory.max_buffered is "), "what null comes to is told: {out}");
    }

    #[test]
    fn every_setting_is_printed_if_all_are_asked_for() {
        let env = [("RERANKD_UPSTREAM__URL", "http://db:6333"), ("CO_API_KEY", "s3cr3t-k3y")];
        let env = env.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let mut out = Vec::new();
        assert_eq!(check(&ConfigArgs::default(), true, &env, &mut out).unwrap(), 0);
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("url: \"http://db:6333\"") && out.contains("api_key: \"***\""), "{out}");
        assert!(out.contains("max_window: 200") && !out.contains("s3cr3t"), "{out}");
    }

    #[test]
    fn a_certificate_that_does_not_fit_its_key_is_a_problem() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] = [(); 2].map(|()| rcgen::generate_simple_self_signed(vec!["x".into()]).unwrap());
        let (cert, key) = (dir.path().join("cert"), dir.path().join("key"));
        std::fs::write(&cert, one.cert.pem()).unwrap();
        let file = format!(
            "listeners: [{{ tls: {{ cert_file: {}, key_file: {} }}, upstream: {{ url: 'http://db' }} }}]",
            cert.display(),
            key.display()
        );
        std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
        let (code, out) = run(&file, &[]);
        assert_eq!(code, 1);
        assert!(out.starts_with("TLS of the listener 127.0.0.1:6343: the certificate and the key"), "{out}");
        std::fs::write(&key, one.signing_key.serialize_pem()).unwrap();
        assert_eq!(run(&file, &[]).0, 0);
    }

    #[test]
    fn what_cannot_serve_or_cannot_be_meant_is_said_with_the_settings() {
        for (file, code, said) in [
            (
                "listeners:\n  - { listen: \"127.0.0.1:9464\", upstream: { url: \"http://127.0.0.1:6333\" } }\n",
                1,
                &["2:15 listeners[0].listen: ", "admin.listen (127.0.0.1:9464"][..],
            ),
            (
                "listeners: [{ listen: 127.0.0.1:6343, upstream: { url: \"http://127.0.0.1:6343\" } }]\n",
                1,
                &["1:56 listeners[0].upstream.url: ", "listeners[0].listen (127.0.0.1:6343) itself"],
            ),
            (
                "listeners: [{ listen: 127.0.0.1:6343, upstream: { url: \"http://127.1:6343\" } }]\n",
                1,
                &[
                    "listeners[0].upstream.url leads to listeners[0].listen (127.0.0.1:6343), this process itself",
                ],
            ),
            (
                "listeners: [{ upstream: { url: 'http://db' } }]\nrerank: { min_score: 2 }\n",
                1,
                &["2:22 rerank.min_score: `2` is not from 0 to 1"],
            ),
            (
                "listeners: [{ upstream: { url: 'http://db' } }]\nrerank: { fields: \"title,body\" }\n",
                1,
                &["2:19 rerank.fields: ", "[title, body]"],
            ),
            (
                "listeners: [{ upstream: { url: 'http://db' } }]\nrerank:\n  model: rerank-v3.5\n",
                1,
                &["3:3 rerank.model: ", "`providers.<name>.model`"],
            ),
            (
                "listeners: [{ upstream: { url: 'http://db' } }]\nroutes: [{ collection: '*' }, { collection: a }]\n",
                0,
                &["# Warning: routes[1].collection: `a` never applies, since routes[0] (`*`)"],
            ),
        ] {
            let (got, out) = run(file, &[]);
            assert!(got == code && said.iter().all(|said| out.contains(said)), "{file}{out}");
        }
    }

    #[test]
    fn what_is_never_read_is_said() {
        let env = [("RERANKD_UPSTREAM__URL", "http://db:9200")];
        let reported = |file: &str| {
            let (code, out) = run(file, &env);
            assert_eq!(code, 0, "{out}");
            let line = out.lines().find(|line| line.contains("never read"));
            line.map_or(String::new(), |line| line.split(": ").nth(1).unwrap_or_default().to_owned())
        };
        assert_eq!(reported(""), ".*");
        assert_eq!(reported("rerank: { collections: ['*'] }"), "");
        let file =
            "rerank: { collections: ['wiki-*', '-wiki-x'] }\nroutes: [{ collection: 'hr-*', mode: off }]\n";
        assert_eq!(reported(file), "all but wiki-*, wiki-x, hr-* (a route)");
        let file = "rerank: { mode: off, collections: ['*'] }\nroutes: [{ collection: 'docs', mode: on }]\n";
        assert_eq!(reported(file), "all but those of routes (docs)");
        assert_eq!(reported("rerank: { mode: off, collections: ['*'] }"), "all");
        // What tenants open is read, also of routes that say nothing of their own.
        let file = "rerank: { mode: off }\nroutes: [{ collection: a, window: 9 }, { collection: b, mode: off }]\ntenants: { \
                    names: { acme: { collection: [a], mode: on }, bolt: { collection: [b] } } }\n";
        assert_eq!(reported(file), "all but those of tenants (acme), .*, b (a route)");
        assert_eq!(reported("rerank: { collections: ['-hr'] }"), "all, hr");
    }

    #[test]
    fn a_service_that_has_ended_is_said_where_it_is_configured() {
        let file = "listeners: [{ upstream: { url: 'http://db' } }]\nproviders: { zeroentropy: {} }\n";
        let (code, out) = run(file, &[("ZEROENTROPY_API_KEY", "k"), ("CO_API_KEY", "k")]);
        assert_eq!(code, 0);
        let reported = "# The provider zeroentropy: ZeroEntropy's hosted service is shut since 2026-09-04: ";
        assert!(out.contains(reported), "{out}");
        assert_eq!(out.matches("# The provider").count(), 1, "{out}");
    }

    #[test]
    fn a_missing_key_is_said() {
        let (code, out) = run("", &[("RERANKD_UPSTREAM__URL", "http://db:6333")]);
        assert_eq!(code, 0);
        assert!(out.starts_with("# The provider cohere has no API key"), "{out}");
    }

    #[test]
    fn the_flags_of_serve_are_checked_too() {
        let with = |upstream: &str| {
            let args = ConfigArgs { upstream: Some(upstream.to_owned()), ..ConfigArgs::default() };
            let mut out = Vec::new();
            (check(&args, false, &HashMap::new(), &mut out).unwrap(), String::from_utf8(out).unwrap())
        };
        let (code, out) = with("http://127.0.0.1:6333");
        assert!(code == 0 && out.contains("http://127.0.0.1:6333"), "{out}");
        let (code, out) = with("127.0.0.1:6333");
        assert!(code == 1 && out.contains("(--upstream)"), "{out}");
    }

    #[test]
    fn a_file_that_is_not_there_is_a_problem() {
        let mut out = Vec::new();
        let args = ConfigArgs { config: Some("no/such/file.yaml".into()), ..ConfigArgs::default() };
        assert_eq!(check(&args, false, &HashMap::new(), &mut out).unwrap(), 1);
        assert!(String::from_utf8(out).unwrap().starts_with("no/such/file.yaml: the file cannot be read"));
    }
}
