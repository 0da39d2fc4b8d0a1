//! Where the hits stand in an answer.

use bytes::Bytes;

use crate::{
    dialect::{
        DialectError,
        qdrant::operation::{Endpoint, Form, Verb},
    },
    json::{Kind, Value},
    search::{Hit, HitList, HitPage},
};

const BODY: DialectError = DialectError::Malformed { member: "body", expected: "JSON" };
const RESULT: DialectError = DialectError::Malformed { member: "result", expected: "what this path answers" };
const HITS: DialectError = DialectError::Malformed { member: "hits", expected: "an array of objects" };

/// Finds the lists of hits by the shape that the endpoint answers in.
pub(super) fn split(endpoint: &Endpoint, body: Bytes) -> Result<HitPage, DialectError> {
    let lists = {
        let root = Value::parse(&body).map_err(|_| BODY)?;
        let result = root.get("result").ok_or(RESULT)?;
        match endpoint.form {
            Form::Single => vec![list(0, hits_of(endpoint.verb, result)?)?],
            Form::Batch => result
                .items()
                .ok_or(RESULT)?
                .into_iter()
                .enumerate()
                .map(|(search, one)| list(search, hits_of(endpoint.verb, one)?))
                .collect::<Result<_, _>>()?,
            Form::Groups => result
                .get("groups")
                .and_then(Value::items)
                .ok_or(RESULT)?
                .into_iter()
                .map(|group| list(0, group.get("hits").ok_or(HITS)?))
                .collect::<Result<_, _>>()?,
        }
    };
    Ok(HitPage { body, lists, failed: Vec::new() })
}

/// `query` wraps its hits in an object, the older endpoints do not.
fn hits_of(verb: Verb, result: Value<'_>) -> Result<Value<'_>, DialectError> {
    match verb {
        Verb::Query => result.get("points").ok_or(HITS),
        Verb::Search | Verb::Recommend | Verb::Discover => Ok(result),
    }
}

fn list(search: usize, array: Value<'_>) -> Result<HitList, DialectError> {
    let hits = array.items().ok_or(HITS)?.into_iter().map(hit).collect::<Result<_, _>>()?;
    Ok(HitList { search, hits, array: array.span(), max_score: None, total: None })
}

fn hit(object: Value<'_>) -> Result<Hit, DialectError> {
    let members = object.members().ok_or(HITS)?;
    let of = |key: &str, kind: Kind| {
        let member = members.iter().rev().find(|member| member.key == key)?;
        (member.value.kind() == kind).then(|| member.value.span())
    };
    Ok(Hit {
        span: object.span(),
        score: of("score", Kind::Number),
        source: of("payload", Kind::Object),
        fields: None,
        rank: None,
    })
}
