//! A response again, with hits moved: every byte of a hit that is not named here stays as it was.

use bytes::Bytes;

use super::{
    Field, Layout, Malformed, Message, MessageEdit, Part,
    hits::{Hit, Hits},
    score::Written,
    strip::Removal,
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
            let written = ranking.map(|ranking| written(ranking, ranked)).unwrap_or_default();
            match self.changed(hit, self.layout.score.taken(written), &removal)? {
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
        written: Written,
        removal: &Removal<'_>,
    ) -> Result<Option<(Field<'p>, MessageEdit<'p>)>, Malformed> {
        if written.score.is_none() && written.relevance.is_none() && removal.is_empty() {
            return Ok(None);
        }
        let field = Message::within(self.body, hit.span.clone()).and_then(|all| all.fields().next());
        let field = field.ok_or(Malformed)??;
        let message = field.message()?;
        let mut edit = MessageEdit::of(message);
        self.layout.score.write(message, written, &mut edit)?;
        removal.strip(message, &self.layout.fields, &mut edit)?;
        Ok((!edit.is_empty()).then_some((field, edit)))
    }
}

/// What a ranking writes into a hit.
fn written(ranking: &Ranking, ranked: Ranked) -> Written {
    Written {
        score: ranking.scores.number(ranked.written),
        relevance: ranked.score.filter(|_| ranking.annotate),
    }
}
