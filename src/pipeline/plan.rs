//! Which searches are reranked, by which text, and what to request upstream for them.

use std::{sync::Arc, time::Duration};

use super::{
    AllowList, CallerHeaders, FailOpen, Mode, PassageSettings, Pipeline, Profile, Profiles, QuerySource,
    ScoreMode, mixed::Mixed, rejection::Extra, source,
};
use crate::{
    document,
    rerank::tells_passages,
    search::{
        Chunks, FetchPlan, FieldSet, KeepReason, NativeText, SearchIntent, Unread, WantedFields, Widening,
    },
    wire::json::Value,
};

/// One search with the decision about it.
#[derive(Clone)]
pub struct PlannedSearch {
    /// What the dialect read.
    pub intent: SearchIntent,
    /// How it is reranked.
    pub profile: Arc<Profile>,
    /// What to request upstream.
    pub fetch: FetchPlan,
    /// The work to do, or why the database's order stays.
    pub work: Result<Work, KeepReason>,
    /// The work to do after the response (`mode: shadow`), and what to request upstream for it.
    pub shadow: Option<(Work, FetchPlan)>,
    /// The response says in its body how it ended.
    pub answer_block: bool,
    /// Set where its hits decide how it is ranked, and whether they may be read: what the caller said, to plan it
    /// again once they are known.
    pub(super) judged: Option<Arc<CallerHeaders>>,
}

/// What is needed to rerank one search.
#[derive(Clone)]
pub struct Work {
    /// The query text.
    pub query: Arc<str>,
    /// Where it came from.
    pub source: QuerySource,
    /// How many of the best candidates are reranked.
    pub window: u64,
    /// The floor.
    pub min_score: Option<f32>,
    /// Time for the rerank step.
    pub deadline: Duration,
    /// The client's own timeout for the whole search in the database, where it sets one.
    pub timeout: Option<Duration>,
    /// A model from the allow-list.
    pub model: Option<Arc<str>>,
    /// What counts as relevant beside the query, for providers that take an instruction.
    pub instruction: Option<Arc<str>>,
    /// Fields of the document.
    pub fields: FieldSet,
    /// How longer ones are scored by their passages; `None`: each as a whole.
    pub passages: Option<PassageSettings>,
    /// The model that reads them whole tells which passage counts.
    pub spans: bool,
    /// What happens to the hits' own scores.
    pub score: ScoreMode,
    /// The fewest hits of a list that are worth a call.
    pub fewest: usize,
}

impl PlannedSearch {
    /// Whether more hits are requested upstream than the client asked for.
    pub fn widened(&self) -> bool {
        self.fetch.hits.is_some()
    }

    /// Whether nothing that was sent says what the text is, and its vectors may.
    pub fn lacks_text(&self) -> bool {
        matches!(self.work, Err(KeepReason::NoQuery))
            && self.profile.sources.contains(&QuerySource::Embedding)
    }

    /// Whether a failure is answered by the client's own request rather than by the widened response, cut back.
    pub fn must_replay(&self) -> bool {
        let not_neutral = self.widened() && self.intent.widening == Widening::NotNeutral;
        let changed = self.widened() || self.fetch.without_reranker;
        not_neutral || (self.profile.fail_open == FailOpen::Replay && changed)
    }

    /// The same search as it is done in shadow, after the response.
    pub fn in_shadow(&self) -> Self {
        match self.shadow.clone() {
            Some((work, fetch)) => Self { work: Ok(work), fetch, shadow: None, ..self.clone() },
            // The request has been answered; only the others are ranked again.
            None => Self { work: Err(KeepReason::Shadow), ..self.as_asked() },
        }
    }

    /// Whether the database reranks by itself where the search is sent in the client's own form.
    pub fn reranks_upstream_as_asked(&self) -> bool {
        self.fetch.without_reranker && self.profile.fail_open == FailOpen::Replay
    }

    /// The same search for the case that its order is kept: in the client's own form. Only a reranker that the proxy
    /// serves is left out, since the database need not know it, unless `fail_open` says to replay.
    pub fn as_asked(&self) -> Self {
        let without_reranker = self.fetch.without_reranker && !self.reranks_upstream_as_asked();
        Self { fetch: FetchPlan { without_reranker, ..FetchPlan::as_asked() }, ..self.clone() }
    }
}

impl Pipeline {
    /// Whether there can be a search that [`Self::leaves_alone`].
    pub fn may_leave_alone(&self, caller: &CallerHeaders) -> bool {
        caller.off || self.profiles.judge()
    }

    /// Whether what is known of a search before it is read decides that it is not reranked: its caller says so, or the
    /// collection is excluded. Not where its headers ask for something that depends on the collection.
    pub fn leaves_alone(&self, caller: &CallerHeaders, search: Unread<'_>) -> bool {
        if caller.model.is_some() || caller.fields.is_some() || caller.instruction.is_some() {
            return false;
        }
        let profiles = self.profiles(self.claimed_unread(caller.tenant, search.collections));
        let named = || profiles.find(search.collections);
        caller.off || (!search.expression && is_excluded(named(), search.collections))
    }

    /// Decides about every search of a request with this body.
    pub fn plan(
        &self,
        intents: Vec<SearchIntent>,
        caller: &CallerHeaders,
        body: &[u8],
    ) -> Vec<PlannedSearch> {
        let body = (intents.len() == 1).then_some(body);
        let tenant = self.claimed(caller.tenant, &intents);
        let profiles = self.profiles(tenant);
        let judged = intents.iter().any(|intent| intent.expression) && profiles.judge();
        let judged = judged.then(|| Arc::new(CallerHeaders { tenant, ..caller.clone() }));
        let (mut mixed, mut last) = (Mixed::default(), None);
        let mut plan = |intent: SearchIntent| {
            let judged = judged.clone().filter(|_| intent.expression);
            let same = last.take().filter(|(names, _): &(Vec<String>, _)| *names == intent.collections);
            let (_, profile) = last.insert(same.unwrap_or_else(|| {
                let profile = profile(profiles, &intent, judged.is_some(), &mut mixed);
                (intent.collections.clone(), profile)
            }));
            let profile = profile.clone();
            self.plan_one(intent, profile, caller, body, judged)
        };
        intents.into_iter().map(&mut plan).collect()
    }

    /// Decides again about a search that [lacks text](PlannedSearch::lacks_text), once it is known what its vectors
    /// are of.
    pub fn plan_recalled(
        &self,
        search: PlannedSearch,
        recalled: NativeText,
        caller: &CallerHeaders,
    ) -> PlannedSearch {
        let intent = SearchIntent { recalled, ..search.intent };
        self.plan_one(intent, Ok(search.profile), caller, None, search.judged)
    }

    fn plan_one(
        &self,
        mut intent: SearchIntent,
        profile: Result<Arc<Profile>, Arc<Profile>>,
        caller: &CallerHeaders,
        body: Option<&[u8]>,
        judged: Option<Arc<CallerHeaders>>,
    ) -> PlannedSearch {
        let (profile, let_in) = profile.map_or_else(|named| (named, false), |profile| (profile, true));
        if let NativeText::ByField(_) = intent.native {
            let fields = document_fields(&intent, &profile, caller);
            intent.native = intent.native.among(|name| document::is_text_field(&fields, name));
        }
        if let (NativeText::None, Some(path), Some(body)) = (&intent.native, &profile.query_path, body) {
            intent.native = text_at(body, path);
        }
        let own = if let_in { work(&intent, &profile, caller) } else { Err(KeepReason::Off) };
        let (work, shadow) = match own {
            Ok(work) if profile.mode == Mode::Shadow => (Err(KeepReason::Shadow), Some(work)),
            work => (work, None),
        };
        let shadow = shadow.map(|work| {
            let fetch = self.fetch(&intent, &profile, &work, judged.is_some());
            (work, fetch)
        });
        let fetch = match &work {
            Ok(work) => self.fetch(&intent, &profile, work, judged.is_some()),
            Err(_) => FetchPlan { without_reranker: stands_in(&intent, &profile), ..FetchPlan::as_asked() },
        };
        let answer_block = caller.answer_block.or(intent.caller.answer_block).unwrap_or(profile.answer_block);
        let search = PlannedSearch { intent, profile, fetch, work, shadow, answer_block, judged };
        if search.work.is_ok() { search } else { search.as_asked() }
    }

    fn fetch(&self, intent: &SearchIntent, profile: &Profile, work: &Work, origins: bool) -> FetchPlan {
        let tenant = profile.tenant.as_deref();
        let may = |extra| self.rejections.allow(extra, (tenant, &intent.collections));
        let fields =
            if may(Extra::Fields) { document::wanted_fields(&work.fields) } else { WantedFields::none() };
        let fields = match &profile.boosts {
            Some(boosts) if may(Extra::Fields) => fields.and(boosts.fields()),
            _ => fields,
        };
        let served = intent.reranker.is_some();
        let end = intent.offset.checked_add(intent.limit);
        let page_end = end.unwrap_or(u64::MAX);
        let hits = work.window.max(page_end).min(intent.max_hits);
        let widen = (profile.widen || served)
            // A database that adds them up may come to another number than there is.
            && end.is_some()
            && !intent.grouped
            && intent.widening != Widening::Never
            // On failure the database would be queried twice, and failure is what an open circuit promises.
            && (intent.widening == Widening::Neutral || (profile.may_ask)())
            && (hits > page_end || intent.offset > 0 || served)
            && (hits >= page_end || served)
            && may(Extra::Hits);
        FetchPlan { hits: widen.then_some(hits), fields, origins, without_reranker: served }
    }
}

/// What to do with a search; `Err` with the profile to report it under, where nothing that it can reach may
/// leave.
fn profile(
    profiles: &Profiles,
    intent: &SearchIntent,
    judged: bool,
    mixed: &mut Mixed,
) -> Result<Arc<Profile>, Arc<Profile>> {
    let named = || profiles.find(&intent.collections).clone();
    if judged {
        return mixed.widest(profiles.reach(&intent.collections).profiles()).ok_or_else(named);
    }
    let named = named();
    if is_excluded(&named, &intent.collections) { Err(named) } else { Ok(named) }
}

/// Whether none of the text of these collections may leave.
fn is_excluded(profile: &Profile, collections: &[String]) -> bool {
    profile.mode == Mode::Off || !profile.lets_in(collections)
}

/// Whether the request's own reranker is left out although the order is kept: the proxy serves it, and
/// understands the request.
fn stands_in(intent: &SearchIntent, profile: &Profile) -> bool {
    let understood = !matches!(intent.keep, Some(KeepReason::Unsupported | KeepReason::Malformed));
    understood && intent.reranker.as_ref().is_some_and(|named| profile.serves(&named.inference_id))
}

pub(super) fn work(
    intent: &SearchIntent,
    profile: &Profile,
    caller: &CallerHeaders,
) -> Result<Work, KeepReason> {
    if caller.off || intent.caller.enabled == Some(false) {
        return Err(KeepReason::Off);
    }
    if caller.malformed {
        return Err(KeepReason::Malformed);
    }
    if let Some(reason) = intent.keep {
        return Err(reason);
    }
    if intent.pipeline.as_ref().is_some_and(|pipeline| !profile.trusts_pipeline(pipeline)) {
        return Err(KeepReason::Unsupported);
    }
    let named = intent.reranker.as_ref();
    if named.is_some_and(|named| !profile.serves(&named.inference_id)) {
        return Err(KeepReason::Unsupported);
    }
    let (query, source) = source::query(intent, profile, caller)?;
    if !profile.has_provider {
        return Err(KeepReason::NoProvider);
    }
    if !profile.samples(&query) {
        return Err(KeepReason::NotSampled);
    }
    // A request that names its reranker has asked for the scores.
    if named.is_none() && profile.skip_when.skips(&query) {
        return Err(KeepReason::Skipped);
    }
    let asked_window = caller.window.or(intent.caller.window);
    let window = match named {
        Some(named) => asked_window.map_or(named.window, |asked| asked.min(named.window)),
        None => narrowed(asked_window, profile.window, profile.allow.max_window),
    };
    let window = window.min(profile.max_window);
    if intent.offset >= window {
        return Err(KeepReason::PastWindow);
    }
    let asked_deadline = caller.deadline_ms.or(intent.caller.deadline_ms).map(Duration::from_millis);
    let min_score = floor(profile.floor(), caller.min_score.or(intent.caller.min_score));
    let model = model(&profile.allow, caller.model.as_ref().or(intent.caller.model.as_ref()));
    let (passages, spans) = passages(profile, named.and_then(|named| named.chunks), model.as_deref());
    Ok(Work {
        query: query.into(),
        source,
        window,
        min_score: floor(min_score, named.and_then(|named| named.min_score)),
        deadline: match profile.mode {
            Mode::Shadow => profile.shadow_deadline,
            _ => narrowed(asked_deadline, profile.deadline, profile.allow.max_deadline),
        },
        timeout: intent.timeout,
        model,
        instruction: instruction(profile, caller.instruction.as_ref().or(intent.caller.instruction.as_ref())),
        fields: document_fields(intent, profile, caller),
        passages,
        spans,
        score: if named.is_some() { ScoreMode::ReplaceAsElasticsearch } else { profile.score },
        // A single hit has no order, but where a reranker was requested for it, it has a score.
        fewest: if named.is_some() { 1 } else { 2 },
    })
}

/// The text at a configured path of the body: where a search template keeps its query.
fn text_at(body: &[u8], path: &str) -> NativeText {
    let keys: Vec<&str> = path.split('.').collect();
    let text = Value::parse(body).ok().and_then(|value| value.at(&keys)).and_then(Value::as_str);
    text.map_or(NativeText::None, |text| NativeText::One(text.into_owned()))
}

/// A smaller value than the configured one is taken; a larger one only up to what is allowed.
fn narrowed<T: Ord + Copy>(asked: Option<T>, configured: T, allowed: Option<T>) -> T {
    asked.map_or(configured, |asked| asked.min(allowed.unwrap_or(configured).max(configured)))
}

/// A caller may raise the configured floor, never lower it.
fn floor(configured: Option<f32>, asked: Option<f32>) -> Option<f32> {
    match (configured, asked) {
        (Some(configured), Some(asked)) => Some(configured.max(asked)),
        (configured, asked) => configured.or(asked),
    }
}

fn model(allow: &AllowList, asked: Option<&String>) -> Option<Arc<str>> {
    asked.filter(|model| allow.models.contains(model)).map(|model| model.as_str().into())
}

/// How long texts are cut, and whether they are not, since the model tells which of their passages counts.
fn passages(
    profile: &Profile,
    chunks: Option<Chunks>,
    asked: Option<&str>,
) -> (Option<PassageSettings>, bool) {
    if chunks.is_some_and(|chunks| chunks.size == 0) {
        return (None, false);
    }
    if let Some(chunks) = chunks {
        return (Some(PassageSettings::of_chunks(chunks, profile.passages)), false);
    }
    let tells = |own: &Arc<str>| tells_passages(asked.unwrap_or(own));
    match profile.passages.is_some() && profile.cohere_model.as_ref().is_some_and(tells) {
        // Only what is told is asked for: scores with passages are not shared through Redis.
        true => (None, profile.annotate),
        false => (profile.passages, false),
    }
}

/// The caller's, where that is allowed, else the configured one.
fn instruction(profile: &Profile, asked: Option<&String>) -> Option<Arc<str>> {
    let asked = asked.filter(|text| profile.allow.instructs(text)).map(|text| text.as_str().into());
    asked.or_else(|| profile.instruction.clone())
}

/// What the documents of a search are made of.
fn document_fields(intent: &SearchIntent, profile: &Profile, caller: &CallerHeaders) -> FieldSet {
    let allowed = |name: &String| profile.allow.fields.contains(name);
    match caller.fields.as_ref().or(intent.caller.fields.as_ref()) {
        Some(names) if !names.is_empty() && names.iter().all(allowed) => FieldSet::Named(names.clone()),
        _ => match &intent.reranker {
            Some(named) => FieldSet::Named(vec![named.field.clone()]),
            None => profile.fields.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_gives_its_text_by_path() {
        let body = br#"{"id":"t","params":{"q":"red shoes","n":1}}"#;
        assert_eq!(text_at(body, "params.q"), NativeText::One("red shoes".into()));
        assert_eq!(text_at(body, "params.n"), NativeText::None);
        assert_eq!(text_at(b"{", "params.q"), NativeText::None);
    }

    #[test]
    fn callers_narrow_and_only_widen_as_allowed() {
        assert_eq!(narrowed(Some(20), 50, None), 20);
        assert_eq!(narrowed(Some(80), 50, None), 50);
        assert_eq!(narrowed(Some(80), 50, Some(70)), 70);
        assert_eq!(floor(Some(0.3), Some(0.1)), Some(0.3));
        assert_eq!(floor(None, Some(0.1)), Some(0.1));
    }
}
