//! Names of collections that are addressed by an id, learned from the calls that pass.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use super::definition::NamesAt;
use crate::{
    dialect::Told,
    wire::json::{Kind, Value},
};

/// The most that are known at a time; beyond them all are forgotten.
const MOST: usize = 10_000;

/// How long a name is believed: a call that does not pass here may change it.
const BELIEVED: Duration = Duration::from_secs(600);

/// What time it is. Given from outside: this knows no clock.
pub type Clock = fn() -> Instant;

/// The names of a database's collections that are known, by id.
#[derive(Debug)]
pub struct Names {
    known: RwLock<HashMap<String, Known>>,
    now: Clock,
}

#[derive(Debug)]
struct Known {
    name: String,
    since: Instant,
}

impl Names {
    /// None yet. They are believed for a while by the clock `now`.
    pub fn new(now: Clock) -> Self {
        Self { known: RwLock::default(), now }
    }

    pub(super) fn of(&self, id: &str) -> Option<String> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let one = known.get(id)?;
        let age = (self.now)().saturating_duration_since(one.since);
        (age < BELIEVED).then(|| one.name.clone())
    }

    fn learn(&self, id: &str, name: &str) {
        let since = (self.now)();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(id) {
            known.clear();
        }
        known.insert(id.to_owned(), Known { name: name.to_owned(), since });
    }

    /// A collection is being renamed or removed, or has been.
    pub(super) fn forget(&self, id: &str) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// What a response tells of names.
pub(super) struct Listener {
    pub(super) names: Arc<Names>,
    pub(super) at: NamesAt,
}

impl Told for Listener {
    fn hear(&self, response: Option<&[u8]>) {
        let Some(root) = response.and_then(|response| Value::parse(response).ok()) else { return };
        let list = match root.kind() {
            Kind::Array => root.items().unwrap_or_default(),
            _ => vec![root],
        };
        for one in list {
            let text = |key: &str| one.get(key).and_then(Value::as_str);
            if let (Some(id), Some(name)) = (text(&self.at.id), text(&self.at.name)) {
                self.names.learn(&id, &name);
            }
        }
    }
}

/// The end of a call that renames or removes a collection. Until then another call may have told the name that goes.
pub(super) struct Change {
    pub(super) names: Arc<Names>,
    pub(super) id: String,
}

impl Told for Change {
    fn hear(&self, _: Option<&[u8]>) {
        self.names.forget(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, sync::LazyLock};

    use super::*;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    thread_local! {
        static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    fn names() -> (Arc<Names>, Listener) {
        let names = Arc::new(Names::new(|| *START + PASSED.get()));
        let at = NamesAt { paths: Vec::new(), id: "id".to_owned(), name: "name".to_owned() };
        (names.clone(), Listener { names, at })
    }

    #[test]
    fn a_name_is_believed_for_ten_minutes_after_a_response_has_told_it() {
        let (names, listener) = names();
        let told = br#"[{"id":"u","name":"wiki"}]"#;
        listener.hear(Some(told));
        PASSED.set(Duration::from_secs(599));
        assert_eq!(names.of("u").as_deref(), Some("wiki"));
        listener.hear(Some(told));
        PASSED.set(Duration::from_secs(1198));
        assert_eq!(names.of("u").as_deref(), Some("wiki"), "told again");
        PASSED.set(Duration::from_secs(1199));
        assert_eq!(names.of("u"), None);
    }

    #[test]
    fn a_name_that_is_told_while_the_collection_is_renamed_is_forgotten_when_that_has_ended() {
        let (names, listener) = names();
        let change = Change { names: names.clone(), id: "u".to_owned() };
        names.forget("u");
        listener.hear(Some(br#"{"id":"u","name":"wiki"}"#));
        assert!(names.of("u").is_some());
        change.hear(None);
        assert_eq!(names.of("u"), None);
    }
}
