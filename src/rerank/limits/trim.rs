use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower::{Service, ServiceExt};

use super::spend::{BYTES_PER_TOKEN, PIECES_PER_UNIT, TOKENS_PER_PIECE, pieces, tokens};
use crate::rerank::{Rerank, RerankError, RerankFuture, RerankRequest, RerankResult, Scores};
use crate::search::{Document, is_blank};

/// Keeps one search within so many search units: long documents are cut first, then the last documents are
/// left out, which stay unscored. It stands outside the cache, so that every page is cut alike.
#[derive(Clone)]
pub(in crate::rerank) struct Trim<S> {
    inner: S,
    units: Option<usize>,
}

impl<S: Rerank> Trim<S> {
    pub(in crate::rerank) fn new(inner: S, units: Option<u32>) -> Self {
        Self { inner, units: units.map(|units| units as usize) }
    }

    async fn run(self, request: RerankRequest) -> RerankResult {
        let asked = request.documents.len();
        let trimmed = match self.units {
            Some(units) => {
                trim(&request.query, &request.documents, units.saturating_mul(request.searches.max(1)))
            }
            None => None,
        };
        let Some((documents, bytes)) = trimmed else { return self.inner.oneshot(request).await };
        let mut response = self.inner.oneshot(RerankRequest { documents, ..request }).await?;
        response.sent_bytes = Some(response.sent_bytes.map_or(bytes, |sent| sent.min(bytes)));
        response.scores.resize(asked, None);
        if !response.spans.is_empty() {
            response.spans.resize(asked, None);
        }
        Ok(response)
    }
}

/// What fits, and the most bytes of a document in it; `None` if all of it fits.
fn trim(query: &str, documents: &[Document], units: usize) -> Option<(Arc<[Document]>, usize)> {
    let query = tokens(query);
    let room = units.saturating_mul(PIECES_PER_UNIT);
    if documents.iter().map(|document| pieces(query, document.text())).sum::<usize>() <= room {
        return None;
    }
    // A long query alone makes several pieces of every document.
    let least = pieces(query, "x");
    let kept = documents.len().min((room / least).max(1));
    // What the documents may be billed as each, the same for all: no order is favoured.
    let pieces_each = (room / kept).max(least);
    let bytes = pieces_each.saturating_mul(TOKENS_PER_PIECE).saturating_sub(query) * BYTES_PER_TOKEN;
    Some((documents.iter().take(kept).map(|document| cut(document, bytes)).collect(), bytes))
}

/// The beginning of a text, never empty: an empty document fails a whole call.
pub(in crate::rerank) fn cut(document: &Document, bytes: usize) -> Document {
    let text = document.text();
    if text.len() <= bytes {
        return document.clone();
    }
    match &text[..text.floor_char_boundary(bytes)] {
        blank if is_blank(blank) => document.clone(),
        start => start.into(),
    }
}

impl<S: Rerank> Service<RerankRequest> for Trim<S> {
    type Response = Scores;
    type Error = RerankError;
    type Future = RerankFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> RerankFuture {
        Box::pin(self.clone().run(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rerank::{
        Billing,
        limits::spend::estimate,
        test_support::{half_for_each, request, scripted},
    };

    fn texts(count: usize, tokens: usize) -> Arc<[Document]> {
        (0..count).map(|_| Document::from(&*"x".repeat(tokens * BYTES_PER_TOKEN))).collect()
    }

    fn units(query: &str, documents: &[Document]) -> f64 {
        estimate(Billing::SearchUnits, query, documents)
    }

    #[test]
    fn a_search_that_fits_is_left_as_it_is() {
        assert!(trim("q", &texts(100, 400), 1).is_none());
    }

    #[test]
    fn long_documents_are_cut_before_any_is_left_out() {
        let (cut, bytes) = trim("q", &texts(50, 1200), 1).unwrap();
        assert_eq!((cut.len(), cut[0].text().len()), (50, bytes));
        assert_eq!(units("q", &cut), 1.0);
        assert!(cut[0].text().len() > 900 * BYTES_PER_TOKEN, "two pieces each fit");
    }

    #[test]
    fn what_does_not_fit_at_all_is_left_out_from_the_end() {
        let (cut, _) = trim("q", &texts(250, 10), 2).unwrap();
        assert_eq!((cut.len(), units("q", &cut)), (200, 2.0));
    }

    #[test]
    fn a_long_query_leaves_room_for_fewer_documents() {
        let query = "x".repeat(900 * BYTES_PER_TOKEN);
        let (cut, _) = trim(&query, &texts(100, 1000), 1).unwrap();
        assert_eq!((cut.len(), units(&query, &cut)), (50, 1.0));
    }

    #[tokio::test]
    async fn left_out_documents_stay_unscored() {
        let (inner, _) = scripted(|_, r| half_for_each(r));
        let documents: Vec<String> = (0..101).map(|n| n.to_string()).collect();
        let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
        let response = Trim::new(inner, Some(1)).oneshot(request(&documents)).await.unwrap();
        assert_eq!(response.scores.len(), 101);
        assert_eq!((response.scores[99], response.scores[100]), (Some(0.5), None));
        assert!(response.sent_bytes.is_some(), "a reader of the records is told");
    }

    #[test]
    fn a_cut_is_on_a_character_and_never_to_nothing() {
        assert_eq!(cut(&"äöü".into(), 3).text(), "ä");
        assert_eq!(cut(&"ä".into(), 1).text(), "ä");
    }
}
