//! Where the hits stand in a response: a scanner of its own, so that the dialects' is not its own judge.

use std::ops::Range;

type Span = Range<usize>;

/// One array of hits, and the number of the search that it answers: 0 where there is but one.
#[derive(Debug, Clone)]
pub struct HitList {
    pub search: usize,
    pub array: Span,
}

/// The arrays of hits in a search's response, in their order; none where it is not understood.
pub fn hit_lists(body: &[u8]) -> Vec<HitList> {
    let Some(root) = members(body, &(0..body.len())) else { return Vec::new() };
    let mut found = Vec::new();
    if let Some(result) = get(&root, "result") {
        qdrant(body, result, &mut found);
    }
    elastic(body, 0, &root, &mut found);
    let responses = get(&root, "responses").and_then(|all| items(body, all)).unwrap_or_default();
    for (search, response) in responses.iter().enumerate() {
        elastic(body, search, &members(body, response).unwrap_or_default(), &mut found);
    }
    found
}

/// The members of an array of hits.
pub fn hits(body: &[u8], array: &Span) -> Vec<Span> {
    items(body, array).unwrap_or_default()
}

/// The bytes outside of the arrays.
pub fn envelope(body: &[u8], lists: &[HitList]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    for HitList { array, .. } in lists {
        out.extend_from_slice(&body[at..=array.start]);
        at = array.end - 1;
    }
    out.extend_from_slice(&body[at..]);
    out
}

fn qdrant(body: &[u8], result: &Span, found: &mut Vec<HitList>) {
    let mut add = |search: usize, array: Option<&Span>| {
        found.extend(array.map(|array| HitList { search, array: array.clone() }));
    };
    if let Some(object) = members(body, result) {
        add(0, get(&object, "points"));
        for group in get(&object, "groups").and_then(|groups| items(body, groups)).unwrap_or_default() {
            add(0, get(&members(body, &group).unwrap_or_default(), "hits"));
        }
        return;
    }
    let Some(list) = items(body, result) else { return };
    let is_hit = |one: &Span| {
        members(body, one).is_some_and(|hit| get(&hit, "id").is_some() && get(&hit, "score").is_some())
    };
    if list.first().is_none_or(is_hit) {
        add(0, Some(result));
        return;
    }
    for (search, one) in list.iter().enumerate() {
        match members(body, one) {
            Some(response) => add(search, get(&response, "points")),
            None => add(search, Some(one)),
        }
    }
}

fn elastic(body: &[u8], search: usize, response: &[(String, Span)], found: &mut Vec<HitList>) {
    let outer = get(response, "hits").and_then(|hits| members(body, hits));
    let array = outer.and_then(|outer| get(&outer, "hits").cloned());
    found.extend(array.map(|array| HitList { search, array }));
}

fn get<'a>(members: &'a [(String, Span)], name: &str) -> Option<&'a Span> {
    members.iter().find(|(key, _)| key == name).map(|(_, span)| span)
}

/// Keys and values of the object at `at`.
pub fn members(body: &[u8], at: &Span) -> Option<Vec<(String, Span)>> {
    let mut pos = space(body, at.start);
    (body.get(pos)? == &b'{').then_some(())?;
    let mut found = Vec::new();
    pos = space(body, pos + 1);
    while body.get(pos)? != &b'}' {
        let end = value(body, pos)?;
        let key = serde_json::from_slice(&body[pos..end]).ok()?;
        pos = space(body, end);
        (body.get(pos)? == &b':').then_some(())?;
        pos = space(body, pos + 1);
        let end = value(body, pos)?;
        found.push((key, pos..end));
        pos = after_comma(body, end)?;
    }
    Some(found)
}

fn items(body: &[u8], at: &Span) -> Option<Vec<Span>> {
    let mut pos = space(body, at.start);
    (body.get(pos)? == &b'[').then_some(())?;
    let mut found = Vec::new();
    pos = space(body, pos + 1);
    while body.get(pos)? != &b']' {
        let end = value(body, pos)?;
        found.push(pos..end);
        pos = after_comma(body, end)?;
    }
    Some(found)
}

fn after_comma(body: &[u8], end: usize) -> Option<usize> {
    let pos = space(body, end);
    Some(if body.get(pos)? == &b',' { space(body, pos + 1) } else { pos })
}

fn space(body: &[u8], mut pos: usize) -> usize {
    while body.get(pos).is_some_and(u8::is_ascii_whitespace) {
        pos += 1;
    }
    pos
}

/// Where the value that begins at `pos` ends.
fn value(body: &[u8], pos: usize) -> Option<usize> {
    let (mut depth, mut at) = (0usize, pos);
    loop {
        match body.get(at)? {
            b'"' => {
                at += 1;
                while *body.get(at)? != b'"' {
                    at += if body[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'{' | b'[' => {
                depth += 1;
                at += 1;
                continue;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => {
                at += 1;
                continue;
            }
            _ => {
                while body.get(at).is_some_and(|b| !b",:]} \n\r\t".contains(b)) {
                    at += 1;
                }
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}
