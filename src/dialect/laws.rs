//! What every dialect promises, held against every recorded exchange with every database.
//!
//! A new dialect gives its samples here; nothing else of this file knows one from the other.

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::{Dialect, SearchRequest, elastic, paths, qdrant, weaviate};
use crate::{
    search::{FetchPlan, Head, HitAt, Ranked, Ranking, ScoreWriting, Strip},
    wire::{Member, Page, Value},
};

/// A search that a database has answered, without framing and codings.
pub(super) struct Sample {
    /// Which one, for whoever reads a failure.
    pub(super) name: String,
    pub(super) dialect: &'static dyn Dialect,
    pub(super) method: Method,
    /// Path and query string.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) request: Bytes,
    pub(super) response: Bytes,
}

impl Sample {
    fn all() -> Vec<Sample> {
        let samples = [qdrant::rest_samples(), qdrant::grpc_samples(), elastic::samples(), paths::samples()];
        assert!(samples.iter().all(|samples| samples.len() >= 15), "every dialect gives samples");
        let of_weaviate = weaviate::samples();
        assert!(of_weaviate.len() >= 4, "every dialect gives samples");
        samples.into_iter().flatten().chain(of_weaviate).collect()
    }

    fn request(&self) -> std::sync::Arc<dyn SearchRequest> {
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&*self.target, None),
        };
        let head = Head { method: &self.method, path, query, headers: &self.headers };
        let route = self.dialect.route(&head).unwrap_or_else(|| panic!("{} is no search", self.name));
        assert!(self.dialect.kinds().contains(&route.endpoint.kind()), "{}", self.name);
        assert!(self.dialect.speaks(&self.headers), "{}", self.name);
        route.endpoint.read(self.request.clone()).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn page(&self, response: Bytes) -> std::sync::Arc<dyn Page> {
        self.request().page(response).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// A search, and what the database has answered where more was requested.
pub(super) struct Widened {
    pub(super) own: Sample,
    pub(super) plan: FetchPlan,
    /// The response to a request with this plan, or one that brings the same fields.
    pub(super) more: Bytes,
}

/// Every hit's place, list by list.
fn places(page: &dyn Page) -> Vec<Vec<HitAt>> {
    let of_list = |(list, hits): (usize, usize)| (0..hits).map(|hit| HitAt { list, hit }).collect();
    page.lists().iter().map(|list| list.hits).enumerate().map(of_list).collect()
}

/// All that can be said of a hit.
fn said(page: &dyn Page, at: HitAt) -> String {
    let (id, score, index) = (page.id(at), page.score(at), page.index(at));
    let objects: Vec<String> = page.fields(at).objects.iter().map(|object| members(object)).collect();
    format!("{id:?} {score:?} {index:?} {objects:?} {}", page.hit_bytes(at))
}

fn members(members: &[Member<'_>]) -> String {
    members
        .iter()
        .map(|member| format!("{}: {}", member.key, text(member.value)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn text(value: Value<'_>) -> String {
    if let Some(object) = value.members() {
        return format!("{{{}}}", members(&object));
    }
    if let Some(items) = value.items() {
        return format!("[{}]", items.into_iter().map(text).collect::<Vec<_>>().join(", "));
    }
    value.as_str().map_or_else(|| value.scalar_text().into_owned(), |text| format!("{text:?}"))
}

fn rankings(page: &dyn Page, order: impl Fn(usize) -> Vec<usize>) -> Vec<Option<Ranking>> {
    let ranking = |hits: usize| Ranking {
        hits: order(hits).into_iter().map(Ranked::unscored).collect(),
        scores: ScoreWriting::Keep,
        annotate: false,
        best: None,
        offset: 0,
    };
    page.lists().iter().map(|list| Some(ranking(list.hits))).collect()
}

#[test]
fn a_search_as_asked_is_the_clients_own_bytes() {
    for sample in Sample::all() {
        let request = sample.request();
        let intents = request.intents().unwrap_or_else(|error| panic!("{}: {error}", sample.name));
        let rewrite = request.rewrite(&vec![FetchPlan::as_asked(); intents.len()]).unwrap();
        assert_eq!(rewrite.target, sample.target, "{}", sample.name);
        assert_eq!(rewrite.strips, vec![Strip::default(); intents.len()], "{}", sample.name);
        if !intents.iter().any(|intent| intent.own_members) {
            assert_eq!(rewrite.body, sample.request, "{}", sample.name);
        }
    }
}

#[test]
fn an_order_that_changes_nothing_gives_the_same_bytes() {
    let mut hits = 0;
    for sample in Sample::all() {
        let page = sample.page(sample.response.clone());
        let untouched = vec![None; page.lists().len()];
        assert_eq!(page.reordered(&[], &untouched), sample.response, "{}", sample.name);
        let same = rankings(&*page, |hits| (0..hits).collect());
        let written = page.reordered(&[Strip::default()], &same);
        // A rank that a hit carries is written anew.
        if !is_numbered(&sample) {
            assert_eq!(written, sample.response, "{}", sample.name);
        }
        hits += page.lists().iter().map(|list| list.hits).sum::<usize>();
    }
    assert!(hits > 1_000, "{hits} hits");
}

#[test]
fn any_order_moves_whole_hits_and_nothing_else() {
    for sample in Sample::all().into_iter().filter(|sample| !is_numbered(sample)) {
        let page = sample.page(sample.response.clone());
        let before: Vec<Vec<String>> =
            places(&*page).iter().map(|list| list.iter().map(|at| said(&*page, *at)).collect()).collect();
        let turned = page.reordered(&[], &rankings(&*page, |hits| (0..hits).rev().collect()));
        assert_eq!(turned.len(), sample.response.len(), "{}", sample.name);
        let again = sample.page(turned);
        let mut after: Vec<Vec<String>> =
            places(&*again).iter().map(|list| list.iter().map(|at| said(&*again, *at)).collect()).collect();
        after.iter_mut().for_each(|list| list.reverse());
        assert_eq!(after, before, "{}", sample.name);
        let back = again.reordered(&[], &rankings(&*again, |hits| (0..hits).rev().collect()));
        assert_eq!(back, sample.response, "{}", sample.name);
    }
}

#[test]
fn a_cut_list_has_the_hits_that_are_left_in_their_order() {
    for sample in Sample::all().into_iter().filter(|sample| !is_numbered(sample)) {
        let page = sample.page(sample.response.clone());
        let cut = page.reordered(&[], &rankings(&*page, |hits| (0..hits).skip(1).step_by(2).collect()));
        let again = sample.page(cut);
        for (list, (old, new)) in page.lists().iter().zip(again.lists()).enumerate() {
            assert_eq!(new.hits, old.hits / 2, "{}", sample.name);
            for hit in 0..new.hits {
                let was = said(&*page, HitAt { list, hit: 2 * hit + 1 });
                assert_eq!(said(&*again, HitAt { list, hit }), was, "{}", sample.name);
            }
        }
    }
}

#[test]
fn a_widened_response_less_what_was_added_has_the_hits_that_the_client_would_have_had() {
    let recorded = [qdrant::rest_widened(), qdrant::grpc_widened(), paths::widened(), weaviate::widened()];
    assert!(recorded.iter().all(|recorded| recorded.len() >= 2));
    for Widened { own, plan, more } in recorded.into_iter().flatten() {
        let (expected, page) = (own.page(own.response.clone()), own.request().page_for(more, &[&plan]));
        let page = page.unwrap_or_else(|error| panic!("{}: {error}", own.name));
        let rewrite = own.request().rewrite(&[plan]).unwrap();
        assert_ne!(rewrite.strips, [Strip::default()], "{}: something is added", own.name);
        let at = |hit| HitAt { list: 0, hit };
        let place = |hit| (0..page.lists()[0].hits).find(|&more| page.id(at(more)) == expected.id(at(hit)));
        let order = |_| (0..expected.lists()[0].hits).map(|hit| place(hit).expect("the same hits")).collect();
        let joined = own.page(page.reordered(&rewrite.strips, &rankings(&*page, order)));
        let all = |page: &dyn Page| -> Vec<String> {
            (0..page.lists()[0].hits).map(|hit| said(page, at(hit))).collect()
        };
        assert_eq!(all(&*joined), all(&*expected), "{}", own.name);
    }
}

#[test]
fn what_reading_takes_is_counted_before() {
    for sample in Sample::all() {
        let request = sample.request();
        let page = sample.page(sample.response.clone());
        assert!(page.held_bytes() <= request.page_bytes(&sample.response), "{}", sample.name);
    }
}

/// Whether hits carry their own number, which is written anew in another order.
fn is_numbered(sample: &Sample) -> bool {
    sample.response.windows(7).any(|bytes| bytes == b"\"_rank\"")
}
