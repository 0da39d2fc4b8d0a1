//! The definitions that come with the program: each a file of data.

/// A definition that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The word that chooses it.
    pub name: &'static str,
    /// The database, for people.
    pub database: &'static str,
    /// What it was tried on.
    pub tried: &'static str,
    /// The definition, as a file of one's own would have it.
    pub text: &'static str,
}

macro_rules! presets {
    ($($name:literal, $database:literal, $tried:literal;)+) => {
        /// Every one of them.
        pub const PRESETS: &[Preset] = &[$(Preset {
            name: $name,
            database: $database,
            tried: $tried,
            text: include_str!(concat!($name, ".yaml")),
        }),+];
    };
}

presets! {
    "chroma", "Chroma (HTTP API v2)", "a real server, 1.5.9, through its Python client";
    "solr", "Apache Solr (JSON)", "a real server, 9.10.1, through pysolr and plain HTTP";
    "typesense", "Typesense", "a real server, 0.24.1, through its Python client";
    "weaviate", "Weaviate (gRPC and GraphQL)", "a real server, 1.35.2, through its Python client; GraphQL on recorded exchanges";
    "meilisearch", "Meilisearch", "its documentation";
    "pinecone", "Pinecone", "its documentation";
    "milvus", "Milvus (REST API v2)", "its documentation";
    "azure-ai-search", "Azure AI Search", "its documentation";
    "vespa", "Vespa", "its documentation";
    "postgrest", "PostgREST functions (Supabase)", "its documentation; an example to copy";
    "mongodb", "MongoDB (aggregate over HTTP)", "its documentation; an example to copy";
}
