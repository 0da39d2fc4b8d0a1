//! What the demonstration database answers over gRPC: the part of Qdrant's API that its clients need to search.
//!
//! Source of the messages: the protocol files of Qdrant 1.19.0, and exchanges recorded with it.

mod call;
mod layout;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(super) use call::call;

use super::{
    COLLECTION, TITLE, VERSION,
    hits::{self, Group, Hit},
    points::{self, Selection},
    rejection::Rejection,
};
use crate::wire::proto::{Message, write as fields};
use layout::{Layout, QUERY, QUERY_GROUPS, SEARCH, SEARCH_GROUPS};

type Outcome<T> = Result<T, Rejection>;

/// Where almost every request has the collection's name, and every batch its searches.
const COLLECTION_NAME: u32 = 1;
const SEARCHES: u32 = 2;
/// Where almost every response has its result, and how long it took.
const RESULT: u32 = 1;
const TIME: u32 = 2;

/// A response's message, but for how long it took.
#[derive(Debug)]
struct Answer {
    message: Vec<u8>,
    /// The field for that, if it has one.
    time: Option<u32>,
}

impl Answer {
    /// A message without a time.
    fn untimed(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut message = Vec::new();
        write(&mut message);
        Self { message, time: None }
    }

    fn timed(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        Self { time: Some(TIME), ..Self::untimed(write) }
    }

    /// The whole message.
    fn after(mut self, seconds: f64) -> Vec<u8> {
        if let Some(field) = self.time {
            fields::double(&mut self.message, field, seconds);
        }
        self.message
    }
}

/// The response to one call.
fn respond(path: &str, message: &[u8]) -> Outcome<Answer> {
    let message = Message::new(message);
    match path {
        "/qdrant.Qdrant/HealthCheck" => Ok(Answer::untimed(|out| {
            fields::bytes(out, 1, TITLE.as_bytes());
            fields::bytes(out, 2, VERSION.as_bytes());
        })),
        // SERVING, whatever service is meant.
        "/grpc.health.v1.Health/Check" => Ok(Answer::untimed(|out| fields::unsigned(out, 1, 1))),
        "/qdrant.Collections/List" => Ok(Answer::timed(|out| {
            fields::message(out, RESULT, |out| fields::bytes(out, 1, COLLECTION.as_bytes()));
        })),
        "/qdrant.Collections/CollectionExists" => {
            let exists = read::text(message, COLLECTION_NAME)? == COLLECTION;
            Ok(Answer::timed(|out| fields::message(out, RESULT, |out| fields::boolean(out, 1, exists))))
        }
        _ => points(path.strip_prefix("/qdrant.Points/").ok_or(Rejection::NoSuchMethod)?, message),
    }
}

fn points(method: &str, message: Message<'_>) -> Outcome<Answer> {
    let answer: fn(Message<'_>) -> Outcome<Answer> = match method {
        "Query" => |message| page(&QUERY, message),
        "QueryBatch" => |message| batch(&QUERY, message),
        "QueryGroups" => |message| groups(&QUERY_GROUPS, message),
        "Search" => |message| page(&SEARCH, message),
        "SearchBatch" => |message| batch(&SEARCH, message),
        "SearchGroups" => |message| groups(&SEARCH_GROUPS, message),
        "Get" => retrieve,
        "Scroll" => scroll,
        "Count" => count,
        _ => return Err(Rejection::NoSuchMethod),
    };
    let collection = read::text(message, COLLECTION_NAME)?;
    if collection != COLLECTION {
        return Err(Rejection::UnknownCollection(collection));
    }
    answer(message)
}

fn page(layout: &Layout, message: Message<'_>) -> Outcome<Answer> {
    let (hits, selection) = found(layout, message)?;
    Ok(Answer::timed(|out| write::hits(out, RESULT, &hits, &selection)))
}

fn batch(layout: &Layout, message: Message<'_>) -> Outcome<Answer> {
    let searches = message.all(SEARCHES)?;
    let pages: Vec<_> =
        searches.iter().map(|search| found(layout, search.message()?)).collect::<Outcome<_>>()?;
    Ok(Answer::timed(|out| {
        for (hits, selection) in &pages {
            fields::message(out, RESULT, |out| write::hits(out, RESULT, hits, selection));
        }
    }))
}

fn found(layout: &Layout, message: Message<'_>) -> Outcome<(Vec<Hit>, Selection)> {
    let hits = layout.search(message)?.page(layout.offset(message)?, layout.limit(message)?)?;
    Ok((hits, read::selection(message, layout.with_payload, layout.with_vectors, false)?))
}

fn groups(layout: &Layout, message: Message<'_>) -> Outcome<Answer> {
    let search = layout.search(message)?;
    let selection = read::selection(message, layout.with_payload, layout.with_vectors, false)?;
    let (by, size) = layout.grouping(message)?;
    let found = search.groups(&by, size, layout.limit(message)?)?;
    Ok(Answer::timed(|out| {
        fields::message(out, RESULT, |out| {
            for Group { value, hits } in &found {
                fields::message(out, 1, |out| {
                    fields::message(out, 1, |out| fields::bytes(out, 3, value.as_bytes()));
                    write::hits(out, 2, hits, &selection);
                });
            }
        });
    }))
}

/// `Get`: points by their ids.
fn retrieve(message: Message<'_>) -> Outcome<Answer> {
    let selection = read::selection(message, 4, 5, false)?;
    let ids: Vec<_> = message.all(2)?.iter().map(|id| read::id(id.message()?)).collect::<Outcome<_>>()?;
    let found = ids.into_iter().flatten().filter_map(points::by_id);
    Ok(Answer::timed(|out| found.for_each(|point| write::point(out, RESULT, point, &selection))))
}

fn scroll(message: Message<'_>) -> Outcome<Answer> {
    const FIRST: u32 = 3;
    const RESULTS: u32 = 2;
    let selection = read::selection(message, 6, 7, true)?;
    let from = read::merged(message, FIRST)?.map_or(Ok(None), |id| read::id(Message::new(&id)))?;
    let limit = read::number(message, 4)?.unwrap_or(hits::LIMIT);
    let (found, next) = hits::scroll(&read::filter(message, 2)?, from.unwrap_or(0), limit)?;
    let answer = Answer::untimed(|out| {
        if let Some(id) = next {
            fields::message(out, 1, |out| fields::unsigned(out, 1, id));
        }
        found.iter().for_each(|point| write::point(out, RESULTS, point, &selection));
    });
    Ok(Answer { time: Some(3), ..answer })
}

fn count(message: Message<'_>) -> Outcome<Answer> {
    let count = hits::count(&read::filter(message, 2)?);
    Ok(Answer::timed(|out| fields::message(out, RESULT, |out| fields::unsigned(out, 1, count))))
}
