//! [`CallLog`]: the calls that were made to providers for one request, for callers that want them (`explain`).

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use rustls_pki_types::CertificateDer;

use super::FailureClass;

/// The calls noted for one request. Clones share the notes. A call that a second request joined in flight is noted
/// for the first.
#[derive(Clone, Default)]
pub struct CallLog(Arc<Mutex<Vec<ProviderCall>>>);

/// One HTTP call to a rerank service; a retry is a call of its own. The key is masked wherever it stood.
#[derive(Clone)]
pub struct ProviderCall {
    /// The provider, by its configured name.
    pub provider: Arc<str>,
    /// How many documents it holds.
    pub documents: usize,
    /// The method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Names and values as they are sent; over HTTP/2 `host` is sent as `:authority`.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Bytes,
    /// How it ended.
    pub end: CallEnd,
    /// The beginning of the response's body, key masked; empty where there is none.
    pub response: Bytes,
    /// The response's headers and the like; `None` where no complete response arrived.
    pub heard: Option<Heard>,
}

/// What a service says beside the body.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Its headers.
    pub headers: HeaderMap,
    /// The certificate that it showed, where the client was built to keep it.
    pub certificate: Option<CertificateDer<'static>>,
}

/// How a call to a provider ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// It has not ended, or its caller has gone.
    Open,
    /// With a whole response, good or bad.
    ProbeResponse {
        /// Its status.
        status: u16,
        /// From the first byte sent to the last one received.
        took: Duration,
    },
    /// Without a response.
    Failed {
        /// Why.
        class: FailureClass,
        /// The same in the word of metrics and log, which may be finer.
        cause: &'static str,
        /// From its start.
        took: Duration,
    },
}

impl CallLog {
    /// The calls noted so far, in the order in which they began.
    pub fn calls(&self) -> Vec<ProviderCall> {
        self.lock().clone()
    }

    /// Notes the start of a call.
    pub(super) fn begin(&self, call: ProviderCall) -> OpenCall {
        let mut calls = self.lock();
        calls.push(call);
        OpenCall { log: self.clone(), at: calls.len() - 1 }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ProviderCall>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call whose end is still to be noted.
pub(super) struct OpenCall {
    log: CallLog,
    at: usize,
}

impl OpenCall {
    pub(super) fn end(self, end: CallEnd, response: Bytes, heard: Option<Heard>) {
        if let Some(call) = self.log.lock().get_mut(self.at) {
            (call.end, call.response, call.heard) = (end, response, heard);
        }
    }
}

impl fmt::Debug for CallLog {
    /// Shows how many calls only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallLog").field("calls", &self.lock().len()).finish()
    }
}

impl fmt::Debug for ProviderCall {
    /// Shows no text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderCall")
            .field("provider", &self.provider)
            .field("bytes", &self.body.len())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
