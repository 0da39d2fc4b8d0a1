//! [`Tracer`]: decides which requests are traced.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName};
use opentelemetry::trace::TraceId;

use super::{
    ExportError, OpenSpan, Parents, Propagate, TraceMetrics, TraceSettings,
    context::{self, Remote},
    export::Queue,
    span::TRACEPARENT,
};

static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What everybody has to take of a `tracestate` (W3C Trace Context, §3.3.1.5); a longer one is not noted.
const LONGEST_STATE: usize = 512;

/// A ratio of 1, as 63 bits of a trace's id are compared with it.
const ALL: u64 = 1 << 63;

/// Begins traces. Cheap to clone; the last clone to go ends the export.
#[derive(Clone)]
pub struct Tracer(Arc<Inner>);

struct Inner {
    parents: Parents,
    /// Ids below are sampled.
    bound: u64,
    propagate: Propagate,
    queue: Arc<Queue>,
}

impl Tracer {
    /// `None` where there is no collector. Opens no connection, starts nothing yet; blocks on the disk.
    pub fn new(settings: &TraceSettings, metrics: &TraceMetrics) -> Result<Option<Self>, ExportError> {
        let Some(queue) = Queue::new(settings, metrics)? else { return Ok(None) };
        let inner = Inner {
            parents: settings.parents,
            bound: (settings.ratio.clamp(0.0, 1.0) * ALL as f64) as u64,
            propagate: settings.propagate,
            queue: Arc::new(queue),
        };
        Ok(Some(Self(Arc::new(inner))))
    }

    /// Starts to export, in a thread of its own.
    pub fn start(&self) {
        self.0.queue.start();
    }

    /// Exports what is waiting, for so long at most; spans that end later are dropped.
    pub async fn finish(&self, within: Duration) {
        self.0.queue.finish(within).await;
    }

    /// The span of a request with these headers, if it is traced. `may_tell`: its `traceparent` may be replaced.
    pub fn begin(&self, headers: &HeaderMap, may_tell: impl FnOnce() -> bool) -> Option<OpenSpan> {
        let value = |name: &HeaderName| headers.get(name).map(|value| value.as_bytes());
        self.begin_with(value(&TRACEPARENT), value(&TRACESTATE), may_tell)
    }

    /// The same of a request with these two.
    pub fn begin_with(
        &self,
        parent: Option<&[u8]>,
        state: Option<&[u8]>,
        may_tell: impl FnOnce() -> bool,
    ) -> Option<OpenSpan> {
        let sampled = self.sampled(parent)?;
        // Every span that waits has a copy.
        let state = state.filter(|state| state.len() <= LONGEST_STATE);
        let state = state.and_then(|state| std::str::from_utf8(state).ok());
        let propagate = match self.0.propagate {
            Propagate::Off => Propagate::Off,
            propagate if may_tell() => propagate,
            _ => Propagate::Off,
        };
        Some(OpenSpan::server(sampled, state, propagate, self.0.queue.clone()))
    }

    fn sampled(&self, traceparent: Option<&[u8]>) -> Option<(TraceId, Option<Remote>)> {
        let remote = traceparent.and_then(context::read);
        let sampled = match (remote, self.0.parents) {
            (Some(remote), Parents::Follow | Parents::Only) => remote.sampled,
            (Some(remote), Parents::Ignore) => self.is_within(low(remote.trace)),
            (None, Parents::Only) => false,
            (None, _) => return self.root().map(|id| (id, None)),
        };
        remote.filter(|_| sampled).map(|remote| (remote.trace, Some(remote)))
    }

    /// A new trace's id, if it is sampled. Its second half is drawn only then.
    fn root(&self) -> Option<TraceId> {
        let low = fastrand::u64(..);
        let high = || fastrand::u64(1..);
        self.is_within(low).then(|| TraceId::from(u128::from(high()) << 64 | u128::from(low)))
    }

    /// As OpenTelemetry's own samplers do it, so that others with the same ratio decide alike.
    fn is_within(&self, low: u64) -> bool {
        low >> 1 < self.0.bound
    }
}

fn low(id: TraceId) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = id.to_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracer(parents: Parents, ratio: f64) -> Tracer {
        let settings = TraceSettings {
            endpoint: Some(http::Uri::from_static("http://127.0.0.1:1")),
            parents,
            ratio,
            ..TraceSettings::default()
        };
        let metrics = TraceMetrics::register(&prometheus::Registry::new()).unwrap();
        Tracer::new(&settings, &metrics).unwrap().unwrap()
    }

    const SAMPLED: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const NOT: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    #[test]
    fn a_callers_decision_counts_unless_it_is_to_be_ignored() {
        for (parents, ratio, expected) in [
            (Parents::Follow, 1.0, [true, false, true]),
            (Parents::Follow, 0.0, [true, false, false]),
            (Parents::Only, 1.0, [true, false, false]),
            (Parents::Ignore, 1.0, [true, true, true]),
            (Parents::Ignore, 0.0, [false, false, false]),
        ] {
            let tracer = tracer(parents, ratio);
            let sampled = [Some(SAMPLED), Some(NOT), None].map(|header| tracer.sampled(header).is_some());
            assert_eq!(sampled, expected, "{parents:?} {ratio}");
        }
    }

    #[test]
    fn roots_are_sampled_by_the_ratio() {
        let tracer = tracer(Parents::Follow, 0.1);
        let sampled = (0..20_000).filter(|_| tracer.sampled(None).is_some()).count();
        assert!((1_700..2_300).contains(&sampled), "{sampled} of 20000");
    }
}
