//! Which requests are embedding calls, by their heads.

use http::Method;

use super::{
    Asked, Prefixes, Remember, Skip, google, open,
    tokens::{self, Vocabulary},
};

/// Whose form a service's embedding calls have. Every one also knows OpenAI's path, which all of these services have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenAI's and Azure's, and those of Voyage, Mistral, Jina, NVIDIA and most servers that users run themselves.
    OpenAi,
    /// Cohere's, version 1 and 2.
    Cohere,
    /// Gemini's, also as Vertex AI has it.
    Google,
    /// Ollama's.
    Ollama,
    /// That of Hugging Face's Text Embeddings Inference, and of its inference endpoints.
    Tei,
}

/// An embedding call: how its bodies are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call(Body);

/// The forms that a request's body can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// One object with the texts in one member, and the vocabulary of token ids where the model's name says none.
    Open(Option<Vocabulary>),
    /// Google's `content`, `requests` or `instances`.
    Google,
}

impl Form {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::OpenAi, Self::Cohere, Self::Google, Self::Ollama, Self::Tei];

    /// Its word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Cohere => "cohere",
            Self::Google => "google",
            Self::Ollama => "ollama",
            Self::Tei => "tei",
        }
    }

    /// The embedding call that a request is by its head. `path` is what stands below the service's base path, without
    /// a query; base paths differ in whether a version belongs to them (`/v1`), so both are taken.
    pub fn call(self, method: &Method, path: &str) -> Option<Call> {
        if method != Method::POST {
            return None;
        }
        let path = path.trim_end_matches('/');
        let last = path.rsplit('/').next().unwrap_or_default();
        let open = Some(Call(Body::Open(None)));
        match (self, last) {
            // On Azure the model's name is that of a deployment, and says nothing; all of OpenAI's models for
            // embeddings have this vocabulary.
            (Self::OpenAi, "embeddings") if path.split('/').any(|segment| segment == "openai") => {
                Some(Call(Body::Open(Some(Vocabulary::Cl100k))))
            }
            (_, "embeddings") => open,
            // Voyage.
            (Self::OpenAi, "multimodalembeddings") => open,
            (Self::Cohere | Self::Ollama | Self::Tei, "embed") => open,
            // The root, where a client is given nothing but the server's URL.
            (Self::Tei, "") => open,
            (Self::Tei, _) if path.contains("/feature-extraction") => open,
            (Self::Google, _) if is_google(last) => Some(Call(Body::Google)),
            _ => None,
        }
    }
}

impl Call {
    /// Whether reading a request takes too long for a thread that serves others: tens of milliseconds, once, where token
    /// ids come for the first time.
    pub fn is_slow(self, request: &[u8]) -> bool {
        matches!(self.0, Body::Open(_)) && tokens::would_unpack(request)
    }

    /// The texts of a request that are worth remembering. `request` is the whole body without content codings.
    pub fn read(self, request: &[u8], how: Remember, prefixes: &Prefixes) -> Result<Asked, Skip> {
        match self.0 {
            _ if how == Remember::Never => Err(Skip::Off),
            Body::Open(vocabulary) => open::read(request, how, prefixes, vocabulary),
            Body::Google => google::read(request, how, prefixes),
        }
    }
}

/// Whether the last segment of a path is a model and what Google is to do with it, as in
/// `gemini-embedding-001:embedContent`. `predict` is for models of any sort, so their names decide.
fn is_google(segment: &str) -> bool {
    let split = segment
        .rsplit_once(':')
        .or_else(|| segment.rsplit_once("%3A"))
        .or_else(|| segment.rsplit_once("%3a"));
    match split {
        Some((_, "embedContent" | "batchEmbedContents")) => true,
        Some((model, "predict")) => model.contains("embedding") && !model.contains("multimodal"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_call(form: Form, path: &str) -> bool {
        form.call(&Method::POST, path).is_some()
    }

    #[test]
    fn every_forms_paths_are_embedding_calls() {
        for (form, path) in [
            (Form::OpenAi, "/embeddings"),
            (Form::OpenAi, "/v1/embeddings"),
            (Form::OpenAi, "/v1/embeddings/"),
            (Form::OpenAi, "/openai/deployments/my-deploy/embeddings"),
            (Form::OpenAi, "/openai/v1/embeddings"),
            (Form::OpenAi, "/v1/multimodalembeddings"),
            (Form::Cohere, "/v1/embed"),
            (Form::Cohere, "/v2/embed"),
            (Form::Cohere, "/embed"),
            (Form::Cohere, "/compatibility/v1/embeddings"),
            (Form::Google, "/v1/models/gemini-embedding-001:batchEmbedContents"),
            (Form::Google, "/v1beta/models/gemini-embedding-001:embedContent"),
            (Form::Google, "/v1beta/models/gemini-embedding-001%3AembedContent"),
            (Form::Google, "/v1beta1/publishers/google/models/gemini-embedding-001:embedContent"),
            (Form::Google, "/v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict"),
            (Form::Google, "/v1beta/openai/embeddings"),
            (Form::Ollama, "/api/embed"),
            (Form::Ollama, "/api/embeddings"),
            (Form::Ollama, "/v1/embeddings"),
            (Form::Tei, ""),
            (Form::Tei, "/"),
            (Form::Tei, "/embed"),
            (Form::Tei, "/v1/embeddings"),
            (Form::Tei, "/pipeline/feature-extraction/BAAI/bge-small-en"),
            (Form::Tei, "/models/BAAI/bge-small-en/pipeline/feature-extraction"),
        ] {
            assert!(is_call(form, path), "{form:?} {path}");
        }
    }

    #[test]
    fn nothing_else_is_an_embedding_call() {
        for (form, path) in [
            (Form::OpenAi, "/v1/chat/completions"),
            (Form::OpenAi, "/v1/embed"),
            (Form::OpenAi, "/"),
            (Form::Cohere, "/v2/chat"),
            (Form::Cohere, "/v1/embed-jobs"),
            (Form::Google, "/v1beta/models/gemini-2.5-pro:generateContent"),
            (Form::Google, "/v1beta/models/gemini-embedding-001:countTokens"),
            (Form::Google, "/v1/publishers/google/models/imagen-4:predict"),
            (Form::Google, "/v1/publishers/google/models/multimodalembedding@001:predict"),
            (Form::Ollama, "/api/chat"),
            (Form::Tei, "/rerank"),
            (Form::Tei, "/embed_all"),
        ] {
            assert!(!is_call(form, path), "{form:?} {path}");
        }
        assert_eq!(Form::OpenAi.call(&Method::GET, "/v1/embeddings"), None);
    }
}
