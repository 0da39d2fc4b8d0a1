//! `rerankd explain`: from what was typed to the terminal.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read, Write},
    path::PathBuf,
};

use clap::Args;

use super::{
    EXIT_FAILURE, EXIT_OK, EXIT_PARTIAL,
    output::{is_cut_off, say},
    serve::{block_on, tell},
};
use crate::{
    config::{self, Config, Flags, Source},
    demo,
    explain::{
        ExplainError, Subject, explain as explained,
        json::json,
        request::{RequestError, Typed, ask},
        table::{Style, table},
    },
    probe::Ask,
};

/// The end of its help.
pub const AFTER: &str = "\
A request is what curl would send, or a file with a search's body and where it goes:

  rerankd explain --upstream http://127.0.0.1:6333 'POST /collections/docs/points/query' \\
      --body @search.json --query 'red shoes'
  rerankd explain --upstream http://127.0.0.1:9200 '/docs/_search?q=red+shoes'
  rerankd explain --config rerankd.yaml search.json --path /docs/_search -H 'x-rerank-window: 20'
  rerankd explain --upstream http://127.0.0.1:6333 --grpc Query search.bin --query 'red shoes'
  rerankd explain --demo

The search goes through the same pipeline as in the server, to the configured database and
providers: it is paid for. The scores are waited for, however short the deadline is (that it was
exceeded is said), and mode shadow is reranked. The cache is this command's own, and empty, but
where cache.redis is configured: then the fleet's scores are known, and --fresh leaves them out.

--demo has settings of its own: RERANKD_* and OTEL_* variables and a configuration file change nothing of it.

Shown are query and document texts, and the bytes that left for database and provider. API keys, and
the credentials in the request's own headers and query string, are sent but shown as ***.

Exit codes:
  0  the search was explained, also where the database's order was kept
  1  the configuration or the request has problems, or the database gave no response
  2  the command line was not understood
  3  the search was explained, but the database rejected it";

/// Which search, and how to show it.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// A request line such as 'POST /docs/_search' or '/docs/_search?q=red'; with --path or --grpc a file with the body,
    /// - for standard input
    #[arg(value_name = "REQUEST", required_unless_present_any = ["path", "grpc", "demo"])]
    request: Option<String>,
    /// Path and query string that the body goes to
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Call this gRPC method of Qdrant, such as Query. The body is its message: bytes, with or without gRPC's prefix, or
    /// hexadecimal or base64 text
    #[arg(long, value_name = "METHOD", conflicts_with_all = ["path", "method"])]
    grpc: Option<String>,
    /// The method [default: POST, or GET for a query string without a body]
    #[arg(short = 'X', long, value_name = "METHOD")]
    method: Option<String>,
    /// The body; @FILE reads it from a file, @- from standard input
    #[arg(short = 'd', long, value_name = "BODY")]
    body: Option<String>,
    /// A header of the request; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The query text, as the header x-rerank-query carries it
    #[arg(short, long, value_name = "TEXT")]
    query: Option<String>,
    /// The configuration file (YAML), the server's own
    #[arg(long, value_name = "FILE", env = "RERANKD_CONFIG")]
    config: Option<PathBuf>,
    /// The URL of the search database, such as http://127.0.0.1:6333
    #[arg(long, value_name = "URL", hide_env_values = true)]
    upstream: Option<String>,
    /// Which listener's database to search, counted from 1
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    listener: u16,
    /// Leave out the scores that the fleet has in Redis, so that the provider is called
    #[arg(long)]
    fresh: bool,
    /// Explain it as a search of this tenant, whoever sends it
    #[arg(long, value_name = "NAME", conflicts_with = "demo")]
    tenant: Option<String>,
    /// Show every text and body to its end, and the texts of all hits
    #[arg(long)]
    full: bool,
    /// Print JSON, with every text and body to its end
    #[arg(long)]
    json: bool,
    /// Explain the demo's first question, or --query, on the demo's database and with its settings
    #[arg(long, conflicts_with_all = ["request", "path", "grpc", "method", "body", "upstream", "listener"])]
    demo: bool,
    /// With --demo: who scores; a key alone changes nothing
    #[arg(long, value_enum, default_value_t, value_name = "PROVIDER", requires = "demo")]
    provider: demo::Scorer,
}

/// Why a search was not explained.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("{0}")]
    Config(config::Problems),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Explain(#[from] ExplainError),
    #[error("the demo database could not start")]
    Demo(#[source] io::Error),
    #[error("the explanation cannot be printed")]
    Print(#[source] io::Error),
}

/// Runs `rerankd explain`; returns the exit code.
pub fn explain(args: &ExplainArgs, env: &HashMap<String, String>) -> u8 {
    block_on(async {
        match run(args, env).await {
            Ok(code) => code,
            // Lines of their own, as `rerankd check` prints them.
            Err(CommandError::Config(problems)) => {
                say(format_args!("{problems}"));
                EXIT_FAILURE
            }
            Err(CommandError::Print(error)) if is_cut_off(&error) => EXIT_OK,
            Err(error) => {
                tell(&error);
                EXIT_FAILURE
            }
        }
    })
}

async fn run(args: &ExplainArgs, env: &HashMap<String, String>) -> Result<u8, CommandError> {
    // Dropped at the end, and with it the database.
    let database = match args.demo {
        true => Some(demo::DemoDatabase::start().await.map_err(CommandError::Demo)?),
        false => None,
    };
    let (config, ask) = match &database {
        Some(database) => (
            demo::configuration(database, env, args.provider).map_err(CommandError::Config)?,
            question(args)?,
        ),
        None => (own(args, env)?, ask(&typed(args), read)?),
    };
    let subject = Subject {
        config: &config,
        listener: usize::from(args.listener - 1),
        fresh: args.fresh,
        tenant: args.tenant.as_deref(),
    };
    let explanation = explained(&subject, &ask).await?;
    let text = if args.json {
        format!("{:#}\n", json(&explanation))
    } else {
        table(&explanation, Style { full: args.full })
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CommandError::Print)?;
    Ok(if explanation.rejection.is_some() { EXIT_PARTIAL } else { EXIT_OK })
}

fn own(args: &ExplainArgs, env: &HashMap<String, String>) -> Result<Config, CommandError> {
    let flags = Flags { upstream: args.upstream.clone(), ..Flags::default() };
    Source::new(args.config.clone(), env.clone(), flags).load().config.map_err(CommandError::Config)
}

/// The demo's first question, or one of the user's.
fn question(args: &ExplainArgs) -> Result<Ask, CommandError> {
    let first = demo::questions().first().map_or("", |question| question.text.as_str());
    let query = args.query.as_deref().unwrap_or(first);
    let (path, body) = demo::search(query);
    let typed = Typed { path: Some(&path), body: Some(&body), query: Some(query), ..typed(args) };
    Ok(ask(&typed, read)?)
}

fn typed(args: &ExplainArgs) -> Typed<'_> {
    Typed {
        request: args.request.as_deref(),
        path: args.path.as_deref(),
        grpc: args.grpc.as_deref(),
        method: args.method.as_deref(),
        body: args.body.as_deref(),
        headers: &args.headers,
        query: args.query.as_deref(),
    }
}

fn read(file: &str) -> io::Result<Vec<u8>> {
    if file != "-" {
        return fs::read(file);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}
