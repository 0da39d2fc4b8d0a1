#!/usr/bin/env bash
# quick_cache 0.6.24 (Rust): an entry that grows in place takes the cache over its capacity, and nothing is evicted.
#
# `Cache::entry` is the documented way to change a value without a race, and the weight is counted anew after the
# callback: the cache knows that it is too heavy. All the same it evicts only when the next value is inserted. A cache whose
# entries grow more often than new ones come (lists that are added to) stays over the bytes that it was given, by as much
# as was added. Taking the value out and inserting the grown one evicts as one would expect.
source "$(dirname "$0")/lib.sh"

out=$(rust 'quick_cache = "=0.6.24"' <<'RUST'
use quick_cache::{Weighter, sync::{Cache, EntryAction}};
#[derive(Clone)]
struct Length;
impl Weighter<u32, Vec<u8>> for Length {
    fn weight(&self, _: &u32, value: &Vec<u8>) -> u64 { value.len() as u64 }
}
fn filled() -> Cache<u32, Vec<u8>, Length> {
    let cache = Cache::with_weighter(64, 64_000, Length);
    for key in 0..64 { cache.insert(key, vec![0; 900]); }
    cache
}
fn main() {
    let cache = filled();
    println!("{} {}", cache.capacity(), cache.weight() <= cache.capacity());
    for key in 0..64 {
        cache.entry(&key, None, |_, value| { value.resize(1800, 0); EntryAction::Retain(()) });
    }
    println!("{}", cache.weight() > cache.capacity() * 3 / 2);
    let cache = filled();
    for key in 0..64 {
        if cache.get(&key).is_some() { cache.insert(key, vec![0; 1800]); }
    }
    println!("{}", cache.weight() <= cache.capacity());
}
RUST
)
saw version 'quick_cache 0.6.24'
is 'capacity, and whether the filled cache is within it' "$(sed -n 1p <<<"$out")" '64000 true'
is 'more than half over it after its entries have grown in place' "$(sed -n 2p <<<"$out")" true
is 'within it where each was inserted again instead' "$(sed -n 3p <<<"$out")" true
