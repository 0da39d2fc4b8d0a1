//! The declared shape of every service. Sources: the services' API references, SDKs and server code.

use std::time::Duration;

use super::shape::{Auth, Constant, Cut, Form, PathModel, Quirk, Range, Shape, Units};
use crate::rerank::{
    Billing, FailureClass, HttpKind, HttpSettings, Instructed, Scoring,
    kind::{is_foundry, is_nvidia_cloud},
};

/// What a provider with these settings charges for, as far as is known before it has answered.
pub fn billing(settings: &HttpSettings) -> Billing {
    shape(settings.kind, &settings.base_url, settings.model.as_deref().unwrap_or_default()).billing
}

/// The shape that a kind of provider has at this address and for this model.
pub(super) fn shape(kind: HttpKind, base_url: &str, model: &str) -> &'static Shape {
    match kind {
        HttpKind::Cohere if model.starts_with("rerank-v5") => &COHERE_V5,
        HttpKind::Cohere => &COHERE,
        HttpKind::CohereV1 => &COHERE_V1,
        HttpKind::Jina if listwise(model) => &JINA_V3,
        HttpKind::Jina => &JINA,
        HttpKind::Voyage => match model {
            "rerank-1" => &VOYAGE_1,
            "rerank-2-lite" | "rerank-lite-1" => &VOYAGE_LITE,
            "rerank-2" => &VOYAGE_2,
            _ => &VOYAGE,
        },
        HttpKind::Mixedbread => &MIXEDBREAD,
        HttpKind::Pinecone if model.starts_with("cohere-") => &PINECONE_COHERE,
        HttpKind::Pinecone => &PINECONE,
        HttpKind::Tei => &TEI,
        HttpKind::NvidiaNim if is_nvidia_cloud(base_url) => &NVIDIA_CLOUD,
        HttpKind::NvidiaNim => &NVIDIA_NIM,
        HttpKind::Together => &TOGETHER,
        HttpKind::ZeroEntropy => &ZEROENTROPY,
        HttpKind::AzureCohere if is_foundry(base_url) => &AZURE_FOUNDRY,
        HttpKind::AzureCohere => &AZURE_SERVERLESS,
        HttpKind::BedrockCohere => &BEDROCK_COHERE,
        HttpKind::Vllm => &VLLM,
        HttpKind::Infinity => &INFINITY,
        HttpKind::Litellm => &LITELLM,
        HttpKind::LlamaCpp => &LLAMA_CPP,
        HttpKind::LocalAi => &LOCALAI,
        HttpKind::Xinference => &XINFERENCE,
    }
}

/// How a service takes an instruction for this model, if it does.
pub fn instructed(kind: HttpKind, base_url: &str, model: &str) -> Option<Instructed> {
    shape(kind, base_url, model).instruction
}

/// What is appended to a provider's base URL; `{model}` stands for the model.
pub fn appended_path(settings: &HttpSettings) -> &'static str {
    shape(settings.kind, &settings.base_url, settings.model.as_deref().unwrap_or_default()).path
}

/// Whether a model scores the list as a whole, as far as its name says.
pub(super) fn listwise(model: &str) -> bool {
    model.contains("jina-reranker-v3")
}

/// The spent allowance of a trial key; the text of the per-minute limit has no month in it.
const MONTHLY: Quirk = Quirk::new(429, "/ month", FailureClass::QuotaExhausted);

/// Also what the others differ from. `top_n` is never sent: what is not returned has no score.
static COHERE: Shape = COHERE_LIKE;

const COHERE_LIKE: Shape = Shape {
    path: "v2/rerank",
    model_in_path: PathModel::Absent,
    model_in_body: true,
    auth: Auth::Bearer,
    headers: &[],
    query_name: "query",
    query: Form::Plain,
    documents: "documents",
    document: Form::Plain,
    count: None,
    constants: &[],
    instruction: None,
    cut: Cut::Cohere { chunks: 1 },
    results: Some("results"),
    index: "index",
    score: "relevance_score",
    range: Range::Probability,
    scoring: Scoring::Pointwise,
    billing: Billing::SearchUnits,
    units: Units::At("/meta/billed_units/search_units"),
    tokens: Some("/meta/billed_units/input_tokens"),
    responding_model: None,
    max_documents: 1000,
    max_tokens: None,
    errors: &["/message"],
    quirks: &[MONTHLY],
};

static COHERE_V5: Shape = Shape { billing: Billing::Tokens, ..COHERE_LIKE };

/// Ten chunks of a document are read by default, and documents times chunks may be 10,000.
static COHERE_V1: Shape = Shape { path: "v1/rerank", cut: Cut::Cohere { chunks: 10 }, ..COHERE_LIKE };

static AZURE_SERVERLESS: Shape = COHERE_LIKE;

static AZURE_FOUNDRY: Shape =
    Shape { path: "providers/cohere/v2/rerank", auth: Auth::Header("api-key"), ..COHERE_LIKE };

static BEDROCK_COHERE: Shape = Shape {
    path: "model/{model}/invoke",
    model_in_path: PathModel::Segment,
    model_in_body: false,
    constants: &[("api_version", Constant::Number(2))],
    units: Units::PerHundred,
    tokens: None,
    quirks: &[
        Quirk::new(400, "ServiceQuotaExceeded", FailureClass::QuotaExhausted),
        Quirk::new(429, "ModelNotReady", FailureClass::ProviderUnavailable),
    ],
    ..COHERE_LIKE
};

/// Cohere's names, the tokens of the call in `usage`.
const JINA_LIKE: Shape = Shape {
    path: "v1/rerank",
    cut: Cut::Nothing,
    billing: Billing::Tokens,
    units: Units::None,
    tokens: Some("/usage/total_tokens"),
    errors: &["/detail"],
    quirks: &[],
    ..COHERE_LIKE
};

static JINA: Shape = Shape { constants: &[("return_documents", Constant::Flag(false))], ..JINA_LIKE };

/// Listwise; its score is the cosine of two vectors.
static JINA_V3: Shape = Shape {
    constants: &[("return_documents", Constant::Flag(false))],
    range: Range::Cosine,
    scoring: Scoring::Listwise,
    ..JINA_LIKE
};

/// From rerank-2.5 on its models follow instructions (https://docs.voyageai.com/docs/reranker); its API has no member for
/// them (https://docs.voyageai.com/reference/reranker-api): they are part of the query.
static VOYAGE: Shape = Shape { instruction: Some(Instructed::BeforeQuery), ..VOYAGE_LIKE_2 };
static VOYAGE_2: Shape = VOYAGE_LIKE_2;
static VOYAGE_LITE: Shape = Shape { max_tokens: Some(300_000), ..VOYAGE_LIKE };
static VOYAGE_1: Shape = Shape { max_tokens: Some(100_000), ..VOYAGE_LIKE };

const VOYAGE_LIKE_2: Shape = Shape { max_tokens: Some(600_000), ..VOYAGE_LIKE };

const VOYAGE_LIKE: Shape = Shape {
    constants: &[("truncation", Constant::Flag(true))],
    results: Some("data"),
    quirks: &[Quirk::new(400, "max allowed tokens per submitted batch", FailureClass::TooLarge)],
    ..JINA_LIKE
};

static MIXEDBREAD: Shape = Shape {
    path: "v1/reranking",
    documents: "input",
    results: Some("data"),
    score: "score",
    max_documents: 100,
    errors: &["/detail", "/message"],
    ..JINA_LIKE
};

static TOGETHER: Shape = Shape { errors: &["/error/message"], ..JINA_LIKE };

/// Without `latency` a call over the limit is not rejected but slow (more than 10 s), too late for a search.
static ZEROENTROPY: Shape = Shape {
    path: "v1/models/rerank",
    constants: &[("latency", Constant::Word("fast"))],
    tokens: Some("/total_tokens"),
    ..JINA_LIKE
};

const PINECONE_LIKE: Shape = Shape {
    path: "rerank",
    auth: Auth::Header("api-key"),
    headers: &[("x-pinecone-api-version", "2026-07")],
    document: Form::Object,
    results: Some("data"),
    score: "score",
    billing: Billing::SearchUnits,
    units: Units::At("/usage/rerank_units"),
    tokens: None,
    responding_model: Some("/model"),
    errors: &["/error/message", "/message"],
    quirks: &[Quirk::new(429, "requests per month", FailureClass::QuotaExhausted)],
    ..JINA_LIKE
};

/// Its own models reject a text over their context unless `truncate` is set.
static PINECONE: Shape = Shape {
    constants: &[
        ("rank_fields", Constant::Words(&["text"])),
        ("return_documents", Constant::Flag(false)),
        ("parameters", Constant::Object(&[("truncate", "END")])),
    ],
    max_documents: 100,
    ..PINECONE_LIKE
};

static PINECONE_COHERE: Shape = Shape {
    constants: &[("rank_fields", Constant::Words(&["text"])), ("return_documents", Constant::Flag(false))],
    max_documents: 200,
    ..PINECONE_LIKE
};

/// Both reject a text over their context unless truncation is requested.
const NVIDIA_LIKE: Shape = Shape {
    path: "v1/ranking",
    query: Form::Object,
    documents: "passages",
    document: Form::Object,
    constants: &[("truncate", Constant::Word("END"))],
    results: Some("rankings"),
    score: "logit",
    range: Range::Logit,
    max_documents: 512,
    errors: &["/detail", "/message"],
    ..JINA_LIKE
};

static NVIDIA_NIM: Shape = Shape { billing: Billing::Free, tokens: None, ..NVIDIA_LIKE };

static NVIDIA_CLOUD: Shape =
    Shape { path: "v1/retrieval/{model}/reranking", model_in_path: PathModel::Underscored, ..NVIDIA_LIKE };

/// What an operator runs bills nothing.
const SERVER_LIKE: Shape = Shape {
    path: "v1/rerank",
    cut: Cut::Nothing,
    range: Range::Model,
    billing: Billing::Free,
    units: Units::None,
    tokens: None,
    errors: &["/error/message", "/detail"],
    quirks: &[],
    ..COHERE_LIKE
};

/// The batch limit is read from the server; this one applies until it is known. A 429 says that all its slots are
/// taken at the moment.
static TEI: Shape = Shape {
    path: "rerank",
    model_in_body: false,
    documents: "texts",
    constants: &[("truncate", Constant::Flag(true))],
    results: None,
    score: "score",
    range: Range::Probability,
    max_documents: 32,
    errors: &["/error"],
    quirks: &[
        Quirk::new(422, "batch size", FailureClass::TooLarge),
        Quirk::new(424, "not a re-ranker", FailureClass::InvalidRequest),
        Quirk { wait: Some(Duration::from_millis(100)), ..Quirk::new(429, "", FailureClass::RateLimited) },
    ],
    ..SERVER_LIKE
};

/// A pair over the model's context is rejected unless truncation is requested.
static VLLM: Shape = Shape {
    instruction: Some(Instructed::Member("instruction")),
    constants: &[("truncate_prompt_tokens", Constant::Number(-1))],
    quirks: &[Quirk::new(400, "maximum context length", FailureClass::TooLarge)],
    ..SERVER_LIKE
};

static INFINITY: Shape = Shape { path: "rerank", max_documents: 2048, ..SERVER_LIKE };

/// It hands on what the service behind it bills.
static LITELLM: Shape = Shape {
    path: "rerank",
    billing: Billing::SearchUnits,
    units: Units::At("/meta/billed_units/search_units"),
    tokens: Some("/meta/billed_units/total_tokens"),
    ..SERVER_LIKE
};

/// A pair has to fit into one physical batch; that it does not looks like a passing fault and is none.
static LLAMA_CPP: Shape = Shape {
    quirks: &[
        Quirk::new(500, "too large to process", FailureClass::TooLarge),
        Quirk::new(500, "larger than the max context size", FailureClass::TooLarge),
    ],
    ..SERVER_LIKE
};

static LOCALAI: Shape = Shape { count: Some("top_n"), errors: &["/error/message", "/error"], ..SERVER_LIKE };

static XINFERENCE: Shape = Shape { errors: &["/detail"], ..SERVER_LIKE };
