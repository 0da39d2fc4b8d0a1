//! `rerankd demo`: database and proxy on loopback, every question sent to both.

use std::{
    collections::{BTreeSet, HashMap},
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use super::{
    COLLECTION, DemoDatabase, DemoEmbeddings, Question, Row, Scorer,
    ask::{AskError, Found, ask, embedded, embeddings_body, embeddings_url, query_body},
    embed, files, ndcg, passages, questions,
    scorer::{configuration_with, key_of},
    show::{Comparison, PLACES, ordered, questions_text, summary_text},
};
use crate::{
    app::{App, StartError},
    config::{self, Config},
    rerank::{ProviderKind, trial},
    search::KeepReason,
};

/// For the call that finds out why a provider fails.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The database or the embedding service could not listen.
    #[error("the demo's database and embedding service could not start")]
    Servers(#[source] io::Error),
    /// The configuration could not be made.
    #[error("the demo's configuration is wrong:\n{0}")]
    Config(config::Problems),
    /// The proxy could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A question got no response.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Signals cannot be caught.
    #[error("signals cannot be caught")]
    Signals(#[source] io::Error),
    /// Standard output is closed, or cannot be written.
    #[error("the demo cannot be printed")]
    Print(#[from] io::Error),
    /// The provider that was asked for has no key.
    #[error("--provider cohere needs a key: set CO_API_KEY or COHERE_API_KEY, or leave the flag out")]
    NoKey,
    /// Switched off, the proxy did not give the database's own order.
    #[error("switched off, the proxy changed the database's order")]
    Changed,
}

/// How many of the questions were reranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reranked {
    /// Every one.
    All,
    /// The provider failed for some.
    Some,
    /// The provider failed for all.
    None,
}

/// What has been shown.
pub struct Shown {
    /// How much of it was reranked.
    pub reranked: Reranked,
    /// The question that stood first.
    pub first: Option<&'static Question>,
}

/// The demo, running.
pub struct Demo {
    database: DemoDatabase,
    /// Answers as long as it is held.
    _service: DemoEmbeddings,
    app: App,
    /// Where the proxy listens for the embedding service's clients.
    embeddings: SocketAddr,
    config: Config,
    scorer: Scorer,
    /// The variable with a key that is not used.
    idle_key: Option<&'static str>,
}

impl Demo {
    /// Starts the database, the embedding service and the proxy in front of both. A key in `env` is used only for the scorer that needs it.
    pub async fn start(env: &HashMap<String, String>, scorer: Scorer) -> Result<Self, DemoError> {
        let key = key_of(env);
        if scorer == Scorer::Cohere && key.is_none() {
            return Err(DemoError::NoKey);
        }
        let database = DemoDatabase::start().await.map_err(DemoError::Servers)?;
        let service = DemoEmbeddings::start().await.map_err(DemoError::Servers)?;
        let config = configuration_with(&database, Some(&service), env, scorer).map_err(DemoError::Config)?;
        let app = App::start(&config).await?;
        let embeddings = app.embeddings.unwrap_or(service.addr());
        let idle_key = key.filter(|_| scorer == Scorer::Lexical);
        Ok(Self { database, _service: service, app, embeddings, config, scorer, idle_key })
    }

    /// Sends every question, directly and through the proxy, and prints the results: the one that gains most first, the one
    /// that loses most last.
    pub async fn show(&self, out: &mut dyn Write) -> Result<Shown, DemoError> {
        writeln!(out, "{}", self.opening())?;
        out.flush()?;
        let (mut asked, mut failed) = (Vec::new(), None);
        for question in questions() {
            let each =
                self.asked(question, failed.filter(|reason| *reason != KeepReason::RateLimited)).await?;
            if failed.is_none()
                && let Some(reason) = each.kept
            {
                failed = Some(reason);
                writeln!(out, "{}\n", self.failure(reason).await)?;
                out.flush()?;
            }
            asked.push(each);
        }
        let asked = ordered(asked);
        write!(out, "{}", questions_text(&asked, self.scorer))?;
        writeln!(out, "{}", summary_text(&asked, passages().len()))?;
        let sources: BTreeSet<&str> = asked.iter().filter_map(|each| each.source.as_deref()).collect();
        if !sources.is_empty() {
            let sources = Vec::from_iter(sources).join(", ");
            writeln!(out, "Where rerankd had the questions' texts from (x-rerank-query-source): {sources}")?;
        }
        self.show_off(out).await?;
        let kept = asked.iter().filter(|each| each.kept.is_some()).count();
        let reranked = match kept {
            0 => Reranked::All,
            _ if kept < asked.len() => Reranked::Some,
            _ => Reranked::None,
        };
        Ok(Shown { reranked, first: asked.first().map(|each| each.question) })
    }

    /// What is shown, and who scores it.
    fn opening(&self) -> String {
        let scores = match self.scorer {
            Scorer::Lexical => {
                "Scores: `lexical`, which counts words in this process: no network, no key, nothing leaves."
                    .to_owned()
            }
            Scorer::Cohere => format!(
                "Scores: `cohere`{}: the sample texts go there, and each question is a search unit.",
                self.model()
            ),
        };
        let idle = self.idle_key.map_or_else(String::new, |name| {
            format!("\n{name} is set and not used: `rerankd demo --provider cohere` would send the sample texts there.")
        });
        format!(
            "{} questions. Each is embedded by a toy service through rerankd, as an application's is that has set\n\
             OPENAI_BASE_URL to it; then its vector, and no text, is asked of a small database and of rerankd in front of it.\n\
             {scores}{idle}\n\
             A star marks a known answer; nDCG@{PLACES} is 0 where none is among the first {PLACES}, and 1 for the best \
             order.\n",
            questions().len()
        )
    }

    fn model(&self) -> String {
        let http = self.config.providers.iter().find_map(|provider| match &provider.kind {
            ProviderKind::Http(http) => Some(http),
            ProviderKind::Lexical(_) => None,
        });
        http.map_or_else(String::new, |http| {
            format!(" ({}, {})", http.model.as_deref().unwrap_or("its default model"), http.base_url)
        })
    }

    /// A question asked of both; only of the database where the provider has `failed` for good.
    async fn asked(
        &self,
        question: &'static Question,
        failed: Option<KeepReason>,
    ) -> Result<Comparison, DemoError> {
        let vector = embedded(self.embeddings, &question.text).await?;
        let direct = ask(self.database.addr(), &vector, passages().len(), false).await?;
        let reranked = ask(self.proxy(), &vector, PLACES, failed.is_some()).await?;
        let kept = failed.or_else(|| reranked.kept());
        let measures = (measure(question, &direct), measure(question, &reranked));
        let (before, after) = (rows(question, &direct), rows(question, &reranked));
        Ok(Comparison { question, before, after, measures, kept, source: reranked.source })
    }

    /// Why a question was not reranked, in words: the way to a provider is tried once more for a cause.
    async fn failure(&self, reason: KeepReason) -> String {
        let word = reason.as_str();
        let (mut meaning, mut remedy) = (reason.meaning().to_owned(), reason.remedy());
        let http = self.config.providers.iter().find_map(|provider| match &provider.kind {
            ProviderKind::Http(http) => Some((provider.name.as_str(), http)),
            ProviderKind::Lexical(_) => None,
        });
        // A rejection says all there is; a call more would only be a call more.
        let unclear = matches!(
            reason,
            KeepReason::ProviderUnavailable
                | KeepReason::Deadline
                | KeepReason::Timeout
                | KeepReason::CircuitOpen
        );
        if let Some((name, http)) = http.filter(|_| unclear)
            && let Ok(tried) = trial(name, http, MAX_WAIT).await
            && let Err(error) = tried.scored
        {
            meaning = error.with_cause();
            remedy = error.remedy().unwrap_or(remedy);
        }
        if reason == KeepReason::RateLimited {
            meaning += " (a trial key of Cohere's allows about ten calls a minute)";
        }
        let stop = if remedy.ends_with(['.', '?']) { "" } else { "." };
        format!(
            "NOT RERANKED ({word}): {meaning}.\nWhat to do: {remedy}{stop}\nThe demo goes on with the database's own order, as a \
             client's search would."
        )
    }

    /// The same search with the reranker switched off gets the database's own order.
    async fn show_off(&self, out: &mut dyn Write) -> Result<(), DemoError> {
        let Some(question) = questions().first() else { return Ok(()) };
        let vector = embed(&question.text);
        let direct = ask(self.database.addr(), &vector, PLACES, false).await?;
        let off = ask(self.proxy(), &vector, PLACES, true).await?;
        let ids = |found: &Found| found.points.iter().map(|point| point.id).collect::<Vec<_>>();
        if ids(&direct) != ids(&off) {
            return Err(DemoError::Changed);
        }
        let status = off.status.as_deref().unwrap_or("no status");
        writeln!(
            out,
            "Switched off (x-rerank: off): {status}; the order is the database's: {:?}\n",
            ids(&off)
        )?;
        out.flush()?;
        Ok(())
    }

    /// Prints where everything listens and what to try with the question that stood first.
    pub fn show_addresses(&self, out: &mut dyn Write, shown: &Shown) -> io::Result<()> {
        let (database, proxy, admin) = (self.database.addr(), self.proxy(), self.app.admin);
        let (grpc, embeddings) = (self.database.grpc_addr(), self.embeddings);
        writeln!(
            out,
            "database    http://{database}, gRPC {grpc}\n\
             proxy       http://{proxy}, gRPC on the same port\n\
             embeddings  http://{embeddings}/openai/v1  (the toy service through rerankd: OPENAI_BASE_URL)\n\
             admin       http://{admin}/  (the inspector: open it in a browser)\n"
        )?;
        let Some(question) = shown.first else { return Ok(()) };
        let body =
            query_body(&embed(&question.text), 3).replace("\"limit\"", "\"with_payload\":true,\"limit\"");
        let path = format!("/collections/{COLLECTION}/points/query");
        let json = "-H 'content-type: application/json'";
        // Quoted for a shell.
        let quoted = question.text.replace('\'', "’");
        let (url, text) = (embeddings_url(embeddings), embeddings_body(&quoted));
        // How explain has the same question: scored as here.
        let scored = self.scorer.variables();
        let message = files::grpc_search(&question.text, 3);
        writeln!(
            out,
            "The database's order:\n\n\
             curl -s http://{database}{path} {json} -d '{body}'\n\n\
             What an application does, an embedding and a search by it:\n\n\
             curl -s {url} {json} -d '{text}'\n\n\
             curl -si http://{proxy}{path} {json} -d '{body}'\n\n\
             The same search in full, over REST and over gRPC, and what was counted:\n\n\
             {scored} rerankd explain --upstream http://{database} 'POST {path}' --query '{quoted}' --body '{body}'\n\n\
             {scored} RERANKD_UPSTREAM__GRPC_URL=http://{grpc} rerankd explain --upstream http://{database} --grpc Query \
             --query '{quoted}' --body {message}\n\n\
             curl -s http://{admin}/metrics | grep -E '^rerankd_(searches|embedding).*_total' | grep -v ' 0$'\n\n\
             All of it runs until Ctrl-C."
        )?;
        out.flush()
    }

    /// Stops the proxy; the database ends with it.
    pub async fn stop(self) {
        self.app.stop().await;
    }

    fn proxy(&self) -> SocketAddr {
        self.app.listening.first().copied().unwrap_or(self.app.admin)
    }
}

fn measure(question: &Question, found: &Found) -> f64 {
    let ranking: Vec<u64> = found.points.iter().map(|point| point.id).collect();
    ndcg(&ranking, &question.grades, PLACES)
}

fn rows(question: &Question, found: &Found) -> Vec<Row<'static>> {
    let title = |id| passages().iter().find(|passage| passage.id == id).map_or("", |p| p.title.as_str());
    let row = |point: &super::ask::FoundPoint| Row {
        id: point.id,
        title: title(point.id),
        score: point.rerank_score.or(Some(point.score)),
        grade: question.grades.get(&point.id).copied().unwrap_or(0),
    };
    found.points.iter().map(row).collect()
}
