//! The command line: what may be typed, and the `check` command.

mod check;
mod connect;
mod demo;
mod dialects;
mod drain;
mod eval;
mod explain;
mod measure;
mod output;
mod panics;
mod serve;
mod signals;

use std::{collections::HashMap, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use check::check;
pub use drain::DrainArgs;
pub use explain::ExplainArgs;
pub use measure::{CalibrateArgs, EXIT_PARTIAL, EvalArgs, MeasureArgs};

use crate::{
    config::Flags,
    demo::Scorer,
    telemetry::{self, LogFormat},
};

/// Exit code: all is well.
pub const EXIT_OK: u8 = 0;
/// Exit code: the configuration is bad, or serving failed.
pub const EXIT_FAILURE: u8 = 1;
/// Exit code: the command line was not understood.
pub const EXIT_USAGE: u8 = 2;

const ABOUT: &str = "\
rerankd stands between a search client and Qdrant, Elasticsearch, OpenSearch or another search database (`check --dialects` lists \
them; `dialect: paths` describes any). Search results come back reranked by a \
cross-encoder; everything else passes as if the proxy were not there. When reranking is slow, down or switched off, \
the database's own response comes back.";

const AFTER: &str = "\
Two settings are enough:

  export CO_API_KEY=...
  rerankd --upstream http://127.0.0.1:6333 --listen 127.0.0.1:6343

Then point the client at port 6343 and send the query's text along, for example in the header x-rerank-query. \
Without a key rerankd is a plain proxy and says so.

Environment (flags go before it, it goes before the file):
  RERANKD_CONFIG               the configuration file
  RERANKD_LISTEN               the address of the single listener
  RERANKD_UPSTREAM__URL        the URL of its upstream
  RERANKD_UPSTREAM__GRPC_URL   where a Qdrant or Weaviate takes gRPC calls, if not on port 6334 beside 6333 (50051 beside 8080)
  RERANKD_<SECTION>__<KEY>     any scalar of the file, such as RERANKD_RERANK__WINDOW=100 or
                               RERANKD_CACHE__TTL=1h; lists are written with commas
  CO_API_KEY, COHERE_API_KEY   the key for Cohere
  CO_API_URL                   another base URL for it
  RUST_LOG                     log directives, such as info,rerankd=debug

Signals:
  SIGTERM, SIGINT  stop: /readyz fails at once, open requests finish (shutdown.delay, shutdown.grace); twice: at once
  SIGUSR1          drain: /readyz fails, clients are told to connect elsewhere and served until SIGTERM; `rerankd drain` sends it
  SIGHUP           look at the configuration and the files that it names now; otherwise changes are seen in seconds

Exit codes:
  0  done, or stopped by a signal
  1  the configuration has problems (all are printed), or serving failed
  2  the command line was not understood
  3  eval, calibrate: some queries were not measured; explain: the database rejected the search";

/// A reranking sidecar proxy for vector and search databases.
#[derive(Debug, Parser)]
#[command(name = "rerankd", version, long_about = ABOUT, after_long_help = AFTER, after_help = "See --help for more.")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

/// Runs what was typed; returns the exit code.
pub fn run(cli: Cli) -> u8 {
    panics::say_where_only();
    let env: HashMap<String, String> = std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .collect();
    match cli.into_command() {
        Command::Serve(args) => {
            let directives = env.get("RUST_LOG").map(String::as_str);
            if let Err(error) = telemetry::init_logging(args.log_format, directives) {
                output::say(format_args!("rerankd: {error}"));
                return EXIT_FAILURE;
            }
            serve::serve(&args, &env)
        }
        Command::Check(args) => {
            let out = &mut std::io::stdout();
            if let Some(name) = &args.dialects {
                return dialects::list(name, out).unwrap_or(EXIT_FAILURE);
            }
            match check(&args.source, args.all, &env, out) {
                Ok(EXIT_OK) if args.connect => connect::connect(&args.source, &env, out),
                checked => checked,
            }
            .unwrap_or_else(|error| if output::is_cut_off(&error) { EXIT_OK } else { EXIT_FAILURE })
        }
        Command::Drain(args) => drain::drain(&args),
        Command::Demo(args) => demo::demo(&args, &env),
        Command::Eval(args) => with_log(&env, || eval::eval(&args, &env)),
        Command::Calibrate(args) => with_log(&env, || eval::calibrate(&args, &env)),
        Command::Explain(args) => with_log(&env, || explain::explain(&args, &env)),
    }
}

/// Logs only where `RUST_LOG` asks for it: the output is a report.
fn with_log(env: &HashMap<String, String>, command: impl FnOnce() -> u8) -> u8 {
    let Some(directives) = env.get("RUST_LOG") else { return command() };
    match telemetry::init_logging(LogFormat::Text, Some(directives)) {
        Ok(()) => command(),
        Err(error) => {
            output::say(format_args!("rerankd: {error}"));
            EXIT_FAILURE
        }
    }
}

impl Cli {
    /// What to do: to serve where no command was typed.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until a signal says to stop (what happens without a command)
    #[command(after_long_help = AFTER)]
    Serve(ServeArgs),
    /// Check the configuration, print every problem or what differs from the defaults (secrets masked)
    Check(CheckArgs),
    /// Tell a running server to let its clients go before it stops: the preStop hook of its container
    #[command(after_long_help = drain::AFTER)]
    Drain(DrainArgs),
    /// Show reranking on a sample corpus; needs no network, no key and no database
    Demo(DemoArgs),
    /// Measure on your own queries what reranking changes: before and after, cost, time
    #[command(after_long_help = measure::AFTER)]
    Eval(EvalArgs),
    /// Find floor, order, window, margin gate and kinds of queries to skip; prints the configuration to paste
    #[command(after_long_help = measure::AFTER)]
    Calibrate(CalibrateArgs),
    /// Explain one search: its hits before and after, and the exact bytes that are sent for it
    #[command(after_long_help = explain::AFTER)]
    Explain(ExplainArgs),
}

/// What to check.
#[derive(Clone, Debug, Default, Args)]
pub struct CheckArgs {
    /// What to serve.
    #[command(flatten)]
    pub source: ConfigArgs,
    /// Print every setting, not only what differs from the defaults
    #[arg(long)]
    pub all: bool,
    /// Also ask every database (GET /, a health check over gRPC), every provider (for one score: it may cost a search unit) and Redis; ends with OK,
    /// or with numbered problems, what to do about each, and exit code 1
    #[arg(long)]
    pub connect: bool,
    /// List the databases that a listener's dialect may name and what each was tried on; with a NAME, print its definition, to copy
    /// and change
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    pub dialects: Option<String>,
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArgs {
    /// The configuration file (YAML); deploy/config/reference.yaml has every option
    #[arg(long, value_name = "FILE", env = "RERANKD_CONFIG")]
    pub config: Option<PathBuf>,
    /// The address of the single listener, where clients connect [default: 127.0.0.1:6343]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// A second address of it, for a client with another port for gRPC [default: 127.0.0.1:6344 before a Qdrant or Weaviate]
    #[arg(long, value_name = "ADDRESS")]
    pub grpc_listen: Option<String>,
    /// Where applications reach their embedding services through rerankd, such as 127.0.0.1:6363 [default: off]
    #[arg(long, value_name = "ADDRESS")]
    pub embeddings_listen: Option<String>,
    /// The address of the admin listener: /livez, /readyz, /metrics, the inspector at / [default: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<String>,
    /// The URL of the search database, such as http://127.0.0.1:6333
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub upstream: Option<String>,
}

impl ConfigArgs {
    /// What the flags say of the configuration.
    pub fn flags(&self) -> Flags {
        Flags {
            listen: self.listen.clone(),
            grpc_listen: self.grpc_listen.clone(),
            embeddings_listen: self.embeddings_listen.clone(),
            admin: self.admin.clone(),
            upstream: self.upstream.clone(),
        }
    }
}

/// How to serve.
#[derive(Clone, Debug, Default, Args)]
pub struct ServeArgs {
    /// What to serve.
    #[command(flatten)]
    pub source: ConfigArgs,
    /// What to do when the configuration is bad
    #[arg(long, value_enum, default_value_t, value_name = "ACTION", env = "RERANKD_ON_BAD_CONFIG")]
    pub on_bad_config: OnBadConfig,
    /// How log lines look
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", env = "RERANKD_LOG_FORMAT")]
    pub log_format: LogFormat,
}

/// What to do when the configuration is bad at start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OnBadConfig {
    /// Print every problem and exit with 1
    #[default]
    Exit,
    /// Serve as a plain proxy, which needs a good listener and upstream at least, and say so loudly
    Passthrough,
}

/// How to show.
#[derive(Clone, Debug, Default, Args)]
pub struct DemoArgs {
    /// Ask the sample questions, print the comparison and exit: 0 where the provider scored every question, 3 where it
    /// failed for some, 1 where it failed for all
    #[arg(long)]
    pub once: bool,
    /// Who scores; a key in the environment alone changes nothing
    #[arg(long, value_enum, default_value_t, value_name = "PROVIDER")]
    pub provider: Scorer,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(args: &[&str]) -> Result<Command, clap::Error> {
        Cli::try_parse_from(std::iter::once("rerankd").chain(args.iter().copied())).map(Cli::into_command)
    }

    #[test]
    fn the_clap_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_means_serve_with_the_same_flags() {
        for args in [
            &["--upstream", "http://x", "--listen", "a"][..],
            &["serve", "--upstream", "http://x", "--listen", "a"],
        ] {
            let Command::Serve(serve) = parse(args).unwrap() else { panic!("not serve") };
            assert_eq!(serve.source.flags().upstream.as_deref(), Some("http://x"));
            assert_eq!(serve.source.flags().listen.as_deref(), Some("a"));
            assert_eq!((serve.on_bad_config, serve.log_format), (OnBadConfig::Exit, LogFormat::Text));
        }
        assert!(matches!(parse(&[]), Ok(Command::Serve(_))));
        assert!(matches!(
            parse(&["demo", "--once"]),
            Ok(Command::Demo(DemoArgs { once: true, provider: Scorer::Lexical }))
        ));
        assert!(matches!(
            parse(&["check", "--config", "f"]),
            Ok(Command::Check(CheckArgs {
                source: ConfigArgs { config: Some(_), .. },
                connect: false,
                all: false,
                dialects: None,
            }))
        ));
    }

    #[test]
    fn what_is_not_a_flag_or_word_is_rejected() {
        for args in [
            &["--windwo", "3"][..],
            &["--log-format", "xml"],
            &["check", "--on-bad-config", "exit"],
            &["--listen", "a", "check"],
            &["drain", "--pid", "0"],
            &["drain", "--wait", "5"],
        ] {
            assert!(parse(args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn help_has_the_two_settings_the_environment_and_the_exit_codes() {
        let help = Cli::command().render_long_help().to_string();
        for word in ["CO_API_KEY", "--upstream http://127.0.0.1:6333", "RERANKD_UPSTREAM__URL", "Exit codes:"]
        {
            assert!(help.contains(word), "{word}");
        }
    }
}
