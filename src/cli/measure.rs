//! The flags of `rerankd eval` and `rerankd calibrate`.

use std::path::PathBuf;

use clap::Args;

use crate::{
    demo::Scorer,
    eval::floor::{MIN_QUERIES, Objective},
};

/// Exit code: some queries were not measured; the report is about the others.
pub const EXIT_PARTIAL: u8 = 3;

/// What both commands say at the end of their help.
pub const AFTER: &str = "\
Queries, one JSON object a line:
  {\"id\": \"q1\", \"category\": \"faq\", \"path\": \"/docs/_search\", \"body\": {\"query\": {\"match\": {\"body\": \"red shoes\"}}}}
  {\"id\": \"q2\", \"text\": \"red shoes\", \"collection\": \"docs\"}
  {\"id\": \"q3\", \"text\": \"red shoes\", \"vector\": [0.1, 0.2], \"collection\": \"docs\"}
A ready request has `path`, and `method` (POST), `headers` and `body` as need be. A text with a vector asks Qdrant for its
neighbours (`using` names the vector), a text alone asks every field of an Elasticsearch or OpenSearch index. `id` (the
line's number), `category`, `limit` and `collection` may be left out.

Judgments: TREC qrels (query, iteration, document, grade), or JSON lines:
  {\"query\": \"q1\", \"document\": \"25\", \"grade\": 3}      {\"query\": \"q1\", \"grades\": {\"25\": 3, \"26\": 0}}

The configuration is the server's own. Each query is sent twice: as it stands, and through the same pipeline as the
server. Every query is reranked, whatever mode and sample say, and waited for. --demo has settings of its own: RERANKD_* and
OTEL_* variables and a configuration file change nothing of it.

What is done is kept in a checkpoint; a run that ended early goes on from it with --resume and pays nothing twice. Query
and document text is in no output.

Exit codes:
  0  every query was measured
  1  the configuration or a file has problems (all are printed), or nothing could be run
  2  the command line was not understood
  3  some queries were not measured: the report is about the others";

/// What is measured, and how.
#[derive(Clone, Debug, Args)]
pub struct MeasureArgs {
    /// The configuration file (YAML), the server's own
    #[arg(long, value_name = "FILE", env = "RERANKD_CONFIG")]
    pub config: Option<PathBuf>,
    /// The URL of the search database, such as http://127.0.0.1:6333
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub upstream: Option<String>,
    /// Which listener's database to search, counted from 1
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub listener: u16,
    /// The queries, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub queries: Option<PathBuf>,
    /// Which documents are relevant: TREC qrels or JSON lines; without it only change is measured
    #[arg(long, value_name = "FILE")]
    pub judgments: Option<PathBuf>,
    /// The collection or index of queries that are texts and name none
    #[arg(long, value_name = "NAME")]
    pub collection: Option<String>,
    /// How many hits queries that are texts ask for
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub limit: u64,
    /// How many of the first hits count
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub k: u16,
    /// Queries at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub concurrency: u16,
    /// Spend no more search units than this with any provider
    #[arg(long, value_name = "N")]
    pub max_search_units: Option<u64>,
    /// Query the database only, and report what the provider would bill
    #[arg(long)]
    pub dry_run: bool,
    /// What 1,000 search units, or a million tokens, cost
    #[arg(long, value_name = "AMOUNT", value_parser = price)]
    pub price: Option<f64>,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
    /// Also write a page with plots
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Where to keep what is done [default: beside the queries, removed when all is done]
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Go on from the checkpoint
    #[arg(long)]
    pub resume: bool,
    /// The seed of the bootstrap, and of the parts that calibrate deals queries to
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Measure the demo's questions on the demo's database
    #[arg(long, conflicts_with_all = ["queries", "judgments", "upstream", "collection"])]
    pub demo: bool,
    /// With --demo: who scores; a key alone changes nothing
    #[arg(long, value_enum, default_value_t, value_name = "PROVIDER", requires = "demo")]
    pub provider: Scorer,
}

/// `rerankd eval`.
#[derive(Clone, Debug, Args)]
pub struct EvalArgs {
    #[command(flatten)]
    pub(super) measure: MeasureArgs,
    /// Measure a TREC run made elsewhere; twice: before and after. Nothing is sent
    #[arg(long, value_name = "FILE", num_args = 1, requires = "judgments", conflicts_with_all = ["queries", "demo"])]
    pub(super) run: Vec<PathBuf>,
}

/// `rerankd calibrate`.
#[derive(Clone, Debug, Args)]
pub struct CalibrateArgs {
    #[command(flatten)]
    pub(super) measure: MeasureArgs,
    /// How many candidates to rerank, up to max_window; smaller windows are worked out from their scores
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(super) window: u64,
    /// What the floor is to reach: recall=SHARE, precision=SHARE or answer-rate=SHARE
    #[arg(long, value_name = "WHAT=SHARE", default_value = "recall=0.95", value_parser = objective)]
    pub(super) objective: Objective,
    /// A sample of fewer judged queries is too small to set anything
    #[arg(long, value_name = "N", default_value_t = MIN_QUERIES)]
    pub(super) min_queries: usize,
}

fn price(text: &str) -> Result<f64, String> {
    let price = text.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0);
    price.ok_or_else(|| "expected an amount such as 2.00".to_owned())
}

fn objective(text: &str) -> Result<Objective, String> {
    let expected = "expected recall=, precision= or answer-rate= and a share over 0 up to 1";
    Objective::parse(text).ok_or_else(|| expected.to_owned())
}
