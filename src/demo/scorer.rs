//! Which provider scores the demo.

use std::{collections::HashMap, path::Path};

use super::{DemoDatabase, DemoEmbeddings};
use crate::config::{self, Config, Flags};

/// Who scores the demo's passages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Scorer {
    /// Counts words in this process; nothing leaves
    #[default]
    Lexical,
    /// Sends the sample texts to Cohere; each question is a search unit. Needs CO_API_KEY or COHERE_API_KEY
    Cohere,
}

/// The variables that hold a key for Cohere.
pub(super) const KEYS: [&str; 2] = ["CO_API_KEY", "COHERE_API_KEY"];

impl Scorer {
    /// The provider's name and kind in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lexical => "lexical",
            Self::Cohere => "cohere",
        }
    }

    /// The variables that have `rerankd explain` score as the demo does.
    pub(super) fn variables(self) -> &'static str {
        match self {
            Self::Lexical => "RERANKD_RERANK__PROVIDERS=lexical RERANKD_PROVIDERS__LEXICAL__FUSE=false",
            Self::Cohere => "RERANKD_RERANK__PROVIDERS=cohere",
        }
    }
}

/// The first variable that holds a key for Cohere.
pub(super) fn key_of(env: &HashMap<String, String>) -> Option<&'static str> {
    KEYS.into_iter().find(|name| env.get(*name).is_some_and(|key| !key.trim().is_empty()))
}

/// The configuration of a proxy before the demo database.
pub fn configuration(
    database: &DemoDatabase,
    env: &HashMap<String, String>,
    scorer: Scorer,
) -> Result<Config, config::Problems> {
    configuration_with(database, None, env, scorer)
}

/// The same, before an embedding service too.
pub(super) fn configuration_with(
    database: &DemoDatabase,
    service: Option<&DemoEmbeddings>,
    env: &HashMap<String, String>,
    scorer: Scorer,
) -> Result<Config, config::Problems> {
    let provider = scorer.as_str();
    // All of its passages are in the window: there is nothing to learn how rare a word is from, and its order alone
    // shows best what a reranker does.
    let alone = if scorer == Scorer::Lexical { ", fuse: false" } else { "" };
    let (rest, grpc) = (database.addr(), database.grpc_addr());
    let embeddings = service.map_or_else(String::new, |service| {
        let url = service.base_url();
        format!("embeddings: {{ listen: \"127.0.0.1:0\", services: {{ openai: {{ url: \"{url}\" }} }} }}\n")
    });
    // No client waits for a page here.
    let file = format!(
        "listeners: [{{ listen: \"127.0.0.1:0\", upstream: {{ url: \"http://{rest}\", grpc_url: \"http://{grpc}\" }} }}]\n\
         admin: {{ listen: \"127.0.0.1:0\" }}\n\
         {embeddings}\
         inspector: {{ capture: text }}\n\
         rerank: {{ providers: [{provider}], annotate: true, deadline: 5s }}\n\
         providers: {{ {provider}: {{ kind: {provider}{alone} }} }}\n"
    );
    let names = [KEYS[0], KEYS[1], "CO_API_URL"];
    let env = names.iter().filter_map(|&name| Some((name.to_owned(), env.get(name)?.clone()))).collect();
    config::load(Some((Path::new("demo"), &file)), &env, &Flags::default())
}
