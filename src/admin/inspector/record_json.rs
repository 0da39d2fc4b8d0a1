//! Records as JSON: the same words as headers, labels and the configuration.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::pipeline::{DocumentRecord, HitRecord, NewPlace, Numbered, ScoredBy, SearchRecord, Unscored};

/// One row of the list: all but the hits.
pub(super) fn row((number, record): &Numbered) -> Value {
    let mut row = of_search(record);
    row["number"] = json!(number);
    row
}

fn of_search(record: &SearchRecord) -> Value {
    let SearchRecord { origin, asked, report, timings, lists, status, failure, .. } = record;
    let of_asked = |get: fn(&crate::pipeline::Asked) -> Value| asked.as_ref().map_or(Value::Null, get);
    json!({
        "time_ms": millis(record.started),
        "time": humantime::format_rfc3339_millis(record.started).to_string(),
        "trace_id": origin.trace_id.as_deref(),
        "tenant": origin.tenant.as_deref(),
        "dialect": origin.dialect,
        "operation": origin.operation,
        "search": origin.search.0,
        "searches": origin.search.1,
        "shadow": origin.shadow,
        "collections": of_asked(|asked| json!(asked.collections)),
        "query": of_asked(|asked| json!(asked.query.as_deref())),
        "query_source": report.source.map(|source| source.as_str()),
        "limit": of_asked(|asked| json!(asked.limit)),
        "offset": of_asked(|asked| json!(asked.offset)),
        "window": of_asked(|asked| json!(asked.window)),
        "widened_to": of_asked(|asked| json!(asked.widened_to)),
        "sample": of_asked(|asked| json!(asked.sample)),
        "mode": of_asked(|asked| json!(asked.mode.as_str())),
        "outcome": report.outcome.as_str(),
        "reason": report.outcome.reason(),
        "status": status,
        "failure": failure,
        "provider": report.provider.as_deref(),
        "model": report.model.as_deref(),
        "candidates": lists.iter().map(|list| list.hits.len()).sum::<usize>(),
        "documents": report.documents,
        "unscored": report.unscored,
        "confidence": report.confidence,
        "nothing_relevant": report.nothing_relevant.map(|action| action.as_str()),
        "held": { "excluded": report.held.excluded, "pinned": report.held.pinned },
        "cache_hits": report.cache_hits,
        "cache_lookups": report.cache_lookups,
        "moves": {
            "mean_distance": report.moves.mean_distance,
            "top_changed": report.moves.top_changed,
            "deepest": report.moves.deepest,
        },
        "timings_ms": {
            "total": ms(timings.total),
            "upstream": ms(timings.upstream),
            "rerank": ms(timings.rerank),
        },
    })
}

/// Everything that is known of one search.
pub(super) fn whole(numbered: &Numbered) -> Value {
    let mut whole = search_json(&numbered.1);
    whole["number"] = json!(numbered.0);
    whole
}

/// One search with its hits, as the inspector's API returns it.
pub fn search_json(record: &SearchRecord) -> Value {
    let mut whole = of_search(record);
    let lists = record.lists.iter().map(|list| list.hits.iter().map(hit).collect::<Vec<_>>());
    whole["lists"] = lists.collect();
    whole
}

fn hit(hit: &HitRecord) -> Value {
    let (to, place) = match hit.to {
        NewPlace::Response(place) => ("response", Some(place)),
        NewPlace::OffPage(place) => ("off_page", Some(place)),
        NewPlace::BelowFloor => ("below_floor", None),
    };
    let (scored_by, why) = match hit.scored_by {
        ScoredBy::Cache => ("cache", None),
        ScoredBy::Provider => ("provider", None),
        ScoredBy::Nobody(why) => ("nobody", Some(why)),
    };
    let why = why.map(|why| match why {
        Unscored::NoText => "no_text",
        Unscored::PastWindow => "past_window",
        Unscored::Holds(cause) => cause.as_str(),
        Unscored::Reason(reason) => reason.as_str(),
    });
    // As the database wrote it; JSON knows no other numbers.
    let score = hit.database_score.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let document = hit.document.as_ref();
    json!({
        "id": hit.id.id,
        "index": hit.id.index,
        "from": hit.from,
        "to": to,
        "place": place,
        "database_score": score,
        "relevance": hit.relevance.map(shortest),
        "boosted": hit.boosted.as_ref().map(|boosted| json!({
            "score": shortest(boosted.score),
            "parts": boosted.parts.iter().map(|part| shortest(*part)).collect::<Vec<_>>(),
        })),
        "scored_by": scored_by,
        "unscored_because": why,
        "passage": hit.passage.map(|passage| json!({ "offset": passage.offset, "length": passage.length })),
        "title": document.map(DocumentRecord::headline),
        "document": document.map(|document| json!({ "text": &*document.text, "cut": document.cut })),
    })
}

/// The number that a 32-bit one is written as, not its nearest 64-bit neighbour.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}

fn millis(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// To a microsecond.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
