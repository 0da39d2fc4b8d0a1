use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// The most models of a provider that are remembered; further ones are assumed to be what they are called.
const MOST: usize = 100;

/// Which model answers where another name is requested. A host may point a name to another model at any time; from
/// then on the old one's scores must not be found.
#[derive(Debug, Default)]
pub(super) struct Aliases(RwLock<HashMap<Arc<str>, Arc<str>>>);

impl Aliases {
    /// The model behind a name, as far as responses have shown.
    pub(super) fn behind(&self, asked: &Arc<str>) -> Arc<str> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(asked).unwrap_or(asked).clone()
    }

    /// Whether a response came from the model that was thought to be behind the name; if not, it is from now on.
    pub(super) fn confirms(&self, asked: &Arc<str>, answered: &Arc<str>) -> bool {
        if answered.is_empty() || self.behind(asked) == *answered {
            return true;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST || known.contains_key(asked) {
            known.insert(asked.clone(), answered.clone());
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_itself_until_a_response_says_otherwise() {
        let (aliases, name): (_, Arc<str>) = (Aliases::default(), "latest".into());
        assert_eq!(aliases.behind(&name), name);
        assert!(aliases.confirms(&name, &name) && aliases.confirms(&name, &"".into()));
        assert!(!aliases.confirms(&name, &"v4".into()));
        assert_eq!(&*aliases.behind(&name), "v4");
        assert!(aliases.confirms(&name, &"v4".into()));
        assert!(!aliases.confirms(&name, &name), "and back");
    }
}
