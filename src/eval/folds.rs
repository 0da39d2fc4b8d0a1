//! Cross-fitting: what is chosen among many is judged by queries that did not choose it. The texts are dealt to [`FOLDS`]
//! parts; the choice is made anew without each part, and judged on that part alone. So every text judges, and none its own
//! choice.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{measures::mean, trial::Trial};

/// So many parts.
pub const FOLDS: usize = 5;

/// The queries of one text.
#[derive(Clone, Debug)]
pub struct OneText<'t> {
    /// In the order of the file.
    pub trials: Vec<&'t Trial>,
    /// The part that it belongs to, from 0.
    pub fold: usize,
}

impl OneText<'_> {
    /// The mean over its queries of what is known of them.
    pub fn mean(&self, of: impl Fn(&Trial) -> Option<f64>) -> Option<f64> {
        mean(self.trials.iter().filter_map(|trial| of(trial)))
    }
}

/// The texts of these queries in the order of the file, dealt to parts that are equally large (to one). Which part a text is in
/// depends on its query's id and the seed, not on the order of the file: what is sorted or comes in turns is mixed.
pub fn texts<'t>(trials: &[&'t Trial], seed: u64) -> Vec<OneText<'t>> {
    let mut found: Vec<OneText<'t>> = Vec::new();
    let mut places: BTreeMap<u64, usize> = BTreeMap::new();
    for trial in trials {
        let place = trial.text.map(|text| places.entry(text.twin));
        if let Some(Entry::Occupied(place)) = &place
            && let Some(text) = found.get_mut(*place.get())
        {
            text.trials.push(trial);
            continue;
        }
        if let Some(Entry::Vacant(place)) = place {
            place.insert(found.len());
        }
        found.push(OneText { trials: vec![trial], fold: 0 });
    }
    let mut dealt: Vec<([u8; 32], usize)> =
        found.iter().enumerate().map(|(at, text)| (lot(text, seed), at)).collect();
    dealt.sort_unstable();
    for (turn, (_, at)) in dealt.into_iter().enumerate() {
        if let Some(text) = found.get_mut(at) {
            text.fold = turn % FOLDS;
        }
    }
    found
}

/// The part that each of these queries is in.
pub fn parts(trials: &[&Trial], seed: u64) -> Vec<usize> {
    let texts = texts(trials, seed);
    let of: BTreeMap<&str, usize> = texts
        .iter()
        .flat_map(|text| text.trials.iter().map(|trial| (trial.query.as_str(), text.fold)))
        .collect();
    trials.iter().map(|trial| of.get(trial.query.as_str()).copied().unwrap_or(0)).collect()
}

/// By what the texts are put in an order.
fn lot(text: &OneText<'_>, seed: u64) -> [u8; 32] {
    let first = text.trials.iter().map(|trial| trial.query.as_str()).min().unwrap_or_default();
    *blake3::Hasher::new().update(&seed.to_le_bytes()).update(first.as_bytes()).finalize().as_bytes()
}

#[cfg(test)]
pub(super) mod tests {
    use super::{super::trial::test_support::trial, *};

    fn sample(count: usize) -> Vec<Trial> {
        (0..count).map(|at| trial(&format!("q{at}"), &[("a", 1.0, 0.5)])).collect()
    }

    #[test]
    fn parts_are_equally_large_and_do_not_depend_on_the_order_of_the_file() {
        let trials = sample(23);
        let forth: Vec<&Trial> = trials.iter().collect();
        let back: Vec<&Trial> = trials.iter().rev().collect();
        let dealt = |trials: &[&Trial]| -> BTreeMap<String, usize> {
            texts(trials, 7).iter().map(|text| (text.trials[0].query.clone(), text.fold)).collect()
        };
        assert_eq!(dealt(&forth), dealt(&back));
        let sizes = (0..FOLDS).map(|fold| dealt(&forth).values().filter(|own| **own == fold).count());
        assert_eq!(sizes.collect::<Vec<_>>(), [5, 5, 5, 4, 4]);
        let other: Vec<usize> = texts(&forth, 8).iter().map(|text| text.fold).collect();
        assert_ne!(other, texts(&forth, 7).iter().map(|text| text.fold).collect::<Vec<_>>());
        let periodic: Vec<usize> = texts(&forth, 7).iter().step_by(FOLDS).map(|text| text.fold).collect();
        assert!(periodic.iter().any(|fold| *fold != periodic[0]), "what comes in turns is mixed");
    }

    #[test]
    fn queries_of_the_same_text_are_one() {
        let mut trials = sample(12);
        for (at, trial) in trials.iter_mut().enumerate() {
            trial.text.as_mut().unwrap().twin = at as u64 % 4;
        }
        let found = texts(&trials.iter().collect::<Vec<_>>(), 1);
        assert_eq!(found.iter().map(|text| text.trials.len()).collect::<Vec<_>>(), [3, 3, 3, 3]);
        assert_eq!(parts(&trials.iter().collect::<Vec<_>>(), 1)[1], found[1].fold);
        assert_eq!(found[1].mean(|trial| trial.query[1..].parse().ok()), Some(5.0), "of q1, q5 and q9");
        trials.iter_mut().for_each(|trial| trial.text = None);
        assert_eq!(texts(&trials.iter().collect::<Vec<_>>(), 1).len(), 12, "of which nothing is known");
        assert!(texts(&[], 1).is_empty());
    }
}
