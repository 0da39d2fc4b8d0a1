//! Services and models that their providers have shut down, or announced to shut down.

use super::{HttpKind, HttpSettings};

/// One of them.
struct Retirement {
    kinds: &'static [HttpKind],
    /// Only at an address that contains this: a self-hosted model is not affected.
    host: &'static str,
    /// `None`: the whole service.
    models: &'static [&'static str],
    /// The day, or the month where no day is known; of the calendar, UTC.
    date: &'static str,
    /// What happens on that day.
    what: &'static str,
    /// What to do.
    instead: &'static str,
}

/// Sources: docs.cohere.com/docs/deprecations, docs.pinecone.io/models/cohere-rerank-4-fast, and the services'
/// announcements to their customers.
const ENDED: [Retirement; 4] = [
    Retirement {
        kinds: &[HttpKind::ZeroEntropy],
        host: "zeroentropy.dev",
        models: &[],
        date: "2026-09-04",
        what: "ZeroEntropy's hosted service is shut",
        instead: "name another provider, or run a zerank model yourself and set base_url",
    },
    Retirement {
        kinds: &[HttpKind::Cohere, HttpKind::CohereV1],
        host: "cohere.",
        models: &["rerank-english-v2.0", "rerank-multilingual-v2.0"],
        date: "2025-04-30",
        what: "Cohere's Rerank 2 is shut",
        instead: "set model: rerank-v3.5 or a later one",
    },
    Retirement {
        kinds: &[HttpKind::Pinecone],
        host: "pinecone.io",
        models: &["cohere-rerank-3.5"],
        date: "2026-08-01",
        what: "Pinecone has cohere-rerank-4-fast response for cohere-rerank-3.5, whose scores are others",
        instead: "set model: cohere-rerank-4-fast, and tune min_score to it",
    },
    Retirement {
        kinds: &[HttpKind::Together],
        host: "together.",
        models: &["Salesforce/Llama-Rank-V1", "Salesforce/Llama-Rank-v1"],
        date: "2026-02",
        what: "Together's serverless Llama-Rank is shut",
        instead: "set model to that of a dedicated endpoint, or name another provider",
    },
];

/// The warning for an operator with these settings on this day (`2026-11-28`), if their service or model has been or
/// will be shut down.
pub fn end_of_service(settings: &HttpSettings, today: &str) -> Option<String> {
    let base_url = settings.base_url.to_ascii_lowercase();
    let model = settings.model.as_deref().unwrap_or_default();
    let ended = ENDED.iter().find(|ended| {
        ended.kinds.contains(&settings.kind)
            && base_url.contains(ended.host)
            && (ended.models.is_empty() || ended.models.contains(&model))
    })?;
    let Retirement { date, what, instead, .. } = ended;
    let when = if *date <= today { "since" } else { "from" };
    Some(format!("{what} {when} {date}: {instead}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rerank::ApiKey;

    fn stated(kind: HttpKind, base_url: Option<&str>, model: Option<&str>, today: &str) -> Option<String> {
        let mut settings = HttpSettings::new(kind, ApiKey::NotNeeded);
        settings.base_url = base_url.map_or(settings.base_url, str::to_owned);
        settings.model = model.map(str::to_owned).or(settings.model);
        end_of_service(&settings, today)
    }

    #[test]
    fn what_has_ended_is_reported_with_its_day_and_what_to_do() {
        const TODAY: &str = "2026-11-28";
        let zero = stated(HttpKind::ZeroEntropy, None, None, TODAY).unwrap();
        assert!(zero.contains("since 2026-09-04") && zero.contains("another provider"), "{zero}");
        let before = stated(HttpKind::ZeroEntropy, None, None, "2026-09-03").unwrap();
        assert!(before.contains("from 2026-09-04"), "{before}");
        assert_eq!(
            stated(HttpKind::ZeroEntropy, Some("http://ours:8000"), None, TODAY),
            None,
            "run by oneself"
        );
        assert!(stated(HttpKind::Cohere, None, Some("rerank-english-v2.0"), TODAY).is_some());
        assert!(stated(HttpKind::Pinecone, None, Some("cohere-rerank-3.5"), TODAY).is_some());
        assert!(stated(HttpKind::Together, None, Some("Salesforce/Llama-Rank-V1"), TODAY).is_some());
    }

    #[test]
    fn no_default_of_a_service_that_lives_has_ended() {
        for kind in HttpKind::ALL.into_iter().filter(|kind| *kind != HttpKind::ZeroEntropy) {
            assert_eq!(stated(kind, None, None, "2099-01-01"), None, "{kind:?}");
        }
    }
}
