//! The bytes of a request. Only documented members that were set are sent; v2 of Cohere rejects any other.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::{
    cut::{self, cut},
    shape::{Form, PathModel, Shape},
};
use crate::{
    rerank::{Instructed, SpanRequest},
    search::Document,
    wire::json::write_string,
};

/// One call's content.
pub(super) struct Content<'a> {
    /// `None` if the service has one model and is sent no name.
    pub(super) model: Option<&'a str>,
    pub(super) query: &'a str,
    /// What a member of its own says.
    pub(super) instruction: Option<&'a str>,
    pub(super) documents: &'a [Document],
    pub(super) max_tokens_per_doc: Option<u32>,
    /// The most bytes of a document that are sent.
    pub(super) most_bytes: usize,
    pub(super) spans: Option<SpanRequest>,
    pub(super) priority: Option<u16>,
}

impl Content<'_> {
    /// The most that is sent of each text.
    pub(super) fn most(&self, shape: &Shape) -> cut::Bytes {
        let most = cut::bytes(shape.cut, self.model.unwrap_or_default(), self.max_tokens_per_doc);
        cut::Bytes { document: most.document.min(self.most_bytes), ..most }
    }
}

/// The body that the shape gives this content, as serde_json would write it.
pub(super) fn body(shape: &Shape, content: &Content<'_>) -> Vec<u8> {
    let most = content.most(shape);
    let query = cut(content.query, most.query);
    let sizes = content.documents.iter().map(|document| document.size().min(most.document));
    let mut body = Members::with_room(room(query.len()) + sizes.map(room).sum::<usize>());
    if let (true, Some(model)) = (shape.model_in_body, content.model) {
        body.add("model", |out| write_string(out, model));
    }
    body.add(shape.query_name, |out| shape.query.write(out, |out| write_string(out, query)));
    body.add(shape.documents, |out| {
        out.push(b'[');
        for (at, document) in content.documents.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            shape.document.write(out, |out| write_document(out, document, most.document));
        }
        out.push(b']');
    });
    if let Some(count) = shape.count {
        body.add_small(count, &content.documents.len());
    }
    for (name, value) in shape.constants {
        body.add_small(name, value);
    }
    if let (Some(instruction), Some(Instructed::Member(name))) = (content.instruction, shape.instruction) {
        body.add(name, |out| write_string(out, instruction));
    }
    if let Some(tokens) = content.max_tokens_per_doc {
        body.add_small("max_tokens_per_doc", &tokens);
    }
    if let Some(priority) = content.priority {
        body.add_small("priority", &priority);
    }
    if let Some(spans) = content.spans {
        body.add_small("relevant_spans", &Wanted::of(spans));
    }
    body.end()
}

/// Writes a document's text, or its beginning. The text of a hit is seldom made for that.
fn write_document(out: &mut Vec<u8>, document: &Document, most: usize) {
    if !document.write_json(most, out) {
        write_string(out, cut(document.text(), most));
    }
}

/// Which passages are requested, in the service's form.
#[derive(Serialize)]
struct Wanted {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_spans: Option<u32>,
}

impl Wanted {
    fn of(SpanRequest { threshold, max_spans }: SpanRequest) -> Self {
        Self { mode: "enabled", threshold, max_spans }
    }
}

/// What a text of so many bytes takes, with what stands around it and as many escapes as prose has.
fn room(bytes: usize) -> usize {
    const AROUND: usize = 16;
    bytes + bytes / 16 + AROUND
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

/// A JSON object that is being written.
struct Members(Vec<u8>);

impl Members {
    /// With room for so many bytes of text.
    fn with_room(texts: usize) -> Self {
        const SMALL_ONES: usize = 512;
        let mut out = Vec::with_capacity(texts + SMALL_ONES);
        out.push(b'{');
        Self(out)
    }

    fn add(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        write_string(&mut self.0, name);
        self.0.push(b':');
        write(&mut self.0);
    }

    fn add_small(&mut self, name: &str, value: &impl Serialize) {
        self.add(name, |out| {
            // Numbers, words and flags always serialise; without one the service rejects the body.
            let _ = serde_json::to_writer(out, value);
        });
    }

    fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

impl Form {
    fn write(self, out: &mut Vec<u8>, text: impl FnOnce(&mut Vec<u8>)) {
        match self {
            Form::Plain => text(out),
            Form::Object => {
                out.extend_from_slice(b"{\"text\":");
                text(out);
                out.push(b'}');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Serializer, ser::SerializeMap};

    use super::*;
    use crate::rerank::{HttpKind, provider::presets};

    /// The same body, as serde_json builds it member by member.
    struct Plain<'a>(&'a Shape, &'a Content<'a>, HttpKind);

    impl Serialize for Plain<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let Self(shape, content, _) = self;
            let most = content.most(shape);
            let form = |form, text| match form {
                Form::Plain => serde_json::json!(text),
                Form::Object => serde_json::json!({ "text": text }),
            };
            let documents = content
                .documents
                .iter()
                .map(|document| form(shape.document, cut(document.text(), most.document)));
            let documents: Vec<_> = documents.collect();
            let mut map = serializer.serialize_map(None)?;
            if let (true, Some(model)) = (shape.model_in_body, content.model) {
                map.serialize_entry("model", model)?;
            }
            map.serialize_entry(shape.query_name, &form(shape.query, cut(content.query, most.query)))?;
            map.serialize_entry(shape.documents, &documents)?;
            if let Some(count) = shape.count {
                map.serialize_entry(count, &documents.len())?;
            }
            for (name, value) in shape.constants {
                map.serialize_entry(name, value)?;
            }
            if let (Some(instruction), HttpKind::Vllm) = (content.instruction, self.2) {
                map.serialize_entry("instruction", instruction)?;
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

    proptest! {
        #[test]
        fn a_body_is_what_serde_json_would_write(
            model in prop::option::of("[a-z\"/\n.3]{0,12}"),
            query in "([a-z é\"]{0,40}\n?){0,3}",
            instruction in prop::option::of("[a-z é\"\n]{0,20}"),
            documents in prop::collection::vec("([a-zé🙂 :]{0,90}[\n\"\\\\\t\u{1}]?){0,4}", 0..5),
            max_tokens_per_doc in prop::option::of(1_u32..40),
            priority in prop::option::of(any::<u16>()),
            most_bytes in prop_oneof![Just(usize::MAX), 1..60_usize],
        ) {
            let documents: Vec<Document> = documents.iter().map(|text| Document::from(text.as_str())).collect();
            let content = Content {
                model: model.as_deref(), query: &query, instruction: instruction.as_deref(), documents: &documents,
                max_tokens_per_doc, priority, most_bytes, spans: None,
            };
            for kind in HttpKind::ALL {
                let shape = presets::shape(kind, "", model.as_deref().unwrap_or_default());
                let plain = serde_json::to_string(&Plain(shape, &content, kind)).unwrap();
                prop_assert_eq!(String::from_utf8(body(shape, &content)).unwrap(), plain, "{:?}", kind);
            }
        }
    }

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
                instruction: None,
                documents: &documents,
                max_tokens_per_doc: None,
                most_bytes: usize::MAX,
                spans: None,
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
