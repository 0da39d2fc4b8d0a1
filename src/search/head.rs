use http::{HeaderMap, Method};

/// The head of a request as a dialect reads it.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The raw path, percent-encoding untouched.
    pub path: &'a str,
    /// The raw query string without its `?`, if there was one.
    pub query: Option<&'a str>,
    /// The client's headers.
    pub headers: &'a HeaderMap,
}

/// A search of which only the head has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread<'a> {
    /// The collections that it names.
    pub collections: &'a [String],
    /// The names are an expression: they may mean others.
    pub expression: bool,
}
