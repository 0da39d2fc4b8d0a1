use super::{setting::Scalar, values};

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
    /// Which `Host` the upstream sees.
    HostMode {
        /// The upstream's own.
        Upstream = "upstream",
        /// The client's.
        Preserve = "preserve",
    }
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
        /// Forward only.
        None = "none",
    }
}

words! {
    /// Whether to rerank.
    Mode {
        /// Rerank.
        On = "on",
        /// Response as the database does, and rerank behind for the metrics.
        Shadow = "shadow",
        /// Forward only.
        Off = "off",
    }
}

words! {
    /// What becomes of the hits' scores and what makes the order.
    ScoreMode {
        /// Order by relevance, leave the hits' own scores.
        Keep = "keep",
        /// Order by relevance and write the relevance score.
        Replace = "replace",
        /// Order by reciprocal-rank fusion of both orders.
        Rrf = "rrf",
    }
}

words! {
    /// What to answer with when a widened search could not be reranked.
    FailOpen {
        /// The widened response, cut back.
        Cut = "cut",
        /// Ask again exactly as the client did.
        Replay = "replay",
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

words! {
    /// Where a query text may come from.
    QuerySource {
        /// `x-rerank-query`.
        Header = "header",
        /// The body's `rerank` or `ext.rerank`.
        Body = "body",
        /// The query's own text.
        Native = "native",
        /// The W3C baggage entry `rerank-query`.
        Baggage = "baggage",
    }
}

words! {
    /// What is kept of a search for the inspector.
    CaptureLevel {
        /// Nothing.
        Off = "off",
        /// Ids, places and scores.
        Scores = "scores",
        /// Also query and document text.
        Text = "text",
    }
}
