//! [`Timeouts`]: how often a timeout expired, by what was waited for.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutKind {
    /// The rest of a request's head.
    RequestHead,
    /// Another request on an idle connection.
    IdleConnection,
    /// More of a request's body.
    RequestBody,
    /// A client that accepts no more of its response.
    ClientRead,
    /// The head of a response.
    Response,
    /// More of a response's body.
    ResponseBody,
    /// Bytes either way after a switch of protocols.
    Tunnel,
}

impl TimeoutKind {
    /// Every kind.
    pub const ALL: [TimeoutKind; 7] = [
        TimeoutKind::RequestHead,
        TimeoutKind::IdleConnection,
        TimeoutKind::RequestBody,
        TimeoutKind::ClientRead,
        TimeoutKind::Response,
        TimeoutKind::ResponseBody,
        TimeoutKind::Tunnel,
    ];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            TimeoutKind::RequestHead => "request_head",
            TimeoutKind::IdleConnection => "idle_connection",
            TimeoutKind::RequestBody => "request_body",
            TimeoutKind::ClientRead => "client_read",
            TimeoutKind::Response => "response",
            TimeoutKind::ResponseBody => "response_body",
            TimeoutKind::Tunnel => "tunnel",
        }
    }
}

/// Counts timeouts that expired. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct Timeouts(Arc<[AtomicU64; TimeoutKind::ALL.len()]>);

impl Timeouts {
    /// Counts one.
    pub fn given_up(&self, wait: TimeoutKind) {
        self.0[wait as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn count(&self, wait: TimeoutKind) -> u64 {
        self.0[wait as usize].load(Ordering::Relaxed)
    }
}
