//! Orders made elsewhere: a TREC run.

use std::collections::{BTreeMap, HashSet};

use super::input::{InputProblem, InputProblems, lines};

const EXPECTED: &str = "expected six columns: query, Q0, document, rank, score (a number), name";

/// The documents of every query, best first.
///
/// As in `trec_eval` the rank column says nothing: the order is that of the scores, as 32-bit floats, and of equal ones
/// that of the ids, the last one first.
pub fn read(file: &str, bytes: &[u8]) -> Result<BTreeMap<String, Vec<String>>, InputProblems> {
    let mut scored: BTreeMap<String, Vec<(f32, String)>> = BTreeMap::new();
    let mut problems = InputProblems::default();
    let mut seen = HashSet::new();
    for (line, text) in lines(bytes) {
        let mut tell = |expected: &str| {
            problems.0.push(InputProblem { file: file.to_owned(), line, expected: expected.to_owned() });
        };
        let columns: Vec<&str> = text.unwrap_or_default().split_whitespace().collect();
        let [query, _, document, _, score, _] = columns.as_slice() else {
            tell(EXPECTED);
            continue;
        };
        let Some(score) = score.parse().ok().filter(|score: &f32| score.is_finite()) else {
            tell(EXPECTED);
            continue;
        };
        if seen.insert((query.to_string(), document.to_string())) {
            scored.entry(query.to_string()).or_default().push((score, document.to_string()));
        } else {
            tell("expected each document once for a query");
        }
    }
    if scored.is_empty() && problems.0.is_empty() {
        let expected = "expected at least one line".to_owned();
        problems.0.push(InputProblem { file: file.to_owned(), line: 0, expected });
    }
    let ranked = scored.into_iter().map(|(query, mut documents)| {
        documents.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.cmp(&a.1)));
        (query, documents.into_iter().map(|(_, id)| id).collect())
    });
    problems.or(ranked.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_make_the_order_and_ties_the_last_id_first() {
        let run = read("r", b"q 0 a 1 0.5 x\nq 0 b 2 0.9 x\nq 0 c 3 0.5 x\np 0 a 1 1 x\n").unwrap();
        assert_eq!(run["q"], ["b", "c", "a"]);
        assert_eq!(run.len(), 2);
    }

    #[test]
    fn bad_lines_are_named() {
        let problems =
            read("r", b"q 0 a 1 0.5 x\nq 0 a 2 0.4 x\nq 0 b 1 nan x\nq 0 c 1\n\xff\n").unwrap_err();
        assert_eq!(problems.0.iter().map(|problem| problem.line).collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert!(read("r", b"").is_err());
    }
}
