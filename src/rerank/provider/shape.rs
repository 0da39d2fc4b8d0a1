//! What can differ between rerank services, as plain data.

use std::time::Duration;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::rerank::{Billing, FailureClass, Instructed, Scoring};

/// How one service is called and how it answers. Presets say exactly what to send and read; nothing is guessed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Path after the base URL; `{model}` stands for the model.
    pub(super) path: &'static str,
    /// How the model is written in the path.
    pub(super) model_in_path: PathModel,
    /// Whether the body names the model.
    pub(super) model_in_body: bool,
    /// How the key is sent.
    pub(super) auth: Auth,
    /// Sent with every call.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// The name of the query.
    pub(super) query_name: &'static str,
    /// How the query is written.
    pub(super) query: Form,
    /// The name of the documents' member.
    pub(super) documents: &'static str,
    /// How each document is written.
    pub(super) document: Form,
    /// The name of the member for the number of results, sent only where the default is not all.
    pub(super) count: Option<&'static str>,
    /// Further members of every body.
    pub(super) constants: &'static [(&'static str, Constant)],
    /// How it takes an instruction, if it does.
    pub(super) instruction: Option<Instructed>,
    /// What is cut before it is sent.
    pub(super) cut: Cut,
    /// The member that holds the results; `None` for a response that is the list itself.
    pub(super) results: Option<&'static str>,
    /// The name of the document's place in a result.
    pub(super) index: &'static str,
    /// The score's name in a result.
    pub(super) score: &'static str,
    /// What scores can be.
    pub(super) range: Range,
    /// Whether a document's score depends on its neighbours.
    pub(super) scoring: Scoring,
    /// What is charged for.
    pub(super) billing: Billing,
    /// Where the response says the search units.
    pub(super) units: Units,
    /// Where the response says the tokens (a JSON pointer).
    pub(super) tokens: Option<&'static str>,
    /// Where the response names its model, if that may be another than the requested one (a JSON pointer).
    pub(super) responding_model: Option<&'static str>,
    /// The most documents of one call.
    pub(super) max_documents: usize,
    /// The most tokens of one call: those of the query once for each document, and those of all documents.
    pub(super) max_tokens: Option<usize>,
    /// Where an error's text may be (JSON pointers).
    pub(super) errors: &'static [&'static str],
    /// Errors whose meaning here differs from their status.
    pub(super) quirks: &'static [Quirk],
}

/// How the model is written in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathModel {
    /// It is not there.
    Absent,
    /// As one segment.
    Segment,
    /// With its own slashes, and `_` for each dot.
    Underscored,
}

/// How the key is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Auth {
    /// `Authorization: Bearer`.
    Bearer,
    /// A header of its own.
    Header(&'static str),
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A string.
    Plain,
    /// `{"text": …}`.
    Object,
}

/// What is cut before it is sent, where the service's own cut is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Nothing.
    Nothing,
    /// Cohere's models: this many chunks of the model's context are read of a document.
    Cohere {
        /// 1 in v2.
        chunks: usize,
    },
}

/// What scores can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// 0 to 1.
    Probability,
    /// Any number; always mapped by the sigmoid function.
    Logit,
    /// -1 to 1, mapped by (1 + x) / 2.
    Cosine,
    /// It depends on the model; mapped only as `activation` says.
    Model,
}

/// Where the response says the search units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Units {
    /// None are billed.
    None,
    /// At this JSON pointer.
    At(&'static str),
    /// Nowhere: at least one for each hundred documents.
    PerHundred,
}

/// A member that is the same in every body.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Constant {
    Flag(bool),
    Number(i64),
    Word(&'static str),
    Words(&'static [&'static str]),
    #[serde(serialize_with = "object")]
    Object(&'static [(&'static str, &'static str)]),
}

fn object<S: Serializer>(
    members: &&'static [(&'static str, &'static str)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(members.len()))?;
    for (name, value) in *members {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

/// An error whose meaning differs from its status.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quirk {
    pub(super) status: u16,
    /// Part of the error's text, or of AWS's `x-amzn-errortype`; empty for every error of that status.
    pub(super) says: &'static str,
    pub(super) class: FailureClass,
    /// The retry delay, if the response states none.
    pub(super) wait: Option<Duration>,
}

impl Quirk {
    pub(super) const fn new(status: u16, says: &'static str, class: FailureClass) -> Self {
        Self { status, says, class, wait: None }
    }
}
