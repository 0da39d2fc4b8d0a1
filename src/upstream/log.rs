//! What an upstream's failures and recoveries leave in the log, and for the inspector.

use std::time::SystemTime;

use http::StatusCode;

use super::{Failing, Upstream, standing::SERVER_ERROR};
use crate::trouble::{self, Failure, Peer};

impl Upstream {
    /// Notes a failure, and logs it in one line for each cause and minute.
    pub fn log_failure(
        &self,
        cause: &'static str,
        remedy: &'static str,
        error: &(dyn std::error::Error + 'static),
    ) {
        self.standing.fails(cause, SystemTime::now());
        let address = format!("{}://{}", self.address.scheme, self.address.authority);
        trouble::warn(
            &self.lines,
            Peer { role: "upstream", name: "", address: &address },
            &Failure { cause, remedy, help: "docs/runbook.md#rerankdupstreamunreachable".to_owned(), error },
        );
    }

    /// Notes how a request was answered: an error of the server's own is a failure.
    pub fn responded(&self, status: StatusCode) {
        match status.is_server_error() {
            true => self.standing.fails(SERVER_ERROR, SystemTime::now()),
            false => {
                if let Some(over) = self.standing.works() {
                    self.log_recovery(over);
                }
            }
        }
    }

    /// One line a minute. Errors of the database's own have none: they come and go with the requests.
    fn log_recovery(&self, over: Failing) {
        let Some(cause) = over.unanswered else { return };
        self.lines.say("answers_again", || {
            let address = format!("{}://{}", self.address.scheme, self.address.authority);
            let failed_for = SystemTime::now().duration_since(over.since).unwrap_or_default().as_secs();
            move |left_out: Option<u64>| {
                tracing::info!(
                    address,
                    cause,
                    requests = over.requests,
                    failed_for_s = failed_for,
                    left_out,
                    "upstream: it answers again"
                );
            }
        });
    }

    /// The failures up to the last exchange; `None` if that one succeeded, or there was none.
    pub fn failing(&self) -> Option<Failing> {
        self.standing.failing()
    }
}
