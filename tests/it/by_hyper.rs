//! The tests of transparency and of searches once more, with no request read from its own bytes: what hyper handles has
//! to keep the same promises, since every request may be handled by it.

use crate::harness::relays;

#[path = "answer_block.rs"]
mod answer_block;
#[path = "bad_responses.rs"]
mod bad_responses;
#[path = "drain.rs"]
mod drain;
#[path = "faults.rs"]
mod faults;
#[path = "forward.rs"]
mod forward;
#[path = "framing.rs"]
mod framing;
#[path = "framing_responses.rs"]
mod framing_responses;
#[path = "heads.rs"]
mod heads;
#[path = "otlp.rs"]
mod otlp;
#[path = "pooled.rs"]
mod pooled;
#[path = "replay.rs"]
mod replay;
#[path = "search.rs"]
mod search;
#[path = "targets.rs"]
mod targets;
#[path = "tenants.rs"]
mod tenants;
#[path = "unranked.rs"]
mod unranked;
#[path = "upstream.rs"]
mod upstream;

#[test]
fn nothing_is_passed_on_as_it_is_in_these_tests() {
    let is_alone = std::thread::current().name() == Some("main");
    assert!(is_alone || !relays());
}
