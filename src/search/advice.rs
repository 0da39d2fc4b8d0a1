//! What the reasons mean, for people, and what can be done about each. The log, `explain` and the inspector's page have the words from here.

use super::KeepReason;

impl KeepReason {
    /// One plain sentence, without its capital and full stop.
    pub fn meaning(self) -> &'static str {
        use KeepReason::*;
        match self {
            Off => "reranking is switched off for this search or collection",
            NoQuery => {
                "the request carries no query text: send x-rerank-query, or rerank.query in the body, or have the \
                 application embed through embeddings.listen"
            }
            AmbiguousQuery => {
                "the query holds several different texts, or vectors of several, and none of them is the query"
            }
            StaleQuery => "the query text came with a vector that is not the one of this request",
            NoText => "the hits have no known text field: name one in rerank.fields",
            NoProvider => "no provider can be used: none has a key",
            NotRanked => {
                "there is nothing to rank: the hits are sorted, sampled, scrolled, ranked by chance or popularity, or fewer \
                 than two"
            }
            PastWindow => "the page begins behind the window that is reranked",
            Unsupported => "this kind of search is not understood, so it is not reranked",
            Malformed => "the request or the response could not be read",
            UpstreamError => "the database answered with an error, or not at all",
            Shadow => "the mode is shadow: the response is the database's own",
            NotSampled => "this query is not of the sample that is reranked",
            Skipped => "this query is of a kind that is not reranked",
            Margin => "the database's best hit leads so clearly that no call was made",
            Deadline => "the scores did not come before the deadline",
            RateLimited => "the provider's rate limit allows no further call now",
            Budget => "the budget for the provider is spent",
            CircuitOpen => "the provider's circuit is open: it failed too often a moment ago",
            Overloaded => "as much is in flight or held in memory as may be",
            InvalidRequest => "the provider rejected the request",
            TooLarge => "the request or the response is larger than the limits",
            Auth => "the provider rejected the API key",
            Billing => "the provider wants to be paid first",
            NotFound => "the provider knows no such model or address",
            QuotaExhausted => "the provider's allowance is used up",
            ProviderUnavailable => "the provider could not be reached, or failed",
            Timeout => "the provider did not answer in time",
            BadResponse => "the provider's response could not be used",
        }
    }

    /// Where the documentation says more: a page of this program's repository, and the place in it.
    pub fn help(self) -> String {
        format!("docs/reasons.md#{}", self.as_str())
    }

    /// Whether it says that something is amiss that an operator can mend, rather than that the search was kept on
    /// purpose: the level of the log's line.
    pub fn is_trouble(self) -> bool {
        use KeepReason::*;
        !matches!(
            self,
            Off | NoQuery
                | AmbiguousQuery
                | StaleQuery
                | NotRanked
                | PastWindow
                | Unsupported
                | Malformed
                | UpstreamError
                | Shadow
                | NotSampled
                | Skipped
                | Margin
        )
    }

    /// What the client's author, or the operator, can do about it: whole sentences.
    pub fn remedy(self) -> &'static str {
        use KeepReason::*;
        match self {
            Off => {
                "See rerank.mode, rerank.collections and the routes; a client switches it off with `x-rerank: off` \
                 or `\"enabled\": false`."
            }
            NoQuery => {
                "Send the text that the user typed: the header x-rerank-query, or a `rerank` object in the body. \
                 With no change of code: point the application's embedding client at embeddings.listen, and a bare vector is \
                 known by the text that was embedded. Text that only selects (in filters, or on metadata beside a vector) is \
                 not the question. query_sources says where text may come from; query_path finds it in a search template."
            }
            AmbiguousQuery => {
                "Say which text is meant: the header x-rerank-query goes before the query's own texts."
            }
            StaleQuery => {
                "Send header and vector of the same search: x-rerank-vector does not begin as the query's vector does."
            }
            NoText => {
                "Name the fields that hold text in rerank.fields (or in a route); see whether the client excludes them."
            }
            NoProvider => {
                "Set CO_API_KEY, or name a provider that has a key, or `lexical`, in rerank.providers."
            }
            NotRanked => {
                "Nothing is to be done: its order is not one of relevance, or has nothing to change."
            }
            PastWindow => {
                "Nothing is to be done, or rerank.window is to be raised: pages behind it keep the database's order."
            }
            Unsupported => "Nothing is to be done: the database answers it as it always has.",
            Malformed => {
                "Send the same request to the database: if it answers, this is a search that rerankd cannot read."
            }
            UpstreamError => {
                "See what the database says; without rerankd it would say the same. Where hits came all the same, it has \
                 rejected the names of fields that rerankd had added: name those it has in rerank.fields."
            }
            Shadow => "Set rerank.mode to `on` once the metrics of shadow searches convince.",
            NotSampled => "Raise rerank.sample; the same query is always of the sample, or never.",
            Skipped => "Nothing is to be done; rerank.skip_when says which kinds they are.",
            Margin => "Nothing is to be done, or rerank.margin_gate is to be raised.",
            Deadline => "Raise rerank.deadline, make the window smaller or the documents shorter.",
            RateLimited => {
                "Wait a minute, raise the provider's requests_per_minute, or name a second provider."
            }
            Budget => "Raise the provider's limits of search units or tokens, or wait for the next day.",
            CircuitOpen => {
                "See the failures of the provider in the log and the metrics; it is tried again by itself."
            }
            Overloaded => {
                "Raise limits.max_searches_in_flight, memory.max_buffered or the provider's max_concurrency: the metrics \
                 say which has rejected."
            }
            InvalidRequest => "See the provider's kind, model and settings: it does not take what is sent.",
            TooLarge => {
                "Raise limits.max_request_bytes or limits.max_response_bytes, or ask for fewer fields and hits."
            }
            Auth => "See the provider's API key: it is wrong, expired, or not meant for this address.",
            Billing | QuotaExhausted => "See the account at the provider, or name a second provider.",
            NotFound => "See the provider's base_url and model.",
            ProviderUnavailable => {
                "See whether its address can be reached from here; a second provider would score meanwhile."
            }
            Timeout => "Raise the provider's timeout, or make the window smaller.",
            BadResponse => "See the provider's kind, model and activation.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_sentence_and_a_remedy() {
        for reason in KeepReason::ALL {
            let (meaning, remedy) = (reason.meaning(), reason.remedy());
            assert!(!meaning.ends_with('.') && meaning.starts_with(|c: char| c.is_lowercase()), "{meaning}");
            assert!(remedy.ends_with('.') && !remedy.contains("  "), "{remedy}");
        }
    }

    #[test]
    fn the_page_says_meaning_remedy_and_metric_of_every_reason() {
        let page = include_str!("../../docs/reasons.md");
        for reason in KeepReason::ALL {
            let word = reason.as_str();
            let (_, section) = page.split_once(&format!("\n## {word}\n")).expect(word);
            let section = section.split("\n## ").next().unwrap_or_default();
            let section = section.split_whitespace().collect::<Vec<_>>().join(" ");
            let (first, rest) = reason.meaning().split_at(1);
            let meaning = format!("{}{rest}.", first.to_uppercase());
            assert!(section.starts_with(&meaning), "{word}: {meaning}");
            assert!(
                section.contains(&format!("- **Do:** {} -", reason.remedy())),
                "{word}: {}",
                reason.remedy()
            );
            assert_eq!(reason.help(), format!("docs/reasons.md#{word}"));
            let metric = format!("`rerankd_searches_total{{reason=\"{word}\"}}`");
            assert!(section.contains(&metric), "{word}: {metric}");
        }
    }
}
