//! A demonstration that needs nothing but the program: a small collection, questions with known answers, a
//! database that serves it, and a toy of an embedding service.

mod api;
mod ask;
mod corpus;
mod database;
mod embedding;
mod embedding_api;
mod embedding_service;
mod files;
mod filter;
mod grpc;
mod hits;
mod listening;
mod measures;
mod points;
mod rejection;
mod report;
mod run;
mod scorer;
mod show;

pub use corpus::{Passage, Question, passages, questions};
pub use database::DemoDatabase;
pub use embedding::{DIMENSIONS, embed};
pub use embedding_service::DemoEmbeddings;
pub use files::{judgments_file, queries_file, search};
pub use measures::ndcg;
pub use report::{Row, question_table};
pub use run::{Demo, DemoError, Reranked, Shown};
pub use scorer::{Scorer, configuration};

/// More than any request needs, in bytes.
const BODY_LIMIT: usize = 1 << 20;
/// The collection's name.
pub const COLLECTION: &str = "demo";
/// What the database says that it is: clients look at the version, and newer ones warn of one far from their own.
const TITLE: &str = "qdrant - vector search engine";
const VERSION: &str = "1.19.0";
