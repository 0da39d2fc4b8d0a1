//! [`Definition`]: how a database speaks, as data. The configuration's reader makes it of a file.

use std::fmt;

use http::Method;

/// How a database speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The word for metrics and logs.
    pub name: &'static str,
    /// An error of the proxy's own in the database's shape: JSON, in which `{message}` inside a string and `{status}`
    /// stand for what is said.
    pub error: String,
    /// Its searches.
    pub operations: Vec<Operation>,
    /// Calls whose responses name collections that searches address by an id.
    pub names: Option<NamesAt>,
}

/// Responses with the names and ids of collections: an object, or an array of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamesAt {
    /// The paths of the calls. One that removes or changes a collection has its id as the last segment.
    pub paths: Vec<PathPattern>,
    /// The member with the id.
    pub id: String,
    /// The member with the name.
    pub name: String,
}

/// A call that searches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    /// What the definition calls it.
    pub name: String,
    /// Its methods.
    pub methods: Vec<Method>,
    /// Its paths.
    pub paths: Vec<PathPattern>,
    /// The array in the body with a search each; none where the request is one search.
    pub searches: Option<Vec<String>>,
    /// The array with a query each that share all else and are answered by a list each.
    pub queries: Option<Place>,
    /// The member of a search's JSON in which a request speaks to the proxy; `None` where that is a member of the
    /// database's own.
    pub options: Option<String>,
    /// Where the collection is named, if not in the path.
    pub collection: Vec<Place>,
    /// The collection is named by an id, whose name only other calls tell.
    pub collection_by_id: bool,
    /// Query text.
    pub text: Text,
    /// The query's vector.
    pub vector: Vec<Place>,
    /// How many hits are requested.
    pub limit: Number,
    /// How many are skipped.
    pub offset: Number,
    /// Which page it is, where pages are counted rather than hits.
    pub page: Number,
    /// The number of the first page.
    pub first_page: u64,
    /// An order other than by relevance.
    pub sort: Sort,
    /// Requests like these are left alone.
    pub leave_alone: Vec<Condition>,
    /// The page of requests like these is reranked as it is.
    pub page_only: Vec<Condition>,
    /// Whether the limit alone decides how many hits there are, so that more may be requested.
    pub limit_decides: bool,
    /// Which fields come back.
    pub fields: FieldRequest,
    /// The response.
    pub response: Response,
}

/// A path, segment by segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern(pub Vec<Segment>);

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Collection(before, after) => write!(f, "/{before}{{collection}}{after}")?,
                Segment::Any => f.write_str("/*")?,
            }
        }
        Ok(())
    }
}

/// A segment of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This one.
    Literal(String),
    /// The name of the collection, between these texts.
    Collection(String, String),
    /// Any one.
    Any,
}

/// Where something stands in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// In which part of it.
    pub part: Part,
    /// The keys on the way in JSON; the one name of a parameter.
    pub path: Vec<String>,
}

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The JSON of the search.
    Body,
    /// The JSON around the searches of a batch.
    Top,
    /// The query string.
    Query,
    /// The fields of a form.
    Form,
}

/// Query text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Where it stands.
    pub at: Vec<Place>,
    /// How it is written.
    pub syntax: Syntax,
    /// Texts that look for nothing, such as `*`.
    pub none: Vec<String>,
}

/// How query text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syntax {
    /// As the user has typed it.
    #[default]
    Plain,
    /// With Lucene's operators and fields.
    Lucene,
    /// Lucene's, unless local parameters or `defType` name another parser.
    Solr,
    /// A query in GraphQL, in which a search's text is an argument (Weaviate).
    GraphQl,
}

/// A number in a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Number {
    /// Where it stands.
    pub at: Vec<Place>,
    /// What it is where it is not written.
    pub default: Option<u64>,
    /// The largest that the database takes.
    pub most: Option<u64>,
    /// Whether one that is added to JSON is written as text.
    pub as_text: bool,
}

/// An order other than by relevance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    /// Where it stands.
    pub at: Vec<Place>,
    /// Orders that begin by relevance all the same.
    pub relevance: Vec<String>,
}

/// What is to be seen in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Where.
    pub at: Vec<Place>,
    /// What.
    pub test: Test,
}

/// What a value is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It is there, and neither `null`, `false`, `[]` nor `{}`. An empty text is there: a cursor begins so.
    Present,
    /// It is one of these.
    Is(Vec<String>),
    /// It is there, and none of these.
    Not(Vec<String>),
    /// It begins with one of these.
    Begins(Vec<String>),
    /// It has one of these in it.
    Contains(Vec<String>),
    /// It is an array of more than one.
    Several,
}

/// How a request says which fields come back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldRequest {
    /// Where.
    pub at: Vec<Place>,
    /// In which form.
    pub form: FieldForm,
    /// Entries of the list that bring every field.
    pub all: Vec<String>,
    /// What comes where the request does not say.
    pub absent: Absent,
    /// An empty list brings no field. Otherwise it is not known what it brings.
    pub empty_is_none: bool,
    /// Where it says which do not.
    pub excluded: Vec<Place>,
}

/// The form of a list of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldForm {
    /// A JSON array of names.
    #[default]
    List,
    /// Names with commas between them.
    Commas,
    /// `true` or `false` for all of them.
    Switch,
}

/// What comes where a request names no fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Absent {
    /// Every field.
    #[default]
    All,
    /// None.
    None,
    /// These.
    Names(Vec<String>),
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The array with the results of a batch, one each.
    pub results: Option<Vec<String>>,
    /// In a result, the status of a search that failed.
    pub status: Option<Vec<String>>,
    /// How the hits stand there.
    pub hits: Hits,
    /// A response without hits has no list of them.
    pub may_lack_hits: bool,
    /// A response, or a result, with one of these is left alone.
    pub leave_alone: Vec<Vec<String>>,
    /// Where the response says again what was requested.
    pub echoes: Vec<Echo>,
}

/// How hits stand in a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hits {
    /// An object each.
    Rows(Rows),
    /// In parallel arrays.
    Columns(Columns),
}

impl Default for Hits {
    fn default() -> Self {
        Self::Rows(Rows::default())
    }
}

/// Hits that are objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The array; empty where the response is the array.
    pub at: Vec<String>,
    /// From a hit: its id.
    pub id: Vec<String>,
    /// From a hit: its score.
    pub score: Option<Vec<String>>,
    /// The score is a distance, lower for nearer hits.
    pub distance: bool,
    /// From a hit: the object with its fields; empty where that is the hit itself.
    pub fields: Vec<String>,
    /// From a hit: what says, unless it is `null` or `false`, that somebody has pinned it to its place.
    pub pinned: Option<Vec<String>>,
}

/// Hits in parallel arrays, a list of lists where a request has several queries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The arrays that have an entry per hit. One that is missing or `null` stays as it is.
    pub all: Vec<String>,
    /// That of the ids.
    pub id: String,
    /// That of the scores.
    pub score: Option<String>,
    /// Whether they are distances.
    pub distance: bool,
    /// Those with a text per hit, which is a field of that name.
    pub texts: Vec<(String, String)>,
    /// That of the objects with fields.
    pub fields: Option<String>,
    /// Where the response says which of them were requested.
    pub echo: Option<String>,
}

/// A place where a response repeats the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Where.
    pub at: Vec<String>,
    /// What.
    pub of: Echoed,
    /// It is there only where the request has said it.
    pub if_given: bool,
}

/// What is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Echoed {
    Limit,
    Offset,
    Page,
    Fields,
}
