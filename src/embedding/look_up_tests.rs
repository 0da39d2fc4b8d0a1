use std::sync::Arc;

use prometheus::Registry;
use tokio::time::{Duration, Instant};

use super::*;
use crate::{
    bounds::Budget,
    embedding::{EmbeddingMetrics, MemorySettings},
    fleet::tests::{
        fleet_of,
        peer::{Act, Peer},
    },
};

type Texts = Vec<(usize, Result<NativeText, KeepReason>)>;

struct Member {
    recall: Recall,
    registry: Registry,
}

impl Member {
    fn new(fleet: Option<Arc<Fleet>>, secret: u8) -> Self {
        let registry = Registry::new();
        let metrics = EmbeddingMetrics::register(&registry).unwrap();
        metrics.declare(fleet.is_some());
        Self { recall: Recall::new(MemorySettings::default(), &[secret; 32], fleet, metrics), registry }
    }

    async fn of(peer: &Arc<Peer>, secret: u8) -> Self {
        Self::new(Some(fleet_of(peer).await), secret)
    }

    /// The texts of searches by these vectors.
    async fn look_up(&self, searches: &[&[Vec<f32>]]) -> Texts {
        self.look_up_within(1 << 20, searches).await
    }

    async fn look_up_within(&self, bytes: usize, searches: &[&[Vec<f32>]]) -> Texts {
        let mut permit = Budget::new(bytes).nothing();
        let mut look_up = LookUp::new(&self.recall, &mut permit);
        for (at, vectors) in searches.iter().enumerate() {
            for vector in *vectors {
                look_up.vector(at, vector);
            }
        }
        look_up.ask().await;
        look_up.texts().collect()
    }

    async fn flush(&self) {
        self.recall.fleet.as_ref().unwrap().flush(Duration::from_secs(1)).await;
    }

    fn metric(&self, line: &str) -> f64 {
        let text = prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let line = format!("rerankd_embedding_{line} ");
        text.lines().find_map(|l| l.strip_prefix(&line)).unwrap_or_else(|| panic!("{line}")).parse().unwrap()
    }

    /// Searches that were found, missed and ambiguous.
    fn counted(&self, tier: &str) -> [f64; 3] {
        ["found", "missed", "ambiguous"]
            .map(|result| self.metric(&format!("lookups_total{{result=\"{result}\",tier=\"{tier}\"}}")))
    }
}

fn vector(n: u16) -> Vec<f32> {
    (0..16).map(|at| f32::from(n) + at as f32 / 16.0).collect()
}

fn one(text: &str) -> Result<NativeText, KeepReason> {
    Ok(NativeText::One(text.to_owned()))
}

#[tokio::test]
async fn one_distinct_text_of_all_vectors_is_the_text_and_several_are_none() {
    let member = Member::new(None, 1);
    for (n, text) in [(1, "red"), (2, "red"), (3, "blue")] {
        assert!(member.recall.remember(&vector(n), text));
    }
    let [red, also_red, blue, unknown] = [vector(1), vector(2), vector(3), vector(9)];
    let texts = member
        .look_up(&[
            &[red.clone(), also_red],
            std::slice::from_ref(&unknown),
            &[unknown.clone(), blue.clone()],
            &[red, blue],
            &[],
        ])
        .await;
    assert_eq!(texts, [(0, one("red")), (2, one("blue")), (3, Ok(NativeText::Several))]);
    assert_eq!(member.counted("memory"), [2.0, 1.0, 1.0]);
    assert_eq!((member.metric("memory_entries"), member.metric("texts_remembered_total")), (3.0, 3.0));
}

#[tokio::test]
async fn a_text_that_there_is_no_room_for_is_not_held() {
    let member = Member::new(None, 1);
    member.recall.remember(&vector(1), &"x".repeat(1000));
    assert_eq!(member.look_up_within(1000, &[&[vector(1)]]).await, [(0, Err(KeepReason::Overloaded))]);
}

#[tokio::test(start_paused = true)]
async fn what_another_member_was_told_is_found_in_one_round_trip_and_then_known_here() {
    let peer = Peer::new();
    let (one_member, other) = (Member::of(&peer, 1).await, Member::of(&peer, 1).await);
    for n in 0..3 {
        one_member.recall.remember(&vector(n), &format!("text {n}"));
    }
    one_member.flush().await;
    other.recall.remember(&vector(7), "own");
    let searches: [&[Vec<f32>]; 3] = [&[vector(0), vector(9)], &[vector(7), vector(1)], &[vector(2)]];
    let expected = [(0, one("text 0")), (1, one("own")), (2, one("text 2"))];
    assert_eq!(other.look_up(&searches).await, expected);
    let asked = peer.seen("MGET");
    assert_eq!(asked.iter().map(Vec::len).collect::<Vec<_>>(), [1 + 3], "not for what has a text here");
    assert_eq!((other.counted("memory"), other.counted("fleet")), ([1.0, 2.0, 0.0], [2.0, 0.0, 0.0]));

    let again: [&[Vec<f32>]; 2] = [&[vector(0)], &[vector(2)]];
    assert_eq!(other.look_up(&again).await, [(0, one("text 0")), (1, one("text 2"))]);
    assert_eq!(peer.seen("MGET").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_fleets_redis_holds_no_text_and_forgets_in_time() {
    let peer = Peer::new();
    let member = Member::of(&peer, 1).await;
    member.recall.remember(&vector(1), "a secret question");
    member.flush().await;
    let written = peer.seen("SET");
    let [words] = &written[..] else { panic!("{}", written.len()) };
    assert!(words[1].starts_with(b"rerankd:e:") && words[3] == b"PX" && words[4] == b"3600000");
    assert!(!words[2].windows(6).any(|part| part == b"secret"));

    let stranger = Member::of(&peer, 2).await;
    assert_eq!(stranger.look_up(&[&[vector(1)]]).await, []);
    assert_eq!((stranger.counted("memory"), stranger.counted("fleet")), ([0.0, 1.0, 0.0], [0.0, 1.0, 0.0]));
}

#[tokio::test(start_paused = true)]
async fn a_text_that_somebody_else_has_put_there_is_not_taken() {
    let peer = Peer::new();
    let member = Member::of(&peer, 1).await;
    member.recall.remember(&vector(1), "one");
    member.recall.remember(&vector(2), "two");
    member.flush().await;
    {
        let mut store = peer.store.lock().unwrap();
        let keys: Vec<_> = store.keys().filter(|key| key.starts_with(b"rerankd:e:")).cloned().collect();
        let [a, b] = &keys[..] else { panic!("{}", keys.len()) };
        let swapped = store[a].clone();
        store.insert(b.clone(), swapped);
        store.insert(a.clone(), b"short".to_vec());
    }
    let fresh = Member::of(&peer, 1).await;
    assert_eq!(fresh.look_up(&[&[vector(1)], &[vector(2)]]).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_redis_that_hangs_costs_its_own_time_out_until_its_breaker_opens() {
    let peer = Peer::new();
    let member = Member::of(&peer, 1).await;
    peer.script(|words| if words[0] == b"MGET" { Act::Hang } else { Act::Serve });
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(member.look_up(&[&[vector(1)]]).await, []);
    }
    assert_eq!(began.elapsed(), Duration::from_millis(5 * 20));
}

#[tokio::test(start_paused = true)]
async fn no_more_vectors_of_a_request_are_asked_for_than_the_fleet_may_be() {
    let peer = Peer::new();
    let member = Member::of(&peer, 1).await;
    let vectors: Vec<[Vec<f32>; 1]> = (0..300).map(|n| [vector(n)]).collect();
    let searches: Vec<&[Vec<f32>]> = vectors.iter().map(|one| &one[..]).collect();
    assert_eq!(member.look_up(&searches).await, []);
    assert_eq!(peer.seen("MGET")[0].len(), 1 + MOST_ASKED);
}

#[tokio::test]
async fn a_text_that_a_tenant_keeps_to_itself_is_recalled_for_that_tenant_alone() {
    let peer = Peer::new();
    for member in [Member::new(None, 1), Member::of(&peer, 1).await] {
        assert!(member.recall.remember_of(Some("acme"), &vector(1), "acme asks"));
        assert!(member.recall.remember(&vector(2), "anybody asks"));
        for (tenant, first, second) in
            [(None, false, true), (Some("acme"), true, false), (Some("bolt"), false, false)]
        {
            let mut permit = Budget::new(1 << 20).nothing();
            let mut look_up = LookUp::new(&member.recall, &mut permit).of(tenant);
            look_up.vector(0, &vector(1));
            look_up.vector(1, &vector(2));
            look_up.ask().await;
            let found: Vec<usize> = look_up.texts().map(|(search, _)| search).collect();
            let wanted: Vec<usize> =
                [(0, first), (1, second)].iter().filter(|(_, is)| *is).map(|(at, _)| *at).collect();
            assert_eq!(found, wanted, "{tenant:?}");
        }
    }
}
