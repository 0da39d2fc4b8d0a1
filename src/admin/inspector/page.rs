//! The page's files, built in.

use std::sync::LazyLock;

use crate::search::KeepReason;

/// One file of the page.
#[derive(Clone, Copy)]
pub(super) struct File {
    path: &'static str,
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const FILES: [File; 9] = [
    File { path: "/", kind: HTML, text: include_str!("page/index.html") },
    File { path: "/inspector.css", kind: STYLE, text: include_str!("page/inspector.css") },
    File { path: "/inspector.js", kind: SCRIPT, text: include_str!("page/inspector.js") },
    File { path: "/detail.js", kind: SCRIPT, text: include_str!("page/detail.js") },
    File { path: "/dom.js", kind: SCRIPT, text: include_str!("page/dom.js") },
    File { path: "/moves.js", kind: SCRIPT, text: include_str!("page/moves.js") },
    File { path: "/state.js", kind: SCRIPT, text: include_str!("page/state.js") },
    File { path: "/words.js", kind: SCRIPT, text: include_str!("page/words.js") },
    File { path: "/icon.svg", kind: "image/svg+xml", text: include_str!("page/icon.svg") },
];

/// The words of the reasons, from where all others have them too.
static REASONS: LazyLock<String> = LazyLock::new(|| {
    let line = |reason: &KeepReason| {
        format!("  {}: {},\n", reason.as_str(), serde_json::Value::from(reason.meaning()))
    };
    let lines: String = KeepReason::ALL.iter().map(line).collect();
    format!(
        "/** Why the database's order was kept, or some hits were not scored. */\nexport const REASONS = {{\n{lines}}};\n"
    )
});

/// All files of the page.
fn files() -> impl Iterator<Item = File> {
    let reasons = File { path: "/reasons.js", kind: SCRIPT, text: REASONS.as_str() };
    FILES.into_iter().chain([reasons])
}

/// The file at a path.
pub(super) fn file(path: &str) -> Option<File> {
    files().find(|file| file.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_plain_words_for_every_reason() {
        let words = file("/reasons.js").unwrap().text;
        for reason in KeepReason::ALL {
            assert!(words.contains(&format!("\n  {}: \"", reason.as_str())), "{}", reason.as_str());
        }
    }

    #[test]
    fn every_file_that_the_page_asks_for_is_there_and_none_is_from_elsewhere() {
        for File { path, text, .. } in files() {
            for part in ["src=\"", "href=\"", "from \"./"].iter().flat_map(|start| text.split(start).skip(1))
            {
                let asked = part.split('"').next().unwrap().trim_start_matches('/');
                let there = asked.starts_with('#') || file(&format!("/{asked}")).is_some();
                assert!(there, "{path} asks for {asked}");
            }
            // No request asks for an address that names a language.
            let outside = text.split("://").count() - 1 - text.matches("http://www.w3.org/2000/svg").count();
            assert_eq!(outside, 0, "{path}");
            assert!(!text.contains("innerHTML") && !text.contains("style=\""), "{path}");
        }
    }
}
