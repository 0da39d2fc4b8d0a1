//! The active configuration and the current state as JSON, with values from the metrics.

use std::{collections::BTreeMap, time::SystemTime};

use serde_json::{Map, Value, json};

use super::{Inspector, figures::Figures};
use crate::{
    admin::Readiness,
    pipeline::{MOST_PER_SECOND, RecordRing},
};

const OUTCOMES: [&str; 3] = ["applied", "partial", "kept"];

/// The whole state. `about` is what is configured: an object with at least `providers` and `cache`.
pub(super) fn state(inspector: &Inspector, figures: &Figures, readiness: &Readiness) -> Value {
    let mut state = match (inspector.about)() {
        Value::Object(about) => about,
        _ => Map::new(),
    };
    if let Some(providers) = state.get_mut("providers").and_then(Value::as_array_mut) {
        providers.iter_mut().for_each(|provider| with_figures(provider, figures));
    }
    if let Some(cache) = state.get_mut("cache").and_then(Value::as_object_mut) {
        cache.extend(cache_figures(figures));
    }
    let missing = readiness.missing();
    let own = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "time": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        "ready": { "ready": missing.is_empty(), "missing": missing },
        "records": records(&inspector.records),
        "searches": searches(figures),
        "upstream": upstream(figures),
        "effects": { "on": effects(figures, "on"), "shadow": effects(figures, "shadow") },
        "rates": rates(inspector, figures),
    });
    if let Value::Object(own) = own {
        state.extend(own);
    }
    Value::Object(state)
}

fn records(ring: &RecordRing) -> Value {
    let (settings, held) = (ring.settings(), ring.held());
    json!({
        "capture": settings.capture.as_str(),
        "keep": settings.keep,
        "max_bytes": settings.max_bytes,
        "held": held.records,
        "bytes": held.bytes,
        "left_out": held.left_out,
        "most_per_second": MOST_PER_SECOND,
    })
}

fn with_figures(provider: &mut Value, figures: &Figures) {
    let Some(provider) = provider.as_object_mut() else { return };
    let Some(name) = provider.get("name").and_then(Value::as_str).map(str::to_owned) else { return };
    let own = [("provider", name.as_str())];
    let circuit = figures.get("rerankd_circuit_state", &own).map(|state| match state as i64 {
        0 => "closed",
        1 => "half_open",
        _ => "open",
    });
    let mut calls = figures.by("rerankd_provider_calls_total", "status", &own);
    let ok = calls.remove("ok").unwrap_or(0.0);
    let mut spend = Vec::new();
    for unit in ["search_units", "tokens"] {
        for window in ["minute", "day"] {
            let labels = [own[0], ("unit", unit), ("window", window)];
            if let Some(limit) = figures.get("rerankd_spend_limit", &labels) {
                let left = figures.get("rerankd_spend_left", &labels);
                spend.push(json!({ "unit": unit, "window": window, "limit": counted(limit), "left": left.map(counted) }));
            }
        }
    }
    provider.insert("circuit".into(), json!(circuit));
    provider.insert("calls_ok".into(), counted(ok));
    provider.insert("calls_failed".into(), each_counted(calls));
    provider
        .insert("calls_shed".into(), each_counted(figures.by("rerankd_provider_shed_total", "reason", &own)));
    provider.insert("in_flight".into(), counted(figures.sum("rerankd_provider_calls_in_flight", &own)));
    provider.insert(
        "mean_call_ms".into(),
        json!(mean_ms(figures, "rerankd_provider_call_duration_seconds", &own)),
    );
    provider.insert("spend".into(), Value::Array(spend));
}

/// A count, without a fraction where it has none.
fn counted(value: f64) -> Value {
    let whole = value.trunc() == value && value.abs() < 9e15;
    if whole { json!(value as i64) } else { json!(value) }
}

fn each_counted(counts: BTreeMap<String, f64>) -> Value {
    counts.into_iter().map(|(word, count)| (word, counted(count))).collect()
}

fn mean_ms(figures: &Figures, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    figures.mean(name, labels).map(|seconds| (seconds * 1e6).round() / 1e3)
}

fn cache_figures(figures: &Figures) -> Map<String, Value> {
    let count = |result| figures.sum("rerankd_cache_lookups_total", &[("result", result)]);
    let (hits, misses) = (count("hit"), count("miss"));
    let ratio = (hits + misses > 0.0).then(|| hits / (hits + misses));
    [
        ("entries", counted(figures.sum("rerankd_cache_entries", &[]))),
        ("bytes", counted(figures.sum("rerankd_cache_bytes", &[]))),
        ("hits", counted(hits)),
        ("misses", counted(misses)),
        ("hit_ratio", json!(ratio)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

fn searches(figures: &Figures) -> Value {
    json!({
        "by_outcome": each_counted(figures.by("rerankd_searches_total", "outcome", &[])),
        "kept_because": figures.by("rerankd_searches_total", "reason", &[("outcome", "kept")]),
        "shadow_by_outcome": each_counted(figures.by("rerankd_shadow_searches_total", "outcome", &[])),
    })
}

fn upstream(figures: &Figures) -> Value {
    let count =
        |handling| each_counted(figures.by("rerankd_requests_total", "status", &[("handling", handling)]));
    json!({
        "searches_by_status": count("search"),
        "forwarded_by_status": count("forward"),
        "failed_by_cause": each_counted(figures.by("rerankd_requests_failed_total", "cause", &[])),
        "mean_search_ms": mean_ms(figures, "rerankd_upstream_duration_seconds", &[("mode", "on")]),
    })
}

/// What reranking does to orders: in responses (`on`), or in shadow (`shadow`).
fn effects(figures: &Figures, mode: &str) -> Value {
    let mode = [("mode", mode)];
    let changed = figures.mean("rerankd_top_changed_ratio", &mode);
    json!({
        "searches": counted(figures.sum("rerankd_hit_displacement", &mode)),
        "mean_displacement": figures.mean("rerankd_hit_displacement", &mode),
        "mean_top10_overlap": changed.map(|changed| 1.0 - changed),
        "mean_promotion_depth": figures.mean("rerankd_promotion_depth", &mode),
        "mean_rerank_ms": mean_ms(figures, "rerankd_rerank_duration_seconds", &mode),
    })
}

fn rates(inspector: &Inspector, figures: &Figures) -> Value {
    let [applied, partial, kept] =
        OUTCOMES.map(|outcome| figures.sum("rerankd_searches_total", &[("outcome", outcome)]));
    let shadow = figures.sum("rerankd_shadow_searches_total", &[]);
    let forwarded = figures.sum("rerankd_requests_total", &[("handling", "forward")]);
    let failed = figures.sum("rerankd_requests_failed_total", &[]);
    let counters = [applied, partial, kept, shadow, forwarded, failed];
    let Some((span, [applied, partial, kept, shadow, forwarded, failed])) = inspector.rates.look(counters)
    else {
        return Value::Null;
    };
    json!({
        "seconds": span.as_secs_f64(),
        "applied": applied,
        "partial": partial,
        "kept": kept,
        "shadow": shadow,
        "forwarded": forwarded,
        "failed": failed,
    })
}
