//! Server-sent events: the state every two seconds, and every search as it is recorded.
//!
//! Source: WHATWG HTML, "Server-sent events".

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast},
    time::{Interval, MissedTickBehavior, interval},
};

use super::{Inspector, record_json};
use crate::admin::{Admin, responses::Body};

const STATE_EVERY: Duration = Duration::from_secs(2);

/// What one reader is sent.
struct Events {
    admin: Admin,
    added: broadcast::Receiver<u64>,
    state: Interval,
    begun: bool,
    _place: OwnedSemaphorePermit,
}

/// An unlimited body, and the slot that it holds until its reader disconnects.
pub(super) fn body(admin: Admin, place: OwnedSemaphorePermit) -> Body {
    let mut state = interval(STATE_EVERY);
    state.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let added = admin.inspector.records.subscribe();
    let events = Events { admin, added, state, begun: false, _place: place };
    let frames = stream::unfold(events, |mut events| async move {
        let text = events.next().await;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(text))), events))
    });
    StreamBody::new(frames).boxed_unsync()
}

impl Events {
    async fn next(&mut self) -> String {
        if !self.begun {
            self.begun = true;
            // How long a browser waits before it connects again, in milliseconds.
            return "retry: 2000\n\n".to_owned();
        }
        loop {
            tokio::select! {
                biased;
                _ = self.state.tick() => return event("state", &self.admin.state()),
                added = self.added.recv() => match added {
                    Ok(number) => if let Some(row) = row(&self.admin.inspector, number) {
                        return event("search", &row);
                    },
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        return event("missed", &json!({ "searches": missed }));
                    }
                    // The ring lives as long as the program.
                    Err(broadcast::error::RecvError::Closed) => {
                        return event("state", &self.admin.state());
                    }
                },
            }
        }
    }
}

/// The row of a record that is still held.
fn row(inspector: &Inspector, number: u64) -> Option<Value> {
    inspector.records.get(number).map(|record| record_json::row(&(number, record)))
}

/// JSON has no line breaks of its own, so one line of data is enough.
fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}
