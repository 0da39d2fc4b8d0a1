//! What is remembered of an embedding call, and why the rest is not.

/// Which texts of a service's calls are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remember {
    /// Those of calls marked as queries, a single text, and those of an unmarked list of up to 16 (several questions at
    /// once). Longer lists are documents being indexed.
    #[default]
    Auto,
    /// Those of calls marked as queries only: for services through which documents are embedded one by one.
    Marked,
    /// None.
    Never,
}

impl Remember {
    /// Every one, the default first.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Marked, Self::Never];

    /// Its word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Marked => "marked",
            Self::Never => "never",
        }
    }
}

/// Why nothing of an embedding call is remembered. Where several reasons meet, the one of the first text counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The configuration says so: [`Remember::Never`].
    Off,
    /// No mark says that these are queries, and [`Remember::Marked`] wants one.
    Unmarked,
    /// Documents, by the call's mark or by the prefix that their model wants.
    Document,
    /// A list that is too long for questions.
    LongList,
    /// Token ids of another vocabulary than those known here.
    Tokens,
    /// No text in it: blank, or a picture.
    Empty,
    /// The request is not of this form.
    BadRequest,
    /// The response is not of this form, or an error.
    BadResponse,
}

impl Skip {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Off,
        Self::Unmarked,
        Self::Document,
        Self::LongList,
        Self::Tokens,
        Self::Empty,
        Self::BadRequest,
        Self::BadResponse,
    ];

    /// Its word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Unmarked => "unmarked",
            Self::Document => "document",
            Self::LongList => "long_list",
            Self::Tokens => "tokens",
            Self::Empty => "empty",
            Self::BadRequest => "bad_request",
            Self::BadResponse => "bad_response",
        }
    }
}

/// What a call says that its texts are, beginning with what says least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// Nothing, or something that is neither (`classification`, `SEMANTIC_SIMILARITY`).
    #[default]
    None,
    Query,
    Document,
}

impl Mark {
    /// Reads `search_query`, `query`, `retrieval.passage`, `RETRIEVAL_DOCUMENT`, `QUESTION_ANSWERING`, …
    ///
    /// Google's tasks for the text that is searched with need not name a query: <https://ai.google.dev/gemini-api/docs/embeddings>.
    pub(super) fn read(word: &str) -> Self {
        let has = |part: &str| {
            word.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
        };
        if has("query") || has("question") || has("fact_verification") {
            Self::Query
        } else if has("document") || has("passage") || has("corpus") {
            Self::Document
        } else {
            Self::None
        }
    }

    /// The same by the end of a model's name: Upstage has one model for each, and so NVIDIA's servers for clients that
    /// cannot say it otherwise.
    pub(super) fn of_model(model: &str) -> Self {
        if model.ends_with("-query") {
            Self::Query
        } else if model.ends_with("-passage") {
            Self::Document
        } else {
            Self::None
        }
    }

    /// The same by the number that a task has in Google's protocol, whose JSON takes both.
    pub(super) fn of_google(task: u64) -> Self {
        match task {
            1 | 6..=8 => Self::Query,
            2 => Self::Document,
            _ => Self::None,
        }
    }
}

/// How many texts of a call that says they are queries are read at most: more would drive out what is remembered.
pub(super) const MOST: usize = 256;

/// How many texts an unmarked list of questions has at most.
pub(super) const MOST_UNMARKED: usize = 16;

/// Whether texts of a call with this mark, which brings so many, are remembered.
pub(super) fn judge(how: Remember, mark: Mark, texts: usize) -> Result<(), Skip> {
    match (how, mark) {
        (Remember::Never, _) => Err(Skip::Off),
        (_, Mark::Document) => Err(Skip::Document),
        (_, Mark::Query) if texts <= MOST => Ok(()),
        (Remember::Marked, Mark::None) => Err(Skip::Unmarked),
        (Remember::Auto, Mark::None) if texts <= MOST_UNMARKED => Ok(()),
        _ => Err(Skip::LongList),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_in_every_services_words() {
        for query in [
            "query",
            "search_query",
            "RETRIEVAL_QUERY",
            "retrieval.query",
            "CODE_RETRIEVAL_QUERY",
            "QUESTION_ANSWERING",
            "FACT_VERIFICATION",
            "nl2code.query",
        ] {
            assert_eq!(Mark::read(query), Mark::Query, "{query}");
        }
        for document in ["document", "search_document", "passage", "RETRIEVAL_DOCUMENT", "retrieval.passage"]
        {
            assert_eq!(Mark::read(document), Mark::Document, "{document}");
        }
        for neither in ["", "classification", "clustering", "SEMANTIC_SIMILARITY", "text-matching", "image"] {
            assert_eq!(Mark::read(neither), Mark::None, "{neither}");
        }
    }

    #[test]
    fn a_models_name_may_be_a_mark() {
        assert_eq!(Mark::of_model("nvidia/nv-embedqa-e5-v5-query"), Mark::Query);
        assert_eq!(Mark::of_model("embedding-passage"), Mark::Document);
        assert_eq!(Mark::of_model("text-embedding-3-small"), Mark::None);
    }

    #[test]
    fn what_is_remembered_follows_mark_length_and_setting() {
        use Remember::{Auto, Marked, Never};
        for (how, mark, texts, judged) in [
            (Auto, Mark::None, 1, Ok(())),
            (Auto, Mark::None, 16, Ok(())),
            (Auto, Mark::None, 17, Err(Skip::LongList)),
            (Auto, Mark::Query, 17, Ok(())),
            (Auto, Mark::Query, 257, Err(Skip::LongList)),
            (Auto, Mark::Document, 1, Err(Skip::Document)),
            (Marked, Mark::None, 1, Err(Skip::Unmarked)),
            (Marked, Mark::Query, 1, Ok(())),
            (Marked, Mark::Document, 1, Err(Skip::Document)),
            (Never, Mark::Query, 1, Err(Skip::Off)),
        ] {
            assert_eq!(judge(how, mark, texts), judged, "{how:?} {mark:?} {texts}");
        }
    }
}
