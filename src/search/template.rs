//! [`Template`]: how fields with their labels make a document.

use std::{
    borrow::Cow,
    fmt::{self, Write},
    time::{Duration, UNIX_EPOCH},
};

/// What closes something, and so goes with what stands before it.
const CLOSING: &[char] = &[')', ']', '}', '>', '»', '”', '"'];
/// What only separates: a line does not begin with it because what stood before is missing.
const SEPARATORS: &[char] = &[' ', '\t', ',', ';', '|', '/', '·', '•', '–', '—', '-', ':'];
/// The last second of the year 9999, and the first one that is no number of seconds (March 1973 in milliseconds).
const LAST_SECOND: u64 = 253_402_300_799;
const MILLISECONDS: u64 = 100_000_000_000;

/// How fields with labels make a document, such as `Title: {title}` in one line and `{body}` in the next.
///
/// A field that a hit lacks leaves nothing behind: neither its label, which is what stands before it in its line, nor a closing
/// bracket or quotation mark right behind it. A line without any of its fields is left out, and with it the lines above that
/// have none of their own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    text: String,
    fields: Vec<String>,
    lines: Vec<Line>,
}

/// A line with fields, and those without that go with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Line {
    /// The lines before it, each with its line break.
    above: String,
    slots: Vec<Slot>,
    /// The lines behind it, each with the line break before it: of the last line only.
    below: String,
}

/// A field with what goes with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Slot {
    label: String,
    /// Among the template's fields.
    field: usize,
    form: Form,
    behind: String,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    AsIs,
    Date,
}

/// Why a text is no template, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// A field begins at this character, counted from 1, and has no end.
    Open(usize),
    /// A brace at this character closes nothing.
    Closes(usize),
    /// There is no name between the braces at this character, or one that no field has.
    Name(usize, String),
    /// The field at this character is to be written in a way that is not known.
    Form(usize, String),
    /// It has no field.
    NoField,
    /// A backslash and an `n` stand at this character.
    Backslash(usize),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(at) => {
                write!(
                    f,
                    "the field that begins at character {at} has no `}}`; a brace itself is written `{{{{`."
                )
            }
            Self::Closes(at) => {
                write!(f, "the `}}` at character {at} closes no field; a brace itself is written `}}}}`.")
            }
            Self::Name(at, name) => write!(
                f,
                "`{{{name}}}` at character {at} names no field: write its name or dotted path, such as {{title}} or \
                 {{meta.author}}."
            ),
            Self::Form(at, form) => {
                write!(f, "`:{form}` at character {at} is no way to write a value; there is `:date` alone.")
            }
            Self::NoField => {
                f.write_str("there is no field in it; one is written {title}, and braces twice are braces.")
            }
            Self::Backslash(at) => write!(
                f,
                "a backslash and an n stand at character {at}; a line break needs double quotes in YAML: \
                 \"{{title}}\\n{{body}}\"."
            ),
        }
    }
}

/// A document that a template has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Its text; empty where the hit has none of the fields.
    pub text: String,
    /// Where the value of the last field begins, in bytes.
    pub head: usize,
}

/// What a template is made of.
enum Part {
    Text(String),
    Field(usize, Form),
}

impl Template {
    /// The template of this text. A brace is written twice.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut fields = Vec::new();
        let parts = parts(text, &mut fields)?;
        if fields.is_empty() {
            return Err(TemplateError::NoField);
        }
        Ok(Self { text: text.to_owned(), fields, lines: lines(parts) })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The dotted paths of its fields, each once, by where they stand first.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// The document of these values, one for each of the [`fields`](Self::fields).
    pub fn fill(&self, values: &[Option<Cow<'_, str>>]) -> Filled {
        let mut filled = Filled { text: String::with_capacity(self.room(values)), head: 0 };
        for line in &self.lines {
            line.fill(values, &mut filled);
        }
        filled
    }

    fn room(&self, values: &[Option<Cow<'_, str>>]) -> usize {
        self.text.len() + values.iter().flatten().map(|value| value.len()).sum::<usize>()
    }
}

impl Line {
    fn fill(&self, values: &[Option<Cow<'_, str>>], to: &mut Filled) {
        let value = |slot: &Slot| values.get(slot.field).and_then(Option::as_deref);
        if self.slots.iter().all(|slot| value(slot).is_none()) {
            return;
        }
        match to.text.is_empty() {
            true => to.text.push_str(self.above.trim_start_matches('\n')),
            false => {
                to.text.push('\n');
                to.text.push_str(&self.above);
            }
        }
        let start = to.text.len();
        for (nth, slot) in self.slots.iter().enumerate() {
            let Some(value) = value(slot) else { continue };
            let first = to.text.len() == start && nth > 0;
            to.text.push_str(if first { slot.label.trim_start_matches(SEPARATORS) } else { &slot.label });
            to.head = to.text.len();
            slot.form.write(value, &mut to.text);
            to.text.push_str(&slot.behind);
        }
        to.text.push_str(&self.below);
    }
}

impl Form {
    fn write(self, value: &str, to: &mut String) {
        match self {
            Self::AsIs => to.push_str(value),
            Self::Date => to.push_str(&date(value)),
        }
    }
}

/// The day of a time in ISO 8601, or of one in seconds or milliseconds since 1970; anything else as it is, a year too.
fn date(value: &str) -> Cow<'_, str> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    // `2024.0` too, as a column of numbers with gaps has it.
    if whole.len() == 4 && digits(whole) && digits(part) {
        return Cow::Borrowed(value);
    }
    if let Some(day) = value.get(..10).filter(|day| is_day(day)) {
        let ends = value.as_bytes().get(10).is_none_or(|byte| matches!(byte, b'T' | b't' | b' '));
        return Cow::Borrowed(if ends { day } else { value });
    }
    let Some(number) = whole.parse::<u64>().ok().filter(|_| digits(part)) else {
        return Cow::Borrowed(value);
    };
    let seconds = if number < MILLISECONDS { number } else { number / 1000 };
    let mut day = String::new();
    if seconds <= LAST_SECOND {
        let _ =
            write!(day, "{}", humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)));
        day.truncate(10);
    }
    if is_day(&day) { Cow::Owned(day) } else { Cow::Borrowed(value) }
}

fn is_day(text: &str) -> bool {
    let digit =
        |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(digit)
}

/// What stands between fields, and the fields.
fn parts(text: &str, fields: &mut Vec<String>) -> Result<Vec<Part>, TemplateError> {
    let (mut parts, mut plain) = (Vec::new(), String::new());
    let mut chars = (1..).zip(text.chars()).peekable();
    while let Some((at, c)) = chars.next() {
        let twice = chars.peek().is_some_and(|(_, next)| *next == c);
        match c {
            '{' | '}' if twice => {
                plain.push(c);
                chars.next();
            }
            '}' => return Err(TemplateError::Closes(at)),
            '{' => {
                let mut inner = String::new();
                loop {
                    match chars.next() {
                        Some((_, '}')) => break,
                        Some((_, '{')) | None => return Err(TemplateError::Open(at)),
                        Some((_, c)) => inner.push(c),
                    }
                }
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(field(&inner, at, fields)?);
            }
            '\\' if chars.peek().is_some_and(|(_, next)| *next == 'n') => {
                return Err(TemplateError::Backslash(at));
            }
            '\r' => {}
            c => plain.push(c),
        }
    }
    parts.push(Part::Text(plain));
    Ok(parts)
}

fn field(inner: &str, at: usize, fields: &mut Vec<String>) -> Result<Part, TemplateError> {
    let (name, form) = match inner.split_once(':') {
        None => (inner, Form::AsIs),
        Some((name, form)) if form.trim() == "date" => (name, Form::Date),
        Some((_, form)) => return Err(TemplateError::Form(at, form.to_owned())),
    };
    let name = name.trim();
    let is_path = name.split('.').all(|key| !key.trim().is_empty());
    if !is_path || name == "*" || name.contains([',', ';', '|', '\n', '\t', '\\']) {
        return Err(TemplateError::Name(at, inner.to_owned()));
    }
    let known = fields.iter().position(|field| field == name);
    let number = known.unwrap_or_else(|| {
        fields.push(name.to_owned());
        fields.len() - 1
    });
    Ok(Part::Field(number, form))
}

fn lines(parts: Vec<Part>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    // The line that fields are added to, and what stands before the next field.
    let (mut line, mut before) = (Line::default(), String::new());
    for part in parts {
        match part {
            Part::Text(text) => before = text,
            Part::Field(field, form) => {
                let mut text = std::mem::take(&mut before);
                if !line.slots.is_empty() {
                    text = go_on(text, &mut line, &mut lines);
                }
                if line.slots.is_empty() {
                    let own = text.rfind('\n').map_or(0, |at| at + 1);
                    let label = text.split_off(own);
                    line.above.push_str(&text);
                    text = label;
                }
                line.slots.push(Slot { label: text, field, form, behind: String::new() });
            }
        }
    }
    let end = before.find('\n').unwrap_or(before.len());
    let below = before.split_off(end);
    if let Some(last) = line.slots.last_mut() {
        last.behind = before;
    }
    line.below = below;
    lines.push(line);
    lines
}

/// Gives what stands behind a field to it, and returns the rest: the label of the next one, in a line of its own where there
/// is a line break between them.
fn go_on(mut text: String, line: &mut Line, lines: &mut Vec<Line>) -> String {
    let ends = text.find('\n');
    let closing = text.len() - text.trim_start_matches(CLOSING).len();
    let rest = text.split_off(ends.unwrap_or(closing));
    if let Some(last) = line.slots.last_mut() {
        last.behind = text;
    }
    match rest.strip_prefix('\n') {
        Some(next) if ends.is_some() => {
            lines.push(std::mem::take(line));
            next.to_owned()
        }
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a template makes of values; `-` is a missing one.
    fn filled(template: &str, values: &[&str]) -> String {
        let values: Vec<Option<Cow<'_, str>>> =
            values.iter().map(|value| (*value != "-").then_some(Cow::Borrowed(*value))).collect();
        Template::parse(template).unwrap().fill(&values).text
    }

    #[test]
    fn labels_separators_and_order_are_as_written() {
        assert_eq!(filled("{title}\n{body}", &["Trains", "They run."]), "Trains\nThey run.");
        assert_eq!(
            filled("Title: {title} ({year})\n\n{body} [{{x}}]", &["Trains", "1999", "They run."]),
            "Title: Trains (1999)\n\nThey run. [{x}]"
        );
        assert_eq!(filled("{b} {a} {b}", &["2", "1"]), "2 1 2");
        assert_eq!(Template::parse("{b} {a.c} {b}").unwrap().fields(), ["b", "a.c"]);
        assert_eq!(filled("{a}", &["{b}"]), "{b}", "a value is no template");
    }

    #[test]
    fn a_missing_field_leaves_no_label() {
        for (template, values, text) in [
            ("{title}\n{body}", ["-", "B"], "B"),
            ("{title}\n{body}", ["T", "-"], "T"),
            ("{title}\n\n{body}", ["-", "B"], "B"),
            ("Title: {title}\nText: {body}", ["-", "B"], "Text: B"),
            ("{title} ({year})", ["T", "-"], "T"),
            ("{title} ({year})", ["-", "1999"], "(1999)"),
            ("By {author}, in {year}.", ["-", "1999"], "in 1999."),
            ("By {author}, in {year}.", ["A", "-"], "By A"),
            ("\"{a}\" - {b}", ["A", "-"], "\"A\""),
            ("Author:\n{author}\nText:\n{body}", ["-", "B"], "Text:\nB"),
            ("Author:\n{author}\nText:\n{body}\n--", ["A", "-"], "Author:\nA"),
            ("{title}\n{body}\n--", ["-", "B"], "B\n--"),
            ("Title: {title}\nText: {body}", ["-", "-"], ""),
        ] {
            assert_eq!(filled(template, &values), text, "{template:?} {values:?}");
        }
        assert_eq!(filled("{a} ({b}) – {c}", &["A", "-", "C"]), "A – C");
        assert_eq!(filled("{a} ({b}) – {c}", &["A", "B", "-"]), "A (B)");
    }

    #[test]
    fn a_date_is_its_day_however_it_is_kept() {
        for (value, day) in [
            ("2024-05-01T12:30:00+02:00", "2024-05-01"),
            ("2024-05-01 12:30", "2024-05-01"),
            ("2024-05-01", "2024-05-01"),
            ("1714567890", "2024-05-01"),
            ("1714567890123", "2024-05-01"),
            ("1714567890.25", "2024-05-01"),
            ("0", "1970-01-01"),
            ("1999", "1999"),
            ("1999.0", "1999.0"),
            ("2024-05-011", "2024-05-011"),
            ("May 2024", "May 2024"),
            ("-5", "-5"),
            ("99999999999999999", "99999999999999999"),
            ("1.7e9", "1.7e9"),
        ] {
            assert_eq!(filled("{d:date}", &[value]), day);
        }
        assert_eq!(filled("{d} {d:date}", &["1714567890"]), "1714567890 2024-05-01");
    }

    #[test]
    fn what_is_no_template_is_told_with_its_place() {
        for (text, said) in [
            ("{title", "the field that begins at character 1 has no `}`"),
            ("é{ti{tle}", "begins at character 2"),
            ("a}", "the `}` at character 2 closes no field"),
            ("{}", "`{}` at character 1 names no field"),
            ("{a..b}", "`{a..b}` at character 1 names no field"),
            ("{title, body}", "names no field"),
            ("{a:upper}", "`:upper` at character 1"),
            ("{{title}}", "there is no field in it"),
            ("", "there is no field in it"),
            ("{title}\\n{body}", "a backslash and an n stand at character 8"),
        ] {
            let error = Template::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn the_head_ends_where_the_last_value_begins() {
        let template = Template::parse("{title}\nText: {body}!").unwrap();
        let head = |values: &[Option<Cow<'_, str>>]| {
            let Filled { text, head } = template.fill(values);
            text[..head].to_owned()
        };
        assert_eq!(head(&[Some("T".into()), Some("B".into())]), "T\nText: ");
        assert_eq!(head(&[Some("T".into()), None]), "");
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_or_an_error_and_a_full_one_has_all_of_its_text(
            text in "[{}ab:.)(, \n\\\\-]{0,30}|(\\{[ab]\\}|[ab(),. \n]){1,12}",
            values in prop::collection::vec(prop::option::of("[vw\n ]{1,5}"), 2),
        ) {
            if let Ok(template) = Template::parse(&text) {
                let full: Vec<_> = template.fields().iter().map(|_| Some(Cow::Borrowed("v"))).collect();
                let expected = template.fields().iter().fold(text.clone(), |text, name| {
                    text.replace(&format!("{{{name}}}"), "v")
                });
                if !text.contains("{{") && !text.contains("}}") && !text.contains([':', '\\'])
                    && !template.fields().iter().any(|name| name.contains([' ', '{', '}'])) && !text.contains("{ ")
                    && !text.contains(" }")
                {
                    prop_assert_eq!(template.fill(&full).text, expected.trim_start_matches('\n'));
                }
                let some: Vec<_> = values.iter().map(|value| value.as_deref().map(Cow::Borrowed)).collect();
                let filled = template.fill(&some);
                prop_assert!(filled.text.get(filled.head..).is_some());
            }
        }
    }
}
