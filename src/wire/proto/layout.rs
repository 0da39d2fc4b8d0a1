//! [`Layout`]: where the hits of a response stand.

use super::{Field, Kinds, Malformed, Message};

/// Where the hits of a response stand, and what is where in each of them, by field numbers.
#[derive(Debug)]
pub struct Layout {
    /// The messages around each list of hits, from the outside in; none where the response itself is the list.
    pub around: &'static [u32],
    /// The hits of such a message.
    pub hits: u32,
    /// Whether each list answers a search of its own, or all lists the same one.
    pub each_is_search: bool,
    /// The id of a hit.
    pub id: IdAt,
    /// The fields of a hit.
    pub fields: FieldsAt,
    /// The score of a hit.
    pub score: ScoreAt,
}

/// Where the id of a hit stands.
#[derive(Debug)]
pub enum IdAt {
    /// In a message with a number or a text.
    Message(u32),
    /// In a message of the hit, as a text or as the sixteen bytes of a UUID.
    Uuid {
        /// That message.
        inside: u32,
        /// The text.
        text: u32,
        /// The bytes.
        bytes: u32,
    },
}

/// Where the fields of a hit stand: a map from names to values.
#[derive(Debug)]
pub struct FieldsAt {
    /// The messages around the map, from the hit in; none where it is the hit's own.
    pub around: &'static [u32],
    /// An entry of the map.
    pub entries: u32,
    /// How values are written.
    pub kinds: &'static Kinds,
}

/// Where the score of a hit stands.
#[derive(Debug)]
pub struct ScoreAt {
    /// The message of the hit that has it; `None` where the hit itself has.
    pub inside: Option<u32>,
    /// The score, a `float`.
    pub score: Marked,
    /// What some searches have instead, a `float` too: the distance, lower for nearer hits.
    pub distance: Option<Marked>,
    /// Where the database's own rerankers write a relevance score, a `double`.
    pub relevance: Option<Marked>,
}

/// A number of a hit.
#[derive(Clone, Copy, Debug)]
pub struct Marked {
    /// The number; absent where it is 0.
    pub number: u32,
    /// A truth value: whether there is one. `None` where there always is.
    pub present: Option<u32>,
}

/// What is met on the way through a response.
pub(super) enum Met<'a> {
    /// A message with a list of hits, which follow.
    List,
    /// A hit of the last list.
    Hit(Field<'a>),
}

impl Layout {
    /// Goes through the lists of a response and their hits, in the response's order.
    pub(super) fn walk<'a>(
        &self,
        response: Message<'a>,
        mut met: impl FnMut(Met<'a>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.walk_inside(response, self.around, &mut met)
    }

    fn walk_inside<'a>(
        &self,
        message: Message<'a>,
        around: &[u32],
        met: &mut impl FnMut(Met<'a>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let (wanted, inner) = match around.split_first() {
            Some((number, inner)) => (*number, Some(inner)),
            None => {
                met(Met::List)?;
                (self.hits, None)
            }
        };
        for field in message.fields() {
            let field = field?;
            match inner {
                _ if field.number != wanted => {}
                Some(inner) => self.walk_inside(field.message()?, inner, met)?,
                None => met(Met::Hit(field))?,
            }
        }
        Ok(())
    }
}

impl FieldsAt {
    /// Gives `each` the entries of a hit's map, in their order.
    pub(super) fn entries<'a>(
        &self,
        hit: Message<'a>,
        each: &mut impl FnMut(Field<'a>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.entries_inside(hit, self.around, each)
    }

    fn entries_inside<'a>(
        &self,
        message: Message<'a>,
        around: &[u32],
        each: &mut impl FnMut(Field<'a>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let (wanted, inner) = match around.split_first() {
            Some((number, inner)) => (*number, Some(inner)),
            None => (self.entries, None),
        };
        for field in message.fields() {
            let field = field?;
            match inner {
                _ if field.number != wanted => {}
                Some(inner) => self.entries_inside(field.message()?, inner, each)?,
                None => each(field)?,
            }
        }
        Ok(())
    }
}
