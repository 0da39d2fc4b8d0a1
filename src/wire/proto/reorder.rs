//! A response again, with hits moved: every byte of a hit that is not named here stays as it was.

use bytes::Bytes;

use super::{
    Field, Layout, Malformed, Message, MessageEdit, Part,
    hits::{Hit, Hits},
    strip::Removal,
    write,
};
use crate::search::{Ranked, Ranking, Strip};

/// The response `body` with its hits in the order of the rankings, less what the strips name.
pub(super) fn reordered(
    body: &Bytes,
    layout: &Layout,
    hits: &Hits,
    strips: &[Strip],
    rankings: &[Option<Ranking>],
) -> Result<Bytes, Malformed> {
    let mut reordering = Reordering { body, layout, hits, strips, rankings, list: 0 };
    let edit = reordering.message(Message::new(body), layout.around)?;
    Ok(edit.apply(body))
}

struct Reordering<'p> {
    body: &'p Bytes,
    layout: &'p Layout,
    hits: &'p Hits,
    strips: &'p [Strip],
    rankings: &'p [Option<Ranking>],
    /// The number of the next list.
    list: usize,
}

impl<'p> Reordering<'p> {
    /// The changes to a message with lists, or with one.
    fn message(&mut self, message: Message<'p>, around: &[u32]) -> Result<MessageEdit<'p>, Malformed> {
        let mut edit = MessageEdit::of(message);
        let Some((number, inner)) = around.split_first() else {
            self.list(&mut edit)?;
            self.list += 1;
            return Ok(edit);
        };
        for field in message.fields() {
            let field = field?;
            if field.number == *number {
                edit.change(field, self.message(field.message()?, inner)?);
            }
        }
        Ok(edit)
    }

    /// Puts the hits of a list where they are to be: each place holds another hit, or none.
    fn list(&self, edit: &mut MessageEdit<'p>) -> Result<(), Malformed> {
        let hits = self.hits.of_list(self.list);
        let ranking = self.rankings.get(self.list).and_then(Option::as_ref);
        let strip = self.hits.lists.get(self.list).and_then(|list| self.strips.get(list.search));
        let removal = strip.map(Removal::new).unwrap_or_default();
        for (place, there) in hits.iter().enumerate() {
            let ranked = match ranking {
                Some(ranking) => ranking.hits.get(place).copied(),
                None => Some(Ranked::unscored(place)),
            };
            let Some((ranked, hit)) = ranked.and_then(|ranked| Some((ranked, hits.get(ranked.hit)?))) else {
                edit.put(there.span.clone(), Part::New(Vec::new()));
                continue;
            };
            let score = ranking.and_then(|ranking| ranking.scores.number(ranked.written));
            match self.changed(hit, score, &removal)? {
                Some((field, inner)) => edit.put(there.span.clone(), Part::changed(field, inner)),
                None if ranked.hit == place => {}
                None => edit.put(there.span.clone(), Part::Moved(hit.span.clone())),
            }
        }
        Ok(())
    }

    /// The hit's field and the changes in it, if there are any.
    fn changed(
        &self,
        hit: &Hit,
        score: Option<f32>,
        removal: &Removal<'_>,
    ) -> Result<Option<(Field<'p>, MessageEdit<'p>)>, Malformed> {
        if score.is_none() && removal.is_empty() {
            return Ok(None);
        }
        let field = Message::within(self.body, hit.span.clone()).and_then(|all| all.fields().next());
        let field = field.ok_or(Malformed)??;
        let message = field.message()?;
        let mut edit = MessageEdit::of(message);
        if let Some(score) = score {
            let mut new = Vec::with_capacity(5);
            write::float(&mut new, self.layout.score, score);
            match message.last(self.layout.score)? {
                Some(there) => edit.replace(&there, new),
                None => edit.append(new),
            }
        }
        removal.strip(message, self.layout.fields, &mut edit)?;
        Ok((!edit.is_empty()).then_some((field, edit)))
    }
}
