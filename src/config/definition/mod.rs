//! Definitions of databases (`dialect: paths`): a YAML file, or one of the presets, into plain data. Checked as the
//! configuration is: every problem at once, with its line, its column and what to write instead.

mod response;
mod words;

use http::Method;

use super::{
    node::{self, MapEntry, Node, Value},
    origin::Origin,
    problem::Problems,
    section::Section,
    values,
};
use crate::dialect::paths::{
    Absent, Condition, Definition, FieldForm, FieldRequest, Hits, NamesAt, Number, Operation, PRESETS, Sort,
    Syntax, Test, Text,
};
use response::response;
use words::{error_shape, keys, method, one_of, pattern, place};

/// The word for metrics and logs of what a file defines.
const OWN_NAME: &str = "paths";

const TOP: [&str; 4] = ["error", "operations", "about", "names"];
const OPERATION: [&str; 20] = [
    "options",
    "method",
    "path",
    "searches",
    "queries",
    "collection",
    "collection_by_id",
    "text",
    "text_syntax",
    "no_text",
    "vector",
    "limit",
    "offset",
    "page",
    "sort",
    "leave_alone",
    "page_only",
    "limit_decides",
    "fields",
    "response",
];
/// The definition in a file's text.
pub(super) fn of_file(text: &str) -> Result<Definition, Problems> {
    read(OWN_NAME, text)
}

/// The definition of this name.
pub fn preset(name: &str) -> Option<Definition> {
    let preset = PRESETS.iter().find(|preset| preset.name == name)?;
    read(preset.name, preset.text).ok()
}

fn read(name: &'static str, text: &str) -> Result<Definition, Problems> {
    let mut problems = Problems::default();
    let root = node::parse(text, &mut problems);
    if !problems.0.is_empty() {
        return Err(problems);
    }
    let top = Section::open(Some(&root), "", &TOP, no_hint, &mut problems);
    let error = top.read("error", &mut problems, error_shape);
    let error = error.unwrap_or_else(|| r#"{"error":"{message}"}"#.to_owned());
    let operations = operations(&top, &mut problems);
    let names = names(&top, &mut problems);
    problems.or(Definition { name, error, operations, names })
}

fn names(top: &Section<'_>, problems: &mut Problems) -> Option<NamesAt> {
    if !top.has("names") {
        return None;
    }
    let section = top.inside("names", &["path", "id", "name"], problems);
    let mut of = NamesAt { paths: Vec::new(), id: "id".to_owned(), name: "name".to_owned() };
    section.set_list("path", &mut of.paths, problems, pattern);
    section.set("id", &mut of.id, problems, |text| Ok(text.to_owned()));
    section.set("name", &mut of.name, problems, |text| Ok(text.to_owned()));
    if of.paths.is_empty() && !section.has("path") {
        section.complain("path", "say which calls tell the names of collections.", problems);
    }
    Some(of)
}

fn no_hint(_: &str, _: &str) -> Option<String> {
    None
}

fn operations(top: &Section<'_>, problems: &mut Problems) -> Vec<Operation> {
    let entries: &[MapEntry] = match top.node("operations").map(|node| &node.value) {
        Some(Value::Map(entries)) if !entries.is_empty() => entries,
        _ => {
            let sentence = "name at least one search: a map from a name of your own to what it is, such as \
                            `search: { path: …, response: … }`.";
            top.complain("operations", sentence, problems);
            return Vec::new();
        }
    };
    let all: Vec<Operation> = entries.iter().map(|entry| operation(entry, problems)).collect();
    repeated(entries, &all, problems);
    all
}

/// Operations that never apply, since an earlier one has the same method and path.
fn repeated(entries: &[MapEntry], all: &[Operation], problems: &mut Problems) {
    for (at, (of, entry)) in all.iter().zip(entries).enumerate() {
        let earlier = all.iter().take(at);
        let same = |other: &&Operation| {
            of.methods.iter().any(|method| other.methods.contains(method))
                && of.paths.iter().any(|path| other.paths.contains(path))
        };
        if let Some(other) = earlier.into_iter().find(same) {
            let sentence = format!("`{}` has the same method and path, and comes first.", other.name);
            problems.add(&format!("operations.{}.path", entry.key), &entry.node.origin, sentence);
        }
    }
}

fn operation(entry: &MapEntry, problems: &mut Problems) -> Operation {
    let path = format!("operations.{}", entry.key);
    let section = Section::open(Some(&entry.node), path, &OPERATION, no_hint, problems);
    let mut of =
        Operation { name: entry.key.clone(), options: Some("rerank".to_owned()), ..Operation::default() };
    section.set_option("options", &mut of.options, problems, |text| Ok(text.to_owned()));
    of.methods = vec![Method::POST];
    section.set_list("method", &mut of.methods, problems, method);
    section.set_list("path", &mut of.paths, problems, pattern);
    if of.paths.is_empty() && !section.has("path") {
        section.complain(
            "path",
            "an operation needs its path, such as /indexes/{collection}/search.",
            problems,
        );
    }
    of.searches = section.read("searches", problems, keys);
    of.queries = section.read("queries", problems, place);
    section.set_list("collection", &mut of.collection, problems, place);
    section.set("collection_by_id", &mut of.collection_by_id, problems, values::boolean);
    of.text = text(&section, problems);
    section.set_list("vector", &mut of.vector, problems, place);
    of.limit = number(&section, "limit", &["at", "default", "most", "as"], problems);
    of.limit.default = of.limit.default.or_else(|| {
        // As many as the database gives.
        (of.limit.at.is_empty() && section.has("limit")).then_some(u64::from(u32::MAX))
    });
    if of.limit.at.is_empty() && of.limit.default.is_none() {
        section.complain("limit", "say where the limit stands (`at`), or what it is (`default`).", problems);
    }
    of.offset = number(&section, "offset", &["at", "default", "most", "as"], problems);
    let page = ["at", "default", "most", "as", "first"];
    of.page = number(&section, "page", &page, problems);
    of.first_page = 1;
    of.first_page = first_page(&section, &of.page, problems);
    of.sort = sort(&section, problems);
    of.leave_alone = conditions(&section, "leave_alone", problems);
    of.page_only = conditions(&section, "page_only", problems);
    section.set("limit_decides", &mut of.limit_decides, problems, values::boolean);
    of.fields = fields(&section, problems);
    of.response = response(&section, problems);
    check(&section, &of, problems);
    of
}

/// What only several settings together show.
fn check(section: &Section<'_>, of: &Operation, problems: &mut Problems) {
    if of.searches.is_some() && of.response.results.is_none() {
        let sentence =
            "a request with several searches is answered by several results: say where they stand.";
        section.again("response").complain("results", sentence, problems);
    }
    if of.queries.is_some() && matches!(of.response.hits, Hits::Rows(_)) {
        let sentence =
            "several queries of one request are understood where hits stand in columns, a list per query.";
        section.complain("queries", sentence, problems);
    }
    if let (Some(default), Some(most)) = (of.limit.default, of.limit.most)
        && default > most
        && section.has("limit")
    {
        let sentence = format!("the default is {default}: the largest limit that is accepted is no smaller.");
        section.again("limit").complain("most", sentence, problems);
    }
    if of.limit_decides && of.limit.at.is_empty() {
        let sentence = "the limit cannot be raised where nothing says where it stands (`limit.at`).";
        section.complain("limit_decides", sentence, problems);
    }
}

fn text(section: &Section<'_>, problems: &mut Problems) -> Text {
    let mut of = Text::default();
    section.set_list("text", &mut of.at, problems, place);
    section.set_list("no_text", &mut of.none, problems, |text| Ok(text.to_owned()));
    section.set("text_syntax", &mut of.syntax, problems, |text| {
        one_of(
            text,
            &[
                ("plain", Syntax::Plain),
                ("lucene", Syntax::Lucene),
                ("solr", Syntax::Solr),
                ("graphql", Syntax::GraphQl),
            ],
        )
    });
    of
}

fn number(section: &Section<'_>, key: &str, known: &[&str], problems: &mut Problems) -> Number {
    let mut of = Number::default();
    if let Some(Value::Text(_) | Value::List(_)) = section.node(key).map(|node| &node.value) {
        section.set_list(key, &mut of.at, problems, place);
        return of;
    }
    let inner = section.inside(key, known, problems);
    inner.set_list("at", &mut of.at, problems, place);
    of.default = inner.read("default", problems, values::whole(0, u64::MAX));
    of.most = inner.read("most", problems, values::whole(1, u64::MAX));
    let as_text = |text: &str| one_of(text, &[("number", false), ("text", true)]);
    inner.set("as", &mut of.as_text, problems, as_text);
    of
}

/// The number of the first page: where only the default is written, that is the first one.
fn first_page(section: &Section<'_>, page: &Number, problems: &mut Problems) -> u64 {
    let inner = section.again("page");
    let mut first = u64::from(page.default != Some(0));
    inner.set("first", &mut first, problems, values::whole(0, 1));
    if page.default.is_some_and(|default| default < first) {
        let sentence = format!("no page comes before the first, whose number is {first} (`first`).");
        inner.complain("default", sentence, problems);
    }
    first
}

fn sort(section: &Section<'_>, problems: &mut Problems) -> Sort {
    let mut of = Sort::default();
    if let Some(Value::Text(_) | Value::List(_)) = section.node("sort").map(|node| &node.value) {
        section.set_list("sort", &mut of.at, problems, place);
        return of;
    }
    let inner = section.inside("sort", &["at", "relevance"], problems);
    inner.set_list("at", &mut of.at, problems, place);
    inner.set_list("relevance", &mut of.relevance, problems, |text| Ok(text.to_owned()));
    of
}

fn conditions(section: &Section<'_>, key: &str, problems: &mut Problems) -> Vec<Condition> {
    let items: &[Node] = match section.node(key).map(|node| &node.value) {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::List(items)) => items,
        Some(_) => {
            let sentence =
                "this has to be a list of places, or of maps with `at` and what is to be seen there.";
            section.complain(key, sentence, problems);
            return Vec::new();
        }
    };
    let path = section.path_of(key);
    items.iter().enumerate().map(|(at, item)| condition(item, format!("{path}[{at}]"), problems)).collect()
}

/// A test of words.
type OfWords = fn(Vec<String>) -> Test;

fn condition(item: &Node, path: String, problems: &mut Problems) -> Condition {
    let mut of = Condition { at: Vec::new(), test: Test::Present };
    if let Value::Text(text) = &item.value {
        match place(text) {
            Ok(place) => of.at.push(place),
            Err(sentence) => problems.add(&path, &item.origin, sentence),
        }
        return of;
    }
    let known = ["at", "is", "not", "begins", "contains", "several"];
    let section = Section::open(Some(item), path, &known, no_hint, problems);
    section.set_list("at", &mut of.at, problems, place);
    if of.at.is_empty() && !section.has("at") {
        section.complain("at", "say where: a place in the request.", problems);
    }
    let tests: [(&str, OfWords); 4] =
        [("is", Test::Is), ("not", Test::Not), ("begins", Test::Begins), ("contains", Test::Contains)];
    let mut several = false;
    section.set("several", &mut several, problems, values::boolean);
    if several {
        of.test = Test::Several;
    }
    for (key, test) in tests {
        if section.has(key) {
            let mut words = Vec::new();
            section.set_list(key, &mut words, problems, |text| Ok(text.to_owned()));
            of.test = test(words);
        }
    }
    of
}

fn fields(section: &Section<'_>, problems: &mut Problems) -> FieldRequest {
    let mut of = FieldRequest::default();
    let inner = section.inside("fields", &["at", "form", "all", "absent", "empty", "excluded"], problems);
    inner.set_list("at", &mut of.at, problems, place);
    inner.set_list("all", &mut of.all, problems, |text| Ok(text.to_owned()));
    inner.set_list("excluded", &mut of.excluded, problems, place);
    inner.set("form", &mut of.form, problems, |text| {
        let forms = [("list", FieldForm::List), ("commas", FieldForm::Commas), ("switch", FieldForm::Switch)];
        one_of(text, &forms)
    });
    let empty = [("none", true), ("unknown", false)];
    inner.set("empty", &mut of.empty_is_none, problems, |text| one_of(text, &empty));
    match inner.node("absent").map(|node| &node.value) {
        Some(Value::List(_)) => {
            let mut names = Vec::new();
            inner.set_list("absent", &mut names, problems, |text| Ok(text.to_owned()));
            of.absent = Absent::Names(names);
        }
        _ => inner.set("absent", &mut of.absent, problems, |text| {
            one_of(text, &[("all", Absent::All), ("none", Absent::None)])
        }),
    }
    of
}

/// Where a problem of a definition file is told: at the setting that names it, with the file's own line and column.
pub(super) fn told(file: &str, inner: Problems, path: &str, origin: &Origin, problems: &mut Problems) {
    for problem in inner.0 {
        let place = match (problem.line, problem.column) {
            (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
            _ => file.to_owned(),
        };
        problems.add(path, origin, format!("{place} {}: {}", problem.path, problem.sentence));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        of_file(text).expect_err("a problem").to_string()
    }

    const GOOD: &str = "operations:\n  search:\n    path: /v1/{collection}/search\n    limit: { at: top_k, default: 10 }\n    \
                        text: query.text\n    response: { hits: matches, id: id, score: score, fields: meta }\n";

    #[test]
    fn every_preset_can_be_read_and_says_what_it_was_tried_on() {
        for each in PRESETS {
            if let Err(problems) = read(each.name, each.text) {
                panic!("{}:\n{problems}", each.name);
            }
            assert!(!each.tried.is_empty() && !each.database.is_empty(), "{}", each.name);
            assert!(preset(each.name).is_some());
        }
    }

    #[test]
    fn a_definition_of_five_lines_is_enough() {
        let read = of_file(GOOD).unwrap();
        assert_eq!((read.name, read.operations.len()), ("paths", 1));
        assert_eq!(read.operations[0].methods, [Method::POST]);
        let Hits::Rows(rows) = &read.operations[0].response.hits else { panic!() };
        assert_eq!((rows.at.as_slice(), rows.distance), (&["matches".to_owned()][..], false));
    }

    #[test]
    fn problems_have_line_column_and_a_hint() {
        let said = problems(&GOOD.replace("    text:", "    txet:"));
        assert_eq!(said, "5:5 operations.search.txet: unknown key `txet`; did you mean `text`?");
        let said = problems(&GOOD.replace("query.text", "qury:text"));
        assert!(said.starts_with("5:11 operations.search.text:") && said.contains("`query:text`"), "{said}");
        assert!(problems(&GOOD.replace("hits: matches, ", "")).contains("say where the hits are"));
        assert!(problems(&GOOD.replace("{ at: top_k, default: 10 }", "null")).contains("limit stands"));
        assert!(problems(&GOOD.replace("/v1/{collection}", "v1")).contains("begins with /"));
        let with = |from: &str, to: &str| problems(&GOOD.replace(from, to));
        assert!(with("default: 10", "default: 10, most: 5").contains("limit.most: the default is 10"));
        assert!(
            with("matches, id", "'query:matches', id")
                .contains("in a response a place is keys alone: `matches`")
        );
        let page = |page: &str| GOOD.replace("    text:", &format!("    page: {page}\n    text:"));
        assert!(
            problems(&page("{ at: p, default: 0, first: 1 }")).contains("page.default: no page comes before")
        );
        let first = |text: &str| of_file(&page(text)).unwrap().operations[0].first_page;
        assert_eq!((first("{ at: p, default: 0 }"), first("{ at: p, default: 1 }"), first("p")), (0, 1, 1));
        assert_eq!(first("{ at: p, default: 1, first: 0 }"), 0);
        let twice = GOOD.replace("operations:\n", "").replace("  search:", "  again:");
        let said = problems(&format!("{GOOD}{twice}"));
        assert!(said.contains("operations.again.path: `search` has the same method and path"), "{said}");
        assert!(problems("error: '{'\noperations: {}").contains("at least one search"));
        assert!(problems("operations: [").contains("not YAML"));
    }
}
