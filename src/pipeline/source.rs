//! Where the query text of a search comes from.

use super::{CallerHeaders, Profile};
use crate::search::{KeepReason, NativeText, SearchIntent, is_blank};

/// Where the query text came from; `x-rerank-query-source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum QuerySource {
    Header,
    Body,
    Native,
    Baggage,
    Embedding,
}

impl QuerySource {
    /// The word for the header.
    pub fn as_str(self) -> &'static str {
        match self {
            QuerySource::Header => "header",
            QuerySource::Body => "body",
            QuerySource::Native => "native",
            QuerySource::Baggage => "baggage",
            QuerySource::Embedding => "embedding",
        }
    }
}

/// The first source that has text wins, in the order of the design: what the request says itself goes before what is
/// only known of its vectors.
pub(super) fn query(
    intent: &SearchIntent,
    profile: &Profile,
    caller: &CallerHeaders,
) -> Result<(String, QuerySource), KeepReason> {
    let allowed = |source| profile.sources.contains(&source);
    let usable = |text: &Option<String>| text.clone().filter(|text| !is_blank(text));
    if let Some(text) = usable(&caller.query).filter(|_| allowed(QuerySource::Header)) {
        if is_stale(&caller.vector, &intent.vector) {
            return Err(KeepReason::StaleQuery);
        }
        return Ok((text, QuerySource::Header));
    }
    let named = intent.reranker.as_ref().map(|named| named.query.clone());
    let body = usable(&intent.caller.query).or_else(|| usable(&named));
    if let Some(text) = body.filter(|_| allowed(QuerySource::Body)) {
        return Ok((text, QuerySource::Body));
    }
    // A search that nobody ranks by relevance is not reordered by a text that happens to be there.
    if intent.native == NativeText::OtherOrder {
        return Err(KeepReason::NotRanked);
    }
    if allowed(QuerySource::Native) {
        match &intent.native {
            NativeText::One(text) if !is_blank(text) => {
                return Ok((text.clone(), QuerySource::Native));
            }
            NativeText::Several => return Err(KeepReason::AmbiguousQuery),
            _ => {}
        }
    }
    if let Some(text) = usable(&caller.baggage).filter(|_| allowed(QuerySource::Baggage)) {
        return Ok((text, QuerySource::Baggage));
    }
    match &intent.recalled {
        NativeText::One(text) if allowed(QuerySource::Embedding) => {
            Ok((text.clone(), QuerySource::Embedding))
        }
        NativeText::Several if allowed(QuerySource::Embedding) => Err(KeepReason::AmbiguousQuery),
        _ => Err(KeepReason::NoQuery),
    }
}

/// Whether the vector that came with the header is not the one the request begins with. Values pass through
/// 32-bit floats and short decimal texts on the way, so they are compared to 0.01 %, and 0.00001 near zero.
fn is_stale(guard: &[f64], vector: &[f64]) -> bool {
    if guard.is_empty() {
        return false;
    }
    let same = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-5_f64.max(a.abs().max(b.abs()) * 1e-4);
    vector.len() < guard.len().min(16) || !guard.iter().zip(vector).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_that_went_through_floats_is_not_stale() {
        let sent = [0.0123, -0.0456, 0.0789];
        let arrived: Vec<f64> = sent.iter().map(|&x: &f64| f64::from(x as f32)).collect();
        assert!(!is_stale(&sent, &arrived));
        assert!(is_stale(&sent, &[0.0123, 0.0456, 0.0789]));
        assert!(is_stale(&sent, &[0.0123]), "a shorter vector is another one");
        assert!(!is_stale(&[], &[0.5]));
    }
}
