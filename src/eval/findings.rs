//! What is odd about the input or the responses, named for the report.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{judgments::Judgments, measures::relevant, queries::Queries, trial::Trial};
use crate::probe::Ask;

/// So many ids are named; more are counted.
const MOST_NAMED: usize = 10;

/// What is odd about the files alone, before any call.
pub fn of_input(queries: &Queries, judgments: Option<&Judgments>) -> Vec<String> {
    let mut notes = Vec::new();
    let mut tell = |ids: Vec<&str>, what: &str| notes.extend(reported(ids, what));
    tell(refs(&queries.blank_categories), "have a blank category, as if they had none");
    let mut requests: BTreeMap<[u8; 32], Vec<&str>> = BTreeMap::new();
    for query in &queries.queries {
        requests.entry(fingerprint(&query.ask)).or_default().push(&query.id);
    }
    let same = requests.into_values().filter(|ids| ids.len() > 1).flatten().collect();
    tell(same, "ask the same as another query, which counts it twice");
    let Some(judgments) = judgments else { return notes };
    let known: HashSet<&str> = queries.queries.iter().map(|query| query.id.as_str()).collect();
    let unknown: BTreeSet<&str> =
        judgments.queries.keys().map(String::as_str).filter(|id| !known.contains(id)).collect();
    tell(unknown.into_iter().collect(), "are judged but not among the queries: their judgments do nothing");
    let unjudged = |id: &&str| !judgments.queries.contains_key(*id);
    tell(ids(queries).filter(unjudged).collect(), "have no judgments: only change is measured for them");
    let hopeless = |id: &&str| judgments.queries.get(*id).is_some_and(|grades| relevant(grades) == 0);
    tell(
        ids(queries).filter(hopeless).collect(),
        "have no relevant document in the judgments: no order can be better, so they are left out of the means",
    );
    let repeated = judgments.repeated;
    if repeated > 0 {
        notes.push(format!("{repeated} judgments come twice in the file, with the same grade"));
    }
    notes
}

/// Equal for equal requests.
pub(super) fn fingerprint(ask: &Ask) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(ask.target.to_string().as_bytes());
    ask.headers.values().for_each(|value| _ = hasher.update(b"\n").update(value.as_bytes()));
    hasher.update(b"\n\n").update(&ask.body);
    *hasher.finalize().as_bytes()
}

fn ids(queries: &Queries) -> impl Iterator<Item = &str> {
    queries.queries.iter().map(|query| query.id.as_str())
}

fn refs(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

/// What is odd about the results.
pub fn of_trials(trials: &[Trial], judgments: Option<&Judgments>, k: usize) -> Vec<String> {
    let mut notes = Vec::new();
    let mut tell = |test: &dyn Fn(&Trial) -> bool, what: &str| {
        notes.extend(reported(
            trials.iter().filter(|trial| test(trial)).map(|t| t.query.as_str()).collect(),
            what,
        ));
    };
    tell(&|trial| trial.before.is_empty() && trial.after.is_empty(), "found nothing");
    tell(
        &|trial| {
            !trial.before.is_empty() && trial.before.len() < k && trial.candidates.len() > trial.before.len()
        },
        &format!("ask for fewer than {k} hits: their measures are those of a shorter page"),
    );
    tell(&equal_scores, "have equal relevance scores throughout: reranking says nothing about them");
    let Some(judgments) = judgments else { return notes };
    let lost = trials.iter().filter_map(|trial| {
        let grades = judgments.queries.get(&trial.query)?;
        let found: HashSet<&String> =
            trial.before.iter().chain(trial.candidates.iter().map(|candidate| &candidate.id)).collect();
        Some(grades.iter().filter(|(id, grade)| **grade > 0 && !found.contains(id)).count())
    });
    let lost: usize = lost.sum();
    if lost > 0 {
        notes.push(format!(
            "{lost} relevant documents were not among the candidates: no reranker can find them (a larger window might)"
        ));
    }
    notes
}

fn equal_scores(trial: &Trial) -> bool {
    let mut scores = trial.candidates.iter().filter_map(|candidate| candidate.relevance);
    let Some(first) = scores.next() else { return false };
    trial.scored() > 1 && scores.all(|score| score == first)
}

fn reported(ids: Vec<&str>, what: &str) -> Option<String> {
    if ids.is_empty() {
        return None;
    }
    let named = ids.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = ids.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!("{} {}: {named}{more} {what}", ids.len(), if ids.len() == 1 { "query" } else { "queries" }))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{measures::Grades, queries::Defaults, trial::test_support::trial},
        *,
    };

    #[test]
    fn everything_odd_about_the_files_is_named() {
        let lines = br#"{"id": "a", "path": "/x", "body": {}, "category": " "}
            {"id": "b", "path": "/x", "body": {}}
            {"id": "c", "path": "/z"}"#;
        let queries =
            Queries::read("f", lines, &Defaults::default()).unwrap_or_else(|error| panic!("{error}"));
        let judgments = Judgments::read("j", b"b 0 d 0\nz 0 d 1\na 0 d 1\na 0 d 1").unwrap_or_default();
        let notes = of_input(&queries, Some(&judgments)).join("\n");
        for (ids, word) in [
            ("1 query: a", "blank category"),
            ("2 queries: a, b", "ask the same"),
            ("1 query: z", "are judged but not among"),
            ("1 query: c", "no judgments"),
            ("1 query: b", "no relevant document"),
            ("1 judgments", "come twice"),
        ] {
            assert!(
                notes.lines().any(|line| line.starts_with(ids) && line.contains(word)),
                "{word}: {notes}"
            );
        }
        assert!(of_input(&Queries::default(), None).is_empty());
    }

    #[test]
    fn many_ids_are_counted() {
        let ids: Vec<String> = (0..14).map(|id| id.to_string()).collect();
        let line = reported(refs(&ids), "do this").unwrap();
        assert!(line.starts_with("14 queries: 0, 1,") && line.ends_with("9 and 4 more do this"), "{line}");
    }

    #[test]
    fn empty_responses_equal_scores_and_lost_documents_are_named() {
        let equal = trial("q", &[("a", 1.0, 0.5), ("b", 0.9, 0.5)]);
        let empty = Trial { query: "e".into(), ..Trial::default() };
        let grades = Grades::from([("a".to_owned(), 1), ("far".to_owned(), 2)]);
        let judgments = Judgments { queries: [("q".to_owned(), grades)].into(), repeated: 0 };
        let notes = of_trials(&[equal, empty], Some(&judgments), 10).join("\n");
        assert!(notes.contains("1 query: e found nothing"), "{notes}");
        assert!(notes.contains("1 query: q have equal") && notes.contains("1 relevant documents"), "{notes}");
        assert!(of_trials(&[], None, 10).is_empty());
    }
}
