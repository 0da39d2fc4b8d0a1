//! Qdrant's messages, as its protocol files have them. Those whose content does not matter are bytes, which are written
//! alike.

use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub struct QueryPoints {
    #[prost(string, tag = "1")]
    pub collection_name: String,
    #[prost(message, repeated, tag = "2")]
    pub prefetch: Vec<PrefetchQuery>,
    #[prost(message, optional, tag = "3")]
    pub query: Option<Query>,
    #[prost(string, optional, tag = "4")]
    pub using: Option<String>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub filter: Option<Vec<u8>>,
    #[prost(float, optional, tag = "7")]
    pub score_threshold: Option<f32>,
    #[prost(uint64, optional, tag = "8")]
    pub limit: Option<u64>,
    #[prost(uint64, optional, tag = "9")]
    pub offset: Option<u64>,
    #[prost(message, optional, tag = "10")]
    pub with_vectors: Option<Selector>,
    #[prost(message, optional, tag = "11")]
    pub with_payload: Option<Selector>,
    #[prost(uint64, optional, tag = "15")]
    pub timeout: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct QueryBatchPoints {
    #[prost(string, tag = "1")]
    pub collection_name: String,
    #[prost(message, repeated, tag = "2")]
    pub query_points: Vec<QueryPoints>,
    #[prost(uint64, optional, tag = "4")]
    pub timeout: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct QueryPointGroups {
    #[prost(string, tag = "1")]
    pub collection_name: String,
    #[prost(message, repeated, tag = "2")]
    pub prefetch: Vec<PrefetchQuery>,
    #[prost(message, optional, tag = "3")]
    pub query: Option<Query>,
    #[prost(message, optional, tag = "8")]
    pub with_payload: Option<Selector>,
    #[prost(uint64, optional, tag = "11")]
    pub limit: Option<u64>,
    #[prost(uint64, optional, tag = "12")]
    pub group_size: Option<u64>,
    #[prost(string, tag = "13")]
    pub group_by: String,
    #[prost(uint64, optional, tag = "16")]
    pub timeout: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SearchPoints {
    #[prost(string, tag = "1")]
    pub collection_name: String,
    #[prost(float, repeated, tag = "2")]
    pub vector: Vec<f32>,
    #[prost(uint64, tag = "4")]
    pub limit: u64,
    #[prost(message, optional, tag = "6")]
    pub with_payload: Option<Selector>,
    #[prost(uint64, optional, tag = "9")]
    pub offset: Option<u64>,
    #[prost(uint64, optional, tag = "13")]
    pub timeout: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "15")]
    pub sparse_indices: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SearchPointGroups {
    #[prost(float, repeated, tag = "2")]
    pub vector: Vec<f32>,
    #[prost(uint32, tag = "4")]
    pub limit: u32,
    #[prost(message, optional, tag = "5")]
    pub with_payload: Option<Selector>,
    #[prost(uint32, tag = "11")]
    pub group_size: u32,
    #[prost(uint64, optional, tag = "14")]
    pub timeout: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "16")]
    pub sparse_indices: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub struct RecommendPoints {
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub positive: Vec<Vec<u8>>,
    #[prost(uint64, tag = "5")]
    pub limit: u64,
    #[prost(message, optional, tag = "7")]
    pub with_payload: Option<Selector>,
    #[prost(uint64, optional, tag = "10")]
    pub offset: Option<u64>,
    #[prost(message, optional, tag = "12")]
    pub with_vectors: Option<Selector>,
    #[prost(int32, optional, tag = "16")]
    pub strategy: Option<i32>,
    #[prost(message, repeated, tag = "17")]
    pub positive_vectors: Vec<Vector>,
    #[prost(message, repeated, tag = "18")]
    pub negative_vectors: Vec<Vector>,
    #[prost(uint64, optional, tag = "19")]
    pub timeout: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct RecommendPointGroups {
    #[prost(uint32, tag = "5")]
    pub limit: u32,
    #[prost(message, optional, tag = "6")]
    pub with_payload: Option<Selector>,
    #[prost(message, optional, tag = "10")]
    pub with_vectors: Option<Selector>,
    #[prost(uint32, tag = "13")]
    pub group_size: u32,
    #[prost(int32, optional, tag = "17")]
    pub strategy: Option<i32>,
    #[prost(message, repeated, tag = "18")]
    pub positive_vectors: Vec<Vector>,
    #[prost(uint64, optional, tag = "20")]
    pub timeout: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct DiscoverPoints {
    #[prost(message, optional, tag = "2")]
    pub target: Option<TargetVector>,
    #[prost(uint64, tag = "5")]
    pub limit: u64,
    #[prost(message, optional, tag = "6")]
    pub with_payload: Option<Selector>,
    #[prost(uint64, optional, tag = "8")]
    pub offset: Option<u64>,
    #[prost(uint64, optional, tag = "13")]
    pub timeout: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TargetVector {
    #[prost(message, optional, tag = "1")]
    pub single: Option<VectorExample>,
}

#[derive(Clone, PartialEq, Message)]
pub struct VectorExample {
    #[prost(message, optional, tag = "2")]
    pub vector: Option<Vector>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Vector {
    #[prost(float, repeated, tag = "1")]
    pub data: Vec<f32>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub indices: Option<Vec<u8>>,
    #[prost(message, optional, tag = "101")]
    pub dense: Option<DenseVector>,
}

#[derive(Clone, PartialEq, Message)]
pub struct PrefetchQuery {
    #[prost(message, repeated, tag = "1")]
    pub prefetch: Vec<PrefetchQuery>,
    #[prost(message, optional, tag = "2")]
    pub query: Option<Query>,
    #[prost(uint64, optional, tag = "7")]
    pub limit: Option<u64>,
}

/// Of payloads and of vectors: these have no `exclude`.
#[derive(Clone, PartialEq, Message)]
pub struct Selector {
    #[prost(oneof = "Selected", tags = "1, 2, 3")]
    pub selected: Option<Selected>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Selected {
    #[prost(bool, tag = "1")]
    Enable(bool),
    #[prost(message, tag = "2")]
    Include(Names),
    #[prost(message, tag = "3")]
    Exclude(Names),
}

#[derive(Clone, PartialEq, Message)]
pub struct Names {
    #[prost(string, repeated, tag = "1")]
    pub names: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Query {
    #[prost(oneof = "Variant", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12")]
    pub variant: Option<Variant>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Variant {
    #[prost(message, tag = "1")]
    Nearest(VectorInput),
    #[prost(message, tag = "2")]
    Recommend(Recommend),
    #[prost(message, tag = "3")]
    Discover(Target),
    #[prost(bytes, tag = "4")]
    Context(Vec<u8>),
    #[prost(bytes, tag = "5")]
    OrderBy(Vec<u8>),
    #[prost(int32, tag = "6")]
    Fusion(i32),
    #[prost(int32, tag = "7")]
    Sample(i32),
    #[prost(message, tag = "8")]
    Formula(Formula),
    #[prost(message, tag = "9")]
    NearestWithMmr(Target),
    #[prost(bytes, tag = "10")]
    Rrf(Vec<u8>),
    #[prost(message, tag = "11")]
    RelevanceFeedback(Target),
    #[prost(message, tag = "12")]
    Text(Text),
}

/// What begins with a target, the rest apart.
#[derive(Clone, PartialEq, Message)]
pub struct Target {
    #[prost(message, optional, tag = "1")]
    pub target: Option<VectorInput>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub other: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Recommend {
    #[prost(message, repeated, tag = "1")]
    pub positive: Vec<VectorInput>,
    #[prost(int32, optional, tag = "3")]
    pub strategy: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Text {
    #[prost(string, tag = "1")]
    pub query: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct VectorInput {
    #[prost(oneof = "Input", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub variant: Option<Input>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Input {
    #[prost(bytes, tag = "1")]
    Id(Vec<u8>),
    #[prost(message, tag = "2")]
    Dense(DenseVector),
    #[prost(bytes, tag = "3")]
    Sparse(Vec<u8>),
    #[prost(bytes, tag = "4")]
    Multi(Vec<u8>),
    #[prost(message, tag = "5")]
    Document(Document),
    #[prost(bytes, tag = "6")]
    Image(Vec<u8>),
    #[prost(bytes, tag = "7")]
    Object(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
pub struct DenseVector {
    #[prost(float, repeated, tag = "1")]
    pub data: Vec<f32>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Document {
    #[prost(string, tag = "1")]
    pub text: String,
    #[prost(string, tag = "3")]
    pub model: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Formula {
    #[prost(message, optional, tag = "1")]
    pub expression: Option<Expression>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Expression {
    #[prost(oneof = "Term", tags = "1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 20, 21, 22")]
    pub variant: Option<Term>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Term {
    #[prost(float, tag = "1")]
    Constant(f32),
    #[prost(string, tag = "2")]
    Variable(String),
    #[prost(bytes, tag = "3")]
    Condition(Vec<u8>),
    #[prost(bytes, tag = "4")]
    GeoDistance(Vec<u8>),
    #[prost(string, tag = "6")]
    DatetimeKey(String),
    #[prost(message, tag = "7")]
    Mult(Operands),
    #[prost(message, tag = "8")]
    Sum(Operands),
    #[prost(message, boxed, tag = "9")]
    Div(Box<Pair>),
    #[prost(message, boxed, tag = "10")]
    Neg(Box<Expression>),
    #[prost(message, boxed, tag = "11")]
    Abs(Box<Expression>),
    #[prost(message, boxed, tag = "12")]
    Sqrt(Box<Expression>),
    #[prost(message, boxed, tag = "13")]
    Pow(Box<Pair>),
    #[prost(message, boxed, tag = "14")]
    Exp(Box<Expression>),
    #[prost(message, boxed, tag = "15")]
    Log10(Box<Expression>),
    #[prost(message, boxed, tag = "16")]
    Ln(Box<Expression>),
    #[prost(message, boxed, tag = "17")]
    Decay(Box<Pair>),
    #[prost(message, boxed, tag = "20")]
    Acosh(Box<Expression>),
    #[prost(message, tag = "21")]
    Max(Operands),
    #[prost(message, tag = "22")]
    Min(Operands),
}

#[derive(Clone, PartialEq, Message)]
pub struct Operands {
    #[prost(message, repeated, tag = "1")]
    pub of: Vec<Expression>,
}

/// Left and right, base and exponent, what decays and its target.
#[derive(Clone, PartialEq, Message)]
pub struct Pair {
    #[prost(message, optional, boxed, tag = "1")]
    pub first: Option<Box<Expression>>,
    #[prost(message, optional, boxed, tag = "2")]
    pub second: Option<Box<Expression>>,
}
