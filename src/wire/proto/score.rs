//! The score of a hit, read and written.

use super::{Field, Malformed, Message, MessageEdit, ScoreAt, layout::Marked, write};

/// The numbers of a hit, as they are met.
#[derive(Clone, Copy, Default)]
pub(super) struct Numbers {
    score: Met,
    distance: Met,
}

#[derive(Clone, Copy, Default)]
struct Met {
    number: f32,
    present: bool,
}

/// What is written into a hit.
#[derive(Clone, Copy, Default)]
pub(super) struct Written {
    /// In place of its score.
    pub(super) score: Option<f32>,
    /// Beside it.
    pub(super) relevance: Option<f32>,
}

impl Met {
    fn note(&mut self, at: Marked, field: &Field<'_>) -> Result<(), Malformed> {
        if field.number == at.number {
            self.number = field.float()?;
        } else if at.present == Some(field.number) {
            self.present = field.boolean()?;
        }
        Ok(())
    }

    fn number(self, at: Marked) -> Option<f32> {
        (at.present.is_none() || self.present).then_some(self.number)
    }
}

impl ScoreAt {
    /// Notes a field of a hit, if it has to do with the score.
    #[inline]
    pub(super) fn note(&self, field: &Field<'_>, numbers: &mut Numbers) -> Result<(), Malformed> {
        match self.inside {
            None => self.note_inside(field, numbers),
            Some(inside) if inside == field.number => {
                field.message()?.fields().try_for_each(|field| self.note_inside(&field?, numbers))
            }
            Some(_) => Ok(()),
        }
    }

    #[inline]
    fn note_inside(&self, field: &Field<'_>, numbers: &mut Numbers) -> Result<(), Malformed> {
        numbers.score.note(self.score, field)?;
        match self.distance {
            Some(distance) => numbers.distance.note(distance, field),
            None => Ok(()),
        }
    }

    /// The score of a hit with these numbers, or its distance.
    #[inline]
    pub(super) fn of(&self, numbers: Numbers) -> Option<f32> {
        let distance = || numbers.distance.number(self.distance?);
        numbers.score.number(self.score).or_else(distance)
    }

    /// What of `written` there is room for.
    pub(super) fn taken(&self, written: Written) -> Written {
        Written { relevance: written.relevance.filter(|_| self.relevance.is_some()), ..written }
    }

    /// Notes in `edit` what is written into a hit. Never over a distance, and never a score where the client has
    /// requested none.
    pub(super) fn write<'a>(
        &self,
        hit: Message<'a>,
        written: Written,
        edit: &mut MessageEdit<'a>,
    ) -> Result<(), Malformed> {
        let Some(inside) = self.inside else { return self.write_inside(hit, written, edit) };
        let Some(field) = hit.last(inside)? else {
            let new = self.relevance_fields(written);
            if !new.is_empty() {
                let mut field = Vec::with_capacity(new.len() + 4);
                write::bytes(&mut field, inside, &new);
                edit.append(field);
            }
            return Ok(());
        };
        let mut inner = MessageEdit::of(field.message()?);
        self.write_inside(field.message()?, written, &mut inner)?;
        edit.change(field, inner);
        Ok(())
    }

    fn write_inside<'a>(
        &self,
        message: Message<'a>,
        written: Written,
        edit: &mut MessageEdit<'a>,
    ) -> Result<(), Malformed> {
        if let Some(score) = written.score.filter(|_| self.has_score(message)) {
            let mut new = Vec::with_capacity(8);
            write::float(&mut new, self.score.number, score);
            match message.last(self.score.number)? {
                Some(there) => edit.replace(&there, new),
                None => edit.append(new),
            }
        }
        // Of a field that is not repeated the last one counts.
        let new = self.relevance_fields(written);
        if !new.is_empty() {
            edit.append(new);
        }
        Ok(())
    }

    fn has_score(&self, message: Message<'_>) -> bool {
        let Some(present) = self.score.present else { return true };
        message.last(present).ok().flatten().is_some_and(|field| field.boolean() == Ok(true))
    }

    fn relevance_fields(&self, written: Written) -> Vec<u8> {
        let mut out = Vec::new();
        if let (Some(at), Some(score)) = (self.relevance, written.relevance) {
            write::double(&mut out, at.number, f64::from(score));
            if let Some(present) = at.present {
                write::boolean(&mut out, present, true);
            }
        }
        out
    }
}
