//! What is said of the kinds of queries, in the text as on the page and in the configuration.

use super::{NOT_ONE, interval, percent, signed};
use crate::eval::{
    bootstrap::Interval,
    calibration::CalibratedGroup,
    kinds::{KindAdvice, KindPoint, QueryKind, setting},
};

/// The heads of [`rows`].
pub(super) const HEADS: [&str; 7] =
    ["kind of query", "queries", "judged", "change", "interval", "same page", "interval of it"];

/// What each kind shows, a cell for each of [`HEADS`].
pub(super) fn rows(advice: &KindAdvice) -> impl Iterator<Item = (&KindPoint, [String; 7])> {
    let row = |point: &KindPoint| {
        [
            named(point.kind),
            point.queries.to_string(),
            point.judged.to_string(),
            signed(point.change),
            interval(point.interval),
            percent(point.unchanged),
            shares(point.unchanged_interval),
        ]
    };
    advice.kinds.iter().map(move |point| (point, row(point)))
}

fn named(kind: Option<QueryKind>) -> String {
    kind.map_or_else(|| "none of these".to_owned(), |kind| kind.to_string())
}

fn shares(value: Option<Interval>) -> String {
    value.map_or_else(
        || "–".to_owned(),
        |interval| format!("{:.0} … {:.0} %", interval.low * 100.0, interval.high * 100.0),
    )
}

/// The value to set, if there is one.
pub(super) fn suggested(advice: &KindAdvice) -> Option<String> {
    (!advice.skip.is_empty()).then(|| setting(&advice.skip))
}

/// What is to be said below the table.
pub(super) fn sentences(advice: &KindAdvice) -> Vec<String> {
    let mut said = Vec::new();
    if advice.looked_at > 1 {
        said.push(format!(
            "The intervals are wider than 95 %: {} kinds are looked at, and one of many always looks bad.",
            advice.looked_at
        ));
    }
    if let Some(saved) = advice.saved {
        said.push(format!("Skipping {} saves {} of the calls.", names(&advice.skip), percent(Some(saved))));
    }
    match &advice.held_out {
        Some(rule) if rule.learned > 0 => said.push(format!(
            "A rule learned from four fifths of the queries changes nDCG by {} on the fifth left out, over all queries (95 % interval {}), and skips {} of the calls.",
            signed(Some(rule.gain)),
            interval(rule.interval),
            percent(Some(rule.skipped))
        )),
        Some(_) => said.push("From four fifths of the queries no rule is learned.".to_owned()),
        None => {}
    }
    if let Some(saved) = advice.wasted_saved {
        said.push(format!(
            "On {} nearly all pages stay as they are: to skip them would save {} of the calls.",
            names(&advice.wasted),
            percent(Some(saved))
        ));
    }
    said
}

fn names(kinds: &[QueryKind]) -> String {
    kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

/// The lines of the configuration. Categories of one collection share its rule: a kind is set where it hurts in each category
/// that has queries of it, and none where each was measured in an order of its own.
pub(super) fn lines(groups: &[&CalibratedGroup], one_order: bool, lines: &mut Vec<String>) {
    for group in groups {
        let advice = &group.kinds;
        let of = if groups.len() > 1 { format!("{}: ", in_a_line(group)) } else { String::new() };
        for point in
            advice.kinds.iter().filter(|point| point.kind.is_some_and(|kind| advice.skip.contains(&kind)))
        {
            lines.push(format!(
                "# {of}{}: nDCG {} by reranking ({}), of {} judged queries",
                named(point.kind),
                signed(point.change),
                interval(point.interval),
                point.judged
            ));
        }
    }
    let agreed: Vec<QueryKind> = QueryKind::ALL.into_iter().filter(|kind| is_agreed(groups, *kind)).collect();
    let enough = groups.iter().all(|group| group.kinds.skip.is_empty() || group.kinds.enough);
    let any: Vec<QueryKind> = QueryKind::ALL
        .into_iter()
        .filter(|kind| groups.iter().any(|group| group.kinds.skip.contains(kind)))
        .collect();
    if !agreed.is_empty() {
        let (mark, why) = match (one_order, enough) {
            (false, _) => ("# ", format!("{NOT_ONE}: measured with each one's own")),
            (true, false) => ("# ", "reranking hurts these".to_owned()),
            (true, true) => ("", "reranking hurts these".to_owned()),
        };
        lines.push(format!("{mark}skip_when: {} # {why}", setting(&agreed)));
    } else if !any.is_empty() {
        lines.push(format!("# skip_when: {} # hurts in some categories only", setting(&any)));
    }
    wasted(groups, &agreed, lines);
}

/// The name of a category, whatever it holds.
fn in_a_line(group: &CalibratedGroup) -> String {
    super::name(&group.category).replace(char::is_control, " ")
}

/// Whether it hurts wherever there are queries of it.
fn is_agreed(groups: &[&CalibratedGroup], kind: QueryKind) -> bool {
    let has = |group: &&&CalibratedGroup| group.kinds.kinds.iter().any(|point| point.kind == Some(kind));
    let mut having = groups.iter().filter(has).peekable();
    having.peek().is_some() && having.all(|group| group.kinds.skip.contains(&kind))
}

/// Kinds on which calls are wasted, never set: what is the same today is worth a call tomorrow, when the documents change.
fn wasted(groups: &[&CalibratedGroup], agreed: &[QueryKind], lines: &mut Vec<String>) {
    for group in groups {
        let Some(saved) = group.kinds.wasted_saved else { continue };
        let points = group
            .kinds
            .kinds
            .iter()
            .filter(|point| point.kind.is_some_and(|kind| group.kinds.wasted.contains(&kind)));
        for point in points {
            lines.push(format!(
                "# {}: the page stays as it is in {} of {} searches ({})",
                named(point.kind),
                percent(point.unchanged),
                point.queries,
                shares(point.unchanged_interval)
            ));
        }
        let both: Vec<QueryKind> = agreed.iter().chain(&group.kinds.wasted).copied().collect();
        let more = if agreed.is_empty() { "" } else { " more" };
        let saved = percent(Some(saved));
        lines.push(format!("# skip_when: {} # saves {saved} of the calls{more}", setting(&both)));
    }
}
