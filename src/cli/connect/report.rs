//! What `check --connect` found, as text: a line for each check under what it is about, then OK or numbered problems.

use std::{collections::HashMap, fmt::Write};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Good,
    /// Nothing to check.
    Note,
    Warning,
    Problem,
}

/// How marks look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    /// Ticks and crosses.
    Signs,
    /// Letters only.
    Ascii,
}

impl Marks {
    /// Signs where the locale can show them.
    pub(super) fn of(env: &HashMap<String, String>) -> Self {
        let set = |name: &&str| env.get(*name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).map(|locale| locale.to_lowercase());
        let can = locale.is_some_and(|locale| locale.contains("utf-8") || locale.contains("utf8"));
        if can { Self::Signs } else { Self::Ascii }
    }

    fn mark(self, mark: Mark) -> &'static str {
        match (self, mark) {
            (Self::Signs, Mark::Good) => "✓",
            (Self::Signs, Mark::Warning) => "!",
            (Self::Signs, Mark::Problem) => "✗",
            (Self::Ascii, Mark::Good) => "ok  ",
            (Self::Ascii, Mark::Warning) => "warn",
            (Self::Ascii, Mark::Problem) => "FAIL",
            (Self::Signs, Mark::Note) => "-",
            (Self::Ascii, Mark::Note) => "-   ",
        }
    }
}

/// The checks of one peer: a database, a provider.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// The peer, by its place in the configuration.
    name: String,
    /// More of it for the heading.
    detail: String,
    lines: Vec<Line>,
}

#[derive(Debug, PartialEq, Eq)]
struct Line {
    mark: Mark,
    check: &'static str,
    said: String,
    remedy: String,
}

impl Section {
    pub(super) fn new(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), detail: detail.into(), lines: Vec::new() }
    }

    pub(super) fn good(&mut self, check: &'static str, said: impl Into<String>) {
        self.add(Mark::Good, check, said.into(), String::new());
    }

    pub(super) fn note(&mut self, check: &'static str, said: impl Into<String>) {
        self.add(Mark::Note, check, said.into(), String::new());
    }

    /// Something that works and should be looked at.
    pub(super) fn warning(
        &mut self,
        check: &'static str,
        said: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Mark::Warning, check, said.into(), remedy.into());
    }

    pub(super) fn problem(
        &mut self,
        check: &'static str,
        said: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Mark::Problem, check, said.into(), remedy.into());
    }

    /// Another name for the check of the last line.
    pub(super) fn rename_last(&mut self, check: &'static str) {
        if let Some(line) = self.lines.last_mut() {
            line.check = check;
        }
    }

    fn add(&mut self, mark: Mark, check: &'static str, said: String, remedy: String) {
        self.lines.push(Line { mark, check, said, remedy });
    }
}

/// Whether anything is a problem.
pub(super) fn has_problem(sections: &[Section]) -> bool {
    sections.iter().flat_map(|section| &section.lines).any(|line| line.mark == Mark::Problem)
}

/// All of it.
pub(super) fn text(sections: &[Section], marks: Marks) -> String {
    let mut out = String::new();
    let width =
        sections.iter().flat_map(|section| &section.lines).map(|line| line.check.len()).max().unwrap_or(0);
    for section in sections {
        let _ = writeln!(out, "{}  {}", section.name, section.detail);
        for line in &section.lines {
            let _ = writeln!(out, "  {} {:width$}  {}", marks.mark(line.mark), line.check, line.said);
        }
        out.push('\n');
    }
    out + &end(sections)
}

/// `OK`, or the numbered remedies: problems first.
fn end(sections: &[Section]) -> String {
    let of = |mark: Mark| {
        let each = |section| move |line| (section, line);
        let lines =
            sections.iter().flat_map(move |section: &Section| section.lines.iter().map(each(section)));
        lines.filter(move |(_, line): &(&Section, &Line)| line.mark == mark).collect::<Vec<_>>()
    };
    let (problems, warnings) = (of(Mark::Problem), of(Mark::Warning));
    let count = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let mut out = match (problems.len(), warnings.len()) {
        (0, 0) => return "OK\n".to_owned(),
        (0, warnings) => format!("OK, with {}:\n", count(warnings, "warning")),
        (problems, 0) => format!("{}:\n", count(problems, "problem")),
        (problems, warnings) => format!("{}, {}:\n", count(problems, "problem"), count(warnings, "warning")),
    };
    for (at, (section, line)) in problems.iter().chain(&warnings).enumerate() {
        let word = if line.mark == Mark::Warning { " (warning)" } else { "" };
        let _ = writeln!(out, "{}. {}, {}{word}: {}", at + 1, section.name, line.check, line.said);
        let _ = writeln!(out, "   {}", line.remedy);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Section {
        let mut section = Section::new("listeners[0]", "127.0.0.1:6343 -> http://db:6333");
        section.good("reached", "Qdrant 1.18.3");
        section.note("certificate", "none: plain HTTP");
        section
    }

    #[test]
    fn what_is_well_ends_with_ok() {
        assert_eq!(
            text(&[database()], Marks::Ascii),
            "listeners[0]  127.0.0.1:6343 -> http://db:6333\n  ok   reached      Qdrant 1.18.3\n  -    certificate  none: \
             plain HTTP\n\nOK\n"
        );
        assert!(!has_problem(&[database()]));
    }

    #[test]
    fn problems_are_numbered_with_what_to_do_and_stand_before_warnings() {
        let mut provider = Section::new("providers.cohere", "");
        provider.warning("clock", "40 s apart", "Set it.");
        provider.problem("key", "none", "Set CO_API_KEY.");
        let sections = [database(), provider];
        let said = text(&sections, Marks::Signs);
        assert!(said.contains("\n  ✗ key          none\n"), "{said}");
        let end = "1 problem, 1 warning:\n1. providers.cohere, key: none\n   Set CO_API_KEY.\n\
                   2. providers.cohere, clock (warning): 40 s apart\n   Set it.\n";
        assert!(said.ends_with(end) && has_problem(&sections), "{said}");
    }

    #[test]
    fn a_warning_alone_is_ok() {
        let mut section = database();
        section.warning("clock", "40 s apart", "Set it.");
        assert!(
            text(&[section], Marks::Ascii)
                .contains("\nOK, with 1 warning:\n1. listeners[0], clock (warning): ")
        );
    }

    #[test]
    fn signs_are_for_locales_that_have_them() {
        let of = |name: &str, value: &str| Marks::of(&HashMap::from([(name.to_owned(), value.to_owned())]));
        assert_eq!(of("LANG", "de_DE.UTF-8"), Marks::Signs);
        assert_eq!(of("LC_ALL", "C"), Marks::Ascii);
        assert_eq!(Marks::of(&HashMap::new()), Marks::Ascii);
    }
}
