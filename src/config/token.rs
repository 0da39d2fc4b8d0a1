//! What a `token_file` holds.

use std::path::PathBuf;

use secrecy::SecretString;

use super::{hints, problem::Problems, section::Section};

/// An empty file would let everybody in who shows nothing.
pub(super) fn token(
    section: &Section<'_>,
    file: Option<&PathBuf>,
    problems: &mut Problems,
) -> Option<SecretString> {
    let text = match std::fs::read_to_string(file?) {
        Ok(text) => text,
        Err(error) => {
            section.complain("token_file", format!("the file cannot be read: {}.", error.kind()), problems);
            return None;
        }
    };
    let token = text.trim();
    if let Some(sentence) = hints::not_a_secret(token) {
        section.complain("token_file", sentence, problems);
        return None;
    }
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        let sentence = "the token is empty, or holds white space or signs that cannot be sent in a header.";
        section.complain("token_file", sentence, problems);
        return None;
    }
    Some(SecretString::from(token.to_owned()))
}
