//! A demonstration that needs nothing but the program: a small collection, questions with known answers, and
//! a database that serves it.

mod api;
mod corpus;
mod database;
mod embedding;
mod measures;
mod points;
mod report;

pub use corpus::{Passage, Question, passages, questions};
pub use database::DemoDatabase;
pub use embedding::{DIMENSIONS, embed};
pub use measures::ndcg;
pub use report::{Row, question_table};

/// The collection's name.
pub const COLLECTION: &str = "demo";
