//! The report as one page that needs nothing else: no script, no font, no request.

use std::fmt::Write;

use super::{Document, interval, ms, name, number, percent, plots, range, signed, table::per_1000};
use crate::eval::{
    calibration::CalibratedGroup,
    evaluation::{Comparison, Evaluation, QueryResult},
};

const STYLE: &str = include_str!("style.css");
/// So many gains and losses are listed.
const EXTREMES: usize = 10;

/// The whole page.
pub fn page(document: &Document) -> String {
    let mut body = head(document);
    body += &measures(&document.evaluation);
    body += &extremes(&document.evaluation);
    body += &latency_and_cost(document);
    if let Some(calibration) = &document.calibration {
        calibration.groups.iter().for_each(|group| body += &calibrated(group));
        calibration
            .empty
            .iter()
            .for_each(|empty| body += &format!("<p class=\"soft\">{}</p>", escape(empty)));
    }
    if let Some(yaml) = &document.yaml {
        let _ = write!(body, "<h2>To paste into the configuration</h2><pre>{}</pre>", escape(yaml));
    }
    body += &notes(document);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>rerankd {}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n",
        document.command
    )
}

/// Text in a page: nothing of it is markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn head(document: &Document) -> String {
    let setup = &document.setup;
    let mut out = format!("<h1>Does it help? rerankd {}</h1>", document.command);
    let mut about = vec![format!("{} of {} queries", document.done, document.queries), setup.source.clone()];
    if !setup.providers.is_empty() {
        about.push(format!("providers: {}", setup.providers.join(", ")));
        about.push(format!("window {}", setup.window));
    }
    let _ = write!(out, "<p class=\"soft\">{}</p>", escape(&about.join(" · ")));
    if let Some(stopped) = &document.stopped {
        let _ = write!(out, "<p class=\"warn\">Not complete: {}</p>", escape(stopped));
    }
    let _ = write!(out, "<p class=\"verdict\">{}</p>", escape(&document.verdict()));
    if let Some(caveat) = &setup.caveat {
        let _ = write!(out, "<p class=\"warn\">{}</p>", escape(caveat));
    }
    out
}

/// A table of cells that are markup already.
fn rows(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = String::from("<table><thead><tr>");
    heads.iter().for_each(|head| out += &format!("<th>{}</th>", escape(head)));
    out += "</tr></thead><tbody>";
    for cells in rows {
        let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        let _ = write!(out, "<tr>{cells}</tr>");
    }
    out + "</tbody></table>"
}

fn card(title: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!("<section class=\"card\"><h3>{}</h3>{content}</section>", escape(title))
}

fn key(of: &[(&str, &str)]) -> String {
    of.iter()
        .map(|(class, text)| format!("<span class=\"key\"><i class=\"{class}\"></i>{}</span>", escape(text)))
        .collect()
}

fn measures(evaluation: &Evaluation) -> String {
    let mut out = String::from("<h2>Before and after</h2><div class=\"cards\">");
    for group in &evaluation.groups {
        let mut content = String::new();
        if !group.measures.is_empty() {
            let heads = ["", "before", "after", "change", "95 % interval", "up / down"];
            content += &rows(&heads, group.measures.iter().map(compared));
        }
        let change = &group.change;
        let _ = write!(
            content,
            "<p class=\"soft\">overlap@{} {} · a hit moves {} places · Kendall τ {} · another first hit {}</p>",
            evaluation.k,
            percent(change.overlap),
            number(change.displacement),
            number(change.kendall_tau),
            percent(change.top_changed)
        );
        let title = format!("{}: {} queries, {} judged", name(&group.category), group.queries, group.judged);
        out += &card(&title, &content);
    }
    let plot = plots::queries(evaluation);
    if !plot.is_empty() {
        let key = key(&[("before", "the database's order"), ("after", "reranked")]);
        out += &card("Every judged query", &format!("{key}{plot}"));
    }
    out + "</div>"
}

fn compared(measure: &Comparison) -> Vec<String> {
    let sure = measure.interval.filter(|interval| interval.excludes_zero()).zip(measure.difference);
    let class = sure.map_or("", |(_, difference)| if difference > 0.0 { "good" } else { "bad" });
    vec![
        escape(&measure.measure),
        number(measure.before),
        number(measure.after),
        format!("<span class=\"{class}\">{}</span>", signed(measure.difference)),
        interval(measure.interval),
        format!("{} / {}", measure.better, measure.worse),
    ]
}

fn extremes(evaluation: &Evaluation) -> String {
    let (gains, losses) = evaluation.extremes(EXTREMES);
    let list = |title: &str, queries: &[&QueryResult]| {
        let told = |query: &&QueryResult| {
            let ndcg = query.measures.first();
            vec![
                escape(&query.query),
                escape(query.category.as_deref().unwrap_or("–")),
                number(ndcg.map(|measure| measure.before)),
                number(ndcg.map(|measure| measure.after)),
                signed(query.gain),
            ]
        };
        let heads = ["query", "category", "before", "after", "change"];
        if queries.is_empty() { String::new() } else { card(title, &rows(&heads, queries.iter().map(told))) }
    };
    format!(
        "<div class=\"cards\" style=\"margin-top:16px\">{}{}</div>",
        list("Biggest gains", &gains),
        list("Biggest losses", &losses)
    )
}

fn latency_and_cost(document: &Document) -> String {
    let evaluation = &document.evaluation;
    let (latency, cost) = (&evaluation.latency, &evaluation.cost);
    let mut out = String::from("<h2>How searches ended, time, cost</h2><div class=\"cards\">");
    let mut ended = rows(
        &["outcome", "searches"],
        evaluation.outcomes.iter().map(|(outcome, count)| vec![escape(outcome), count.to_string()]),
    );
    if !document.failed.is_empty() {
        let failed =
            document.failed.iter().map(|failure| vec![escape(&failure.query), escape(&failure.reason)]);
        ended += &rows(&["not measured", "why"], failed);
    }
    out += &card("Searches", &ended);
    if latency.whole.mean.is_some() {
        let steps = [
            ("database, as asked", &latency.database),
            ("database, widened", &latency.widened),
            ("rerank", &latency.rerank),
            ("all of it", &latency.whole),
        ];
        let told = steps
            .map(|(step, spread)| vec![step.to_owned(), ms(spread.mean), ms(spread.p50), ms(spread.p95)]);
        let mut content = rows(&["latency", "mean", "median", "95 %"], told);
        if latency.past_deadline > 0 {
            let late = latency.past_deadline;
            let _ = write!(
                content,
                "<p class=\"warn\">{late} reranks took longer than the configured deadline.</p>"
            );
        }
        let _ = write!(
            content,
            "<p class=\"soft\">Billed: {} search units, {} tokens. From the cache: {} of {} scores.<br>\
             1,000 such searches with an empty cache: {}.</p>",
            cost.search_units,
            cost.tokens,
            cost.cache_hits,
            cost.cache_lookups,
            escape(&per_1000(evaluation))
        );
        out += &card("Time and cost", &content);
    }
    out + "</div>"
}

fn calibrated(group: &CalibratedGroup) -> String {
    let category = group.category.as_deref().unwrap_or("queries without a category");
    let mut out = format!(
        "<h2>{} <span class=\"soft\">{} / {} · {} queries, {} judged</span></h2><div class=\"cards\">",
        escape(category),
        escape(&group.scorer.provider),
        escape(&group.scorer.model),
        group.queries,
        group.judged
    );
    let parts = key(&[("after", group.parts[0]), ("before", group.parts[1])]);
    out += &card("Where the scores lie", &format!("{parts}{}", plots::histogram(group)));
    out += &card("Floor", &floor(group));
    out += &card("Window", &window(group));
    out += &card("Margin gate", &margin(group));
    out + "</div>"
}

fn list(notes: &[String]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    format!("<ul>{}</ul>", notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect::<String>())
}

/// A suggestion, and whether it is sure enough.
fn suggestion(key: &str, value: Option<String>, enough: bool) -> String {
    match value {
        Some(value) => {
            let unsure = if enough { "" } else { " <span class=\"bad\">not sure enough to set it</span>" };
            format!("<p><b>{key}: {value}</b>{unsure}</p>")
        }
        None => format!("<p><b>{key}</b>: none to suggest</p>"),
    }
}

fn floor(group: &CalibratedGroup) -> String {
    let Some(floor) = &group.floor else {
        return "<p>No floor can be suggested without judgments.</p>".to_owned();
    };
    let mut out = key(&[("after", "recall"), ("before", "precision"), ("third", "queries answered")]);
    out += &plots::floor(group);
    out += &suggestion("min_score", floor.min_score.map(|floor| floor.to_string()), floor.enough);
    if let Some(reached) = floor.reached {
        let _ = write!(
            out,
            "<p class=\"soft\">For {}: recall {}, precision {}, answered {}. 95 % interval of the floor: {}.</p>",
            escape(&floor.objective),
            percent(reached.recall),
            percent(reached.precision),
            percent(reached.answer_rate),
            range(floor.interval)
        );
    }
    out + &list(&floor.notes)
}

fn window(group: &CalibratedGroup) -> String {
    let window = &group.window;
    let mut out = plots::window(group);
    out += &suggestion("window", window.window.map(|window| window.to_string()), window.enough);
    let told = window.curve.iter().map(|point| {
        vec![
            point.window.to_string(),
            number(point.ndcg),
            signed(point.gain),
            percent(point.share_of_gain),
            percent(point.overlap_with_largest),
            number(point.bill),
        ]
    });
    out += &rows(&["candidates", "nDCG", "gain", "of all gain", "overlap", "billed a search"], told);
    out + &list(&window.notes)
}

fn margin(group: &CalibratedGroup) -> String {
    let margin = &group.margin;
    let plot = plots::margin(group);
    let mut out = String::new();
    if !plot.is_empty() {
        out += &key(&[("before", "calls skipped"), ("after", "nDCG lost")]);
        out += &plot;
    }
    out += &suggestion("margin_gate", margin.margin_gate.map(|gate| gate.to_string()), margin.enough);
    if let Some(point) = margin.curve.iter().find(|point| Some(point.margin_gate) == margin.margin_gate) {
        let _ = write!(
            out,
            "<p class=\"soft\">Skips {} of the calls and loses {} nDCG (95 % interval {}).</p>",
            percent(point.skipped),
            number(point.loss),
            interval(point.interval)
        );
    }
    out + &list(&margin.notes)
}

fn notes(document: &Document) -> String {
    let mut out = String::from("<h2>Notes</h2>");
    out += &list(&document.notes);
    let _ = write!(
        out,
        "<p class=\"soft\">nDCG and the other measures are those of trec_eval: linear gain, documents without a judgment \
         are not relevant. Intervals: paired bootstrap over queries, 10,000 draws, seed {}. Relevance scores do not carry \
         across categories or models. Queries and documents are named by id; no text is on this page.</p>",
        document.setup.seed
    );
    out
}

#[cfg(test)]
mod tests {
    use super::{super::test_support::document, *};

    #[test]
    fn the_page_has_every_part_and_needs_nothing_else() {
        let page = page(&document(true));
        for part in [
            "It helps",
            "nDCG@10",
            "Biggest gains",
            "Time and cost",
            "Where the scores lie",
            "min_score",
            "margin_gate",
            "routes:",
            "prefers-color-scheme: dark",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert_eq!(page.matches("<svg").count(), 5);
        for outside in ["http-equiv", "<script", "<link", "src=", "url(", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(!page.contains("NaN"));
    }

    #[test]
    fn ids_and_notes_are_text_not_markup() {
        let page = page(&document(true));
        assert!(page.contains("&lt;q41&gt;") && page.contains("z &amp; co") && !page.contains("<q41>"));
    }

    #[test]
    fn every_colour_of_the_plots_is_one_of_the_style_sheet() {
        let page = page(&document(true));
        for part in page.split("fill=\"#").skip(1).chain(page.split("stroke=\"#").skip(1)) {
            let colour = &part[..6];
            assert!(["010101", "020202", "030303", "040404", "050505"].contains(&colour), "{colour}");
        }
    }

    #[test]
    fn without_judgments_the_page_has_no_floor_and_no_measures() {
        let page = page(&document(false));
        assert!(page.contains("not whether it gets better") && page.contains("No floor can be suggested"));
        assert!(!page.contains("Every judged query"));
    }
}
