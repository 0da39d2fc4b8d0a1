//! Which documents are relevant to which queries: TREC qrels, or JSON lines.

use std::collections::HashMap;

use super::{
    input::{InputProblem, InputProblems, Members, Pairs, id, lines},
    measures::Grades,
};

/// The grades of every judged query, by its id.
#[derive(Clone, Default)]
pub struct Judgments {
    /// By query.
    pub queries: HashMap<String, Grades>,
    /// Judgments that say again what an earlier one says.
    pub repeated: usize,
}

/// Where each judgment stands.
type Places = HashMap<(String, String), usize>;

const EXPECTED_QRELS: &str = "expected four columns: query, iteration, document, grade (a whole number)";
const MEMBERS: [&str; 4] = ["query", "document", "grade", "grades"];

impl Judgments {
    /// Reads either form; the first line determines which it is.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, InputProblems> {
        let mut judgments = Self::default();
        let mut problems = InputProblems::default();
        let mut places = Places::new();
        let json =
            lines(bytes).next().is_some_and(|(_, line)| line.is_some_and(|line| line.starts_with('{')));
        for (number, line) in lines(bytes) {
            let read = match line {
                None => Err("expected UTF-8".to_owned()),
                Some(line) if json => judgments.add_json(line, number, &mut places),
                Some(line) => judgments.add_qrel(line, number, &mut places),
            };
            if let Err(expected) = read {
                problems.0.push(InputProblem { file: file.to_owned(), line: number, expected });
            }
        }
        if judgments.queries.is_empty() && problems.0.is_empty() {
            let expected = "expected at least one judgment".to_owned();
            problems.0.push(InputProblem { file: file.to_owned(), line: 0, expected });
        }
        problems.or(judgments)
    }

    /// `query iteration document grade`.
    fn add_qrel(&mut self, line: &str, at: usize, places: &mut Places) -> Result<(), String> {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [query, _, document, grade] = columns.as_slice() else { return Err(EXPECTED_QRELS.to_owned()) };
        let grade = grade.parse().map_err(|_| EXPECTED_QRELS.to_owned())?;
        self.add(query, document, grade, at, places)
    }

    /// `{"query": …, "document": …, "grade": …}`, or all of a query at once as `{"query": …, "grades": {…}}`.
    fn add_json(&mut self, line: &str, at: usize, places: &mut Places) -> Result<(), String> {
        let members = Members::read(line)?;
        members.only(&MEMBERS)?;
        let query = members.id("query")?.ok_or("expected `query`, the id of a query")?;
        if let Some(raw) = members.raw("grades") {
            let what = "expected `grades` to be an object of whole numbers by document id";
            let Pairs(grades) = serde_json::from_str::<Pairs<i64>>(raw).map_err(|_| what.to_owned())?;
            self.queries.entry(query.clone()).or_default();
            let add = |(document, grade): (String, i64)| self.add(&query, &document, grade, at, places);
            return grades.into_iter().try_for_each(add);
        }
        let document = members.raw("document").and_then(id);
        let document = document.ok_or("expected `document`, an id, and `grade`, or `grades`")?;
        let grade = members.get("grade", "a whole number")?.ok_or("expected `grade`, a whole number")?;
        self.add(&query, &document, grade, at, places)
    }

    /// Two grades for one query and document are an error; the same one twice is none.
    fn add(
        &mut self,
        query: &str,
        document: &str,
        grade: i64,
        at: usize,
        places: &mut Places,
    ) -> Result<(), String> {
        let grades = self.queries.entry(query.to_owned()).or_default();
        let first = *places.entry((query.to_owned(), document.to_owned())).or_insert(at);
        match grades.insert(document.to_owned(), grade) {
            None => Ok(()),
            Some(before) if before == grade => {
                self.repeated += 1;
                Ok(())
            }
            Some(_) => {
                Err(format!("expected one grade for a query and a document: line {first} has another"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Judgments, InputProblems> {
        Judgments::read("j", text.as_bytes())
    }

    #[test]
    fn both_forms_say_the_same() {
        let qrels = read("q1 0 25 3\n\nq1\tQ0\t26\t0\r\nq2 0 a -1\n").unwrap();
        let json = read(
            "{\"query\": \"q1\", \"document\": 25, \"grade\": 3}\n\
             {\"query\": \"q1\", \"grades\": {\"26\": 0}}\n{\"query\": \"q2\", \"document\": \"a\", \"grade\": -1}",
        )
        .unwrap();
        assert_eq!(qrels.queries, json.queries);
        assert_eq!(qrels.queries["q1"], Grades::from([("25".into(), 3), ("26".into(), 0)]));
    }

    #[test]
    fn every_bad_line_is_named_with_what_was_expected() {
        let Err(problems) = read("q1 0 25 3\nq1 0 25\nq1 0 25 high\nq1 0 d e f") else { panic!("read") };
        assert_eq!(problems.0.iter().map(|problem| problem.line).collect::<Vec<_>>(), [2, 3, 4]);
        assert!(problems.to_string().starts_with("j:2: expected four columns"), "{problems}");
        for bad in [
            r#"{"query": "q"}"#,
            r#"{"document": 1, "grade": 1}"#,
            r#"{"query": 1, "document": 2, "grade": 0.5}"#,
            r#"{"query": 1, "grades": [1]}"#,
            r#"{"query": 1, "doc": 2}"#,
            r#"{"query": 1"#,
        ] {
            let Err(problems) = read(bad) else { panic!("{bad}") };
            assert!(problems.to_string().starts_with("j:1: expected"), "{problems}");
        }
        assert!(read("").is_err());
    }

    #[test]
    fn a_judgment_that_comes_again_is_counted() {
        let judgments = read("q 0 d 1\nq 0 d 1").unwrap();
        assert_eq!((judgments.queries["q"]["d"], judgments.repeated), (1, 1));
    }

    #[test]
    fn two_grades_for_one_query_and_document_are_an_error_that_names_both_lines() {
        for (text, line) in [
            ("q 0 d 1\nq 0 e 1\nq 0 d 2", 3),
            ("7 0 d 1\n7 Q0 d 0", 2),
            ("{\"query\": 7, \"document\": 1, \"grade\": 1}\n{\"query\": \"7\", \"grades\": {\"1\": 2}}", 2),
            ("{\"query\": 7, \"grades\": {\"1\": 2, \"1\": 3}}", 1),
        ] {
            let Err(problems) = read(text) else { panic!("{text}") };
            let expected =
                format!("j:{line}: expected one grade for a query and a document: line 1 has another");
            assert_eq!(problems.to_string(), expected);
        }
    }
}
