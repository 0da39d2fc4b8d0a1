//! [`Filter`]: the conditions that the demonstration database knows.

use serde_json::Value;

use super::{Passage, rejection::Rejection};

const FILTERS: Rejection = Rejection::Unsupported("this filter");

/// Which points may be found: all of `must`, one of `should` if there are any, none of `must_not`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Filter {
    pub must: Vec<Condition>,
    pub should: Vec<Condition>,
    pub must_not: Vec<Condition>,
}

/// What a point may be.
#[derive(Debug, PartialEq)]
pub(super) enum Condition {
    /// The payload field has one of these values; or none of them, where not `wanted`.
    Field { key: String, values: Vec<String>, wanted: bool },
    /// Its id is one of these.
    Ids(Vec<u64>),
    /// A filter in the filter.
    Filter(Filter),
}

impl Filter {
    /// Whether a passage may be found.
    pub(super) fn accepts(&self, passage: &Passage) -> bool {
        let holds = |condition: &Condition| condition.holds(passage);
        self.must.iter().all(holds)
            && (self.should.is_empty() || self.should.iter().any(holds))
            && !self.must_not.iter().any(holds)
    }

    /// A filter in JSON; `null` is none.
    pub(super) fn from_json(filter: &Value) -> Result<Self, Rejection> {
        let mut read = Self::default();
        let members = match filter {
            Value::Null => return Ok(read),
            Value::Object(members) => members,
            _ => return Err(FILTERS),
        };
        for (name, conditions) in members {
            let list = match name.as_str() {
                _ if conditions.is_null() => continue,
                "must" => &mut read.must,
                "should" => &mut read.should,
                "must_not" => &mut read.must_not,
                _ => return Err(FILTERS),
            };
            // One condition may stand without a list around it.
            let conditions = conditions.as_array().map_or(std::slice::from_ref(conditions), Vec::as_slice);
            *list = conditions.iter().map(Condition::from_json).collect::<Result<_, _>>()?;
        }
        Ok(read)
    }
}

impl Condition {
    fn holds(&self, passage: &Passage) -> bool {
        match self {
            Self::Field { key, values, wanted } => {
                passage.field(key).is_some_and(|text| values.iter().any(|value| value == text) == *wanted)
            }
            Self::Ids(ids) => ids.contains(&passage.id),
            Self::Filter(filter) => filter.accepts(passage),
        }
    }

    fn from_json(condition: &Value) -> Result<Self, Rejection> {
        let members = condition.as_object().ok_or(FILTERS)?;
        if let Some(ids) = members.get("has_id").and_then(Value::as_array) {
            // The ids of this collection are numbers.
            return Ok(Self::Ids(ids.iter().filter_map(Value::as_u64).collect()));
        }
        let Some(key) = members.get("key") else { return Filter::from_json(condition).map(Self::Filter) };
        let rules: Vec<_> = members.iter().filter(|(name, rule)| *name != "key" && !rule.is_null()).collect();
        let [(name, rule)] = rules[..] else { return Err(FILTERS) };
        let (Some(key), "match", Some(rule)) = (key.as_str(), name.as_str(), rule.as_object()) else {
            return Err(FILTERS);
        };
        let words = |list: &Value| {
            let list = list.as_array().map_or(std::slice::from_ref(list), Vec::as_slice);
            list.iter().map(|word| word.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        let (values, wanted) = match rule.iter().next() {
            Some((name, list)) if name == "value" || name == "any" => (words(list), true),
            Some((name, list)) if name == "except" => (words(list), false),
            _ => (None, true),
        };
        Ok(Self::Field { key: key.to_owned(), values: values.ok_or(FILTERS)?, wanted })
    }
}
