//! The hits of a list in their new order, with lines for floor and window, and their texts.

use std::fmt::Write;

use super::{Explanation, Style, WIDTH, text};
use crate::pipeline::{HitRecord, ListRecord, NewPlace, PlannedSearch, ScoredBy, SearchRecord, Unscored};
use crate::search::{Boosted, Holds, NothingRelevant, Passage};

/// The most characters of a text that are shown without `--full`.
const TEXT: usize = 600;

/// What separates the rows of a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Scored,
    BelowFloor,
    Unscored,
    PastWindow,
}

/// The table of one list.
pub(super) fn list(
    out: &mut String,
    explanation: &Explanation,
    search: usize,
    record: &SearchRecord,
    list: &ListRecord,
) {
    let planned = explanation.seen.searches.get(search);
    let mut rows: Vec<&HitRecord> = list.hits.iter().collect();
    rows.sort_by_key(|hit| (part(hit), place(hit), std::cmp::Reverse(order(hit)), hit.from));
    let ids = rows.iter().map(|hit| name(hit).chars().count()).max().unwrap_or(0).clamp(2, 36);
    let _ = writeln!(
        out,
        "  {:>5} {:>5} {:>5}  {:>10}  {:>9}  {:<8}  {:<ids$}  text",
        "new", "old", "move", "database", "relevance", "from", "id"
    );
    let mut before = Part::Scored;
    for hit in rows {
        let part = part(hit);
        if part != before {
            let emptied = record.report.nothing_relevant == Some(NothingRelevant::Empty);
            let _ = writeln!(out, "  {}", line(part, planned, emptied));
            before = part;
        }
        row(out, explanation, hit, ids);
    }
    let off_page = list.hits.iter().any(|hit| matches!(hit.to, NewPlace::OffPage(_)));
    if off_page {
        let asked = record.asked.as_ref();
        let limit = asked.map_or(0, |asked| asked.limit);
        let _ = writeln!(out, "  (n): not among the {limit} hits that the client asked for");
    }
}

fn row(out: &mut String, explanation: &Explanation, hit: &HitRecord, ids: usize) {
    let (new, moved) = match hit.to {
        NewPlace::Response(place) => (ordinal(place), moved(hit.from, place)),
        NewPlace::OffPage(place) => (format!("({})", ordinal(place)), moved(hit.from, place)),
        NewPlace::BelowFloor => ("-".to_owned(), "gone".to_owned()),
    };
    let from = match hit.scored_by {
        ScoredBy::Cache => "cache",
        ScoredBy::Provider => "provider",
        ScoredBy::Nobody(_) => "-",
    };
    let score = hit.relevance.map_or("-".to_owned(), |score| format!("{score:.5}"));
    let database = hit.database_score.as_deref().map_or("-".to_owned(), short);
    let row = format!(
        "  {new:>5} {:>5} {moved:>5}  {database:>10}  {score:>9}  {from:<8}  {:<ids$}  ",
        ordinal(hit.from),
        text::one_line(&name(hit), 36)
    );
    let left = WIDTH.saturating_sub(row.chars().count()).max(20);
    let reported = reported(explanation, hit, left);
    let _ = writeln!(out, "{}", text::quoted(format!("{row}{reported}").trim_end()));
    if let (Some(boosted), Some(relevance)) = (&hit.boosted, hit.relevance) {
        let _ = writeln!(out, "  {:>17}  {}", "", boosts(relevance, boosted));
    }
}

/// What became of a relevance, boost by boost.
fn boosts(relevance: f32, boosted: &Boosted) -> String {
    let mut line = format!("boosted: {relevance:.5}");
    for (at, part) in boosted.parts.iter().enumerate().filter(|(_, part)| **part != 0.0) {
        let sign = if *part < 0.0 { '-' } else { '+' };
        let _ = write!(line, " {sign} {:.5} ({})", part.abs(), at + 1);
    }
    let _ = write!(line, " = {:.5}", boosted.score);
    line
}

/// A number as the database writes it, or rounded where that is long.
fn short(score: &str) -> String {
    match score.parse::<f64>() {
        Ok(number) if score.len() > 10 && (1e-3..1e6).contains(&number.abs()) => format!("{number:.5}"),
        Ok(number) if score.len() > 10 => format!("{number:.4e}"),
        _ => score.to_owned(),
    }
}

/// The beginning of its text, or why it has none.
fn reported(explanation: &Explanation, hit: &HitRecord, width: usize) -> String {
    match (hit.scored_by, &hit.document) {
        (ScoredBy::Nobody(Unscored::NoText), _) => no_text(explanation, hit),
        (ScoredBy::Nobody(Unscored::Holds(Holds::Excluded)), _) => {
            "[holds its place: its index is excluded, so it was not read]".to_owned()
        }
        (ScoredBy::Nobody(Unscored::Holds(Holds::Pinned)), _) => "[holds its place: pinned]".to_owned(),
        (ScoredBy::Nobody(Unscored::Reason(reason)), None) => format!("[{}]", reason.meaning()),
        (_, None) => String::new(),
        (ScoredBy::Nobody(Unscored::Reason(reason)), Some(document)) => {
            let why = format!("[no score: {}] ", reason.as_str());
            let width = width.saturating_sub(why.len());
            why + &text::one_line(&document.text, width)
        }
        (_, Some(document)) => read(&document.text, hit.passage, width),
    }
}

/// How a document begins, or where its best passage stands and how that begins.
fn read(document: &str, passage: Option<Passage>, width: usize) -> String {
    let Some(Passage { offset, .. }) = passage else { return text::one_line(document, width) };
    let where_it_is = format!("[from {offset}] ");
    let width = width.saturating_sub(where_it_is.len());
    let start = document.char_indices().nth(offset).map_or(document.len(), |(at, _)| at);
    where_it_is + &text::one_line(document.get(start..).unwrap_or_default(), width)
}

fn no_text(explanation: &Explanation, hit: &HitRecord) -> String {
    match explanation.seen.fields.get(&hit.id).map(Vec::as_slice) {
        None | Some([]) => "[it came without any field]".to_owned(),
        Some(names) => format!("[no text in a document field; it came with {}]", names.join(", ")),
    }
}

fn line(part: Part, planned: Option<&PlannedSearch>, emptied: bool) -> String {
    let work = planned.and_then(|planned| planned.work.as_ref().ok());
    let said = match part {
        Part::Scored => String::new(),
        Part::BelowFloor => {
            let floor = work
                .filter(|_| !emptied)
                .and_then(|work| work.min_score)
                .map_or(String::new(), |floor| format!(" {floor}"));
            if emptied { "nothing relevant: dropped".to_owned() } else { format!("floor{floor}: dropped") }
        }
        Part::Unscored => "without a score".to_owned(),
        Part::PastWindow => {
            let window = work.map_or(String::new(), |work| format!(" of {}", work.window));
            format!("end of the window{window}")
        }
    };
    let rest = WIDTH.saturating_sub(said.chars().count() + 8);
    format!("──── {said} {}", "─".repeat(rest))
}

fn part(hit: &HitRecord) -> Part {
    match (hit.to, hit.scored_by) {
        (NewPlace::BelowFloor, _) => Part::BelowFloor,
        (_, ScoredBy::Nobody(Unscored::PastWindow)) => Part::PastWindow,
        (_, ScoredBy::Nobody(Unscored::Holds(_))) => Part::Scored,
        (_, ScoredBy::Nobody(_)) => Part::Unscored,
        _ => Part::Scored,
    }
}

fn place(hit: &HitRecord) -> u64 {
    match hit.to {
        NewPlace::Response(place) | NewPlace::OffPage(place) => place,
        NewPlace::BelowFloor => 0,
    }
}

/// Of those without a place the better ones first.
fn order(hit: &HitRecord) -> i64 {
    let score = f64::from(hit.relevance.unwrap_or(0.0));
    if hit.to == NewPlace::BelowFloor { (score * 1e6) as i64 } else { 0 }
}

fn ordinal(place: u64) -> String {
    place.saturating_add(1).to_string()
}

/// How far up (`+`) or down a hit came.
fn moved(from: u64, to: u64) -> String {
    match from.cmp(&to) {
        std::cmp::Ordering::Equal => "=".to_owned(),
        std::cmp::Ordering::Greater => format!("+{}", from - to),
        std::cmp::Ordering::Less => format!("-{}", to - from),
    }
}

fn name(hit: &HitRecord) -> String {
    match &hit.id.index {
        Some(index) => format!("{index}/{}", hit.id.id),
        None => hit.id.id.clone(),
    }
}

/// The texts that were asked about, in the new order.
pub(super) fn texts(out: &mut String, record: &SearchRecord, style: Style, sent: bool) {
    let mut hits: Vec<&HitRecord> = record.lists.iter().flat_map(|list| &list.hits).collect();
    hits.retain(|hit| hit.document.is_some() && (style.full || matches!(hit.to, NewPlace::Response(_))));
    if hits.is_empty() {
        return;
    }
    hits.sort_by_key(|hit| (part(hit), place(hit), hit.from));
    let whose = if style.full { "THE TEXTS" } else { "THE TEXTS of the hits on the page (--full: of all)" };
    let _ = writeln!(out, "\n{whose}");
    for hit in hits {
        let Some(document) = &hit.document else { continue };
        let cut = if document.cut { ", the rest was cut" } else { "" };
        let how = match hit.scored_by {
            ScoredBy::Cache => "its score was cached: nothing was sent",
            _ if sent => "as it left",
            _ => "as it was read",
        };
        let _ = writeln!(
            out,
            "  {}, place {} of the database's: {} bytes{cut} ({how})",
            text::quoted(&name(hit)),
            ordinal(hit.from),
            document.text.len()
        );
        text::block(out, &document.text, (!style.full).then_some(TEXT));
    }
}
