//! The documents, questions and judgments.

use std::{collections::HashMap, io::Read, path::Path};

use rerankd::eval::{judgments::Judgments, measures::Grades};
use serde::Deserialize;

pub struct Collection {
    /// As a reranker reads them, in the order of the file.
    pub documents: Vec<String>,
    /// What a search index has of them.
    pub indexed: Vec<String>,
    /// Their ids.
    pub ids: Vec<String>,
    pub questions: Vec<Question>,
    pub grades: HashMap<String, Grades>,
}

#[derive(Deserialize)]
pub struct Question {
    pub id: String,
    pub text: String,
}

#[derive(Deserialize)]
struct Document {
    id: u32,
    title: String,
    text: String,
}

impl Collection {
    pub fn read() -> Self {
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&file("documents.ndjson.gz")[..])
            .read_to_string(&mut unpacked)
            .expect("documents");
        let documents: Vec<Document> =
            unpacked.lines().map(|line| serde_json::from_str(line).expect("a document")).collect();
        let questions = String::from_utf8(file("queries.ndjson")).expect("text");
        let judgments = Judgments::read("qrels.txt", &file("qrels.txt")).unwrap_or_else(|e| panic!("{e}"));
        Self {
            documents: documents.iter().map(|d| format!("title: {}\ntext: {}\n", d.title, d.text)).collect(),
            indexed: documents.iter().map(|d| d.text.clone()).collect(),
            ids: documents.iter().map(|d| d.id.to_string()).collect(),
            questions: questions
                .lines()
                .map(|line| serde_json::from_str(line).expect("a question"))
                .collect(),
            grades: judgments.queries,
        }
    }

    /// For each question the places of its nearest documents, the nearest first.
    pub fn nearest(&self) -> Vec<Vec<usize>> {
        let places: HashMap<&str, usize> =
            self.ids.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
        let text = String::from_utf8(file("nearest.txt")).expect("text");
        let of = |line: &str| {
            let (_, ids) = line.split_once(": ").expect("a question's line");
            ids.split(' ').map(|id| places[id]).collect()
        };
        text.lines().map(of).collect()
    }
}

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/lexical/cranfield");
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
