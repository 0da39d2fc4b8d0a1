//! The kinds of provider behind HTTP, and what each needs to be configured. Wire formats are in
//! `provider::presets`.

/// A rerank service, or a server that runs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum HttpKind {
    Cohere,
    CohereV1,
    Jina,
    Voyage,
    Mixedbread,
    Pinecone,
    Tei,
    NvidiaNim,
    Together,
    ZeroEntropy,
    AzureCohere,
    BedrockCohere,
    Vllm,
    Infinity,
    Litellm,
    LlamaCpp,
    LocalAi,
    Xinference,
}

/// What a kind needs to be set up.
#[derive(Clone, Copy, Debug)]
pub struct KindFacts {
    /// Its word in the configuration.
    pub word: &'static str,
    /// Its public address, if it has one.
    pub base_url: Option<&'static str>,
    /// The variables in which its users keep the key, first one first.
    pub key_variables: &'static [&'static str],
    /// Whether it may run without a key.
    pub keyless: bool,
    /// The model sent if none is configured.
    pub model: DefaultModel,
    /// The most of a text that is sent by default: beyond it the service reads nothing, or rejects the call.
    pub max_bytes_per_doc: Option<u32>,
    /// What can be set beyond what all kinds have.
    pub settings: &'static [Setting],
}

/// The default model of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultModel {
    /// This one.
    Named(&'static str),
    /// The server's own: no name is sent.
    Server,
    /// There is none: it has to be configured.
    Needed,
}

/// A setting that only some kinds have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Setting {
    MaxTokensPerDoc,
    Priority,
    Activation,
    Scoring,
    Region,
}

/// A service on the internet.
const SERVICE: KindFacts = KindFacts {
    word: "",
    base_url: None,
    key_variables: &[],
    keyless: false,
    model: DefaultModel::Needed,
    max_bytes_per_doc: None,
    settings: &[],
};

/// A server that its users run themselves. No model for it reads more than 8,192 tokens of a text in a useful time.
const SERVER: KindFacts = KindFacts { keyless: true, max_bytes_per_doc: Some(32 << 10), ..SERVICE };

impl HttpKind {
    /// Every kind.
    pub const ALL: [HttpKind; 18] = [
        HttpKind::Cohere,
        HttpKind::CohereV1,
        HttpKind::Jina,
        HttpKind::Voyage,
        HttpKind::Mixedbread,
        HttpKind::Pinecone,
        HttpKind::Tei,
        HttpKind::NvidiaNim,
        HttpKind::Together,
        HttpKind::ZeroEntropy,
        HttpKind::AzureCohere,
        HttpKind::BedrockCohere,
        HttpKind::Vllm,
        HttpKind::Infinity,
        HttpKind::Litellm,
        HttpKind::LlamaCpp,
        HttpKind::LocalAi,
        HttpKind::Xinference,
    ];

    /// Its `gen_ai.provider.name`: that of the semantic conventions, where they have one.
    pub fn as_known_to_open_telemetry(self) -> &'static str {
        match self {
            HttpKind::Cohere | HttpKind::CohereV1 => "cohere",
            HttpKind::AzureCohere => "azure.ai.inference",
            HttpKind::BedrockCohere => "aws.bedrock",
            other => other.as_str(),
        }
    }

    /// What it needs, whatever its address.
    pub fn facts(self) -> KindFacts {
        match self {
            HttpKind::Cohere => KindFacts {
                word: "cohere",
                base_url: Some("https://api.cohere.com"),
                key_variables: &["CO_API_KEY", "COHERE_API_KEY"],
                model: DefaultModel::Named("rerank-v3.5"),
                settings: &[Setting::MaxTokensPerDoc, Setting::Priority],
                ..SERVICE
            },
            HttpKind::CohereV1 => KindFacts {
                word: "cohere-v1",
                max_bytes_per_doc: None,
                key_variables: &["CO_API_KEY", "COHERE_API_KEY"],
                model: DefaultModel::Named("rerank-v3.5"),
                ..SERVER
            },
            HttpKind::Jina => KindFacts {
                word: "jina",
                max_bytes_per_doc: SERVER.max_bytes_per_doc,
                base_url: Some("https://api.jina.ai"),
                key_variables: &["JINA_API_KEY"],
                model: DefaultModel::Named("jina-reranker-v2-base-multilingual"),
                ..SERVICE
            },
            HttpKind::Voyage => KindFacts {
                word: "voyage",
                base_url: Some("https://api.voyageai.com"),
                key_variables: &["VOYAGE_API_KEY"],
                model: DefaultModel::Named("rerank-2.5"),
                ..SERVICE
            },
            HttpKind::Mixedbread => KindFacts {
                word: "mixedbread",
                base_url: Some("https://api.mixedbread.com"),
                key_variables: &["MXBAI_API_KEY"],
                model: DefaultModel::Named("mixedbread-ai/mxbai-rerank-large-v2"),
                ..SERVICE
            },
            HttpKind::Pinecone => KindFacts {
                word: "pinecone",
                base_url: Some("https://api.pinecone.io"),
                key_variables: &["PINECONE_API_KEY"],
                model: DefaultModel::Named("bge-reranker-v2-m3"),
                ..SERVICE
            },
            HttpKind::Together => KindFacts {
                word: "together",
                base_url: Some("https://api.together.ai"),
                key_variables: &["TOGETHER_API_KEY"],
                ..SERVICE
            },
            HttpKind::ZeroEntropy => KindFacts {
                word: "zeroentropy",
                base_url: Some("https://api.zeroentropy.dev"),
                key_variables: &["ZEROENTROPY_API_KEY"],
                model: DefaultModel::Named("zerank-2"),
                ..SERVICE
            },
            HttpKind::AzureCohere => KindFacts {
                word: "azure-cohere",
                key_variables: &["AZURE_AI_API_KEY"],
                settings: &[Setting::MaxTokensPerDoc],
                ..SERVICE
            },
            HttpKind::BedrockCohere => KindFacts {
                word: "bedrock-cohere",
                key_variables: &["AWS_BEARER_TOKEN_BEDROCK"],
                model: DefaultModel::Named("cohere.rerank-v3-5:0"),
                settings: &[Setting::Region],
                ..SERVICE
            },
            HttpKind::NvidiaNim => KindFacts {
                word: "nvidia-nim",
                base_url: Some("https://ai.api.nvidia.com"),
                key_variables: &["NVIDIA_API_KEY"],
                model: DefaultModel::Named("nvidia/llama-3.2-nv-rerankqa-1b-v2"),
                ..SERVICE
            },
            HttpKind::Tei => KindFacts { word: "tei", model: DefaultModel::Server, ..SERVER },
            HttpKind::Vllm => KindFacts {
                word: "vllm",
                key_variables: &["VLLM_API_KEY"],
                settings: &[Setting::MaxTokensPerDoc, Setting::Activation],
                ..SERVER
            },
            HttpKind::Infinity => KindFacts {
                word: "infinity",
                key_variables: &["INFINITY_API_KEY"],
                model: DefaultModel::Server,
                settings: &[Setting::Activation],
                ..SERVER
            },
            HttpKind::Litellm => KindFacts {
                word: "litellm",
                key_variables: &["LITELLM_PROXY_API_KEY"],
                settings: &[Setting::MaxTokensPerDoc, Setting::Activation, Setting::Scoring],
                ..SERVER
            },
            HttpKind::LlamaCpp => KindFacts {
                word: "llama-cpp",
                key_variables: &["LLAMA_API_KEY"],
                model: DefaultModel::Server,
                settings: &[Setting::Activation],
                ..SERVER
            },
            HttpKind::LocalAi => KindFacts {
                word: "localai",
                key_variables: &["LOCALAI_API_KEY"],
                settings: &[Setting::Activation, Setting::Scoring],
                ..SERVER
            },
            HttpKind::Xinference => KindFacts {
                word: "xinference",
                key_variables: &["XINFERENCE_API_KEY"],
                settings: &[Setting::Activation, Setting::Scoring],
                ..SERVER
            },
        }
    }

    /// What it needs at this address: NVIDIA and Azure offer the same models in two places each.
    pub fn facts_at(self, base_url: &str) -> KindFacts {
        let facts = self.facts();
        match self {
            // The operator's own container: a key for NVIDIA's cloud is not its business.
            HttpKind::NvidiaNim if !is_nvidia_cloud(base_url) => {
                KindFacts { key_variables: &[], keyless: true, model: DefaultModel::Needed, ..facts }
            }
            // A deployment of one model ignores the name; the documentation sends this one.
            HttpKind::AzureCohere if !is_foundry(base_url) => {
                KindFacts { model: DefaultModel::Named("model"), ..facts }
            }
            _ => facts,
        }
    }

    /// Its word in the configuration.
    pub fn as_str(self) -> &'static str {
        self.facts().word
    }

    /// Whether it has this setting.
    pub fn takes(self, setting: Setting) -> bool {
        self.facts().settings.contains(&setting)
    }
}

/// NVIDIA's own cloud, not a container of the operator's.
pub(super) fn is_nvidia_cloud(base_url: &str) -> bool {
    host(base_url) == "ai.api.nvidia.com"
}

/// A Foundry resource, which has many deployments, and not a serverless deployment of one model.
pub(super) fn is_foundry(base_url: &str) -> bool {
    [".services.ai.azure.com", ".cognitiveservices.azure.com"].iter().any(|end| host(base_url).ends_with(end))
}

fn host(base_url: &str) -> String {
    let uri = base_url.parse::<http::Uri>().ok();
    uri.as_ref().and_then(http::Uri::host).unwrap_or_default().to_ascii_lowercase()
}
