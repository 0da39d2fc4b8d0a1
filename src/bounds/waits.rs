//! [`Waits`]: how often a wait was given up, by what was waited for.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The rest of a request's head.
    RequestHead,
    /// Another request on an idle connection.
    IdleConnection,
    /// More of a request's body.
    RequestBody,
    /// A client that takes no more of its answer.
    ClientRead,
    /// The head of an answer.
    Answer,
    /// More of an answer's body.
    AnswerBody,
    /// Bytes either way after a switch of protocols.
    Tunnel,
}

impl Wait {
    /// Every kind.
    pub const ALL: [Wait; 7] = [
        Wait::RequestHead,
        Wait::IdleConnection,
        Wait::RequestBody,
        Wait::ClientRead,
        Wait::Answer,
        Wait::AnswerBody,
        Wait::Tunnel,
    ];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Wait::RequestHead => "request_head",
            Wait::IdleConnection => "idle_connection",
            Wait::RequestBody => "request_body",
            Wait::ClientRead => "client_read",
            Wait::Answer => "answer",
            Wait::AnswerBody => "answer_body",
            Wait::Tunnel => "tunnel",
        }
    }
}

/// Counts waits that were given up. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct Waits(Arc<[AtomicU64; Wait::ALL.len()]>);

impl Waits {
    /// Counts one.
    pub fn given_up(&self, wait: Wait) {
        self.0[wait as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn count(&self, wait: Wait) -> u64 {
        self.0[wait as usize].load(Ordering::Relaxed)
    }
}
