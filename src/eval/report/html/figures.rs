//! The charts of the page, each with its words and its figures.

use super::{Figure, Part, Table};
use crate::eval::{
    calibration::CalibratedGroup,
    evaluation::{Evaluation, QueryResult},
    report::{
        number, percent,
        plots::{self, Chart},
        signed,
    },
};

/// A table has so many rows at most: of a longer curve, each of so many points that are as far from each other.
const MOST_ROWS: usize = 26;
/// The same for queries, which nobody could guess from their neighbours.
const MOST_QUERIES: usize = 500;

/// A figure, unless there is nothing to see. Its name and caption are what is said of it aloud.
fn figure(
    name: &str,
    keys: &[(&'static str, &str)],
    chart: Chart,
    caption: String,
    (heads, rows): (&[&'static str], Vec<Vec<String>>),
) -> Option<Part> {
    if chart.is_empty() {
        return None;
    }
    let keys = keys.iter().map(|(class, text)| (*class, (*text).to_owned())).collect();
    let label = format!("Chart. {name}. {caption}");
    Some(Part::Figure(Box::new(Figure { keys, chart, label, caption, table: Table::of(name, heads, rows) })))
}

/// Some of these, the first and the last among them.
fn thinned<T>(all: &[T]) -> impl Iterator<Item = &T> {
    let step = all.len().saturating_sub(1).div_ceil(MOST_ROWS - 1).max(1);
    let last = all.len().saturating_sub(1);
    all.iter().enumerate().filter(move |(at, _)| at % step == 0 || *at == last).map(|(_, one)| one)
}

pub(super) fn queries(evaluation: &Evaluation) -> Option<Part> {
    let mut judged: Vec<&QueryResult> =
        evaluation.queries.iter().filter(|query| !query.measures.is_empty()).collect();
    judged.sort_by(|a, b| b.gain.unwrap_or(0.0).total_cmp(&a.gain.unwrap_or(0.0)));
    let count = |is: fn(f64) -> bool| judged.iter().filter(|query| query.gain.is_some_and(is)).count();
    let (up, down) = (count(|gain| gain > 0.0), count(|gain| gain < 0.0));
    let name = format!("nDCG@{} of every judged query before and after reranking", evaluation.k);
    let mut caption = format!(
        "{up} of {} queries rise, {down} fall, {} stay. The biggest gain stands first.",
        judged.len(),
        judged.len() - up - down
    );
    if judged.len() > MOST_QUERIES {
        caption += &format!(" The table has the first {MOST_QUERIES}; --json has all.");
    }
    let heads = ["query", "category", "before", "after", "change"];
    let rows = judged.iter().take(MOST_QUERIES).map(|query| query_row(query)).collect();
    let keys = [("before", "the database’s order"), ("after", "reranked")];
    figure(&name, &keys, plots::queries(evaluation), caption, (&heads, rows))
}

pub(super) fn histogram(group: &CalibratedGroup) -> Option<Part> {
    let [upper, lower] = group.parts;
    let (ups, lows) = (&group.histogram.upper, &group.histogram.lower);
    let middle = |bins: &[u64; 20]| {
        let half = bins.iter().sum::<u64>().div_ceil(2);
        let mut seen = 0;
        let bin = bins.iter().position(|count| {
            seen += count;
            half > 0 && seen >= half
        });
        bin.map_or_else(|| "nowhere".to_owned(), |bin| format!("below {:.2}", (bin + 1) as f64 / 20.0))
    };
    let caption = format!(
        "Half of the hits that are {upper} score {}, half of those that are {lower} {}.",
        middle(ups),
        middle(lows)
    );
    let share = |count: u64, bins: &[u64; 20]| count as f64 / bins.iter().sum::<u64>().max(1) as f64;
    let rows = ups.iter().zip(lows).enumerate().map(|(bin, (&up, &low))| {
        let from = bin as f64 / 20.0;
        vec![
            format!("{from:.2} to {:.2}", from + 0.05),
            percent(Some(share(up, ups))),
            percent(Some(share(low, lows))),
        ]
    });
    let rows = rows.collect();
    let keys = [("after", upper), ("before", lower)];
    let heads = ["score", upper, lower];
    figure("Share of the hits by relevance score", &keys, plots::histogram(group), caption, (&heads, rows))
}

pub(super) fn floor(group: &CalibratedGroup) -> Option<Part> {
    let floor = group.floor.as_ref()?;
    let caption = match (floor.min_score, floor.interval) {
        (Some(value), Some(interval)) => format!(
            "The dashed line is at {value}; with other queries it might be anywhere from {:.3} to {:.3}.",
            interval.low, interval.high
        ),
        (Some(value), None) => format!("The dashed line is at {value}."),
        (None, _) => "No floor reaches what was asked for.".to_owned(),
    };
    let rows = thinned(&group.floors).map(|point| {
        vec![
            format!("{:.2}", point.floor),
            percent(point.recall),
            percent(point.precision),
            percent(point.answer_rate),
        ]
    });
    let rows = rows.collect();
    let mut keys = vec![("after", "recall"), ("before", "precision"), ("third", "queries answered")];
    if floor.interval.is_some() {
        keys.push(("band", "95 % interval"));
    }
    let heads = ["floor", "recall", "precision", "answered"];
    let name = "Recall, precision and queries answered along the floor";
    figure(name, &keys, plots::floor(group), caption, (&heads, rows))
}

pub(super) fn window(group: &CalibratedGroup) -> Option<Part> {
    let window = &group.window;
    let judged = window.curve.iter().any(|point| point.gain.is_some());
    let last = window.curve.last()?;
    let caption = match (judged, window.window) {
        (true, Some(value)) => format!(
            "{} candidates gain {} nDCG; the dashed line is at {value}, the fewest with 95 % of that.",
            last.window,
            signed(last.gain)
        ),
        (true, None) => format!("{} candidates gain {} nDCG.", last.window, signed(last.gain)),
        (false, Some(value)) => format!(
            "How much of the order is that of {} candidates; the dashed line is at {value}.",
            last.window
        ),
        (false, None) => format!("How much of the order is that of {} candidates.", last.window),
    };
    let rows = window.curve.iter().map(|point| {
        vec![
            point.window.to_string(),
            number(point.ndcg),
            signed(point.gain),
            percent(point.share_of_gain),
            percent(point.overlap_with_largest),
            number(point.bill),
        ]
    });
    let rows = rows.collect();
    let heads = ["candidates", "nDCG", "gain", "of all gain", "overlap", "billed a search"];
    let keys: &[_] = if judged {
        &[("after", "gain of nDCG"), ("band", "95 % interval")]
    } else {
        &[("after", "overlap with the largest window")]
    };
    let name = "What reranking more candidates brings";
    figure(name, keys, plots::window(group), caption, (&heads, rows))
}

pub(super) fn margin(group: &CalibratedGroup) -> Option<Part> {
    let margin = &group.margin;
    let caption = match margin.margin_gate {
        Some(gate) => format!("The dashed line is at {gate}: a larger lead is not reranked."),
        None => "No gate skips calls without losing more than is allowed.".to_owned(),
    };
    let rows = thinned(&margin.curve)
        .map(|point| vec![format!("{:.2}", point.margin_gate), percent(point.skipped), number(point.loss)]);
    let rows = rows.collect();
    let keys = [("before", "calls skipped"), ("after", "nDCG lost")];
    let heads = ["margin_gate", "calls skipped", "nDCG lost"];
    figure(
        "Calls skipped and nDCG lost along the margin gate",
        &keys,
        plots::margin(group),
        caption,
        (&heads, rows),
    )
}

/// A query with its category, its nDCG before and after, and the change.
pub(super) fn query_row(query: &QueryResult) -> Vec<String> {
    let ndcg = query.measures.first();
    vec![
        query.query.clone(),
        query.category.clone().unwrap_or_else(|| "–".to_owned()),
        number(ndcg.map(|measure| measure.before)),
        number(ndcg.map(|measure| measure.after)),
        signed(query.gain),
    ]
}
