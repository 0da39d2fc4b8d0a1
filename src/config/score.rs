//! `rerank.score`: a word, or how the database's order and the reranker's are fused.

use super::{kind::SCORE_WORDS, node::Value, problem::Problems, section::Section, values};
use crate::{
    pipeline::ScoreMode,
    search::{FusedBy, Fusion},
};

/// The most that `k` and `weight` may be: beyond, one order is all there is.
const MOST: f32 = 1000.0;

/// Fusion of scores with the usual weight.
const LINEAR: Fusion = Fusion { by: FusedBy::Scores, ..Fusion::USUAL };

/// Reads `score` of a section, if it is there.
pub(super) fn read(section: &Section<'_>, to: &mut ScoreMode, problems: &mut Problems) {
    match section.node("score").map(|node| &node.value) {
        None | Some(Value::Null) => {}
        Some(Value::Map(_)) => {
            let inside = section.inside("score", &["fuse", "k", "weight"], problems);
            let mut fusion = match inside.read("fuse", problems, fused_by) {
                Some(FusedBy::Scores) => LINEAR,
                Some(FusedBy::Ranks) | None => Fusion::USUAL,
            };
            if fusion.by == FusedBy::Scores && inside.has("k") {
                inside.complain("k", "k is of ranks: it counts with `fuse: rrf` alone.", problems);
            }
            fusion.k = inside.read("k", problems, number).unwrap_or(fusion.k);
            fusion.weight = inside.read("weight", problems, number).unwrap_or(fusion.weight);
            *to = ScoreMode::Fuse(fusion);
        }
        Some(_) => *to = section.read("score", problems, word).unwrap_or(*to),
    }
}

fn word(text: &str) -> Result<ScoreMode, String> {
    Ok(match values::word(text, &SCORE_WORDS, |word| word)? {
        "replace" => ScoreMode::Replace,
        "rrf" => ScoreMode::Fuse(Fusion::USUAL),
        "linear" => ScoreMode::Fuse(LINEAR),
        _ => ScoreMode::Keep,
    })
}

fn fused_by(text: &str) -> Result<FusedBy, String> {
    values::word(text, &["rrf", "linear"], |word| word)
        .map(|word| if word == "linear" { FusedBy::Scores } else { FusedBy::Ranks })
}

fn number(text: &str) -> Result<f32, String> {
    let value = text.parse().ok().filter(|value: &f32| (0.0..=MOST).contains(value));
    value.ok_or_else(|| format!("`{text}` is not a number from 0 to {MOST}."))
}

/// What a file would say.
pub(super) fn text(mode: ScoreMode) -> String {
    match mode {
        ScoreMode::Fuse(fusion) if fusion != Fusion::USUAL && fusion != LINEAR => {
            let Fusion { by, k, weight } = fusion;
            match by {
                FusedBy::Ranks => format!("{{ fuse: rrf, k: {k}, weight: {weight} }}"),
                FusedBy::Scores => format!("{{ fuse: linear, weight: {weight} }}"),
            }
        }
        mode => mode.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::try_load;

    fn read(score: &str) -> Result<ScoreMode, String> {
        let text =
            format!("listeners: [{{ upstream: {{ url: 'http://db' }} }}]\nrerank: {{ score: {score} }}");
        try_load(&text, &[]).map(|config| config.rerank.score).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_fusion_is_read_as_a_word_or_with_its_numbers_and_printed_as_it_is_read() {
        for (written, mode) in [
            ("keep", ScoreMode::Keep),
            ("replace", ScoreMode::Replace),
            ("rrf", ScoreMode::Fuse(Fusion::USUAL)),
            ("linear", ScoreMode::Fuse(LINEAR)),
            (
                "{ fuse: rrf, k: 20, weight: 0.5 }",
                ScoreMode::Fuse(Fusion { k: 20.0, weight: 0.5, ..Fusion::USUAL }),
            ),
            ("{ fuse: linear, weight: 2 }", ScoreMode::Fuse(Fusion { weight: 2.0, ..LINEAR })),
        ] {
            assert_eq!(read(written), Ok(mode));
            assert_eq!(text(mode), written);
        }
        assert_eq!(read("{ k: 60 }"), Ok(ScoreMode::Fuse(Fusion::USUAL)));
        assert_eq!(read("null"), Ok(ScoreMode::Keep));
    }

    #[test]
    fn what_is_no_fusion_is_a_problem_with_its_place() {
        for (written, part) in [
            ("best", "rerank.score: `best` is not one of keep, replace, rrf, linear"),
            ("{ fuse: max }", "rerank.score.fuse: `max` is not one of rrf, linear"),
            ("{ fuse: linear, k: 3 }", "rerank.score.k: k is of ranks"),
            ("{ weight: -1 }", "rerank.score.weight: `-1` is not a number from 0 to 1000"),
            ("{ w: 1 }", "rerank.score.w: unknown key"),
        ] {
            let said = read(written).unwrap_err();
            assert!(said.contains(part), "{written}: {said}");
        }
    }
}
