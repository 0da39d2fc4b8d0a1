use super::{setting::Scalar, values};
use crate::{
    embedding::form::{Form, Remember},
    pipeline::{Capture, FailOpen, Mode, QuerySource},
    search::NothingRelevant,
    signing::{Service, SignedClients},
    traces::{Parents, Propagate, Protocol},
    upstream::HostHeader,
};

/// A closed list of words, as written in the file.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every word of the list.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The words themselves.
            pub(super) const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word in the file.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl Scalar for $name {
            fn from_text(text: &str) -> Result<Self, String> {
                values::word(text, Self::ALL, Self::as_str)
            }

            fn to_text(&self) -> String {
                self.as_str().to_owned()
            }
        }
    };
}

words! {
    /// How the database behind a listener speaks.
    DialectChoice {
        /// By the path of each request.
        Auto = "auto",
        /// Qdrant only.
        Qdrant = "qdrant",
        /// Elasticsearch and OpenSearch only.
        Elasticsearch = "elasticsearch",
        /// Chroma.
        Chroma = "chroma",
        /// Apache Solr.
        Solr = "solr",
        /// Typesense.
        Typesense = "typesense",
        /// Weaviate, GraphQL and gRPC.
        Weaviate = "weaviate",
        /// Meilisearch.
        Meilisearch = "meilisearch",
        /// Pinecone.
        Pinecone = "pinecone",
        /// Milvus over REST.
        Milvus = "milvus",
        /// Azure AI Search.
        AzureAiSearch = "azure-ai-search",
        /// Vespa.
        Vespa = "vespa",
        /// Functions of PostgREST.
        Postgrest = "postgrest",
        /// MongoDB over HTTP.
        Mongodb = "mongodb",
        /// As a file says.
        Paths = "paths",
        /// Forward only.
        None = "none",
    }
}

words! {
    /// Whether searches whose inner limits would move are widened.
    WidenMode {
        /// Yes, with the client's own request sent on failure.
        Replay = "replay",
        /// Rerank pages as they are.
        Never = "never",
    }
}

words! {
    /// What a search gets whose hits have scores only in part.
    PartialScores {
        /// The database's order.
        Kept = "kept",
        /// The scored hits first, then the others in the database's order.
        Partial = "partial",
    }
}

/// The words in the file for a type of the module that uses it; values that no file can ask for have none.
macro_rules! words_of {
    ($words:ident: $type:ty { $($variant:ident = $word:literal),+ $(,)? }) => {
        /// The words in the file.
        pub(super) const $words: &[&str] = &[$($word),+];

        impl Scalar for $type {
            fn from_text(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(<$type>::$variant),)+
                    _ => Err(format!("`{text}` is not one of {}.", $words.join(", "))),
                }
            }

            fn to_text(&self) -> String {
                let all = [$((<$type>::$variant, $word)),+];
                all.iter().find(|(value, _)| value == self).map_or_else(String::new, |(_, word)| (*word).to_owned())
            }
        }
    };
}

words_of! { PROTOCOLS: Protocol { Http = "http/protobuf", Grpc = "grpc" } }
words_of! { PARENTS: Parents { Follow = "follow", Only = "only", Ignore = "ignore" } }
words_of! { PROPAGATE: Propagate { Off = "off", Upstream = "upstream", All = "all" } }
words_of! { SERVICES: Service { Es = "es", Aoss = "aoss" } }
words_of! { SIGNED_CLIENTS: SignedClients { Signed = "signed", Any = "any" } }
words_of! { HOSTS: HostHeader { Upstream = "upstream", Preserve = "preserve" } }
words_of! { MODES: Mode { On = "on", Shadow = "shadow", Off = "off" } }
words_of! { NOTHING_RELEVANT: NothingRelevant { Keep = "keep", Header = "header", Empty = "empty" } }
words_of! { FAIL_OPEN: FailOpen { Cut = "cut", Replay = "replay" } }
words_of! {
    QUERY_SOURCES: QuerySource {
        Header = "header",
        Body = "body",
        Native = "native",
        Baggage = "baggage",
        Embedding = "embedding",
    }
}
words_of! { REMEMBERED: Remember { Auto = "auto", Marked = "marked", Never = "never" } }
words_of! {
    FORMS: Form {
        OpenAi = "openai",
        Cohere = "cohere",
        Google = "google",
        Ollama = "ollama",
        Tei = "tei",
    }
}
words_of! { CAPTURES: Capture { Off = "off", Scores = "scores", Text = "text" } }
