//! Weaviate's messages, as its protocol files have them, as far as they matter here.

use std::collections::HashMap;

use bytes::Bytes;
use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub struct SearchRequest {
    #[prost(string, tag = "1")]
    pub collection: String,
    #[prost(message, optional, tag = "20")]
    pub properties: Option<PropertiesRequest>,
    #[prost(uint32, tag = "30")]
    pub limit: u32,
    #[prost(uint32, tag = "31")]
    pub offset: u32,
    #[prost(uint32, tag = "32")]
    pub autocut: u32,
    #[prost(message, optional, tag = "41")]
    pub hybrid: Option<Hybrid>,
    #[prost(message, optional, tag = "42")]
    pub bm25: Option<Bm25>,
    #[prost(message, optional, tag = "43")]
    pub near_vector: Option<NearVector>,
    #[prost(message, optional, tag = "45")]
    pub near_text: Option<NearText>,
    #[prost(bool, tag = "100")]
    pub uses_123_api: bool,
}

impl SearchRequest {
    pub fn message(&self) -> Bytes {
        Bytes::from(self.encode_to_vec())
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct PropertiesRequest {
    #[prost(string, repeated, tag = "1")]
    pub names: Vec<String>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub objects: Vec<Vec<u8>>,
    #[prost(bool, tag = "11")]
    pub all: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Bm25 {
    #[prost(string, tag = "1")]
    pub query: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Hybrid {
    #[prost(string, tag = "1")]
    pub query: String,
    #[prost(bytes = "vec", tag = "6")]
    pub vector_bytes: Vec<u8>,
    #[prost(message, optional, tag = "8")]
    pub near_text: Option<NearText>,
    #[prost(message, optional, tag = "9")]
    pub near_vector: Option<NearVector>,
    #[prost(message, repeated, tag = "21")]
    pub vectors: Vec<Vectors>,
}

#[derive(Clone, PartialEq, Message)]
pub struct NearText {
    #[prost(string, repeated, tag = "1")]
    pub query: Vec<String>,
    #[prost(message, optional, tag = "7")]
    pub targets: Option<Targets>,
}

impl NearText {
    pub fn of(texts: &[&str]) -> Self {
        Self { query: texts.iter().map(|text| (*text).to_owned()).collect(), targets: None }
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct NearVector {
    #[prost(float, repeated, tag = "1")]
    pub vector: Vec<f32>,
    #[prost(bytes = "vec", tag = "4")]
    pub vector_bytes: Vec<u8>,
    #[prost(message, optional, tag = "6")]
    pub targets: Option<Targets>,
    #[prost(map = "string, bytes", tag = "7")]
    pub per_target: HashMap<String, Vec<u8>>,
    #[prost(message, repeated, tag = "8")]
    pub for_targets: Vec<ForTarget>,
    #[prost(message, repeated, tag = "9")]
    pub vectors: Vec<Vectors>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Targets {
    #[prost(string, repeated, tag = "1")]
    pub names: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ForTarget {
    #[prost(bytes = "vec", tag = "2")]
    pub bytes: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    pub vectors: Vec<Vectors>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Vectors {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(bytes = "vec", tag = "3")]
    pub bytes: Vec<u8>,
    #[prost(int32, tag = "4")]
    pub kind: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct SearchReply {
    #[prost(float, tag = "1")]
    pub took: f32,
    #[prost(message, repeated, tag = "2")]
    pub results: Vec<SearchResult>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SearchResult {
    #[prost(message, optional, tag = "1")]
    pub properties: Option<PropertiesResult>,
    #[prost(message, optional, tag = "2")]
    pub metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
pub struct PropertiesResult {
    #[prost(string, tag = "3")]
    pub target_collection: String,
    #[prost(message, optional, tag = "11")]
    pub non_ref_props: Option<Properties>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Metadata {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(float, tag = "7")]
    pub distance: f32,
    #[prost(bool, tag = "8")]
    pub distance_present: bool,
    #[prost(float, tag = "11")]
    pub score: f32,
    #[prost(bool, tag = "12")]
    pub score_present: bool,
    #[prost(bytes = "vec", tag = "20")]
    pub id_as_bytes: Vec<u8>,
    #[prost(double, tag = "21")]
    pub rerank_score: f64,
    #[prost(bool, tag = "22")]
    pub rerank_score_present: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Properties {
    #[prost(map = "string, message", tag = "1")]
    pub fields: HashMap<String, Value>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Value {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 8, 10, 12, 13")]
    pub kind: Option<Kind>,
}

impl Value {
    pub fn text(text: &str) -> Self {
        Self { kind: Some(Kind::Text(text.to_owned())) }
    }
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Kind {
    #[prost(double, tag = "1")]
    Number(f64),
    #[prost(string, tag = "2")]
    String(String),
    #[prost(bool, tag = "3")]
    Bool(bool),
    #[prost(message, tag = "4")]
    Object(Properties),
    #[prost(message, tag = "5")]
    List(ListValue),
    #[prost(string, tag = "6")]
    Date(String),
    #[prost(int64, tag = "8")]
    Int(i64),
    #[prost(string, tag = "10")]
    Blob(String),
    #[prost(int32, tag = "12")]
    Null(i32),
    #[prost(string, tag = "13")]
    Text(String),
}

#[derive(Clone, PartialEq, Message)]
pub struct ListValue {
    #[prost(oneof = "ListKind", tags = "2, 4, 8")]
    pub kind: Option<ListKind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum ListKind {
    #[prost(message, tag = "2")]
    Numbers(Packed),
    #[prost(message, tag = "4")]
    Objects(Objects),
    #[prost(message, tag = "8")]
    Texts(Texts),
}

/// Numbers one after the other, eight bytes each.
#[derive(Clone, PartialEq, Message)]
pub struct Packed {
    #[prost(bytes = "vec", tag = "1")]
    pub values: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Objects {
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Properties>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Texts {
    #[prost(string, repeated, tag = "1")]
    pub values: Vec<String>,
}
