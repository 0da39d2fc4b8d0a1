//! What `calibrate` suggests, as plain text.

use super::{
    interval, kinds, number, percent, range, signed,
    text::{line, row},
};
use crate::eval::{
    calibration::CalibratedGroup,
    confidence::ConfidenceAdvice,
    kinds::KindAdvice,
    trial::{Fused, Way},
};

/// How likely hits are relevant.
fn confidence(out: &mut String, advice: &ConfidenceAdvice) {
    let value = advice.fitted.map_or_else(
        || "none".to_owned(),
        |fitted| format!("slope {}, intercept {}", fitted.slope, fitted.intercept),
    );
    line(out, &format!("  confidence: {value}{}", surely(advice.enough, advice.fitted.is_some())));
    if let Some(fitted) = advice.fitted {
        let (error, base) = (fitted.error, fitted.base);
        line(
            out,
            &format!(
                "    log loss {:.3} ({:.3} without scores), Brier {:.3} ({:.3}), of {} judged hits",
                error.log_loss, base.log_loss, error.brier, base.brier, advice.hits
            ),
        );
        line(
            out,
            &format!(
                "    of the best hits it says {:.2}, and {:.2} are relevant",
                fitted.best_said, fitted.best_found
            ),
        );
    }
    advice.notes.iter().for_each(|note| line(out, &format!("    {note}")));
}

/// What is suggested for some queries.
pub(super) fn calibrated(out: &mut String, group: &CalibratedGroup) {
    let category = group.category.as_deref().unwrap_or("no category");
    let scorer = format!("{} / {}", group.scorer.provider, group.scorer.model);
    line(out, &format!("\n{category}, {scorer}: {} queries, {} judged", group.queries, group.judged));
    if let Some(floor) = &group.floor {
        let value = floor.min_score.map_or_else(|| "none".to_owned(), |floor| floor.to_string());
        line(
            out,
            &format!(
                "  min_score for {}: {value}{}",
                floor.objective,
                surely(floor.enough, floor.min_score.is_some())
            ),
        );
        if let Some(reached) = floor.reached {
            let reported =
                (percent(reached.recall), percent(reached.precision), percent(reached.answer_rate));
            line(
                out,
                &format!(
                    "    recall {}, precision {}, answered {}, 95 % interval of the floor {}",
                    reported.0,
                    reported.1,
                    reported.2,
                    range(floor.interval)
                ),
            );
        }
        floor.notes.iter().for_each(|note| line(out, &format!("    {note}")));
    } else {
        line(
            out,
            "  min_score: no floor can be suggested without judgments; the histogram shows top and tail",
        );
    }
    group.confidence.iter().for_each(|advice| confidence(out, advice));
    let order = &group.order;
    let value = order.best.and_then(|(way, _)| way.setting());
    let value = match order.best {
        None => "none".to_owned(),
        Some(_) => value.unwrap_or_else(|| "as it was run".to_owned()),
    };
    line(out, &format!("  score: {value}{}", surely(order.enough, order.best.is_some())));
    row(out, "    best of a kind", &["window", "all chose", "left out", "   95 % interval"]);
    for kind in &order.kinds {
        let cells = [
            kind.window.to_string(),
            signed(Some(kind.chosen_by)),
            signed(kind.gain),
            interval(kind.interval),
        ];
        row(out, &format!("    {}", named(kind.way)), &cells.each_ref().map(String::as_str));
    }
    if let Some(gain) = order.gain {
        let cells = ["–".to_owned(), "–".to_owned(), signed(Some(gain)), interval(order.interval)];
        row(out, "    the choice of one", &cells.each_ref().map(String::as_str));
    }
    order.notes.iter().for_each(|note| line(out, &format!("    {note}")));
    let window = &group.window;
    let value = window.window.map_or_else(|| "none".to_owned(), |window| window.to_string());
    line(out, &format!("  window: {value}{}", surely(window.enough, window.window.is_some())));
    row(out, "    candidates", &["nDCG", "gain", "of all", "overlap", "billed", "   95 % interval"]);
    for point in &window.curve {
        let cells = [
            number(point.ndcg),
            signed(point.gain),
            percent(point.share_of_gain),
            percent(point.overlap_with_largest),
            number(point.bill),
            interval(point.interval),
        ];
        row(out, &format!("    {}", point.window), &cells.each_ref().map(String::as_str));
    }
    window.notes.iter().for_each(|note| line(out, &format!("    {note}")));
    let margin = &group.margin;
    let value = margin.margin_gate.map_or_else(|| "none".to_owned(), |gate| gate.to_string());
    line(out, &format!("  margin_gate: {value}{}", surely(margin.enough, margin.margin_gate.is_some())));
    if let Some(point) = margin.curve.iter().find(|point| Some(point.margin_gate) == margin.margin_gate) {
        let (skipped, loss) = (percent(point.skipped), number(point.loss));
        line(
            out,
            &format!("    skips {skipped} of the calls, loses {loss} nDCG ({})", interval(point.interval)),
        );
    }
    margin.notes.iter().for_each(|note| line(out, &format!("    {note}")));
    skipped(out, &group.kinds);
}

/// Which kinds of queries to skip.
fn skipped(out: &mut String, advice: &KindAdvice) {
    let there = kinds::suggested(advice);
    let sure = surely(advice.enough, there.is_some());
    line(out, &format!("  skip_when: {}{sure}", there.as_deref().unwrap_or("none")));
    let [_, queries, judged, change, range, same, _] = kinds::HEADS;
    row(out, "    kind of query", &[queries, judged, change, same, &format!("   {range}")]);
    for (_, [kind, queries, judged, change, range, same, _]) in kinds::rows(advice) {
        row(out, &format!("    {kind}"), &[&queries, &judged, &change, &same, &range]);
    }
    let said = kinds::sentences(advice);
    said.iter().chain(&advice.notes).for_each(|note| line(out, &format!("    {note}")));
}

/// An order, for a table.
pub(super) fn named(way: Way) -> String {
    match way {
        Way::AsRun => "as it was run".to_owned(),
        Way::Relevance => "relevance".to_owned(),
        Way::Fused(Fused { weight, linear: true, .. }) => format!("linear, weight {weight}"),
        Way::Fused(Fused { k, weight, .. }) => format!("rrf, k {k}, weight {weight}"),
    }
}

fn surely(enough: bool, there: bool) -> &'static str {
    if there && !enough { " (not sure enough to set it)" } else { "" }
}
