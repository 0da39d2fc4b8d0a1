//! For which kinds of queries reranking hurts, and for which it changes nothing: `rerank.skip_when`.
//!
//! A kind hurts where the interval of its mean change of nDCG is below 0 with an error of 5 % shared among all kinds that are
//! looked at (Bonferroni): of many kinds one always looks bad. Kinds are chosen one after another, each by the queries that
//! the ones before leave over, so that none is skipped for what another has lost. What the rule gains is measured by
//! cross-fitting ([`super::folds`]).

use std::fmt;

use serde::{Serialize, Serializer};

use super::{
    bootstrap::{Interval, share_interval, stretched_interval},
    folds::{FOLDS, OneText},
    measures::mean,
    orders::held_out,
    trial::{TextLook, Trial, Way},
    window::Setting,
};
use crate::search::SkipRule;

/// A kind with fewer texts is not looked at, nor one that leaves fewer over.
pub const LEAST: usize = 20;
/// How often a kind may be found to hurt (or to change nothing) that does not, among all that are looked at.
const ERROR: f64 = 0.05;
/// A call is wasted on a kind of whose pages at least this share stays as it was.
pub const NEARLY_ALL: f64 = 0.9;

/// What `rerank.skip_when` can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKind {
    /// Names of one thing.
    Identifiers,
    /// Phrases in quotation marks.
    Phrases,
    /// Of at most so many words.
    Words(u64),
    /// Questions.
    Questions,
    /// Of more than so many words.
    WordsOver(u64),
}

impl QueryKind {
    /// Those that are looked at.
    pub const ALL: [Self; 7] = [
        Self::Identifiers,
        Self::Phrases,
        Self::Words(1),
        Self::Words(3),
        Self::Questions,
        Self::WordsOver(8),
        Self::WordsOver(16),
    ];

    /// Whether a text is of it.
    pub fn holds(self, text: &TextLook) -> bool {
        let words = text.words as u64;
        match self {
            Self::Identifiers => text.identifier,
            Self::Phrases => text.phrase,
            Self::Questions => text.question,
            Self::Words(most) => words <= most,
            Self::WordsOver(most) => words > most,
        }
    }
}

impl fmt::Display for QueryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identifiers => f.write_str("identifiers"),
            Self::Phrases => f.write_str("phrases in quotes"),
            Self::Questions => f.write_str("questions"),
            Self::Words(1) => f.write_str("one word"),
            Self::Words(most) => write!(f, "{most} words or fewer"),
            Self::WordsOver(most) => write!(f, "more than {most} words"),
        }
    }
}

impl Serialize for QueryKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The rule that skips these kinds.
pub fn rule(kinds: &[QueryKind]) -> SkipRule {
    let mut rule = SkipRule::default();
    for kind in kinds {
        match *kind {
            QueryKind::Identifiers => rule.identifiers = true,
            QueryKind::Phrases => rule.phrases = true,
            QueryKind::Questions => rule.questions = true,
            QueryKind::Words(most) => rule.words = rule.words.max(Some(most)),
            QueryKind::WordsOver(most) => {
                rule.words_over = Some(rule.words_over.map_or(most, |other| other.min(most)));
            }
        }
    }
    rule
}

/// The value of `rerank.skip_when` for these kinds.
pub fn setting(kinds: &[QueryKind]) -> String {
    let SkipRule { identifiers, phrases, questions, words, words_over, patterns: _ } = rule(kinds);
    let is = |name: &str, set: bool| set.then(|| format!("{name}: true"));
    let parts = [
        is("identifiers", identifiers),
        is("phrases", phrases),
        is("questions", questions),
        words.map(|most| format!("words: {most}")),
        words_over.map(|most| format!("words_over: {most}")),
    ];
    format!("{{ {} }}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// What one kind shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindPoint {
    /// The kind; `None` for the queries that are of none.
    pub kind: Option<QueryKind>,
    /// How many texts are of it.
    pub queries: usize,
    /// How many of them are judged and have something relevant.
    pub judged: usize,
    /// Their mean change of nDCG by reranking, in an order that they have not chosen.
    pub change: Option<f64>,
    /// How sure that is, with the error shared among all kinds that are looked at; `None` where it is not looked at.
    pub interval: Option<Interval>,
    /// The share of the texts whose page stays as it was.
    pub unchanged: Option<f64>,
    /// How sure that is, likewise.
    pub unchanged_interval: Option<Interval>,
}

/// What a rule does to queries that it was not learned from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeldOut {
    /// The mean over all judged texts of nDCG that it gains.
    pub gain: f64,
    /// How sure that is (95 %).
    pub interval: Option<Interval>,
    /// The share of the texts that it skips.
    pub skipped: f64,
    /// Without how many of the parts a rule was learned at all.
    pub learned: usize,
}

/// What follows of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct KindAdvice {
    /// The kinds of which there are queries.
    pub kinds: Vec<KindPoint>,
    /// How many kinds share the error of the changes.
    pub looked_at: usize,
    /// The kinds that reranking hurts beyond chance.
    pub skip: Vec<QueryKind>,
    /// Whether the sample is large enough to set that.
    pub enough: bool,
    /// The share of the searches that it skips.
    pub saved: Option<f64>,
    /// What learning such a rule gains.
    pub held_out: Option<HeldOut>,
    /// The kinds on which calls are wasted: nearly all pages stay as they were.
    pub wasted: Vec<QueryKind>,
    /// The share of the searches that skipping those saves.
    pub wasted_saved: Option<f64>,
    /// What to know about it.
    pub notes: Vec<String>,
}

/// The texts of a group, and what their reranks gain.
#[derive(Clone, Copy)]
pub struct Sample<'a, 't> {
    /// All of them.
    pub all: &'a [OneText<'t>],
    /// Those that are judged and have something relevant.
    pub judged: &'a [OneText<'t>],
    /// What these gain, by an order that was chosen without each part: see [`super::orders::OrderAdvice::without`].
    pub without: &'a [Vec<f64>],
    /// The order, and how many candidates are reranked.
    pub order: (Way, usize),
}

/// A text, and what its rerank gains.
pub(super) type Gain = (TextLook, f64);
/// A text, and whether its page stays as it was.
type Page = (TextLook, bool);

/// The kinds to skip.
pub fn advise(sample: Sample<'_, '_>, setting: &Setting<'_>) -> KindAdvice {
    let gains = sample.gains();
    let pages = sample.pages(setting.k);
    let (looked_at, seen) = (looked_at(&gains), looked_at(&pages));
    let mut advice = KindAdvice { looked_at: looked_at.len(), ..KindAdvice::default() };
    let point = |kind| point(kind, &gains, &pages, (looked_at.len(), seen.len()), setting.seed);
    advice.kinds = QueryKind::ALL.into_iter().map(Some).chain([None]).map(point).collect();
    advice.kinds.retain(|kind| kind.queries > 0);
    advice.skip = harmful(&gains, &looked_at, setting.seed);
    if !advice.skip.is_empty() {
        advice.saved = Some(share(&pages, |(text, _)| is_any(&advice.skip, text)));
    }
    advice.held_out = sample.held_out(setting.seed).filter(|_| !looked_at.is_empty());
    let left: Vec<Page> = pages.iter().filter(|(text, _)| !is_any(&advice.skip, text)).copied().collect();
    advice.wasted = wasted(left, &seen);
    if !advice.wasted.is_empty() {
        advice.wasted_saved = Some(share(&pages, |(text, _)| is_any(&advice.wasted, text)));
    }
    judge(&mut advice, &gains, setting.min_queries);
    advice
}

/// Whether what was found is sure enough, and what is to be known about it.
fn judge(advice: &mut KindAdvice, gains: &[Gain], min_queries: usize) {
    let notes = &mut advice.notes;
    if gains.is_empty() {
        notes.push(
            "without judgments it is not known which kinds reranking hurts, only on which it changes nothing"
                .to_owned(),
        );
    } else if advice.looked_at == 0 {
        notes.push(format!(
            "no kind is looked at: none has {LEAST} judged queries, and as many that are not of it"
        ));
    } else if advice.skip.is_empty() {
        notes.push(format!(
            "of {} kinds that are looked at reranking hurts none beyond chance",
            advice.looked_at
        ));
    }
    if advice.skip.is_empty() {
        return;
    }
    let fewest =
        advice.kinds.iter().filter(|point| point.kind.is_some_and(|kind| advice.skip.contains(&kind)));
    let fewest = fewest.map(|point| point.judged).min().unwrap_or(0);
    let holds = advice.held_out.as_ref().is_some_and(|held_out| held_out.gain > 0.0);
    let others = gains.iter().filter(|(text, _)| !is_any(&advice.skip, text)).map(|(_, gain)| *gain);
    let rest_gains = mean(others).is_some_and(|gain| gain > 0.0);
    if fewest < min_queries {
        notes.push(format!(
            "the sample is too small to set it: {fewest} queries of a kind are judged, {min_queries} are needed"
        ));
    }
    if !holds {
        notes.push(
            "a rule learned from four fifths of the queries gains nothing on the fifth left out".to_owned(),
        );
    }
    if !rest_gains {
        notes.push(
            "the other queries gain nothing either: that is no matter of kinds, but of the order, the model or its texts"
                .to_owned(),
        );
    }
    advice.enough = fewest >= min_queries && holds && rest_gains;
}

impl Sample<'_, '_> {
    /// What the judged texts gain in an order that they have not chosen.
    fn gains(&self) -> Vec<Gain> {
        let gains = held_out(self.without, self.judged);
        self.judged.iter().zip(gains).filter_map(|(text, gain)| Some((look(text)?, gain))).collect()
    }

    /// Whether the first `k` hits of each text stay.
    fn pages(&self, k: usize) -> Vec<Page> {
        let (way, window) = self.order;
        let stays = |trial: &Trial| {
            let page = if trial.before.is_empty() { k } else { k.min(trial.before.len()) };
            let first = |window| trial.ordered(way, window).into_iter().take(page).collect::<Vec<_>>();
            first(0) == first(window)
        };
        let page = |text: &OneText<'_>| Some((look(text)?, text.trials.iter().all(|trial| stays(trial))));
        self.all.iter().filter_map(page).collect()
    }

    /// A rule is learned without each part, and judged on that part.
    fn held_out(&self, seed: u64) -> Option<HeldOut> {
        let (mut gained, mut skipped, mut learned) = (Vec::new(), 0, 0);
        for part in 0..FOLDS {
            let others = self.part(part, |fold| fold != part);
            let kinds = harmful(&others, &looked_at(&others), seed);
            learned += usize::from(!kinds.is_empty());
            for (text, gain) in self.part(part, |fold| fold == part) {
                let skips = is_any(&kinds, &text);
                skipped += usize::from(skips);
                gained.push(if skips { -gain } else { 0.0 });
            }
        }
        let interval = super::bootstrap::mean_interval(&gained, seed);
        let skipped = skipped as f64 / gained.len().max(1) as f64;
        Some(HeldOut { gain: mean(gained.iter().copied())?, interval, skipped, learned })
    }

    /// What the texts of some parts gain by the order that was chosen without this one.
    fn part(&self, without: usize, of: impl Fn(usize) -> bool) -> Vec<Gain> {
        let Some(gains) = self.without.get(without) else { return Vec::new() };
        let own = self.judged.iter().zip(gains).filter(|(text, _)| of(text.fold));
        own.filter_map(|(text, gain)| Some((look(text)?, *gain))).collect()
    }
}

/// Without a text nothing is reranked.
fn look(text: &OneText<'_>) -> Option<TextLook> {
    text.trials.first()?.text
}

fn is_any(kinds: &[QueryKind], text: &TextLook) -> bool {
    kinds.iter().any(|kind| kind.holds(text))
}

fn share<T>(all: &[T], is: impl Fn(&T) -> bool) -> f64 {
    all.iter().filter(|one| is(one)).count() as f64 / all.len().max(1) as f64
}

/// The kinds that have enough texts, and leave enough over.
pub(super) fn looked_at<T>(texts: &[(TextLook, T)]) -> Vec<QueryKind> {
    let enough = |kind: &QueryKind| {
        let own = texts.iter().filter(|(text, _)| kind.holds(text)).count();
        own >= LEAST && texts.len() - own >= LEAST
    };
    QueryKind::ALL.into_iter().filter(enough).collect()
}

/// How sure the mean change of a kind is, with the error shared among so many. One more query counts, which gains what the best
/// of all gained: where most lose a little and few gain much, a sample of a kind may lack those few.
fn change(own: &[f64], all: &[Gain], shared: usize, seed: u64) -> Option<Interval> {
    let best = all.iter().map(|(_, gain)| *gain).fold(0.0, f64::max);
    let with_it: Vec<f64> = own.iter().copied().chain([best]).collect();
    stretched_interval(&with_it, ERROR / shared.max(1) as f64, seed)
}

/// The kinds that reranking hurts beyond chance, the one that loses most in all first.
pub(super) fn harmful(gains: &[Gain], looked_at: &[QueryKind], seed: u64) -> Vec<QueryKind> {
    let mut left = gains.to_vec();
    let mut found = Vec::new();
    loop {
        let loses = |kind: &QueryKind| {
            let own = of_kind(&left, *kind);
            let sum: f64 = own.iter().sum();
            let is_loss = own.len() >= LEAST && sum < 0.0;
            let interval = is_loss.then(|| change(&own, gains, looked_at.len(), seed)).flatten()?;
            (interval.high < 0.0).then_some((*kind, sum))
        };
        let worst = looked_at.iter().filter_map(loses).min_by(|a, b| a.1.total_cmp(&b.1));
        let Some((kind, _)) = worst else { return found };
        left.retain(|(text, _)| !kind.holds(text));
        found.push(kind);
    }
}

/// The kinds of whose pages nearly all stay as they were, the most frequent first.
fn wasted(mut left: Vec<Page>, looked_at: &[QueryKind]) -> Vec<QueryKind> {
    let mut found = Vec::new();
    loop {
        let stays = |kind: &QueryKind| {
            let own = of_kind(&left, *kind);
            let same = own.iter().filter(|stays| **stays).count();
            let interval = share_interval(same, own.len(), ERROR / looked_at.len() as f64)?;
            (own.len() >= LEAST && interval.low >= NEARLY_ALL).then_some((*kind, own.len()))
        };
        let most = looked_at.iter().filter_map(stays).max_by_key(|(_, count)| *count);
        let Some((kind, _)) = most else { return found };
        left.retain(|(text, _)| !kind.holds(text));
        found.push(kind);
    }
}

fn of_kind<T: Copy>(texts: &[(TextLook, T)], kind: QueryKind) -> Vec<T> {
    texts.iter().filter(|(text, _)| kind.holds(text)).map(|(_, value)| *value).collect()
}

/// What is known of a kind, or of the texts that are of none.
fn point(
    kind: Option<QueryKind>,
    gains: &[Gain],
    pages: &[Page],
    shared: (usize, usize),
    seed: u64,
) -> KindPoint {
    let is_own = |text: &TextLook| match kind {
        Some(kind) => kind.holds(text),
        None => !is_any(&QueryKind::ALL, text),
    };
    let own: Vec<f64> = gains.iter().filter(|(text, _)| is_own(text)).map(|(_, gain)| *gain).collect();
    let pages: Vec<bool> = pages.iter().filter(|(text, _)| is_own(text)).map(|(_, stays)| *stays).collect();
    let same = pages.iter().filter(|stays| **stays).count();
    KindPoint {
        kind,
        queries: pages.len(),
        judged: own.len(),
        change: mean(own.iter().copied()),
        interval: (own.len() >= LEAST).then(|| change(&own, gains, shared.0, seed)).flatten(),
        unchanged: (!pages.is_empty()).then(|| same as f64 / pages.len() as f64),
        unchanged_interval: share_interval(same, pages.len(), ERROR / shared.1.max(1) as f64),
    }
}

/// What the judged texts gain in an order that none of them has chosen, for each part the same.
pub fn without(judged: &[OneText<'_>], order: (Way, usize), setting: &Setting<'_>) -> Vec<Vec<f64>> {
    vec![super::orders::gains(judged, setting, order.0, order.1); FOLDS]
}
