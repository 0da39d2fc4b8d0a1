//! What every dialect promises, held against every recorded exchange with every database.
//!
//! A new dialect gives its samples here; nothing else of this file knows one from the other.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::{Dialect, SearchRequest, elastic, paths, qdrant, weaviate};
use crate::{
    search::{FetchPlan, FieldSet, Head, HitAt, MostHits, Ranked, Ranking, ScoreWriting, Strip},
    wire::{
        Member, Page, Value,
        json::{JsonPage, KnownList, ListKey, start_of_list},
    },
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

static KEY: LazyLock<ListKey> = LazyLock::new(|| ListKey::new([1, 2, 3, 4]));
const DOCUMENTS: (&FieldSet, usize) = (&FieldSet::Auto, 1 << 20);

/// The page of a response whose list is known of another one.
fn known_page(request: &dyn SearchRequest, known: &KnownList, response: &Bytes) -> Option<JsonPage> {
    let start = start_of_list(response)?;
    let list = known.is_at(&KEY, response, start).then_some(known)?;
    request.page_without_hits(list.taken_out(response, start)?)?.with_known(response.clone(), list, start)
}

/// Every list that can be known, with its sample.
fn known_lists() -> Vec<(Sample, KnownList)> {
    let known = |sample: Sample| {
        let known = sample.page(sample.response.clone()).to_know(&KEY, DOCUMENTS)?;
        Some((sample, known))
    };
    let known: Vec<_> = Sample::all().into_iter().filter_map(known).collect();
    for dialect in ["qdrant", "elasticsearch"] {
        let of_it = known.iter().filter(|(sample, _)| sample.dialect.name() == dialect).count();
        assert!(of_it >= 5, "{of_it} lists of {dialect} can be known");
    }
    known
}

/// Holds that two pages say the same, and are written alike.
fn assert_alike(one: &dyn Page, other: &dyn Page, name: &str) {
    let lists = |page: &dyn Page| format!("{:?} {:?}", page.lists(), page.failed());
    assert_eq!((one.body(), lists(one)), (other.body(), lists(other)), "{name}");
    for at in places(other).into_iter().flatten() {
        assert_eq!(said(one, at), said(other, at), "{name}");
        assert_eq!(one.highlights(at), other.highlights(at), "{name}");
    }
    let turned = |page: &dyn Page| {
        let strip = Strip { total_at_most: Some(MostHits::InAll(1)), ..Strip::default() };
        let mut rankings = rankings(page, |hits| (0..hits).rev().collect());
        for ranking in rankings.iter_mut().flatten() {
            (ranking.scores, ranking.best) = (ScoreWriting::Relevance, Some(0.5));
        }
        page.reordered(&[strip], &rankings)
    };
    assert_eq!(turned(one), turned(other), "{name}");
}

#[test]
fn a_list_that_is_known_gives_the_page_that_reading_gives() {
    for (sample, known) in known_lists() {
        let request = sample.request();
        let spaced: Bytes = [&sample.response[..1], b" \n  ", &sample.response[1..], b"\n"].concat().into();
        let known_further_on = sample.page(spaced.clone()).to_know(&KEY, DOCUMENTS).unwrap();
        for (known, response) in
            [(&known, &sample.response), (&known, &spaced), (&known_further_on, &sample.response)]
        {
            let page = known_page(&*request, known, response).unwrap_or_else(|| panic!("{}", sample.name));
            assert_alike(&page, &*sample.page(response.clone()), &sample.name);
            assert!(page.to_know(&KEY, DOCUMENTS).is_none(), "{}: it is known already", sample.name);
        }
    }
}

#[test]
fn a_list_with_one_other_byte_is_not_known() {
    for (sample, known) in known_lists() {
        let request = sample.request();
        let array = known.array(known.start());
        for at in (array.start..sample.response.len()).step_by(sample.response.len() / 30) {
            let mut other = sample.response.to_vec();
            other[at] ^= 1;
            let other = Bytes::from(other);
            // Behind the list it may still be a response.
            if let Some(page) = known_page(&*request, &known, &other) {
                assert!(at >= array.end, "{}: byte {at} of {array:?}", sample.name);
                assert_alike(&page, &*sample.page(other), &sample.name);
            }
        }
        let cut = sample.response.slice(..sample.response.len() - 1);
        assert!(known_page(&*request, &known, &cut).is_none(), "{}", sample.name);
    }
}

#[test]
fn a_list_is_not_known_where_the_response_has_another_one_there() {
    let list = |hits: usize| {
        let hit = |id| format!(r#"{{"_id":"{id}","_score":1.0,"_source":{{"text":"{}"}}}}"#, "x".repeat(100));
        (0..hits).map(hit).collect::<Vec<_>>().join(",")
    };
    let (own, other) = (list(20), list(1));
    let response = |text: String| Bytes::from(text);
    let sample = Sample::all().into_iter().find(|sample| sample.dialect.name() == "elasticsearch").unwrap();
    let request = sample.request();
    let page = |body: &Bytes| request.page(body.clone()).unwrap();
    let known =
        page(&response(format!(r#"{{"hits":{{"hits":[{own}]}}}}"#))).to_know(&KEY, DOCUMENTS).unwrap();
    let sorted = r#"{"_id":"x","sort":[1]}"#;
    for (text, is_known) in [
        (format!(r#"{{"took":1,"hits":{{"hits":[{own}]}}}}"#), true),
        // The same array is no list of hits there.
        (format!(r#"{{"_shards":{{"failures":[{own}]}},"hits":{{"hits":[ {other}]}}}}"#), false),
        // The last member of a name counts.
        (format!(r#"{{"hits":{{"hits":[{own}],"hits":[ {other}]}}}}"#), false),
        (format!(r#"{{"hits":{{"hits":[ {other}],"hits":[{own}]}}}}"#), true),
        (format!(r#"{{"hits":{{"hits":[ {sorted}],"hits":[{own}]}}}}"#), true),
        // The rest would be copied, and read.
        (format!(r#"{{"hits":{{"hits":[{own}]}},"aggregations":[{}]}}"#, list(30)), false),
    ] {
        let body = response(text);
        let again = known_page(&*request, &known, &body);
        assert_eq!(again.is_some(), is_known, "{body:?}");
        again.inspect(|again| assert_alike(again, &*page(&body), "made"));
    }
    let sorted = response(format!(r#"{{"hits":{{"hits":[{own},{sorted}]}}}}"#));
    assert!(page(&sorted).to_know(&KEY, DOCUMENTS).is_none(), "sorted hits are not ranked");
}

/// Whether hits carry their own number, which is written anew in another order.
fn is_numbered(sample: &Sample) -> bool {
    sample.response.windows(7).any(|bytes| bytes == b"\"_rank\"")
}
