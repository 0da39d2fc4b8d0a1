use std::time::Duration;

use proptest::prelude::*;
use tokio::time::advance;

use super::*;

fn memory(max_bytes: usize) -> Memory {
    Memory::new(MemorySettings { max_bytes, ..MemorySettings::default() }, &[7; 32])
}

fn known(memory: &Memory, vector: &[f32]) -> Option<String> {
    match memory.recall(vector) {
        Recalled::Known(text) => Some(text.to_string()),
        Recalled::Unknown => None,
        Recalled::Ambiguous => panic!("ambiguous"),
    }
}

/// A vector of its own for each number.
fn numbered(n: usize) -> Vec<f32> {
    (0..16).map(|at| ((n * 31 + at * 7) % 1009) as f32 / 1009.0 - 0.3 + n as f32).collect()
}

/// As a parser reads a number: a 64-bit float, and that as a 32-bit one.
fn parsed(text: &str) -> f32 {
    text.parse::<f64>().unwrap() as f32
}

/// One component as the printers of clients write it.
fn prints(x: f32) -> Vec<String> {
    let wide = f64::from(x);
    let zero = if x == 0.0 {
        vec!["0".to_owned(), "-0".to_owned(), "0.0".to_owned(), "-0.0".to_owned()]
    } else {
        vec![]
    };
    let mut prints = vec![
        format!("{x}"),
        format!("{x:e}"),
        format!("{wide}"),
        format!("{wide:e}"),
        format!("{wide:E}"),
        format!("{wide:.16e}"),
        format!("{wide:.60}"),
        serde_json::to_string(&x).unwrap(),
        serde_json::to_string(&wide).unwrap(),
    ];
    prints.extend(zero);
    prints
}

fn finite() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -1.0_f32..1.0,
        2 => any::<f32>().prop_filter("finite", |x| x.is_finite()),
        1 => Just(0.0_f32),
        1 => Just(-0.0_f32),
        1 => (-100_i32..100).prop_map(|x| x as f32),
    ]
}

fn vectors() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(finite(), 1..40).prop_filter("says something", |v| v.iter().any(|&x| x != 0.0))
}

proptest! {
    #[test]
    fn a_remembered_vector_is_found_however_its_numbers_are_printed(
        vector in vectors(),
        print in any::<prop::sample::Index>(),
        tolerant: bool,
    ) {
        let memory = Memory::new(MemorySettings { tolerant, ..MemorySettings::default() }, &[7; 32]);
        prop_assert!(memory.remember(&vector, "red shoes"));
        let printed: Vec<f32> = vector
            .iter()
            .map(|&x| {
                let prints = prints(x);
                parsed(&prints[print.index(prints.len())])
            })
            .collect();
        let found = known(&memory, &printed);
        prop_assert_eq!(found.as_deref(), Some("red shoes"));
    }

    #[test]
    fn another_vector_never_is(vector in vectors(), at in any::<prop::sample::Index>(), up: bool) {
        let memory = memory(1 << 20);
        memory.remember(&vector, "red shoes");
        let mut other = vector.clone();
        let at = at.index(other.len());
        other[at] = if up { other[at].next_up() } else { other[at].next_down() };
        prop_assert_eq!(known(&memory, &other), None);
        for other in [&vector[..vector.len() - 1], &[&vector[..], &[0.0]].concat()] {
            prop_assert_eq!(known(&memory, other), None);
        }
    }
}

#[test]
fn the_newer_text_of_a_vector_counts() {
    for tolerant in [false, true] {
        let memory = Memory::new(MemorySettings { tolerant, ..MemorySettings::default() }, &[7; 32]);
        memory.remember(&numbered(1), "Red shoes");
        memory.remember(&numbered(1), "red shoes");
        assert_eq!((known(&memory, &numbered(1)).as_deref(), memory.entries()), (Some("red shoes"), 1));
    }
}

#[test]
fn what_says_nothing_is_not_remembered() {
    let memory = memory(1 << 20);
    for (vector, text) in [
        (vec![], "red shoes"),
        (vec![0.0; 16], "red shoes"),
        (vec![0.0, -0.0], "red shoes"),
        (vec![1.0, f32::NAN], "red shoes"),
        (vec![1.0, f32::INFINITY], "red shoes"),
        (numbered(1), ""),
        (numbered(1), " \n\u{200b}"),
        (numbered(1), &"x".repeat(LONGEST_TEXT + 1)),
    ] {
        assert!(!memory.remember(&vector, text));
        assert_eq!(known(&memory, &vector), None);
    }
    assert!(memory.is_empty());
}

#[test]
fn the_least_recently_used_is_evicted_and_the_bytes_are_never_exceeded() {
    let memory = memory(10_000);
    let text = "x".repeat(100);
    for n in 0..1000 {
        assert!(memory.remember(&numbered(n), &text));
        assert!(known(&memory, &numbered(0)).is_some(), "it is asked for each time");
        assert!(memory.bytes() <= 10_000 && memory.bytes() <= memory.entries() * (ENTRY_BYTES + 100));
    }
    assert!(memory.entries() >= 10_000 / (ENTRY_BYTES + 100));
    assert!(known(&memory, &numbered(999)).is_some() && known(&memory, &numbered(1)).is_none());
    assert!(!memory.remember(&numbered(5), &"x".repeat(10_000)), "no room for it at all");
    assert!(known(&memory, &numbered(0)).is_some());
}

#[test]
fn a_memory_of_no_bytes_remembers_nothing() {
    let memory = memory(0);
    assert!(!memory.remember(&numbered(1), "red shoes") && memory.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_text_is_forgotten_an_hour_after_it_was_last_embedded() {
    let memory = memory(1 << 20);
    memory.remember(&numbered(1), "red shoes");
    memory.remember(&numbered(2), "blue shoes");
    advance(Duration::from_secs(1800)).await;
    memory.remember(&numbered(2), "blue shoes");
    advance(Duration::from_secs(1799)).await;
    assert!(known(&memory, &numbered(1)).is_some(), "asking for it does not keep it");
    advance(Duration::from_secs(1)).await;
    assert_eq!((known(&memory, &numbered(1)), memory.entries()), (None, 1));
    assert!(known(&memory, &numbered(2)).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_again_goes_too() {
    for tolerant in [false, true] {
        let memory = Memory::new(MemorySettings { tolerant, ..MemorySettings::default() }, &[7; 32]);
        for n in 0..1000 {
            memory.remember(&numbered(n), "red shoes");
        }
        advance(Duration::from_secs(1800)).await;
        memory.remember(&numbered(1000), "red shoes");
        advance(Duration::from_secs(1800)).await;
        memory.sweep();
        assert_eq!(memory.entries(), 1);
        assert!(memory.bytes() <= ENTRY_BYTES + 9);
    }
}

#[test]
fn many_threads_remember_and_recall_at_once() {
    let memory = memory(1 << 20);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let memory = &memory;
            scope.spawn(move || {
                for n in 0..2000 {
                    let own = numbered(worker * 10_000 + n);
                    let shared = numbered(1_000_000 + n % 10);
                    assert!(memory.remember(&own, &format!("own {worker} {n}")));
                    memory.remember(&shared, &format!("shared {}", n % 10));
                    assert_eq!(known(memory, &own), Some(format!("own {worker} {n}")));
                    assert_eq!(known(memory, &shared), Some(format!("shared {}", n % 10)));
                    assert!(memory.bytes() <= (1 << 20) + 8 * 300, "{}", memory.bytes());
                }
            });
        }
    });
    assert!(memory.bytes() <= 1 << 20 && memory.entries() > 1000);
}

#[test]
fn nothing_that_is_kept_can_be_read_without_the_vector() {
    for tolerant in [false, true] {
        let settings = MemorySettings { tolerant, ..MemorySettings::default() };
        let memory = Memory::new(settings.clone(), &[7; 32]);
        let text = "a secret question about giraffes";
        memory.remember(&numbered(1), text);
        let imprint = memory.imprint(&numbered(1)).unwrap();
        let (home, now) = (Home::of(&imprint), memory.now());
        let record = memory.with(home.place, |shard| shard.record(home, now)).unwrap();
        assert!(record.len() > text.len());
        for part in text.as_bytes().windows(4) {
            assert!(!record.windows(4).any(|kept| kept == part));
        }
        // Neither with the secret and another vector, nor with the vector and another secret.
        let other = memory.imprint(&numbered(2)).unwrap();
        let stranger = Memory::new(settings, &[8; 32]).imprint(&numbered(1)).unwrap();
        for other in [other, stranger] {
            assert_ne!(other.name(), imprint.name());
            assert!(seal::open(&other.key, record.get(..seal::OVERHEAD + text.len()).unwrap()).is_none());
        }
    }
}

#[test]
fn no_text_is_shown_by_debug() {
    let memory = memory(1 << 20);
    memory.remember(&numbered(1), "secret");
    let shown = format!("{memory:?} {:?} {:?}", memory.recall(&numbered(1)), memory.imprint(&numbered(1)));
    assert!(!shown.contains("secret") && shown.contains("entries: 1"), "{shown}");
}
