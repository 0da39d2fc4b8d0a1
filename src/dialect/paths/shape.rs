//! [`Shape`]: a response as its definition describes it, compiled to what one pass over it compares.

use super::definition::{Columns, Hits, Response, Rows};

/// What stands where in a response.
#[derive(Debug)]
pub(super) struct Shape {
    /// The array of a batch's results; `None` where the response is one result.
    pub(super) results: Option<Vec<String>>,
    /// One result.
    pub(super) result: Node,
    /// A hit, where it is an object.
    pub(super) hit: HitShape,
    /// The number of the column with the objects of fields.
    pub(super) fields: Option<usize>,
}

/// An object on the way, by its members.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) act: Option<Act>,
    members: Vec<(String, Node)>,
    /// Any other member (`*`).
    any: Option<Box<Node>>,
}

/// What to do with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// It is the array of hits.
    Hits,
    /// It is the column of this number.
    Column(usize),
    /// It repeats what was requested: the echo of this number.
    Echo(usize),
    /// A response with it is left alone.
    LeaveAlone,
    /// The status of a failure.
    Status,
}

/// What is read of a hit on the way.
#[derive(Debug, Default)]
pub(super) struct HitShape {
    pub(super) id: Vec<String>,
    pub(super) score: Vec<String>,
    pub(super) fields: Vec<String>,
    pub(super) pinned: Vec<String>,
}

impl Shape {
    pub(super) fn of(response: &Response) -> Self {
        let mut result = Node::default();
        let (mut hit, mut objects) = (HitShape::default(), None);
        match &response.hits {
            Hits::Rows(Rows { at, id, score, fields, pinned, .. }) => {
                result.put(at, Act::Hits);
                hit = HitShape {
                    id: id.clone(),
                    score: score.clone().unwrap_or_default(),
                    fields: fields.clone(),
                    pinned: pinned.clone().unwrap_or_default(),
                };
            }
            Hits::Columns(Columns { all, fields, .. }) => {
                objects = all.iter().position(|name| Some(name) == fields.as_ref());
                for (number, name) in all.iter().enumerate() {
                    result.put(std::slice::from_ref(name), Act::Column(number));
                }
            }
        }
        for (number, echo) in response.echoes.iter().enumerate() {
            result.put(&echo.at, Act::Echo(number));
        }
        for path in &response.leave_alone {
            result.put(path, Act::LeaveAlone);
        }
        if let Some(path) = &response.status {
            result.put(path, Act::Status);
        }
        Self { results: response.results.clone(), result, hit, fields: objects }
    }
}

impl Node {
    fn put(&mut self, path: &[String], act: Act) {
        let Some((key, rest)) = path.split_first() else {
            self.act = Some(act);
            return;
        };
        if key == "*" {
            return self.any.get_or_insert_default().put(rest, act);
        }
        let at = self.members.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
            self.members.push((key.clone(), Node::default()));
            self.members.len() - 1
        });
        if let Some((_, node)) = self.members.get_mut(at) {
            node.put(rest, act);
        }
    }

    /// What is said of the member of this name.
    #[inline]
    pub(super) fn member(&self, name: &str) -> Option<&Node> {
        self.members.iter().find(|(known, _)| known == name).map(|(_, node)| node).or(self.any.as_deref())
    }
}
