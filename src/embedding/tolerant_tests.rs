use std::path::Path;

use super::*;
use crate::embedding::{Memory, MemorySettings, Recalled};

/// How many vectors of each size are tried.
const TRIED: u64 = 20;
const SIZES: [usize; 3] = [384, 1536, 3072];

fn memory() -> Memory {
    Memory::new(MemorySettings { tolerant: true, ..MemorySettings::default() }, &[7; 32])
}

/// Numbers of a bell curve, the same for each seed.
fn bell(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_add(1);
    let mut even = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    move || (0..12).map(|_| even()).sum::<f64>() - 6.0
}

fn normalised(vector: &[f64]) -> Vec<f64> {
    let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    vector.iter().map(|x| x / length).collect()
}

fn narrow(vector: &[f64]) -> Vec<f32> {
    vector.iter().map(|&x| x as f32).collect()
}

fn wide(vector: &[f32]) -> Vec<f64> {
    vector.iter().map(|&x| f64::from(x)).collect()
}

/// A vector as a model gives it: of length one.
fn vector(seed: u64, size: usize) -> Vec<f32> {
    let mut next = bell(seed);
    narrow(&normalised(&(0..size).map(|_| next()).collect::<Vec<_>>()))
}

/// With so many significant bits, and exponents from that on.
fn in_bits(vector: &[f32], bits: i32, smallest: i32) -> Vec<f32> {
    let round = |x: f64| {
        let step = 2_f64.powi((x.abs().log2().floor() as i32).max(smallest) - bits + 1);
        (x / step).round() * step
    };
    wide(vector).into_iter().map(|x| if x == 0.0 { x } else { round(x) } as f32).collect()
}

fn in_digits(vector: &[f32], digits: i32) -> Vec<f32> {
    let unit = 10_f64.powi(digits);
    wide(vector).into_iter().map(|x| ((x * unit).round() / unit) as f32).collect()
}

/// Another vector at this cosine.
fn near_by(vector: &[f32], cosine: f64, seed: u64) -> Vec<f32> {
    let (own, mut next) = (wide(vector), bell(seed));
    let other: Vec<f64> = own.iter().map(|_| next()).collect();
    let along: f64 = own.iter().zip(&other).map(|(a, b)| a * b).sum();
    let across = normalised(&own.iter().zip(&other).map(|(a, b)| b - along * a).collect::<Vec<_>>());
    let sine = (1.0 - cosine * cosine).sqrt();
    narrow(&own.iter().zip(across).map(|(a, b)| a * cosine + b * sine).collect::<Vec<_>>())
}

/// How many of the vectors of every size are still known when they have been changed.
fn found(change: impl Fn(&[f32], u64) -> Vec<f32>) -> u64 {
    let mut found = 0;
    for size in SIZES {
        let memory = memory();
        let text = |seed: u64| format!("text {seed}");
        for seed in 0..TRIED {
            assert!(memory.remember(&vector(seed, size), &text(seed)));
        }
        for seed in 0..TRIED {
            match memory.recall(&change(&vector(seed, size), seed + 1000)) {
                Recalled::Known(known) => {
                    assert_eq!(*known, text(seed));
                    found += 1;
                }
                Recalled::Unknown => {}
                Recalled::Ambiguous => panic!("ambiguous"),
            }
        }
    }
    found
}

const ALL: u64 = TRIED * SIZES.len() as u64;

#[test]
fn what_was_scaled_cut_normalised_again_or_rounded_a_little_is_found() {
    for (change, what) in [
        ((|v, _| v.to_vec()) as fn(&[f32], u64) -> Vec<f32>, "nothing"),
        (|v, _| narrow(&normalised(&wide(v))), "normalised again"),
        (|v, _| v.iter().map(|x| x * 37.5).collect(), "scaled"),
        (|v, _| narrow(&normalised(&wide(&v[..256]))), "cut and normalised"),
        (|v, _| in_bits(v, 11, -14), "16-bit floats"),
        (|v, _| in_digits(v, 7), "seven digits"),
    ] {
        assert_eq!(found(change), ALL, "{what}");
    }
    // A component that becomes zero may lose its sign.
    for digits in [5, 6] {
        assert!(found(|v, _| in_digits(v, digits)) > ALL * 95 / 100, "{digits} digits");
    }
}

#[test]
fn what_was_changed_further_and_other_texts_are_not() {
    for (change, what) in [
        ((|v, _| in_bits(v, 8, -126)) as fn(&[f32], u64) -> Vec<f32>, "bfloat16"),
        (|v, _| v.iter().map(|x| (x * 1000.0).round()).collect(), "whole numbers"),
        (|v, seed| near_by(v, 0.9999, seed), "cosine 0.9999"),
        (|v, seed| near_by(v, 0.99999, seed), "cosine 0.99999"),
        (|v, _| v.iter().map(|x| -x).collect(), "turned round"),
        (|v, _| v.iter().rev().copied().collect(), "backwards"),
    ] {
        assert_eq!(found(change), 0, "{what}");
    }
}

#[test]
fn texts_of_vectors_as_near_as_that_are_ambiguous_unless_they_are_the_same() {
    let own = vector(1, 1536);
    let other = in_bits(&own, 11, -14);
    let third = in_digits(&own, 6);
    for (text, expected) in [("blue", Recalled::Ambiguous), ("red", Recalled::Known("red".to_owned().into()))]
    {
        let memory = memory();
        memory.remember(&own, "red");
        memory.remember(&other, text);
        assert_eq!(memory.recall(&third), expected);
        assert_eq!(memory.recall(&own), Recalled::Known("red".to_owned().into()), "it is exactly this one");
    }
}

#[test]
fn a_vector_that_a_client_has_cut_to_eight_of_sixteen_components_is_found() {
    // What qdrant-client sent in `tests/fixtures/embeddings/qdrant-client`.
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/embeddings/qdrant-client");
    let body = |name: &str| -> serde_json::Value {
        let bytes = std::fs::read(fixtures.join(name)).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let searched: Vec<f32> = body("07.request")["query"]["nearest"]
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap() as f32)
        .collect();
    let packed = body("06.response")["data"][0]["embedding"].as_str().unwrap().to_owned();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, packed).unwrap();
    let served: Vec<f32> = bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    assert_eq!((served.len(), searched.len()), (16, 8));

    let memory = memory();
    memory.remember(&served, "the question");
    assert_eq!(memory.recall(&searched), Recalled::Known("the question".to_owned().into()));
    let strict = Memory::new(MemorySettings::default(), &[7; 32]);
    strict.remember(&served, "the question");
    assert_eq!(strict.recall(&searched), Recalled::Unknown);
}

#[test]
fn what_is_stored_does_not_say_in_which_bin_a_component_is() {
    let secret = VectorSecret::new(&[7; 32]);
    let own = vector(1, 384);
    // The first 32 have one root mean square, whatever their order and signs; each in another bin, at the same place in it.
    let sketch = |vector: &[f32]| sketches(&secret, vector).remove(0);
    let mut turned = own.clone();
    turned[..COMPARED].reverse();
    let (a, b) = (sketch(&own), sketch(&turned));
    let mut offsets: [Vec<u8>; 2] = [&a, &b].map(|one| one.tail(&secret, &[0; 12], &[1; 32])[32..].to_vec());
    offsets[1].reverse();
    assert_eq!(offsets[0], offsets[1]);
    let nobodys = b.tail(&secret, &[0; 12], &[1; 32]);
    assert!(a.key(&secret, &[0; 12], &nobodys).is_none(), "another vector opens nothing");
    assert_eq!(*b.key(&secret, &[0; 12], &nobodys).unwrap(), [1; 32]);
    assert_ne!(
        *lock(&secret, &[0; 12], &nobodys[32..], &[0; COMPARED], &nobodys[..32].try_into().unwrap()),
        [1; 32]
    );
}

#[test]
fn vectors_that_no_sketch_can_be_made_of_are_known_exactly() {
    let memory = memory();
    let short = [0.5, -0.5, 0.25];
    let late: Vec<f32> = (0..64).map(|at| if at < 40 { 0.0 } else { 0.1 }).collect();
    for vector in [&short[..], &late] {
        memory.remember(vector, "text");
        assert_eq!(memory.recall(vector), Recalled::Known("text".to_owned().into()));
        let scaled: Vec<f32> = vector.iter().map(|x| x * 2.0).collect();
        assert_eq!(memory.recall(&scaled), Recalled::Unknown);
    }
}
