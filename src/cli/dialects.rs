//! `check --dialects`: the databases that are known, and what each was tried on.

use std::io::{self, Write};

use super::{EXIT_FAILURE, EXIT_OK};
use crate::dialect::paths::PRESETS;

/// The dialects that are programmed.
const OWN: [(&str, &str, &str); 2] = [
    (
        "qdrant",
        "Qdrant (REST and gRPC)",
        "recorded exchanges with real servers, 1.11 to 1.19, and its clients",
    ),
    (
        "elasticsearch",
        "Elasticsearch and OpenSearch",
        "real servers, 8.15 to 9.5 and 2.19 to 3.9, and their clients",
    ),
];

/// Lists them, or prints the definition of one.
pub(super) fn list(name: &str, out: &mut dyn Write) -> io::Result<u8> {
    if name.is_empty() {
        let described = PRESETS.iter().map(|preset| (preset.name, preset.database, preset.tried));
        for (name, database, tried) in OWN.into_iter().chain(described) {
            writeln!(out, "{name:<16} {database}\n{:<16} tried on {tried}", "")?;
        }
        writeln!(out, "paths            any other that answers in JSON, as dialect_file describes it")?;
        return Ok(EXIT_OK);
    }
    match PRESETS.iter().find(|preset| preset.name == name) {
        Some(preset) => write!(out, "{}", preset.text).map(|()| EXIT_OK),
        None => {
            writeln!(
                out,
                "`{name}` has no definition that could be printed; without a name all dialects are listed."
            )?;
            Ok(EXIT_FAILURE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str) -> (u8, String) {
        let mut out = Vec::new();
        let code = list(name, &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_dialect_is_listed_with_what_it_was_tried_on_and_a_definition_can_be_printed() {
        let (code, all) = listed("");
        assert_eq!(code, EXIT_OK);
        for preset in PRESETS {
            assert!(all.contains(&format!("{:<16} {}\n", preset.name, preset.database)), "{all}");
            assert!(all.contains(&format!("tried on {}\n", preset.tried)), "{all}");
            assert_eq!(listed(preset.name).1, preset.text);
        }
        assert_eq!(listed("qdrant").0, EXIT_FAILURE);
    }
}
