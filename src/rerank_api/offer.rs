//! What the configured providers can give to callers who name a model or an option themselves.

use std::sync::Arc;

use wildmatch::WildMatch;

use super::{error::ApiError, request::BadRequest};

/// Cohere's own cut of documents where none is set (API reference, `max_tokens_per_doc`).
const DEFAULT_TOKENS_PER_DOC: u32 = 4096;

/// Providers that are not Cohere's cut by themselves.
const NO_CUT: &str = "max_tokens_per_doc has no effect here: no provider takes it";

/// A provider of the chain that knows Cohere's models by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CohereProvider {
    /// Its configured name.
    pub name: Arc<str>,
    /// Its configured model.
    pub model: String,
    /// Its configured cut, in tokens; `None` is the service's own.
    pub max_tokens_per_doc: Option<u32>,
}

/// What callers may name.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// The providers of the chain to which a model's name means anything. The others use their own model.
    pub cohere: Vec<CohereProvider>,
    /// Patterns of models that may be requested of these, beside their own.
    pub allow_models: Vec<String>,
}

/// A model that some providers are sent instead of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModelChoice {
    pub(super) model: Arc<str>,
    pub(super) of: Arc<[Arc<str>]>,
}

impl Offer {
    /// What a caller's model means: `None` if every provider is to use its own.
    pub(super) fn model(&self, asked: Option<&str>) -> Result<Option<ModelChoice>, ApiError> {
        let Some(asked) = asked else { return Ok(None) };
        let own = self.cohere.iter().any(|provider| provider.model == asked);
        let allowed = || self.allow_models.iter().any(|pattern| WildMatch::new(pattern).matches(asked));
        if !self.cohere.is_empty() && !own && !allowed() {
            return Err(ApiError::NoSuchModel(asked.to_owned()));
        }
        let others = self.cohere.iter().filter(|provider| provider.model != asked);
        let of: Arc<[Arc<str>]> = others.map(|provider| provider.name.clone()).collect();
        Ok((!of.is_empty()).then(|| ModelChoice { model: asked.into(), of }))
    }

    /// Scores depend on the cut, and those of different cuts must not mix in the cache: only the configured one may
    /// be requested. Returns the warning for a chain without one.
    pub(super) fn check_cut(&self, asked: Option<u64>) -> Result<Option<&'static str>, BadRequest> {
        let Some(asked) = asked else { return Ok(None) };
        let cuts = self.cohere.iter().map(|own| own.max_tokens_per_doc.unwrap_or(DEFAULT_TOKENS_PER_DOC));
        match cuts.map(u64::from).find(|cut| *cut != asked) {
            Some(here) => Err(BadRequest::OtherCut { here }),
            None => Ok(self.cohere.is_empty().then_some(NO_CUT)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(models: &[(&str, &str)], allow: &[&str]) -> Offer {
        let cohere = models.iter().map(|(name, model)| CohereProvider {
            name: (*name).into(),
            model: (*model).to_owned(),
            max_tokens_per_doc: None,
        });
        let allow_models = allow.iter().map(|pattern| (*pattern).to_owned()).collect();
        Offer { cohere: cohere.collect(), allow_models }
    }

    fn chosen(offer: &Offer, asked: &str) -> Option<Vec<String>> {
        let choice = offer.model(Some(asked)).unwrap()?;
        assert_eq!(&*choice.model, asked);
        Some(choice.of.iter().map(|name| name.to_string()).collect())
    }

    #[test]
    fn a_provider_is_asked_for_its_own_model_by_no_name() {
        let offer = offer(&[("a", "m1"), ("b", "m2")], &["*"]);
        assert_eq!(offer.model(None), Ok(None));
        assert_eq!(chosen(&offer, "m1"), Some(vec!["b".to_owned()]));
        assert_eq!(chosen(&offer, "m3"), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(chosen(&super::tests::offer(&[("a", "m1")], &[]), "m1"), None);
    }

    #[test]
    fn only_what_is_allowed_may_be_asked_for_beside_the_providers_own() {
        let offer = offer(&[("a", "m1")], &["rerank-v4*"]);
        assert_eq!(chosen(&offer, "m1"), None);
        assert!(chosen(&offer, "rerank-v4.0-pro").is_some());
        let rejected = offer.model(Some("m2")).unwrap_err();
        assert_eq!(rejected, ApiError::NoSuchModel("m2".into()));
    }

    #[test]
    fn where_no_provider_knows_models_a_name_is_only_a_name() {
        assert_eq!(offer(&[], &[]).model(Some("rerank-v3.5")), Ok(None));
    }

    #[test]
    fn only_the_configured_cut_may_be_asked_for() {
        let mut offer = offer(&[("a", "m1")], &[]);
        assert_eq!(offer.check_cut(Some(4096)), Ok(None));
        assert_eq!(offer.check_cut(Some(512)), Err(BadRequest::OtherCut { here: 4096 }));
        offer.cohere[0].max_tokens_per_doc = Some(512);
        assert_eq!((offer.check_cut(Some(512)), offer.check_cut(None)), (Ok(None), Ok(None)));
        assert_eq!(Offer::default().check_cut(Some(7)), Ok(Some(NO_CUT)));
    }
}
