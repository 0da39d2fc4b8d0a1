//! Texts and vectors out of the copies of a call, into the memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::CallMetrics;
use super::{calls::Counted, ending::Ending};
use crate::body::coding::{self, CodingError};
use crate::bounds::Budget;
use crate::embedding::Recall;
use crate::embedding::form::{Asked, Call, Prefixes, Remember, Skip};
use crate::tenant::{Peer, Rules};

/// What calls are listened to with. All services share it.
pub struct Hearing {
    /// Who is which tenant, where any keeps its texts to itself.
    pub tenants: Option<Arc<Rules>>,
    /// Where texts are remembered; nowhere if nothing is to be.
    pub recall: Option<Arc<Recall>>,
    /// What is taken off a text.
    pub prefixes: Prefixes,
    /// How much is copied.
    pub limits: HearingLimits,
    /// What copies are taken from.
    pub budget: Budget,
    /// Counts calls.
    pub metrics: CallMetrics,
}

impl Hearing {
    /// The tenant that a request is of, if what it embeds is for its own searches alone.
    pub(super) fn apart(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Option<Arc<str>> {
        let rules = self.tenants.as_ref()?;
        let tenant = rules.tenant(rules.claim(headers, peer))?;
        tenant.apart.then(|| tenant.name.clone())
    }
}

/// How much of a call is copied: larger ones pass unread.
#[derive(Clone, Copy, Debug)]
pub struct HearingLimits {
    /// Of a request, also unpacked, in bytes.
    pub request_bytes: usize,
    /// Of a response, also unpacked, in bytes.
    pub response_bytes: usize,
}

/// More than this is not read on the thread that carries other calls too.
const SMALL: usize = 256 << 10;
/// The longest that a response's last byte waits.
const LONGEST: Duration = Duration::from_secs(1);

/// What is needed to learn from a response.
pub(super) struct Lesson {
    pub(super) asked: Asked,
    pub(super) codings: Codings,
    pub(super) hearing: Arc<Hearing>,
    pub(super) recall: Arc<Recall>,
    /// Whose texts they are, where these are kept apart.
    pub(super) tenant: Option<Arc<str>>,
    pub(super) counted: Counted,
}

/// The content codings of a message.
pub(super) struct Codings(HeaderMap);

impl Codings {
    /// Those that its head names.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(CONTENT_ENCODING).into_iter();
        Self(values.map(|value: &HeaderValue| (CONTENT_ENCODING, value.clone())).collect())
    }

    fn decode(&self, bytes: &Bytes, limit: usize, budget: &Budget) -> Result<Bytes, CodingError> {
        coding::decode(&self.0, CONTENT_ENCODING, bytes, limit, budget)
    }

    fn is_plain(&self) -> bool {
        self.0.is_empty()
    }
}

/// The texts that a request asks about. Returns why there is nothing to learn from it otherwise.
pub(super) async fn asked(
    call: Call,
    how: Remember,
    (copy, codings): (Bytes, Codings),
    hearing: Arc<Hearing>,
) -> Result<Asked, Ending> {
    let is_small = copy.len() <= SMALL && codings.is_plain() && !call.is_slow(&copy);
    let work = move || {
        let limit = hearing.limits.request_bytes;
        let request = codings
            .decode(&copy, limit, &hearing.budget)
            .map_err(|error| undecoded(error, Skip::BadRequest))?;
        call.read(&request, how, &hearing.prefixes).map_err(Ending::Skipped)
    };
    if is_small {
        return guarded(work).unwrap_or(Err(Ending::Failed));
    }
    match timeout(LONGEST, spawn_blocking(work)).await {
        Ok(Ok(asked)) => asked,
        _ => Err(Ending::Failed),
    }
}

impl Lesson {
    /// Learns from a response; if that takes a while, what the response's end has to wait for.
    pub(super) fn learn(
        self,
        copy: Result<Bytes, Ending>,
    ) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let copy = match copy {
            Ok(copy) => copy,
            Err(ending) => {
                self.counted.end(ending);
                return None;
            }
        };
        if copy.len() <= SMALL && self.codings.is_plain() {
            self.now(&copy);
            return None;
        }
        let work = spawn_blocking(move || self.now(&copy));
        Some(Box::pin(async move {
            // What is late is remembered all the same, a little after the client has its vectors.
            timeout(LONGEST, work).await.ok();
        }))
    }

    fn now(self, copy: &Bytes) {
        let Self { asked, codings, hearing, recall, tenant, counted } = self;
        let learned = guarded(|| {
            let response = codings
                .decode(copy, hearing.limits.response_bytes, &hearing.budget)
                .map_err(|error| undecoded(error, Skip::BadResponse))?;
            let mut kept = 0_usize;
            let mut remember = |text: &str, vector: &[f32]| {
                kept += usize::from(recall.remember_of(tenant.as_deref(), vector, text))
            };
            asked.pairs(&response, &mut remember).map_err(Ending::Skipped)?;
            Ok(if kept == 0 { Ending::NotKept } else { Ending::Remembered })
        });
        counted.end(match learned {
            Some(Ok(ending) | Err(ending)) => ending,
            None => Ending::Failed,
        });
    }
}

/// A fault of ours in what reads foreign bytes must not cost a call its response.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn undecoded(error: CodingError, unreadable: Skip) -> Ending {
    match error {
        CodingError::Unknown | CodingError::Broken => Ending::Skipped(unreadable),
        CodingError::TooLarge => Ending::TooLarge,
        CodingError::NoRoom => Ending::NoRoom,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_ours_is_no_fault_of_the_calls() {
        assert_eq!(guarded(|| 7), Some(7));
        assert_eq!(guarded(|| -> u8 { std::panic::panic_any(()) }), None);
    }
}
