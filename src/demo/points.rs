//! The demonstration's points, and what of them a response shows.

use std::sync::LazyLock;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use super::{
    corpus::{Passage, passages},
    embedding::{cosine, embed},
};

/// The fields of a payload, as they are shown.
const FIELDS: [&str; 3] = ["title", "text", "topic"];

/// A passage with its vector.
#[derive(Debug)]
pub(super) struct Point {
    pub passage: &'static Passage,
    pub vector: Vec<f32>,
}

static POINTS: LazyLock<Vec<Point>> = LazyLock::new(|| {
    let point = |passage: &'static Passage| Point {
        passage,
        // The title three times: it says best what a passage is about.
        vector: embed(&format!("{0} {0} {0} {1}", passage.title, passage.text)),
    };
    passages().iter().map(point).collect()
});

/// All points, by rising id.
pub(super) fn all() -> &'static [Point] {
    &POINTS
}

/// The point of that id.
pub(super) fn by_id(id: u64) -> Option<&'static Point> {
    all().iter().find(|point| point.passage.id == id)
}

/// All points but `excluded`, nearest first, ties by id.
pub(super) fn nearest(vector: &[f32], excluded: Option<u64>) -> Vec<(f32, &'static Point)> {
    let others = all().iter().filter(|point| Some(point.passage.id) != excluded);
    let mut hits: Vec<_> = others.map(|point| (cosine(vector, &point.vector), point)).collect();
    hits.sort_by(|a, b| b.0.total_cmp(&a.0));
    hits
}

/// Which payload fields and whether vectors are shown.
#[derive(Debug)]
pub(super) struct Selection {
    payload: Payload,
    vector: bool,
}

#[derive(Debug)]
pub(super) enum Payload {
    None,
    All,
    Include(Vec<String>),
    Exclude(Vec<String>),
}

impl Selection {
    /// `with_payload` as a boolean, a list, `{"include": …}` or `{"exclude": …}`; `None` for anything else.
    pub(super) fn read(payload: Option<&Value>, vector: Option<&Value>, default: bool) -> Option<Self> {
        let payload = match payload.unwrap_or(&Value::Null) {
            Value::Null if default => Payload::All,
            Value::Null | Value::Bool(false) => Payload::None,
            Value::Bool(true) => Payload::All,
            list @ Value::Array(_) => Payload::Include(names(list)?),
            Value::Object(object) => match (object.get("include"), object.get("exclude")) {
                (Some(list), None) => Payload::Include(names(list)?),
                (None, Some(list)) => Payload::Exclude(names(list)?),
                _ => return None,
            },
            _ => return None,
        };
        Some(Self { payload, vector: vector.is_some_and(|value| *value == Value::Bool(true)) })
    }

    /// What was read otherwise.
    pub(super) fn of(payload: Payload, vector: bool) -> Self {
        Self { payload, vector }
    }

    pub(super) fn everything() -> Self {
        Self { payload: Payload::All, vector: true }
    }

    /// The payload's fields that are shown of a point.
    pub(super) fn fields(&self, point: &'static Point) -> Vec<(&'static str, &'static str)> {
        let shown = |name: &str| match &self.payload {
            Payload::None => false,
            Payload::All => true,
            Payload::Include(names) => names.iter().any(|n| n == name),
            Payload::Exclude(names) => names.iter().all(|n| n != name),
        };
        let fields = FIELDS.into_iter().filter(|name| shown(name));
        fields.filter_map(|name| Some((name, point.passage.field(name)?))).collect()
    }

    /// The vector, where it is shown.
    pub(super) fn vector(&self, point: &'static Point) -> Option<&'static [f32]> {
        self.vector.then_some(point.vector.as_slice())
    }

    /// A hit.
    pub(super) fn scored(&self, point: &'static Point, score: f32) -> Record {
        Record { version: Some(0), score: Some(score), ..self.plain(point) }
    }

    /// A point without score.
    pub(super) fn plain(&self, point: &'static Point) -> Record {
        let shown = !matches!(self.payload, Payload::None);
        let payload = shown.then(|| Fields(self.fields(point)));
        let vector = self.vector(point);
        Record { id: point.passage.id, version: None, score: None, payload, vector }
    }
}

fn names(list: &Value) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

/// A point in a response, its members in Qdrant's order.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Fields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<&'static [f32]>,
}

#[derive(Debug)]
struct Fields(Vec<(&'static str, &'static str)>);

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, text) in &self.0 {
            map.serialize_entry(name, text)?;
        }
        map.end()
    }
}
