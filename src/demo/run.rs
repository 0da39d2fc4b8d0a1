//! `rerankd demo`: database and proxy on loopback, every question asked of both.

use std::{collections::HashMap, io, net::SocketAddr};

use super::{
    COLLECTION, DemoDatabase, Question, Row,
    ask::{AskError, Found, ask, query_body},
    ndcg, passages, question_table, questions,
};
use crate::{
    app::{App, StartError},
    config::{self, Config, Flags},
};

/// How many places are shown and measured.
const PLACES: usize = 5;

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The database could not listen.
    #[error("the demo database could not start")]
    Database(#[source] io::Error),
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
    /// Switched off, the proxy did not give the database's own order.
    #[error("switched off, the proxy changed the database's order")]
    Changed,
}

/// The demo, running.
pub struct Demo {
    database: DemoDatabase,
    app: App,
    provider: &'static str,
}

impl Demo {
    /// Starts the database and the proxy in front of it. Reranks with Cohere if `env` has a key, else lexically.
    pub async fn start(env: &HashMap<String, String>) -> Result<Self, DemoError> {
        let database = DemoDatabase::start().await.map_err(DemoError::Database)?;
        let config = configuration(database.addr(), env).map_err(DemoError::Config)?;
        let app = App::start(&config).await?;
        Ok(Self { database, app, provider: provider(env) })
    }

    /// Asks every question, directly and through the proxy, and prints what came.
    pub async fn tell(&self) -> Result<(), DemoError> {
        let (mut before, mut after) = (0.0, 0.0);
        for question in questions() {
            let direct = ask(self.database.addr(), question, passages().len(), false).await?;
            let reranked = ask(self.proxy(), question, PLACES, false).await?;
            let measures = (measure(question, &direct), measure(question, &reranked));
            before += measures.0;
            after += measures.1;
            let table = question_table(
                &question.text,
                &rows(question, &direct),
                &rows(question, &reranked),
                measures,
                PLACES,
            );
            println!("{table}");
        }
        let count = questions().len() as f64;
        println!("{} questions over {} passages, a star marks known answers.", count, passages().len());
        println!("mean nDCG@{PLACES}: database {:.3}, reranked {:.3}", before / count, after / count);
        println!(
            "The first stage is a toy embedding on purpose: this shows the mechanism, not the quality to expect.\n"
        );
        self.report_off().await
    }

    /// The same search with the reranker switched off is the database's own response.
    async fn report_off(&self) -> Result<(), DemoError> {
        let Some(question) = questions().first() else { return Ok(()) };
        let direct = ask(self.database.addr(), question, PLACES, false).await?;
        let off = ask(self.proxy(), question, PLACES, true).await?;
        let ids = |found: &Found| found.points.iter().map(|point| point.id).collect::<Vec<_>>();
        if ids(&direct) != ids(&off) {
            return Err(DemoError::Changed);
        }
        let status = off.status.as_deref().unwrap_or("no status");
        println!("switched off (x-rerank: off): {status}; the order is the database's: {:?}\n", ids(&off));
        Ok(())
    }

    /// Prints where everything listens and what to try.
    pub fn print_addresses(&self) {
        let (database, proxy, admin) = (self.database.addr(), self.proxy(), self.app.admin);
        println!(
            "database  http://{database}\nproxy     http://{proxy}\nadmin     http://{admin}/  (the inspector: open it in a browser)\n"
        );
        let Some(question) = questions().first() else { return };
        let body = query_body(question, 3).replace("\"limit\"", "\"with_payload\":true,\"limit\"");
        let path = format!("/collections/{COLLECTION}/points/query");
        println!("curl -s http://{database}{path} -H 'content-type: application/json' -d '{body}'\n");
        println!(
            "curl -si http://{proxy}{path} -H 'content-type: application/json' -H 'x-rerank-query: {}' -d '{body}'\n",
            question.text.replace('\'', "%27")
        );
        println!(
            "RERANKD_RERANK__PROVIDERS={} rerankd explain --upstream http://{database} 'POST {path}' --query '{}' --body '{body}'\n",
            self.provider,
            question.text.replace('\'', "’")
        );
        println!("curl -s http://{admin}/metrics | grep rerankd_searches_total | grep -v ' 0$'");
    }

    /// Stops the proxy; the database ends with it.
    pub async fn stop(self) {
        self.app.stop().await;
    }

    fn proxy(&self) -> SocketAddr {
        self.app.listening.first().copied().unwrap_or(self.app.admin)
    }
}

/// Cohere where there is a key for it.
fn provider(env: &HashMap<String, String>) -> &'static str {
    let key = |name: &str| env.get(name).is_some_and(|key| !key.trim().is_empty());
    if key("CO_API_KEY") || key("COHERE_API_KEY") { "cohere" } else { "lexical" }
}

/// The configuration of a proxy before the demo database.
pub fn configuration(
    database: SocketAddr,
    env: &HashMap<String, String>,
) -> Result<Config, config::Problems> {
    let provider = provider(env);
    // All of its passages are in the window: there is nothing to learn how rare a word is from, and its order alone
    // shows best what a reranker does.
    let alone = if provider == "lexical" { ", fuse: false" } else { "" };
    let file = format!(
        "listeners: [{{ listen: \"127.0.0.1:0\", upstream: {{ url: \"http://{database}\" }} }}]\n\
         admin: {{ listen: \"127.0.0.1:0\" }}\n\
         inspector: {{ capture: text }}\n\
         rerank: {{ providers: [{provider}], annotate: true }}\n\
         providers: {{ {provider}: {{ kind: {provider}{alone} }} }}\n"
    );
    let names = ["CO_API_KEY", "COHERE_API_KEY", "CO_API_URL"];
    let env = names.iter().filter_map(|&name| Some((name.to_owned(), env.get(name)?.clone()))).collect();
    config::load(Some((std::path::Path::new("demo"), &file)), &env, &Flags::default())
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
