//! What a request's body asks for. Any bytes give a response: the request, or why it is rejected.

use std::{borrow::Cow, sync::Arc};

use super::version::Version;
use crate::{
    document,
    rerank::{Scores, SpanRequest},
    wire::{
        self,
        json::{Kind, Value},
    },
};

/// A request that can be served.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RerankCall {
    /// Always there in v2.
    pub(super) model: Option<String>,
    pub(super) query: Arc<str>,
    /// None is blank.
    pub(super) documents: Arc<[Arc<str>]>,
    /// The texts to return with the results, one per document (v1's `return_documents`).
    pub(super) echo: Option<Vec<Arc<str>>>,
    /// Shortens the response, and nothing else.
    pub(super) top_n: Option<usize>,
    pub(super) max_tokens_per_doc: Option<u64>,
    /// Whether the passages of each document are requested.
    pub(super) spans: Option<SpanRequest>,
    /// Options that were sent and have no effect here.
    pub(super) warnings: Vec<String>,
}

/// Why a body is rejected, in the words of Cohere where it has some.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum BadRequest {
    #[error("invalid json syntax: the body is not one JSON value")]
    NotJson,
    #[error("invalid request: the body must be a JSON object")]
    NotAnObject,
    #[error(
        "unknown field: parameter '{0}' is not a valid field. For proper usage, please refer to \
         https://docs.cohere.com/reference/rerank"
    )]
    UnknownField(String),
    #[error("invalid type: parameter {parameter} is of type {is} but should be of type {should}.")]
    WrongType { parameter: &'static str, is: &'static str, should: &'static str },
    #[error("invalid request: {parameter} must be a whole number from {least} to {most}")]
    OutOfRange { parameter: &'static str, least: u64, most: u64 },
    #[error("a model parameter is required for this endpoint.")]
    NoModel,
    #[error("invalid request: query must not be empty or be only whitespace")]
    NoQuery,
    #[error("invalid request: list of documents must not be empty")]
    NoDocuments,
    #[error("invalid request: document at index {0} cannot be empty")]
    EmptyDocument(usize),
    #[error("invalid request: document at index {0} has no text field, and rank_fields are not given")]
    NoText(usize),
    #[error("invalid request: rank_fields cannot be empty")]
    NoRankFields,
    #[error("invalid request: number of documents ({count}) must be at most {most}")]
    TooMany { count: usize, most: usize },
    #[error("invalid request: relevant_spans.mode must be enabled or disabled")]
    SpansMode,
    #[error("invalid request: relevant_spans.threshold must be a number from 0 to 1")]
    SpansThreshold,
    #[error(
        "max_tokens_per_doc is {here} for every request that this rerankd serves: leave it out, or change \
         max_tokens_per_doc of the provider in its configuration"
    )]
    OtherCut { here: u64 },
}

impl BadRequest {
    pub(super) fn status(&self) -> u16 {
        match self {
            BadRequest::UnknownField(_)
            | BadRequest::WrongType { .. }
            | BadRequest::SpansMode
            | BadRequest::OtherCut { .. } => 422,
            _ => 400,
        }
    }

    /// The metric label.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            BadRequest::NotJson | BadRequest::NotAnObject => "malformed",
            BadRequest::TooMany { .. } => "too_large",
            BadRequest::OtherCut { .. } => "unsupported",
            _ => "invalid_request",
        }
    }
}

/// The longest name of an unknown field that is repeated.
const NAME_BYTES: usize = 64;

/// The members of the body that have a meaning; of one that is there twice, the last.
#[derive(Default)]
struct Members<'a> {
    model: Option<Value<'a>>,
    query: Option<Value<'a>>,
    documents: Option<Value<'a>>,
    top_n: Option<Value<'a>>,
    max_tokens_per_doc: Option<Value<'a>>,
    max_chunks_per_doc: Option<Value<'a>>,
    priority: Option<Value<'a>>,
    rank_fields: Option<Value<'a>>,
    return_documents: Option<Value<'a>>,
    relevant_spans: Option<Value<'a>>,
}

/// Reads a body of at most `most` documents.
pub(super) fn read(version: Version, body: &[u8], most: usize) -> Result<RerankCall, BadRequest> {
    let root = Value::parse(body).map_err(|_| BadRequest::NotJson)?;
    if root.kind() != Kind::Object {
        return Err(BadRequest::NotAnObject);
    }
    let members = Members::of(root, version)?;
    let model = members.model.map(|value| text_of("model", value)).transpose()?;
    let query = members.query.map(|value| text_of("query", value)).transpose()?;
    let top_n = members.top_n.map(|value| whole("top_n", value, 1, u32::MAX.into())).transpose()?;
    let max_tokens_per_doc = members.max_tokens_per_doc;
    let max_tokens_per_doc =
        max_tokens_per_doc.map(|value| whole("max_tokens_per_doc", value, 1, u32::MAX.into())).transpose()?;
    members.priority.map(|value| whole("priority", value, 0, 999)).transpose()?;
    let spans = members.relevant_spans.map(spans).transpose()?.flatten();
    let returned = members.return_documents.map(|value| flag("return_documents", value)).transpose()?;
    let rank_fields = members.rank_fields.map(rank_fields).transpose()?;
    let chunks = members.max_chunks_per_doc;
    let chunks = chunks.map(|value| whole("max_chunks_per_doc", value, 1, u32::MAX.into())).transpose()?;

    let model = model.filter(|name| !name.trim().is_empty());
    if model.is_none() && version == Version::V2 {
        return Err(BadRequest::NoModel);
    }
    let query = query.filter(|text| !text.trim().is_empty()).ok_or(BadRequest::NoQuery)?;
    let documents = documents(version, members.documents, rank_fields.as_deref(), most)?;
    let echo = (version == Version::V1 && returned == Some(true))
        .then(|| documents.iter().map(|document| document.echo.clone()).collect());
    Ok(RerankCall {
        model: model.map(Cow::into_owned),
        query: query.into(),
        documents: documents.into_iter().map(|document| document.text).collect(),
        echo,
        top_n: top_n.map(|count| usize::try_from(count).unwrap_or(usize::MAX)),
        max_tokens_per_doc,
        spans,
        warnings: chunks.map(|_| NO_CHUNKS.to_owned()).into_iter().collect(),
    })
}

/// Only some models return passages.
const NO_SPANS: &str = "relevant_spans are not returned by the model that has scored";

impl RerankCall {
    /// The warning if passages were requested and there are none.
    pub(super) fn warn_of_no_spans(&mut self, scores: &Scores) {
        if self.spans.is_some() && scores.spans.is_empty() {
            self.warnings.push(NO_SPANS.to_owned());
        }
    }

    /// The warning if the scores are not of the requested model.
    pub(super) fn warn_of_other_model(&mut self, scores: &Scores) {
        if let Some(asked) = self.model.as_deref().filter(|asked| **asked != *scores.model) {
            let (model, provider) = (&scores.model, &scores.provider);
            self.warnings.push(format!("asked for {asked}, scored by {model} of the provider {provider}"));
        }
    }
}

/// Providers are called by v2 of the API, which has no chunks.
const NO_CHUNKS: &str = "max_chunks_per_doc has no effect here: documents are cut at max_tokens_per_doc";

impl<'a> Members<'a> {
    fn of(root: Value<'a>, version: Version) -> Result<Self, BadRequest> {
        let mut found = Self::default();
        for member in root.members().ok_or(BadRequest::NotJson)? {
            let v1 = version == Version::V1;
            let slot = match &*member.key {
                "model" => &mut found.model,
                "query" => &mut found.query,
                "documents" => &mut found.documents,
                "top_n" => &mut found.top_n,
                "max_tokens_per_doc" => &mut found.max_tokens_per_doc,
                "priority" => &mut found.priority,
                "relevant_spans" => &mut found.relevant_spans,
                // v2 returns no documents; LiteLLM requests them by default.
                "return_documents" => &mut found.return_documents,
                "rank_fields" if v1 => &mut found.rank_fields,
                "max_chunks_per_doc" if v1 => &mut found.max_chunks_per_doc,
                _ if v1 => continue,
                name => return Err(BadRequest::UnknownField(printable(name))),
            };
            *slot = Some(member.value).filter(|value| !value.is_null());
        }
        Ok(found)
    }
}

/// A document as it is scored, and as it is returned.
struct CallDocument {
    text: Arc<str>,
    echo: Arc<str>,
}

fn documents(
    version: Version,
    value: Option<Value<'_>>,
    rank_fields: Option<&[String]>,
    most: usize,
) -> Result<Vec<CallDocument>, BadRequest> {
    let Some(value) = value else { return Err(BadRequest::NoDocuments) };
    let items = value.items().ok_or_else(|| wrong("documents", value, "array"))?;
    if items.is_empty() {
        return Err(BadRequest::NoDocuments);
    }
    if items.len() > most {
        return Err(BadRequest::TooMany { count: items.len(), most });
    }
    let mut documents = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let document = match (version, item.kind()) {
            (_, Kind::String) => plain(item)?,
            (Version::V1, Kind::Object) => map(item, at, rank_fields)?,
            (Version::V1, _) => return Err(wrong("documents", item, "string or object")),
            (Version::V2, _) => return Err(wrong("documents", item, "string")),
        };
        if document.text.trim().is_empty() {
            return Err(BadRequest::EmptyDocument(at));
        }
        documents.push(document);
    }
    Ok(documents)
}

fn plain(item: Value<'_>) -> Result<CallDocument, BadRequest> {
    let text: Arc<str> = text_of("documents", item)?.into();
    Ok(CallDocument { echo: text.clone(), text })
}

/// A v1 document of several fields: those of `rank_fields` as YAML, or its text alone.
fn map(item: Value<'_>, at: usize, rank_fields: Option<&[String]>) -> Result<CallDocument, BadRequest> {
    let own: Option<Arc<str>> = match item.get("text") {
        Some(value) if !value.is_null() => Some(text_of("documents", value)?.into()),
        _ => None,
    };
    let text = match rank_fields {
        Some(fields) => document::of_object(wire::Value::Json(item), fields)
            .map(Arc::from)
            .ok_or(BadRequest::EmptyDocument(at))?,
        None => own.clone().ok_or(BadRequest::NoText(at))?,
    };
    Ok(CallDocument { echo: own.unwrap_or_else(|| text.clone()), text })
}

fn rank_fields(value: Value<'_>) -> Result<Vec<String>, BadRequest> {
    let items = value.items().ok_or_else(|| wrong("rank_fields", value, "array"))?;
    if items.is_empty() {
        return Err(BadRequest::NoRankFields);
    }
    items.into_iter().map(|item| text_of("rank_fields", item).map(Cow::into_owned)).collect()
}

fn spans(value: Value<'_>) -> Result<Option<SpanRequest>, BadRequest> {
    if value.kind() != Kind::Object {
        return Err(wrong("relevant_spans", value, "object"));
    }
    let enabled = match value.get("mode").and_then(Value::as_str).as_deref() {
        Some("enabled") => true,
        Some("disabled") => false,
        _ => return Err(BadRequest::SpansMode),
    };
    let given = |name| value.get(name).filter(|value: &Value<'_>| !value.is_null());
    let threshold = given("threshold").map(|value| {
        let number = value.as_f64().filter(|number| (0.0..=1.0).contains(number));
        number.map(|number| number as f32).ok_or(BadRequest::SpansThreshold)
    });
    let most = given("max_spans").map(|value| whole("relevant_spans.max_spans", value, 1, u32::MAX.into()));
    let (threshold, most) = (threshold.transpose()?, most.transpose()?);
    let max_spans = most.and_then(|most| u32::try_from(most).ok());
    Ok(enabled.then_some(SpanRequest { threshold, max_spans }))
}

fn text_of<'a>(parameter: &'static str, value: Value<'a>) -> Result<Cow<'a, str>, BadRequest> {
    if value.kind() != Kind::String {
        return Err(wrong(parameter, value, "string"));
    }
    // Half a character becomes U+FFFD, as in Cohere's own reader.
    value.as_marked_str().ok_or(BadRequest::NotJson)
}

fn whole(parameter: &'static str, value: Value<'_>, least: u64, most: u64) -> Result<u64, BadRequest> {
    if value.kind() != Kind::Number {
        return Err(wrong(parameter, value, "integer"));
    }
    // Also `3.0`, which some printers make of a number.
    let whole = value.as_f64().filter(|number| number.fract() == 0.0 && *number >= 0.0);
    let number = value.as_u64().or_else(|| whole.map(|number| number as u64));
    number.filter(|number| (least..=most).contains(number)).ok_or(BadRequest::OutOfRange {
        parameter,
        least,
        most,
    })
}

fn flag(parameter: &'static str, value: Value<'_>) -> Result<bool, BadRequest> {
    value.as_bool().ok_or_else(|| wrong(parameter, value, "boolean"))
}

fn wrong(parameter: &'static str, value: Value<'_>, should: &'static str) -> BadRequest {
    let is = match value.kind() {
        Kind::Object => "object",
        Kind::Array => "array",
        Kind::String => "string",
        Kind::Number => "number",
        Kind::Bool => "boolean",
        Kind::Null => "null",
    };
    BadRequest::WrongType { parameter, is, should }
}

/// The start of a name, where it is one.
fn printable(name: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.len() <= NAME_BYTES && name.chars().all(good) { name.to_owned() } else { "?".to_owned() }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
