//! What is learned of kinds, where it is known what is to be learned.

use super::{
    folds,
    folds::FOLDS,
    kinds::{Gain, KindAdvice, LEAST, QueryKind, Sample, advise, harmful, looked_at, rule, setting},
    trial::{TextLook, Trial, Way, test_support::trial},
    window::{Setting, tests::setting as one_setting},
};
use crate::search::QueryTraits;

/// Fifty texts in each of two kinds (one word; more than eight words), and fifty of none.
fn texts() -> Vec<Trial> {
    let one = |at: usize| {
        let mut trial = trial(&format!("q{at}"), &[("a", 1.0, 0.1), ("b", 0.9, 0.9)]);
        trial.text = trial.text.map(|text| TextLook { words: [1, 5, 12][at % 3], ..text });
        trial
    };
    (0..150).map(one).collect()
}

/// What follows where each text gains so much.
fn learned(trials: &[Trial], gain: impl Fn(&Trial) -> f64, seed: u64) -> KindAdvice {
    let setting = Setting { min_queries: 30, seed, ..one_setting(None) };
    let all: Vec<&Trial> = trials.iter().collect();
    let all = folds::texts(&all, seed);
    let gains: Vec<f64> = all.iter().map(|text| gain(text.trials[0])).collect();
    let without = vec![gains; FOLDS];
    let order = (Way::Relevance, 100);
    advise(Sample { all: &all, judged: &all, without: &without, order }, &setting)
}

/// Most gains are nothing; the others are spread around `mean`, far more than it is from 0.
fn spread(random: &mut fastrand::Rng, mean: f64) -> f64 {
    mean + if random.f64() < 0.5 { 0.0 } else { 0.6 * (random.f64() - 0.5) }
}

#[test]
fn a_kind_that_hurts_is_found_set_and_its_gain_told_from_queries_left_out() {
    let trials = texts();
    let mut random = fastrand::Rng::with_seed(1);
    let gains: Vec<f64> = (0..150).map(|at| spread(&mut random, [-0.1, 0.05, 0.05][at % 3])).collect();
    let at = |trial: &Trial| trial.query[1..].parse::<usize>().unwrap();
    let advice = learned(&trials, |trial| gains[at(trial)], 1);
    // "Three words or fewer" are the same ones here: one of both is enough.
    assert_eq!(advice.skip.len(), 1, "{advice:?}");
    let skipped = rule(&advice.skip);
    assert!(skipped.skips("refund") && !skipped.skips("refund of five more words"), "{advice:?}");
    assert!(advice.enough && advice.notes.is_empty(), "{advice:?}");
    assert_eq!((advice.looked_at, advice.saved), (3, Some(1.0 / 3.0)));
    let held_out = advice.held_out.unwrap();
    assert_eq!(held_out.learned, FOLDS);
    // A third of the texts lose a tenth.
    assert!(
        (held_out.gain - 0.1 / 3.0).abs() < 0.015 && held_out.interval.unwrap().low > 0.0,
        "{held_out:?}"
    );
    let point = advice.kinds.iter().find(|point| point.kind == Some(QueryKind::Words(1))).unwrap();
    assert!(point.interval.unwrap().high < 0.0 && point.judged == 50, "{point:?}");
    assert_eq!(advice.kinds.iter().map(|point| point.kind.is_none()).filter(|others| *others).count(), 1);
}

#[test]
fn random_differences_propose_a_rule_no_more_often_than_is_said() {
    let texts: Vec<TextLook> = texts().iter().filter_map(|trial| trial.text).collect();
    let mut proposed = 0;
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let gains: Vec<Gain> = texts.iter().map(|text| (*text, spread(&mut random, 0.0))).collect();
        let looked_at = looked_at(&gains);
        assert_eq!(looked_at.len(), 3);
        proposed += usize::from(!harmful(&gains, &looked_at, seed).is_empty());
    }
    // At most 5 in 100 are said, gains among them, of which nothing is proposed.
    assert!(proposed <= 5, "{proposed}");
}

#[test]
fn a_kind_of_which_few_gain_much_is_seldom_taken_for_one_that_hurts() {
    let texts: Vec<TextLook> = texts().iter().filter_map(|trial| trial.text).collect();
    let mut proposed = 0;
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        // On the whole nothing is gained or lost.
        let mut gain = || if random.f64() < 0.05 { 0.95 } else { -0.05 };
        let gains: Vec<Gain> = texts.iter().map(|text| (*text, gain())).collect();
        proposed += usize::from(!harmful(&gains, &looked_at(&gains), seed).is_empty());
    }
    assert!(proposed <= 5, "{proposed}");
}

#[test]
fn a_kind_is_not_skipped_for_what_another_one_has_lost() {
    let trials = texts();
    // Of three words or fewer, only the single words lose; those of two gain a little.
    let with_two: Vec<Trial> = trials
        .into_iter()
        .enumerate()
        .map(|(at, mut trial)| {
            trial.text = trial.text.map(|text| TextLook { words: [1, 2, 12][at % 3], ..text });
            trial
        })
        .collect();
    let gain = |trial: &Trial| match trial.text.unwrap().words {
        1 => -0.3,
        2 => 0.05,
        _ => 0.1,
    };
    let advice = learned(&with_two, gain, 1);
    assert_eq!(advice.skip, [QueryKind::Words(1)]);
    let all = advice.kinds.iter().find(|point| point.kind == Some(QueryKind::Words(3))).unwrap();
    assert!(all.interval.unwrap().high < 0.0, "together they lose, too: {all:?}");
}

#[test]
fn few_queries_of_a_kind_are_not_looked_at_nor_set() {
    let few = |own: usize| {
        let trials = texts().into_iter().filter(|trial| {
            let at: usize = trial.query[1..].parse().unwrap();
            trial.text.unwrap().words != 1 || at / 3 < own
        });
        let gain = |trial: &Trial| if trial.text.unwrap().words == 1 { -0.3 } else { 0.1 };
        learned(&trials.collect::<Vec<_>>(), gain, 1)
    };
    let too_few = few(LEAST - 1);
    assert!(too_few.skip.is_empty() && too_few.looked_at == 1, "{too_few:?}");
    let some = few(LEAST + 5);
    assert!(some.skip.len() == 1 && !some.enough, "{some:?}");
    assert!(some.notes[0].contains("25 queries of a kind are judged, 30 are needed"), "{some:?}");
    // Where all are of one kind, it is no kind: that is for `mode` and `score` to say.
    let all: Vec<Trial> = texts().into_iter().filter(|trial| trial.text.unwrap().words == 1).collect();
    let alone = learned(&all, |_| -0.3, 1);
    assert!(alone.skip.is_empty() && alone.notes[0].starts_with("no kind is looked at"), "{alone:?}");
}

#[test]
fn where_all_kinds_lose_none_is_set() {
    let advice = learned(&texts(), |trial| if trial.text.unwrap().words == 12 { -0.3 } else { -0.01 }, 1);
    assert!(advice.skip.contains(&QueryKind::WordsOver(8)) && !advice.enough, "{advice:?}");
    assert!(advice.notes[0].starts_with("the other queries gain nothing either"), "{advice:?}");
}

#[test]
fn without_judgments_it_is_told_on_which_kinds_calls_are_wasted() {
    let mut trials = texts();
    for trial in &mut trials {
        if trial.text.unwrap().words == 12 {
            // The reranker agrees with the database.
            trial.candidates[0].relevance = Some(0.95);
        }
    }
    let all: Vec<&Trial> = trials.iter().collect();
    let setting = one_setting(None);
    let all = folds::texts(&all, 1);
    let sample = Sample { all: &all, judged: &[], without: &[], order: (Way::Relevance, 100) };
    let advice = advise(sample, &setting);
    assert_eq!(
        (advice.wasted.as_slice(), advice.wasted_saved),
        (&[QueryKind::WordsOver(8)][..], Some(1.0 / 3.0))
    );
    assert!(advice.skip.is_empty() && !advice.enough && advice.held_out.is_none(), "{advice:?}");
    assert!(advice.notes[0].starts_with("without judgments"), "{advice:?}");
    let point = advice.kinds.iter().find(|point| point.kind == Some(QueryKind::WordsOver(8))).unwrap();
    assert_eq!((point.queries, point.judged, point.unchanged), (50, 0, Some(1.0)));
    assert!(point.unchanged_interval.is_some_and(|interval| interval.low > 0.9 && interval.high == 1.0));
    let nothing = advise(Sample { all: &[], ..sample }, &setting);
    assert!(nothing.kinds.is_empty() && nothing.wasted.is_empty());
}

#[test]
fn the_rule_of_a_kind_skips_what_is_of_it_and_nothing_else() {
    let queries = [
        "SKU-4711",
        "\"to be or not\"",
        "bank",
        "bank card",
        "bank card stolen abroad",
        "what is it?",
        "how does one find a bank card that was lost abroad",
        "a bank card that was lost abroad in a town where nobody speaks any language that one knows well",
        "日本語の文法",
    ];
    for query in queries {
        let look = TextLook::of(query, 1);
        assert_eq!(look.words, QueryTraits::of(query).words);
        for kind in QueryKind::ALL {
            assert_eq!(rule(&[kind]).skips(query), kind.holds(&look), "{kind}: {query}");
        }
        assert_eq!(rule(&QueryKind::ALL).skips(query), QueryKind::ALL.iter().any(|kind| kind.holds(&look)));
    }
}

#[test]
fn the_setting_of_several_kinds_is_one_that_the_configuration_reads() {
    let all = setting(&QueryKind::ALL);
    assert_eq!(all, "{ identifiers: true, phrases: true, questions: true, words: 3, words_over: 8 }");
    assert_eq!(setting(&[QueryKind::WordsOver(16)]), "{ words_over: 16 }");
    let file =
        format!("listeners: [{{ upstream: {{ url: 'http://db' }} }}]\nrerank: {{ skip_when: {all} }}\n");
    let read = crate::config::load(
        Some((std::path::Path::new("f"), &file)),
        &Default::default(),
        &crate::config::Flags::default(),
    );
    let read = read.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(read.rerank.skip_when, rule(&QueryKind::ALL));
}
