//! What is said of searches as a member of their response.

use bytes::Bytes;

use super::{Edits, Kind, Object, ObjectEdit, Value};

/// The name of the member.
const NAME: &str = "rerank";

/// Where a response has room for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockPlace {
    /// Nowhere: its format has no members that its clients do not know.
    Nowhere,
    /// At the end of the response itself.
    Top,
    /// In the object at this member of the response, which is made where it is missing.
    Inside(&'static str),
    /// In the objects of the array at this path, one for each search; at the end of the response itself where they are not
    /// objects, or not as many.
    Each(Vec<String>),
}

/// Why a response says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBlock {
    /// It is not well-formed.
    Unread,
    /// It is no object, or has nothing but errors.
    NoPlace,
    /// Its own members have that name.
    Taken,
}

/// The response with what is said of its searches, as JSON: of each where `place` has an object for each, else of all
/// together. A member of that name is never replaced. Every other byte stays.
pub fn with_blocks(
    response: &Bytes,
    place: &BlockPlace,
    all: &str,
    each: &[Option<String>],
) -> Result<Bytes, NoBlock> {
    let root = Value::parse(response).map_err(|_| NoBlock::Unread)?;
    let mut edits = Edits::new();
    match place {
        BlockPlace::Nowhere => return Err(NoBlock::NoPlace),
        BlockPlace::Top => put(root, all, &mut edits)?,
        BlockPlace::Inside(name) => put_inside(root, name, all, &mut edits)?,
        BlockPlace::Each(path) => match objects(root, path).filter(|objects| objects.len() == each.len()) {
            Some(objects) => put_each(&objects, each, &mut edits)?,
            None => put(root, all, &mut edits)?,
        },
    }
    Ok(edits.apply(response))
}

fn put(object: Value<'_>, block: &str, edits: &mut Edits) -> Result<(), NoBlock> {
    let object = Object::new(object).ok_or(NoBlock::NoPlace)?;
    if object.get(NAME).is_some() {
        return Err(NoBlock::Taken);
    }
    let mut edit = ObjectEdit::of(object);
    edit.set(NAME, block);
    edit.finish(edits);
    Ok(())
}

fn put_inside(root: Value<'_>, name: &str, block: &str, edits: &mut Edits) -> Result<(), NoBlock> {
    let object = Object::new(root).ok_or(NoBlock::NoPlace)?;
    match object.get(name) {
        Some(inner) if inner.kind() == Kind::Object => put(inner, block, edits),
        Some(inner) if !inner.is_null() => Err(NoBlock::Taken),
        _ => {
            let mut edit = ObjectEdit::of(object);
            edit.set(name, format!("{{\"{NAME}\":{block}}}"));
            edit.finish(edits);
            Ok(())
        }
    }
}

/// The member that the response to a search of a batch has in its place where that failed (Elasticsearch, Typesense).
const ERROR: &str = "error";

/// In as many as have room, and are no errors; an error where none is.
fn put_each(objects: &[Value<'_>], each: &[Option<String>], edits: &mut Edits) -> Result<(), NoBlock> {
    let mut taken = false;
    for (object, block) in objects.iter().zip(each) {
        let Some(block) = block.as_ref().filter(|_| object.get(ERROR).is_none()) else { continue };
        taken |= put(*object, block, edits).is_err();
    }
    match edits.is_empty() {
        true if taken => Err(NoBlock::Taken),
        // All are errors, which stay as they came.
        true => Err(NoBlock::NoPlace),
        false => Ok(()),
    }
}

/// The elements of an array that has nothing but objects.
fn objects<'a>(root: Value<'a>, path: &[String]) -> Option<Vec<Value<'a>>> {
    let found = path.iter().try_fold(root, |value, key| value.get(key))?.items()?;
    found.iter().all(|value| value.kind() == Kind::Object).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(response: &'static str, place: BlockPlace, each: &[Option<&str>]) -> Result<String, NoBlock> {
        let each: Vec<Option<String>> = each.iter().map(|block| block.map(str::to_owned)).collect();
        let told = with_blocks(&Bytes::from_static(response.as_bytes()), &place, "9", &each)?;
        Ok(String::from_utf8(told.to_vec()).unwrap())
    }

    fn each(path: &str) -> BlockPlace {
        BlockPlace::Each(vec![path.to_owned()])
    }

    #[test]
    fn it_stands_behind_all_members_and_no_other_byte_changes() {
        assert_eq!(
            told("{ \"a\" : 1.50 }\n", BlockPlace::Top, &[]).unwrap(),
            "{ \"a\" : 1.50,\"rerank\":9 }\n"
        );
        assert_eq!(told("{}", BlockPlace::Top, &[]).unwrap(), r#"{"rerank":9}"#);
    }

    #[test]
    fn each_search_of_a_batch_has_its_own_where_there_is_an_object_for_it() {
        let batch = r#"{"r":[{"a":1},{"b":2},{}]}"#;
        assert_eq!(
            told(batch, each("r"), &[Some("1"), None, Some("3")]).unwrap(),
            r#"{"r":[{"a":1,"rerank":1},{"b":2},{"rerank":3}]}"#
        );
        let lists = r#"{"r":[[],[]]}"#;
        assert_eq!(told(lists, each("r"), &[Some("1"), None]).unwrap(), r#"{"r":[[],[]],"rerank":9}"#);
        assert_eq!(told(r#"{"r":[{}]}"#, each("r"), &[None, None]).unwrap(), r#"{"r":[{}],"rerank":9}"#);
        assert_eq!(told(r#"{"r":[{}]}"#, each("x"), &[None]).unwrap(), r#"{"r":[{}],"rerank":9}"#);
    }

    #[test]
    fn an_error_among_the_responses_of_a_batch_stays_as_it_is() {
        let batch = r#"{"r":[{"error":{"type":"x"},"status":404},{"b":2}]}"#;
        assert_eq!(
            told(batch, each("r"), &[Some("1"), Some("2")]).unwrap(),
            r#"{"r":[{"error":{"type":"x"},"status":404},{"b":2,"rerank":2}]}"#
        );
        assert_eq!(told(r#"{"r":[{"error":1}]}"#, each("r"), &[Some("1")]), Err(NoBlock::NoPlace));
    }

    #[test]
    fn a_member_of_that_name_is_never_replaced() {
        assert_eq!(told(r#"{"rerank":{"a":1}}"#, BlockPlace::Top, &[]), Err(NoBlock::Taken));
        assert_eq!(told(r#"{"r\u0065rank":1}"#, BlockPlace::Top, &[]), Err(NoBlock::Taken));
        let one = told(r#"{"r":[{"rerank":0},{}]}"#, each("r"), &[Some("1"), Some("2")]);
        assert_eq!(one.unwrap(), r#"{"r":[{"rerank":0},{"rerank":2}]}"#);
        assert_eq!(told(r#"{"r":[{"rerank":0}]}"#, each("r"), &[Some("1")]), Err(NoBlock::Taken));
        assert_eq!(told(r#"{"e":{"rerank":0}}"#, BlockPlace::Inside("e"), &[]), Err(NoBlock::Taken));
        assert_eq!(told(r#"{"e":1}"#, BlockPlace::Inside("e"), &[]), Err(NoBlock::Taken));
    }

    #[test]
    fn an_object_for_it_is_filled_or_made() {
        let inside = || BlockPlace::Inside("e");
        assert_eq!(
            told(r#"{"e":{"a":1},"b":2}"#, inside(), &[]).unwrap(),
            r#"{"e":{"a":1,"rerank":9},"b":2}"#
        );
        assert_eq!(told(r#"{"b":2}"#, inside(), &[]).unwrap(), r#"{"b":2,"e":{"rerank":9}}"#);
        assert_eq!(told(r#"{"e":null}"#, inside(), &[]).unwrap(), r#"{"e":{"rerank":9}}"#);
    }

    #[test]
    fn what_is_no_object_has_no_place() {
        assert_eq!(told("[1]", BlockPlace::Top, &[]), Err(NoBlock::NoPlace));
        assert_eq!(told("{}", BlockPlace::Nowhere, &[]), Err(NoBlock::NoPlace));
        assert_eq!(told("{\"a\":", BlockPlace::Top, &[]), Err(NoBlock::Unread));
    }
}
