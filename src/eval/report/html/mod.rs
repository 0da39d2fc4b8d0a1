//! The report as one page that needs nothing else: no script, no font, no request. What is on it is gathered here and
//! in [`cards`]; `page.html` makes markup of it, and escapes all text.

mod cards;
mod figures;

use askama::Template;

use super::{ReportDocument, plots::Chart};

const STYLE: &str = include_str!("../style.css");

/// The whole page.
pub fn page(document: &ReportDocument) -> String {
    let page = Page {
        document,
        title: "Does it help?",
        style: STYLE,
        verdict: document.verdict(),
        warnings: warnings(document),
        facts: facts(document),
        sections: cards::sections(document),
        notes: &document.notes,
    };
    // Writing into a string does not fail.
    page.render().unwrap_or_default()
}

#[derive(Template)]
#[template(path = "page.html", config = "src/eval/report/askama.toml")]
struct Page<'a> {
    document: &'a ReportDocument,
    title: &'static str,
    style: &'static str,
    verdict: String,
    warnings: Vec<String>,
    facts: Vec<(&'static str, String)>,
    sections: Vec<Section>,
    notes: &'a [String],
}

struct Section {
    title: String,
    about: String,
    cards: Vec<Card>,
}

struct Card {
    title: String,
    parts: Vec<Part>,
}

enum Part {
    Table(Table),
    Figure(Box<Figure>),
    Text(String),
    Warning(String),
    Setting(Setting),
    List(Vec<String>),
}

/// A suggestion.
struct Setting {
    key: &'static str,
    value: String,
    /// Whether it is sure enough to be set.
    enough: bool,
}

/// The first cell of a row names it. There is a head for each cell.
struct Table {
    /// For who does not see where it stands.
    caption: String,
    heads: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

struct Cell {
    text: String,
    /// `good`, `bad` or none.
    class: &'static str,
}

/// A chart, what its colours mean, and the same in words and as a table.
struct Figure {
    keys: Vec<(&'static str, String)>,
    chart: Chart,
    /// For who does not see the chart.
    label: String,
    caption: String,
    table: Table,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, class: "" }
    }
}

impl Table {
    fn of(caption: &str, heads: &[&'static str], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        let rows = rows.into_iter().map(|cells| cells.into_iter().map(Cell::from).collect()).collect();
        Self { caption: caption.to_owned(), heads: heads.to_vec(), rows }
    }
}

fn warnings(document: &ReportDocument) -> Vec<String> {
    let stopped = document.stopped.as_ref().map(|stopped| format!("Not complete: {stopped}"));
    stopped.into_iter().chain(document.setup.caveat.clone()).collect()
}

fn facts(document: &ReportDocument) -> Vec<(&'static str, String)> {
    let setup = &document.setup;
    let mut facts = vec![
        ("Date", document.date.clone()),
        ("rerankd", document.version.to_owned()),
        (if setup.providers.is_empty() { "Runs" } else { "Database" }, setup.source.clone()),
        ("Queries", format!("{} of {}", document.done, document.queries)),
    ];
    if !setup.providers.is_empty() {
        facts.push(("Providers", setup.providers.join(", ")));
        let models =
            if setup.models.is_empty() { "none was asked".to_owned() } else { setup.models.join(", ") };
        facts.push(("Scored by", models));
        facts.push(("Candidates", format!("{} at most", setup.window)));
    }
    facts
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
        assert_eq!(page.matches("<figure>").count(), 5);
        for outside in ["http-equiv", "<script", "<link", "src=", "url(", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(!page.contains("NaN") && page.ends_with("</html>"));
    }

    #[test]
    fn the_page_says_when_by_what_and_from_which_files_and_gives_the_suggestion_first() {
        let page = page(&document(true));
        let at = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part}: {page}"));
        let order = [
            "It helps",
            "To paste into the configuration",
            "\nroutes:",
            "<dt>Date</dt><dd>2026-02-03T04:05:06Z",
            "<dt>Scored by</dt><dd>cohere / rerank",
            "queries.jsonl",
            "SHA-256 <code>e3b0c442",
            "Before and after",
        ];
        assert!(order.map(at).is_sorted(), "{page}");
    }

    #[test]
    fn every_chart_has_a_description_and_its_figures() {
        let page = page(&document(true));
        for figure in page.split("<figure>").skip(1) {
            let figure = figure.split("</figure>").next().unwrap();
            let label = figure.split("role=\"img\" aria-label=\"").nth(1).unwrap().split('"').next().unwrap();
            assert!(label.len() > 40 && label.ends_with('.'), "{label}");
            assert!(figure.matches("<tr").count() > 3 && figure.matches("<svg").count() == 2, "{figure}");
        }
    }

    #[test]
    fn ids_and_notes_are_text_not_markup() {
        let page = page(&document(true));
        assert!(page.contains("&#60;q41&#62;") && page.contains("z &#38; co") && !page.contains("<q41>"));
    }

    #[test]
    fn every_colour_of_the_plots_is_one_of_the_style_sheet() {
        let page = page(&document(true));
        let page = page.split("</style>").nth(1).unwrap();
        for part in page.split("fill=\"#").skip(1).chain(page.split("stroke=\"#").skip(1)) {
            let colour = &part[..6];
            assert!(
                ["010101", "020202", "030303", "040404", "050505", "060606"].contains(&colour),
                "{colour}"
            );
        }
    }

    #[test]
    fn without_judgments_the_page_has_no_floor_and_no_measures() {
        let page = page(&document(false));
        assert!(page.contains("not whether it gets better") && page.contains("No floor can be suggested"));
        assert!(!page.contains("Every judged query"));
    }
}
