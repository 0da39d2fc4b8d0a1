//! The report as plain text, at most 100 columns wide.

use std::fmt::Write;

use super::{
    ReportDocument, interval, ms, name, number, percent, signed,
    suggestions::calibrated,
    text::{clip, line, row},
};
use crate::eval::{
    evaluation::{Comparison, Evaluation, QueryResult},
    expense::Spread,
};

/// So many gains and losses are listed.
const EXTREMES: usize = 5;

/// The whole report.
pub fn table(document: &ReportDocument) -> String {
    let mut out = String::new();
    let ReportDocument { setup, evaluation, .. } = document;
    line(
        &mut out,
        &format!(
            "rerankd {}: {} of {} queries, {}",
            document.command, document.done, document.queries, setup.source
        ),
    );
    if !setup.providers.is_empty() {
        line(&mut out, &format!("providers {}, window {}", setup.providers.join(", "), setup.window));
    }
    if let Some(stopped) = &document.stopped {
        line(&mut out, &format!("NOT COMPLETE: {stopped}"));
    }
    line(&mut out, &format!("\n{}", document.verdict()));
    if let Some(caveat) = &setup.caveat {
        line(&mut out, caveat);
    }
    measures(&mut out, evaluation);
    change(&mut out, evaluation);
    extremes(&mut out, evaluation);
    outcomes(&mut out, document);
    latency_and_cost(&mut out, evaluation);
    if let Some(calibration) = &document.calibration {
        calibration.groups.iter().for_each(|group| calibrated(&mut out, group));
        calibration.empty.iter().for_each(|empty| line(&mut out, &format!("\n{empty}")));
    }
    if !document.notes.is_empty() {
        line(&mut out, "\nnotes");
        document.notes.iter().for_each(|note| line(&mut out, &format!("- {note}")));
    }
    if let Some(yaml) = &document.yaml {
        let _ = write!(out, "\nto paste into the configuration:\n\n{yaml}");
    }
    out
}

fn measures(out: &mut String, evaluation: &Evaluation) {
    let heads = ["before", "after", "change", "better", "worse", "   95 % interval"];
    let Some((all, categories)) = evaluation.groups.split_first() else { return };
    if all.measures.is_empty() {
        return;
    }
    line(out, &format!("\nall queries: {} judged of {}", all.judged, all.queries));
    row(out, "", &heads);
    all.measures.iter().for_each(|measure| compared(out, &measure.measure, measure));
    let by_category: Vec<_> =
        categories.iter().filter_map(|group| Some((group, group.measures.first()?))).collect();
    if let Some((_, first)) = by_category.first() {
        line(out, &format!("\n{} by category", first.measure));
        row(out, "", &heads);
    }
    for (group, ndcg) in by_category {
        compared(out, &format!("{} ({})", name(&group.category), group.judged), ndcg);
    }
}

fn compared(out: &mut String, what: &str, measure: &Comparison) {
    let cells = [
        number(measure.before),
        number(measure.after),
        signed(measure.difference),
        measure.better.to_string(),
        measure.worse.to_string(),
        interval(measure.interval),
    ];
    row(out, what, &cells.each_ref().map(String::as_str));
}

fn change(out: &mut String, evaluation: &Evaluation) {
    let overlap = format!("overlap@{}", evaluation.k);
    if evaluation.groups.is_empty() {
        return;
    }
    line(out, "\nhow much changed");
    row(out, "", &["queries", &overlap, "moved by", "Kendall τ", "new first"]);
    for group in &evaluation.groups {
        let (count, change) = (group.queries.to_string(), &group.change);
        let cells = [
            &count,
            &percent(change.overlap),
            &number(change.displacement),
            &number(change.kendall_tau),
            &percent(change.top_changed),
        ];
        row(out, name(&group.category), &cells.map(String::as_str));
    }
}

fn extremes(out: &mut String, evaluation: &Evaluation) {
    let (gains, losses) = evaluation.extremes(EXTREMES);
    let mut list = |what: &str, queries: &[&QueryResult]| {
        if queries.is_empty() {
            return;
        }
        line(out, &format!("\n{what}"));
        row(out, "query", &["before", "after", "change"]);
        for query in queries {
            let ndcg = query.measures.first();
            let cells = [
                number(ndcg.map(|measure| measure.before)),
                number(ndcg.map(|measure| measure.after)),
                signed(query.gain),
            ];
            row(out, &query.query, &cells.each_ref().map(String::as_str));
        }
    };
    list("biggest gains", &gains);
    list("biggest losses", &losses);
}

fn outcomes(out: &mut String, document: &ReportDocument) {
    line(out, "\nhow searches ended");
    for (outcome, count) in &document.evaluation.outcomes {
        let _ = writeln!(out, "  {count:>6} {outcome}");
    }
    for failure in document.failed.iter().take(20) {
        line(out, &format!("  not measured: {} ({})", clip(&failure.query, 40), failure.reason));
    }
    if let Some(more) = document.failed.len().checked_sub(20).filter(|more| *more > 0) {
        line(out, &format!("  and {more} more"));
    }
}

fn latency_and_cost(out: &mut String, evaluation: &Evaluation) {
    let (latency, cost) = (&evaluation.latency, &evaluation.cost);
    if latency.whole == Spread::default() && latency.database == Spread::default() {
        return;
    }
    line(out, "\nlatency");
    row(out, "", &["mean", "median", "95 %"]);
    for (step, spread) in [
        ("database, as asked", &latency.database),
        ("database, widened", &latency.widened),
        ("rerank", &latency.rerank),
        ("all of it", &latency.whole),
    ] {
        let cells = [ms(spread.mean), ms(spread.p50), ms(spread.p95)];
        row(out, step, &cells.each_ref().map(String::as_str));
    }
    if latency.past_deadline > 0 {
        line(
            out,
            &format!(
                "  {} reranks took longer than the configured deadline: served, they would have kept the order",
                latency.past_deadline
            ),
        );
    }
    line(out, "\ncost");
    line(out, &format!("  billed {} search units, {} tokens", cost.search_units, cost.tokens));
    line(out, &format!("  {} of {} scores came from the cache", cost.cache_hits, cost.cache_lookups));
    line(out, &format!("  1,000 such searches with an empty cache: {}", per_1000(evaluation)));
}

/// What 1,000 searches cost, in the provider's coin and in money where the price is known.
pub(super) fn per_1000(evaluation: &Evaluation) -> String {
    let cost = &evaluation.cost;
    let amount = match (cost.search_units_per_1000, cost.tokens_per_1000) {
        (Some(units), _) => format!("{units:.0} search units"),
        (None, Some(tokens)) => format!("{tokens:.0} tokens"),
        (None, None) => return "nothing: the provider does not bill".to_owned(),
    };
    match cost.price_per_1000 {
        Some(price) => format!("{amount}, {price:.2} at the given price"),
        None => format!("{amount} (--price turns them into money)"),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{test_support::document, text::WIDTH},
        *,
    };

    #[test]
    fn the_table_has_every_part_and_no_line_is_wider_than_the_page() {
        let text = table(&document(true));
        for part in [
            "It helps",
            "nDCG@10",
            "MRR@10",
            "recall@10",
            "precision@10",
            "overlap@10",
            "biggest gains",
            "latency",
            "cost",
            "1,000 such searches",
            "min_score for recall ≥ 0.95",
            "window: ",
            "margin_gate: ",
            "skip_when: none",
            "3 words or fewer",
            "notes",
            "routes:",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }

    #[test]
    fn without_judgments_it_says_change_not_improvement() {
        let text = table(&document(false));
        assert!(text.contains("how much changes, not whether it gets better"), "{text}");
        assert!(!text.contains("nDCG@10  "), "{text}");
    }

    #[test]
    fn what_ended_early_says_so_first() {
        let mut document = document(true);
        document.stopped = Some("provider_unavailable".into());
        let text = table(&document);
        assert!(text.lines().take(4).any(|line| line == "NOT COMPLETE: provider_unavailable"), "{text}");
    }
}
