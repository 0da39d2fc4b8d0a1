//! [`Layout`]: where the hits of a response stand.

use super::{Field, Malformed, Message};

/// Where the hits of a response stand, and what is where in each of them, by field numbers.
#[derive(Debug)]
pub struct Layout {
    /// The messages around each list of hits, from the outside in; none where the response itself is the list.
    pub around: &'static [u32],
    /// The hits of such a message.
    pub hits: u32,
    /// Whether each list answers a search of its own, or all lists the same one.
    pub each_is_search: bool,
    /// The id of a hit: a message with a number or a text.
    pub id: u32,
    /// The fields of a hit: a map from names to values.
    pub fields: u32,
    /// The score of a hit, a `float`; absent where it is 0.
    pub score: u32,
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
