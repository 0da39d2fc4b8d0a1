//! `with_payload`: requesting the fields of documents, and how to remove them again.

use crate::{
    dialect::{
        DialectError,
        grpc::Object,
        qdrant::paths::{Path, all_but, all_of_it, missing, named, steps, written},
    },
    search::{Strip, WantedFields},
    wire::proto::{Field, MessageEdit, write},
};

/// The variants of the selector, and what its lists hold.
const ENABLE: u32 = 1;
const INCLUDE: u32 = 2;
const EXCLUDE: u32 = 3;
const FIELDS: u32 = 1;

/// What the client's own search would return.
enum PayloadSelector {
    /// No payload.
    Nothing,
    /// The fields of this list.
    Listed(Vec<String>),
    /// All of it, all but what is excluded, or nothing that is understood: left unchanged.
    Settled,
}

/// Requests what is wanted where the client's own search would not return it. What the client excludes stays
/// excluded, and what is not understood is left for the server to reject.
pub(super) fn ask<'a>(
    search: &Object<'a>,
    with_payload: u32,
    wanted: &WantedFields,
    edit: &mut MessageEdit<'a>,
) -> Result<Strip, DialectError> {
    let given: Vec<&Field<'a>> = search.all(with_payload).collect();
    let selector = selector(&given)?;
    let mut place = SelectorPlace { number: with_payload, given, edit };
    let strip = match (selector, named(wanted)) {
        (PayloadSelector::Settled, _) => None,
        (PayloadSelector::Nothing, None) => {
            place.set(&enabled());
            Some(all_of_it())
        }
        // No field is wanted.
        (PayloadSelector::Nothing, Some(paths)) if paths.is_empty() => None,
        (PayloadSelector::Nothing, Some(paths)) => {
            place.set(&included(paths.iter()));
            Some(all_of_it())
        }
        (PayloadSelector::Listed(list), None) => {
            let strip = listed(&list).and_then(all_but);
            if strip.is_some() {
                place.set(&enabled());
            }
            strip
        }
        (PayloadSelector::Listed(list), Some(paths)) => match listed(&list) {
            Some(theirs) => place.add(&missing(&paths, &theirs), theirs)?,
            None => None,
        },
    };
    Ok(strip.unwrap_or_default())
}

/// What the selectors say together: decoders merge them where they are of one variant, and the last variant counts.
fn selector(given: &[&Field<'_>]) -> Result<PayloadSelector, DialectError> {
    let mut selector = if given.is_empty() { PayloadSelector::Nothing } else { PayloadSelector::Settled };
    for field in given {
        for variant in field.message()?.fields() {
            let variant = variant?;
            selector = match variant.number {
                ENABLE if !variant.boolean()? => PayloadSelector::Nothing,
                INCLUDE => {
                    let mut list = match selector {
                        PayloadSelector::Listed(list) => list,
                        _ => Vec::new(),
                    };
                    for name in Object::inside(&variant)?.all(FIELDS) {
                        list.push(name.text()?.to_owned());
                    }
                    PayloadSelector::Listed(list)
                }
                ENABLE | EXCLUDE => PayloadSelector::Settled,
                // Not known yet: it may be another variant.
                _ => return Ok(PayloadSelector::Settled),
            };
        }
    }
    Ok(selector)
}

/// The paths of the client's list; `None` where one of them is no path.
fn listed(list: &[String]) -> Option<Vec<Path>> {
    list.iter().map(|name| steps(name)).collect()
}

fn enabled() -> Vec<u8> {
    let mut out = Vec::new();
    write::boolean(&mut out, ENABLE, true);
    out
}

fn included<'p>(paths: impl Iterator<Item = &'p Path>) -> Vec<u8> {
    let mut out = Vec::new();
    write::message(&mut out, INCLUDE, |out| names(out, paths));
    out
}

fn names<'p>(out: &mut Vec<u8>, paths: impl Iterator<Item = &'p Path>) {
    paths.for_each(|path| write::bytes(out, FIELDS, written(path).as_bytes()));
}

/// Where the selector stands, or is to stand.
struct SelectorPlace<'e, 'a> {
    number: u32,
    given: Vec<&'e Field<'a>>,
    edit: &'e mut MessageEdit<'a>,
}

impl<'a> SelectorPlace<'_, 'a> {
    /// Puts another selector in the place of the client's.
    fn set(&mut self, selector: &[u8]) {
        let mut field = Vec::new();
        write::bytes(&mut field, self.number, selector);
        match self.given[..] {
            [one] => self.edit.replace(one, field),
            // None, or several that are merged: what is added at the end counts.
            _ => self.edit.append(field),
        }
    }

    /// Adds fields to the client's own list.
    fn add(&mut self, fields: &[&Path], theirs: Vec<Path>) -> Result<Option<Strip>, DialectError> {
        if fields.is_empty() {
            return Ok(None);
        }
        let Some(strip) = all_but(theirs) else { return Ok(None) };
        let fields = || fields.iter().copied();
        match self.only_list()? {
            Some((selector, list)) => {
                let mut inner = MessageEdit::of(list.message()?);
                let mut added = Vec::new();
                names(&mut added, fields());
                inner.append(added);
                let mut outer = MessageEdit::of(selector.message()?);
                outer.change(list, inner);
                self.edit.change(selector, outer);
            }
            // A list at the end is merged with those before it.
            None => {
                let mut field = Vec::new();
                write::bytes(&mut field, self.number, &included(fields()));
                self.edit.append(field);
            }
        }
        Ok(Some(strip))
    }

    /// The client's list where it is in one piece, and the selector around it.
    fn only_list(&self) -> Result<Option<(Field<'a>, Field<'a>)>, DialectError> {
        let [selector] = self.given[..] else { return Ok(None) };
        let object = Object::inside(selector)?;
        let list = match object.all(INCLUDE).count() {
            1 => object.last(INCLUDE).copied(),
            _ => None,
        };
        Ok(list.map(|list| (*selector, list)))
    }
}
