//! [`Ignored`]: what a request says about its reranking without effect. Reported in the response, so that no client
//! takes it for applied.

use super::{AllowList, CallerHeaders, PlannedSearch, Profile};
use crate::search::CallerOptions;

/// The most names reported, and the most bytes of one.
const MOST: usize = 8;
const LONGEST: usize = 64;

/// The names of headers and members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignored(Vec<String>);

impl Ignored {
    /// What these headers, and the bodies of these searches, say without effect.
    pub fn of(caller: &CallerHeaders, searches: &[PlannedSearch]) -> Self {
        let mut ignored = Self::default();
        caller.ignored.iter().for_each(|name| ignored.add(name));
        for search in searches {
            let own = &search.intent.caller;
            own.ignored.iter().for_each(|name| ignored.add(&format!("rerank.{name}")));
            ignored.add_rejected(caller, own, &search.profile.allow);
            ignored.add_unheard(caller, own, &search.profile);
        }
        ignored
    }

    /// A model and fields that the configuration does not allow.
    fn add_rejected(&mut self, caller: &CallerHeaders, own: &CallerOptions, allow: &AllowList) {
        let unknown_model = |name: &String| !allow.models.contains(name);
        let unknown_fields = |names: &Vec<String>| !names.iter().all(|name| allow.fields.contains(name));
        match (&caller.model, &own.model) {
            (Some(model), _) if unknown_model(model) => self.add("x-rerank-model"),
            (None, Some(model)) if unknown_model(model) => self.add("rerank.model"),
            _ => {}
        }
        match (&caller.fields, &own.fields) {
            (Some(names), _) if unknown_fields(names) => self.add("x-rerank-fields"),
            (None, Some(names)) if unknown_fields(names) => self.add("rerank.fields"),
            _ => {}
        }
    }

    /// An instruction that the configuration does not allow, or that no provider takes.
    fn add_unheard(&mut self, caller: &CallerHeaders, own: &CallerOptions, profile: &Profile) {
        let unheard = |text: &String| !profile.allow.instructs(text) || profile.instructed.is_empty();
        match (&caller.instruction, &own.instruction) {
            (Some(text), _) if unheard(text) => self.add("x-rerank-instruction"),
            (None, Some(text)) if unheard(text) => self.add("rerank.instruction"),
            _ => {}
        }
    }

    fn add(&mut self, name: &str) {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        // A header has to hold it, and nobody reads a longer list.
        let name = match name.len() <= LONGEST && name.bytes().all(is_plain) {
            true => name,
            false => "rerank.?",
        };
        if self.0.len() < MOST && !self.0.iter().any(|there| there == name) {
            self.0.push(name.to_owned());
        }
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// What stands behind the outcome in `x-rerank-status`: `; ignored=x-rerank-window,rerank.windw`, or nothing.
    pub fn parameter(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!("; ignored={}", self.0.join(",")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_reported_once_and_never_break_the_header() {
        let names = ["x-rerank-window", "x-rerank-window", "a\r\nb: c", "\u{e9}", &"x".repeat(100), "d"];
        let caller = CallerHeaders { ignored: names.map(str::to_owned).into(), ..CallerHeaders::default() };
        let ignored = Ignored::of(&caller, &[]);
        assert_eq!(ignored.parameter(), "; ignored=x-rerank-window,rerank.?,d");
        assert_eq!(Ignored::default().parameter(), "");
        let many: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        let caller = CallerHeaders { ignored: many, ..CallerHeaders::default() };
        assert_eq!(Ignored::of(&caller, &[]).0.len(), MOST);
    }
}
