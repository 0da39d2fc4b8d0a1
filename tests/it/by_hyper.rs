//! The tests of transparency once more, with no request passed on as it is: what hyper handles has to keep the same
//! promises, since every request may be handled by it.

use crate::harness::relays;

#[path = "forward.rs"]
mod forward;
#[path = "framing.rs"]
mod framing;
#[path = "framing_responses.rs"]
mod framing_responses;
#[path = "heads.rs"]
mod heads;
#[path = "pooled.rs"]
mod pooled;
#[path = "replay.rs"]
mod replay;
#[path = "targets.rs"]
mod targets;
#[path = "upstream.rs"]
mod upstream;

#[test]
fn nothing_is_passed_on_as_it_is_in_these_tests() {
    let is_alone = std::thread::current().name() == Some("main");
    assert!(is_alone || !relays());
}
