//! The variables of settings, and those that were meant to be one.

use std::sync::LazyLock;

use super::list::entries;

/// The variable of every setting that has one, those of a provider for `cohere`.
static ALL: LazyLock<Vec<String>> =
    LazyLock::new(|| entries().iter().filter_map(|entry| entry.variable()).collect());

/// The variable that a name was meant to be, if it is no variable itself.
pub(super) fn meant(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let rest = upper.strip_prefix("RERANKD_")?;
    let is_exact = name.starts_with("RERANKD_") && ALL.contains(&upper);
    // Of another provider than the one in the list: its name is the user's.
    let of_another = [("RERANKD_PROVIDERS__", 1), ("RERANKD_EMBEDDINGS__SERVICES__", 2)];
    if is_exact
        || of_another
            .iter()
            .any(|(start, more)| name.starts_with(start) && rest.matches("__").count() > *more)
    {
        return None;
    }
    if let Some(meant) = ALL.iter().find(|each| single(each) == single(&upper)) {
        return Some(meant.clone());
    }
    match rest {
        "UPSTREAM" => Some("RERANKD_UPSTREAM__URL".to_owned()),
        "ADMIN" => Some("RERANKD_ADMIN__LISTEN".to_owned()),
        "FIELDS" | "WINDOW" | "DEADLINE" | "MODE" | "MIN_SCORE" => Some(format!("RERANKD_RERANK__{rest}")),
        _ => named(rest, "PROVIDERS_", "PROVIDERS__COHERE__")
            .or_else(|| named(rest, "EMBEDDINGS_SERVICES_", "EMBEDDINGS__SERVICES__OPENAI__")),
    }
}

/// With single underscores.
fn single(name: &str) -> String {
    name.split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}

/// `PROVIDERS_VOYAGE_MODEL`: a key of any provider or service behind its name. `example` is how those of one begin.
fn named(rest: &str, section: &str, example: &str) -> Option<String> {
    let rest = rest.strip_prefix(section)?;
    let keys = ALL.iter().filter_map(|each| each.strip_prefix("RERANKD_")?.strip_prefix(example));
    // The longest, so that MAX_IN_BACKGROUND is not read as another key's end.
    let key = keys.filter(|key| rest.ends_with(&format!("_{key}"))).max_by_key(|key| key.len())?;
    let name = rest.strip_suffix(key)?.trim_matches('_');
    let section = section.trim_end_matches('_').replace('_', "__");
    (!name.is_empty()).then(|| format!("RERANKD_{section}__{name}__{key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_nearly_one_is_recognised_and_others_are_left_alone() {
        for (name, expected) in [
            ("RERANKD_RERANK_WINDOW", Some("RERANKD_RERANK__WINDOW")),
            ("rerankd_rerank__window", Some("RERANKD_RERANK__WINDOW")),
            ("RERANKD_UPSTREAM_URL", Some("RERANKD_UPSTREAM__URL")),
            ("RERANKD_UPSTREAM", Some("RERANKD_UPSTREAM__URL")),
            ("RERANKD_ADMIN_LISTEN", Some("RERANKD_ADMIN__LISTEN")),
            ("RERANKD_RERANK__MAX__WINDOW", Some("RERANKD_RERANK__MAX_WINDOW")),
            ("RERANKD_RERANK_API_LISTEN", Some("RERANKD_RERANK_API__LISTEN")),
            ("RERANKD_PROVIDERS_VOYAGE_MODEL", Some("RERANKD_PROVIDERS__VOYAGE__MODEL")),
            (
                "RERANKD_PROVIDERS_COHERE_MAX_IN_BACKGROUND",
                Some("RERANKD_PROVIDERS__COHERE__MAX_IN_BACKGROUND"),
            ),
            ("RERANKD_EMBEDDINGS_SERVICES_AZURE_URL", Some("RERANKD_EMBEDDINGS__SERVICES__AZURE__URL")),
            ("RERANKD_EMBEDDINGS_LISTEN", Some("RERANKD_EMBEDDINGS__LISTEN")),
            ("RERANKD_EMBEDDINGS__SERVICES__AZURE__URL", None),
            ("RERANKD_TLS_CERT_FILE", Some("RERANKD_TLS__CERT_FILE")),
            ("RERANKD_WINDOW", Some("RERANKD_RERANK__WINDOW")),
            ("RERANKD__LISTEN", Some("RERANKD_LISTEN")),
            ("RERANKD_RERANK__WINDOW", None),
            ("RERANKD_LISTEN", None),
            ("RERANKD_PROVIDERS__VOYAGE__MODEL", None),
            ("RERANKD_CONFIG", None),
            ("RERANKD_LOG_FORMAT", None),
            ("RERANKD_ON_BAD_CONFIG", None),
            // What Kubernetes sets for Services named rerankd and rerankd-admin, and others for themselves.
            ("RERANKD_SERVICE_HOST", None),
            ("RERANKD_SERVICE_PORT_HTTP", None),
            ("RERANKD_PORT_9464_TCP_ADDR", None),
            ("RERANKD_ADMIN_SERVICE_HOST", None),
            ("RERANKD_ADMIN_PORT_9464_TCP", None),
            ("RERANKD_URL", None),
            ("RERANKD_VERSION", None),
            ("PATH", None),
        ] {
            assert_eq!(meant(name).as_deref(), expected, "{name}");
        }
    }
}
