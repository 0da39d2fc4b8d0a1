//! The bytes of a request. Only documented members that were set are sent; v2 of Cohere refuses any other.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::document::Document;

use super::{
    cut::{self, cut},
    shape::{Form, PathModel, Shape},
};

/// One call's content.
pub(super) struct Content<'a> {
    /// `None` if the service has one model and is told none.
    pub(super) model: Option<&'a str>,
    pub(super) query: &'a str,
    pub(super) documents: &'a [Document],
    pub(super) max_tokens_per_doc: Option<u32>,
    pub(super) priority: Option<u16>,
}

impl Content<'_> {
    /// The most that is sent of each text.
    pub(super) fn most(&self, shape: &Shape) -> cut::Bytes {
        cut::bytes(shape.cut, self.model.unwrap_or_default(), self.max_tokens_per_doc)
    }
}

/// The body that the shape gives this content.
pub(super) fn body(shape: &Shape, content: &Content<'_>) -> Vec<u8> {
    // Strings and numbers always serialise; an empty body would be refused by the service.
    serde_json::to_vec(&Body { shape, content }).unwrap_or_default()
}

/// What comes after the base URL.
pub(super) fn path(shape: &Shape, model: &str) -> String {
    let name = match shape.model_in_path {
        PathModel::Absent => return shape.path.to_owned(),
        PathModel::Segment => encoded(model),
        PathModel::Underscored => {
            model.split('/').map(|part| encoded(part).replace('.', "_")).collect::<Vec<_>>().join("/")
        }
    };
    shape.path.replace("{model}", &name)
}

/// As AWS signs and documents it: the colon too.
fn encoded(text: &str) -> String {
    const LEFT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, LEFT).to_string()
}

struct Body<'a> {
    shape: &'a Shape,
    content: &'a Content<'a>,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { shape, content } = self;
        let model = content.model.unwrap_or_default();
        let most = content.most(shape);
        let mut map = serializer.serialize_map(None)?;
        if shape.model_in_body && content.model.is_some() {
            map.serialize_entry("model", model)?;
        }
        map.serialize_entry("query", &Text(shape.query, cut(content.query, most.query)))?;
        let documents: Vec<Text<'_>> = content
            .documents
            .iter()
            .map(|document| Text(shape.document, cut(document.text(), most.document)))
            .collect();
        map.serialize_entry(shape.documents, &documents)?;
        if let Some(count) = shape.count {
            map.serialize_entry(count, &documents.len())?;
        }
        for (name, value) in shape.constants {
            map.serialize_entry(name, value)?;
        }
        if let Some(tokens) = content.max_tokens_per_doc {
            map.serialize_entry("max_tokens_per_doc", &tokens)?;
        }
        if let Some(priority) = content.priority {
            map.serialize_entry("priority", &priority)?;
        }
        map.end()
    }
}

struct Text<'a>(Form, &'a str);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Form::Plain => serializer.serialize_str(self.1),
            Form::Object => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("text", self.1)?;
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rerank::{HttpKind, provider::presets};

    #[test]
    fn texts_are_cut_only_where_the_services_own_cut_is_known() {
        let long = "€".repeat(20_000);
        let documents = [Document::from(long.as_str())];
        for (kind, cut) in [(HttpKind::Cohere, true), (HttpKind::BedrockCohere, true), (HttpKind::Tei, false)]
        {
            let shape = presets::shape(kind, "", "rerank-v3.5");
            let content = Content {
                model: Some("rerank-v3.5"),
                query: &long,
                documents: &documents,
                max_tokens_per_doc: None,
                priority: None,
            };
            let sent: serde_json::Value = serde_json::from_slice(&body(shape, &content)).unwrap();
            for text in [&sent["query"], &sent[shape.documents][0]] {
                let text = text.as_str().unwrap();
                assert_eq!(text.len() < long.len(), cut, "{kind:?}");
                // A token takes at least one sign.
                assert!(text.chars().count() >= 2_048, "{kind:?}");
            }
        }
    }

    #[test]
    fn a_model_in_the_path_is_one_segment_or_has_its_own() {
        let path = |kind, place, model| path(presets::shape(kind, place, model), model);
        assert_eq!(path(HttpKind::BedrockCohere, "", "a.b:c/d?"), "model/a.b%3Ac%2Fd%3F/invoke");
        let cloud = "https://ai.api.nvidia.com";
        assert_eq!(
            path(HttpKind::NvidiaNim, cloud, "nvidia/a-3.2?"),
            "v1/retrieval/nvidia/a-3_2%3F/reranking"
        );
        assert_eq!(path(HttpKind::Cohere, "", "a/b"), "v2/rerank");
    }
}
