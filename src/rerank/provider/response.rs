//! What a 200 response says. Any breach rejects the whole of it: part of a response with one bad place may be wrong
//! everywhere.

use std::borrow::Cow;

use super::shape::{Shape, Units};
use crate::{
    rerank::{RerankError, Span, Spans},
    wire::json::{self, Scanner, Value},
};

/// A response as the service meant it, before its scores are mapped.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ParsedScores {
    /// One finite score per document, in the order of the request.
    pub(super) scores: Vec<f64>,
    /// The passages of each document, where there are any; else empty.
    pub(super) spans: Vec<Option<Spans>>,
    pub(super) billed_units: f64,
    pub(super) billed_tokens: u64,
    /// The model that the response names, where the shape reads it.
    pub(super) model: Option<String>,
}

/// No model has a longer name; this one goes into a header.
const LONGEST_NAME: usize = 200;

/// Reads a response for so many documents.
pub(super) fn read(shape: &Shape, body: &[u8], documents: usize) -> Result<ParsedScores, RerankError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let Ok(found) = Scanner::whole(body, |scanner| Found::scan(shape, documents, scanner)) else {
        return Err(RerankError::BadResponse("not JSON"));
    };
    let scores = found.scores.unwrap_or(Err("not a rerank response of this kind of provider"));
    let scores = scores.map_err(RerankError::BadResponse)?;
    let number = |value: Option<Value<'_>>| value?.as_f64().filter(|number| *number >= 0.0);
    let billed_units = match shape.units {
        Units::None => 0.0,
        // An odd `meta` is no reason to reject good scores.
        Units::At(_) => number(found.units).unwrap_or(0.0),
        Units::PerHundred => documents.div_ceil(100) as f64,
    };
    let billed_tokens = number(found.tokens).unwrap_or(0.0) as u64;
    let model = found.model.and_then(Value::as_str).filter(|name| is_name(name));
    let (scores, spans) = scores;
    Ok(ParsedScores { scores, spans, billed_units, billed_tokens, model: model.map(Cow::into_owned) })
}

/// A score for each document, and its passages, if any document has some.
type Scored = (Vec<f64>, Vec<Option<Spans>>);

/// What of a response matters.
#[derive(Default)]
struct Found<'a> {
    /// Why they are of no use, if they are not; `None` where there is nothing like them.
    scores: Option<Result<Scored, &'static str>>,
    units: Option<Value<'a>>,
    tokens: Option<Value<'a>>,
    model: Option<Value<'a>>,
}

impl<'a> Found<'a> {
    /// Of members with one name the last one counts.
    fn scan(shape: &Shape, documents: usize, scanner: &mut Scanner<'a>) -> json::ScanResult<Self> {
        let mut found = Self::default();
        let Some(results) = shape.results else {
            found.scores = scores(scanner, shape, documents)?;
            return Ok(found);
        };
        let units = if let Units::At(pointer) = shape.units { Some(pointer) } else { None };
        let object = scanner.members(|key, scanner| {
            if key.name == results {
                found.scores = scores(scanner, shape, documents)?;
                return Ok(());
            }
            let value = scanner.skip()?;
            for (pointer, place) in [
                (units, &mut found.units),
                (shape.tokens, &mut found.tokens),
                (shape.responding_model, &mut found.model),
            ] {
                let mut path = pointer.unwrap_or_default().split('/').skip(1);
                if path.next() == Some(&*key.name) {
                    *place = path.try_fold(value, Value::get);
                }
            }
            Ok(())
        })?;
        if object.is_none() {
            found.scores = None;
        }
        Ok(found)
    }
}

/// The scores of a list of results, or what is wrong with it; `None` for what is no list.
fn scores(
    scanner: &mut Scanner<'_>,
    shape: &Shape,
    documents: usize,
) -> json::ScanResult<Option<Result<Scored, &'static str>>> {
    let mut places = vec![None; documents];
    let mut passages = Vec::new();
    let mut wrong = None;
    let list = scanner.items(|scanner| {
        let (mut index, mut score, mut stated) = (None, None, None);
        let object = scanner.members(|key, scanner| {
            match &*key.name {
                name if name == shape.index => index = scanner.skip()?.as_u64(),
                name if name == shape.score => score = scanner.skip()?.as_f64(),
                "relevant_spans" => stated = spans(scanner.skip()?),
                _ => {}
            }
            Ok(())
        })?;
        let (index, score) = if object.is_some() { (index, score) } else { (None, None) };
        wrong = wrong.or(place(&mut places, index, score).err());
        if let (Some(stated), Some(index)) = (stated, index) {
            passages.resize(documents, None);
            if let Some(slot) = usize::try_from(index).ok().and_then(|index| passages.get_mut(index)) {
                *slot = Some(stated);
            }
        }
        Ok(())
    })?;
    let whole = || {
        let scores = places.into_iter().collect::<Option<Vec<f64>>>().ok_or("not every document scored")?;
        Ok((scores, passages))
    };
    Ok(list.map(|_| wrong.map_or_else(whole, Err)))
}

fn place(places: &mut [Option<f64>], index: Option<u64>, score: Option<f64>) -> Result<(), &'static str> {
    let index = index.ok_or("a result has no index")?;
    let score = score.ok_or("a result has no score")?;
    let place = usize::try_from(index).ok().and_then(|index| places.get_mut(index));
    match place.ok_or("index out of range")?.replace(score) {
        Some(_) => Err("index given twice"),
        None => Ok(()),
    }
}

/// More passages than any service returns for one document.
const MOST_SPANS: usize = 1000;

/// The passages of one document. An odd one is no reason to reject good scores: it is left out.
fn spans(value: Value<'_>) -> Option<Spans> {
    let whole =
        |value: Value<'_>| value.as_f64().filter(|number| (0.0..4e9).contains(number)).map(|n| n as u32);
    let span = |item: Value<'_>| {
        let (start, end) = (whole(item.get("start")?)?, whole(item.get("end")?)?);
        let score = item.get("score")?.as_f64()? as f32;
        (start <= end && score.is_finite()).then_some(Span { start, end, score })
    };
    Some(value.items()?.into_iter().take(MOST_SPANS).filter_map(span).collect())
}

/// A text that can stand for a model in a header.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::{super::presets, *};
    use crate::rerank::HttpKind;

    /// The same from a tree of the whole response.
    fn plain(shape: &Shape, body: &[u8], documents: usize) -> Option<ParsedScores> {
        let response = serde_json::from_slice::<Value>(body).ok()?;
        let results = shape.results.map_or(Some(&response), |name| response.as_object()?.get(name))?;
        let mut places = vec![None; documents];
        for result in results.as_array()? {
            let place = places.get_mut(usize::try_from(result.get(shape.index)?.as_u64()?).ok()?)?;
            if place.replace(result.get(shape.score)?.as_f64()?).is_some() {
                return None;
            }
        }
        let number = |pointer: &str| response.pointer(pointer)?.as_f64().filter(|number| *number >= 0.0);
        Some(ParsedScores {
            scores: places.into_iter().collect::<Option<_>>()?,
            spans: Vec::new(),
            billed_units: match shape.units {
                Units::None => 0.0,
                Units::At(pointer) => number(pointer).unwrap_or(0.0),
                Units::PerHundred => documents.div_ceil(100) as f64,
            },
            billed_tokens: shape.tokens.and_then(number).unwrap_or(0.0) as u64,
            model: shape
                .responding_model
                .and_then(|pointer| response.pointer(pointer)?.as_str())
                .filter(|name| is_name(name))
                .map(str::to_owned),
        })
    }

    fn object(
        names: &'static [&'static str],
        value: impl Strategy<Value = String>,
        most: usize,
    ) -> impl Strategy<Value = String> {
        prop::collection::vec((prop::sample::select(names), value), 0..=most).prop_map(|members| {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("\"{name}\" :{value}")).collect();
            format!("{{{} }}", members.join(", "))
        })
    }

    /// Objects of the names that matter, some of them twice.
    fn respond() -> impl Strategy<Value = String> {
        const SIMPLE: [&str; 12] =
            ["0", "1", "2", "-1", "1.0", "0.25", "-0", "3e0", "null", "\"a-model\"", "\"\\u0041\"", "[]"];
        let simple = || prop::sample::select(&SIMPLE[..]).prop_map(str::to_owned);
        let result = object(&["index", "relevance_score", "score", "logit", "ind\\u0065x"], simple(), 4);
        let good = (0..3_usize, "0\\.[0-9]{1,17}").prop_map(|(index, score)| {
            format!(r#"{{"index":{index},"document":{{"text":"a"}},"relevance_score":{score},"score":{score},"logit":{score}}}"#)
        });
        let result = prop_oneof![6 => good, 1 => result, 1 => simple()];
        let results =
            prop::collection::vec(result, 0..4).prop_map(|results| format!("[{}]", results.join(",")));
        let results = prop_oneof![8 => results, 1 => simple()].boxed();
        let inner = object(&["search_units", "total_tokens", "rerank_units", "input_tokens"], simple(), 3);
        let meta = object(
            &["billed_units", "tokens", "total_tokens", "rerank_units"],
            prop_oneof![inner, simple()],
            3,
        );
        let member = prop_oneof![3 => results.clone(), 1 => meta, 1 => simple()];
        let whole = object(&["results", "data", "rankings", "meta", "usage", "model"], member, 6);
        prop_oneof![1 => results, 6 => whole]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]
        #[test]
        fn a_response_says_what_a_tree_of_it_says(body in respond(), documents in 0..4_usize) {
            for kind in HttpKind::ALL {
                let shape = presets::shape(kind, "", "");
                let rounded = |read: ParsedScores| {
                    // The tree's numbers may be one off in the last place of a double.
                    let scores: Vec<f32> = read.scores.iter().map(|score| *score as f32).collect();
                    (scores, read.billed_units, read.billed_tokens, read.model)
                };
                let read = read(shape, body.as_bytes(), documents).ok().map(rounded);
                prop_assert_eq!(read, plain(shape, body.as_bytes(), documents).map(rounded), "{:?}: {}", kind, body);
            }
        }
    }

    #[test]
    fn of_members_with_one_name_the_last_one_counts() {
        let shape = presets::shape(HttpKind::Cohere, "", "");
        let result = r#"{"index":7,"relevance_score":"no","relevance_score":0.5,"index":0}"#;
        let units = |units| format!(r#""meta":{{"billed_units":{{"search_units":{units}}}}}"#);
        let body = format!(r#"{{"results":7,"results":[{result}],{},{}}}"#, units(1), units(2));
        let read = read(shape, body.as_bytes(), 1).unwrap();
        assert_eq!(Some(&read), plain(shape, body.as_bytes(), 1).as_ref());
        assert_eq!((read.scores, read.billed_units), (vec![0.5], 2.0));
    }

    #[test]
    fn what_is_no_response_is_rejected() {
        let shape = presets::shape(HttpKind::Cohere, "", "");
        let good = r#"{"results":[{"index":0,"relevance_score":0.5}]}"#;
        assert!(read(shape, good.as_bytes(), 1).is_ok());
        assert!(read(shape, format!("\u{feff}{good}").as_bytes(), 1).is_ok());
        for (bad, why) in [
            (good.replace("]}", "]"), "not JSON"),
            (format!("{good}{good}"), "not JSON"),
            (good.replace("results", "r"), "not a rerank response of this kind of provider"),
            (good.replace("results", r"results\ud800"), "not a rerank response of this kind of provider"),
            (good.replace(r#""index":0,"#, ""), "a result has no index"),
            (good.replace("0.5", "1e999"), "a result has no score"),
            (good.replace(":0,", ":1,"), "index out of range"),
            (good.replace('[', r#"[{"index":0,"relevance_score":0.5},"#), "index given twice"),
            (good.replace("{\"index\":0,\"relevance_score\":0.5}", ""), "not every document scored"),
        ] {
            let rejected = read(shape, bad.as_bytes(), 1).unwrap_err();
            assert_eq!(rejected, RerankError::BadResponse(why), "{bad}");
        }
    }
}
