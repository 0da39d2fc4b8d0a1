//! The sections of the page below its head, card by card.

use super::{Card, Cell, Part, Section, Setting, Table, figures};
use crate::eval::{
    calibration::CalibratedGroup,
    evaluation::{Comparison, Evaluation, QueryResult},
    report::{
        ReportDocument, interval, kinds, ms, name, number, percent, range, signed, suggestions::named,
        table::per_1000,
    },
};

/// So many gains and losses are listed.
const EXTREMES: usize = 10;

pub(super) fn sections(document: &ReportDocument) -> Vec<Section> {
    let mut sections = vec![measures(&document.evaluation), latency_and_cost(document)];
    if let Some(calibration) = &document.calibration {
        sections.extend(calibration.groups.iter().map(calibrated));
        if !calibration.empty.is_empty() {
            let parts = vec![Part::List(calibration.empty.clone())];
            let cards = vec![Card { title: "Nothing to calibrate from".to_owned(), parts }];
            sections.push(Section { title: "Other queries".to_owned(), about: String::new(), cards });
        }
    }
    sections.retain(|section| !section.cards.is_empty());
    sections
}

fn measures(evaluation: &Evaluation) -> Section {
    let mut cards = Vec::new();
    for group in &evaluation.groups {
        let title = format!("{}: {} queries, {} judged", name(&group.category), group.queries, group.judged);
        let mut parts = Vec::new();
        if !group.measures.is_empty() {
            parts.push(Part::Table(Table {
                caption: title.clone(),
                heads: vec!["", "before", "after", "change", "95 % interval", "up / down"],
                rows: group.measures.iter().map(compared).collect(),
            }));
        }
        let change = &group.change;
        parts.push(Part::Text(format!(
            "overlap@{} {} · a hit moves {} places · Kendall τ {} · another first hit {}",
            evaluation.k,
            percent(change.overlap),
            number(change.displacement),
            number(change.kendall_tau),
            percent(change.top_changed)
        )));
        cards.push(Card { title, parts });
    }
    cards.extend(figures::queries(evaluation).map(|figure| card("Every judged query", figure)));
    let (gains, losses) = evaluation.extremes(EXTREMES);
    cards.extend(extreme("Biggest gains", &gains));
    cards.extend(extreme("Biggest losses", &losses));
    Section { title: "Before and after".to_owned(), about: String::new(), cards }
}

fn card(title: &str, part: Part) -> Card {
    Card { title: title.to_owned(), parts: vec![part] }
}

fn compared(measure: &Comparison) -> Vec<Cell> {
    let sure = measure.interval.filter(|interval| interval.excludes_zero()).zip(measure.difference);
    let class = sure.map_or("", |(_, difference)| if difference > 0.0 { "good" } else { "bad" });
    vec![
        measure.measure.clone().into(),
        number(measure.before).into(),
        number(measure.after).into(),
        Cell { text: signed(measure.difference), class },
        interval(measure.interval).into(),
        format!("{} / {}", measure.better, measure.worse).into(),
    ]
}

fn extreme(title: &str, queries: &[&QueryResult]) -> Option<Card> {
    let heads = ["query", "category", "before", "after", "change"];
    let table = Table::of(title, &heads, queries.iter().map(|query| figures::query_row(query)));
    (!queries.is_empty()).then(|| card(title, Part::Table(table)))
}

fn latency_and_cost(document: &ReportDocument) -> Section {
    let evaluation = &document.evaluation;
    let outcomes =
        evaluation.outcomes.iter().map(|(outcome, count)| vec![outcome.clone(), count.to_string()]);
    let mut ended = vec![Part::Table(Table::of("How searches ended", &["outcome", "searches"], outcomes))];
    if !document.failed.is_empty() {
        let failed =
            document.failed.iter().map(|failure| vec![failure.query.clone(), failure.reason.clone()]);
        ended.push(Part::Table(Table::of(
            "Queries that were not measured",
            &["not measured", "why"],
            failed,
        )));
    }
    let mut cards = vec![Card { title: "Searches".to_owned(), parts: ended }];
    if evaluation.latency.whole.mean.is_some() {
        cards.push(time_and_cost(evaluation));
    }
    Section { title: "How searches ended, time, cost".to_owned(), about: String::new(), cards }
}

fn time_and_cost(evaluation: &Evaluation) -> Card {
    let (latency, cost) = (&evaluation.latency, &evaluation.cost);
    let steps = [
        ("database, as asked", &latency.database),
        ("database, widened", &latency.widened),
        ("rerank", &latency.rerank),
        ("all of it", &latency.whole),
    ];
    let rows =
        steps.map(|(step, spread)| vec![step.to_owned(), ms(spread.mean), ms(spread.p50), ms(spread.p95)]);
    let mut parts = vec![Part::Table(Table::of("Latency", &["latency", "mean", "median", "95 %"], rows))];
    if latency.past_deadline > 0 {
        let late = latency.past_deadline;
        parts.push(Part::Warning(format!("{late} reranks took longer than the configured deadline.")));
    }
    parts.push(Part::Text(format!(
        "Billed: {} search units, {} tokens. From the cache: {} of {} scores.",
        cost.search_units, cost.tokens, cost.cache_hits, cost.cache_lookups
    )));
    parts.push(Part::Text(format!("1,000 such searches with an empty cache: {}.", per_1000(evaluation))));
    Card { title: "Time and cost".to_owned(), parts }
}

fn calibrated(group: &CalibratedGroup) -> Section {
    let category = group.category.as_deref().unwrap_or("queries without a category");
    let about = format!(
        "{} / {} · {} queries, {} judged",
        group.scorer.provider, group.scorer.model, group.queries, group.judged
    );
    let histogram = figures::histogram(group).map(|figure| card("Where the scores lie", figure));
    let others = [
        ("Order", order(group)),
        ("Floor", floor(group)),
        ("Window", window(group)),
        ("Margin gate", margin(group)),
        ("Kinds of queries", skipped(group)),
    ];
    let others = others.map(|(title, parts)| Card { title: title.to_owned(), parts });
    Section { title: category.to_owned(), about, cards: histogram.into_iter().chain(others).collect() }
}

fn list(notes: &[String]) -> Option<Part> {
    (!notes.is_empty()).then(|| Part::List(notes.to_vec()))
}

/// A suggestion, and whether it is sure enough.
fn suggestion(key: &'static str, value: Option<String>, enough: bool) -> Part {
    let enough = enough || value.is_none();
    Part::Setting(Setting { key, value: value.unwrap_or_else(|| "none to suggest".to_owned()), enough })
}

fn order(group: &CalibratedGroup) -> Vec<Part> {
    let order = &group.order;
    let value = order.best.map(|(way, _)| way.setting().unwrap_or_else(|| named(way)));
    let rows = order.kinds.iter().map(|kind| {
        vec![
            named(kind.way),
            kind.window.to_string(),
            signed(Some(kind.chosen_by)),
            signed(kind.gain),
            interval(kind.interval),
        ]
    });
    let rows = rows.chain(order.gain.map(|gain| {
        let choice = "the choice of one".to_owned();
        vec![choice, "–".to_owned(), "–".to_owned(), signed(Some(gain)), interval(order.interval)]
    }));
    let head = ["best of a kind", "window", "all chose", "left out", "95 % interval"];
    let mut parts = vec![suggestion("score", value, order.enough)];
    parts.push(Part::Table(Table::of("Orders, each at its best", &head, rows)));
    if order.judged > 0 {
        let how = "All chose: the gain for the queries that chose it. Left out: what four fifths of the queries choose, for the fifth that is left out.";
        parts.push(Part::Text(how.to_owned()));
    }
    parts.extend(list(&order.notes));
    parts
}

fn floor(group: &CalibratedGroup) -> Vec<Part> {
    let Some(floor) = &group.floor else {
        return vec![Part::Text("No floor can be suggested without judgments.".to_owned())];
    };
    let mut parts =
        vec![suggestion("min_score", floor.min_score.map(|floor| floor.to_string()), floor.enough)];
    parts.extend(figures::floor(group));
    if let Some(reached) = floor.reached {
        parts.push(Part::Text(format!(
            "For {}: recall {}, precision {}, answered {}. 95 % interval of the floor: {}.",
            floor.objective,
            percent(reached.recall),
            percent(reached.precision),
            percent(reached.answer_rate),
            range(floor.interval)
        )));
    }
    parts.extend(list(&floor.notes));
    parts
}

fn window(group: &CalibratedGroup) -> Vec<Part> {
    let window = &group.window;
    let mut parts = vec![suggestion("window", window.window.map(|window| window.to_string()), window.enough)];
    parts.extend(figures::window(group));
    parts.extend(list(&window.notes));
    parts
}

fn margin(group: &CalibratedGroup) -> Vec<Part> {
    let margin = &group.margin;
    let mut parts =
        vec![suggestion("margin_gate", margin.margin_gate.map(|gate| gate.to_string()), margin.enough)];
    parts.extend(figures::margin(group));
    if let Some(point) = margin.curve.iter().find(|point| Some(point.margin_gate) == margin.margin_gate) {
        parts.push(Part::Text(format!(
            "Skips {} of the calls and loses {} nDCG (95 % interval {}).",
            percent(point.skipped),
            number(point.loss),
            interval(point.interval)
        )));
    }
    parts.extend(list(&margin.notes));
    parts
}

fn skipped(group: &CalibratedGroup) -> Vec<Part> {
    let advice = &group.kinds;
    let rows = kinds::rows(advice).map(|(point, cells)| {
        let mut cells = cells.map(Cell::from);
        let sure = point.interval.filter(|interval| interval.excludes_zero()).zip(point.change);
        if let (Some((_, change)), Some(cell)) = (sure, cells.get_mut(3)) {
            cell.class = if change > 0.0 { "good" } else { "bad" };
        }
        cells.into()
    });
    let (caption, heads, rows) =
        ("What reranking changes, by kind of query".to_owned(), kinds::HEADS.to_vec(), rows.collect());
    let mut parts = vec![suggestion("skip_when", kinds::suggested(advice), advice.enough)];
    parts.push(Part::Table(Table { caption, heads, rows }));
    parts.extend(kinds::sentences(advice).into_iter().map(Part::Text));
    parts.extend(list(&advice.notes));
    parts
}
