//! An explanation for programs. Searches and hits are as in the inspector's API; bodies are whole.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Explanation, facts, message};
use crate::{
    admin::search_json,
    pipeline::{Outcome, PlannedSearch, Question, SearchRecord},
    rerank::{CallEnd, ProviderCall},
    search::FieldSet,
};

/// Everything that is known.
pub fn json(explanation: &Explanation) -> Value {
    let Explanation { seen, calls, .. } = explanation;
    let searches = seen.records.iter().enumerate();
    json!({
        "request": {
            "method": explanation.method,
            "target": explanation.target,
            "headers": pairs(&explanation.headers),
        },
        "upstream": explanation.upstream,
        "status": explanation.status,
        "rejection": explanation.rejection,
        "notes": explanation.notes,
        "searches": searches.map(|(at, record)| search(explanation, at, record)).collect::<Vec<_>>(),
        "database": seen.asked.iter().map(|each| question(explanation, each)).collect::<Vec<_>>(),
        "calls": calls.iter().map(call).collect::<Vec<_>>(),
    })
}

fn search(explanation: &Explanation, at: usize, record: &SearchRecord) -> Value {
    let mut reported = search_json(record);
    if let Outcome::Kept(reason) | Outcome::Partial(reason) = record.report.outcome {
        reported["meaning"] = json!(reason.meaning());
        reported["remedy"] = json!(reason.remedy());
        reported["help"] = json!(reason.help());
    }
    reported["billed"] = json!({
        "search_units": record.report.billed_units,
        "tokens": record.report.billed_tokens,
    });
    if let Some(planned) = explanation.seen.searches.get(at) {
        reported["plan"] = plan(planned);
    }
    for hit in
        reported["lists"].as_array_mut().into_iter().flatten().filter_map(Value::as_array_mut).flatten()
    {
        if hit["unscored_because"] == "no_text" {
            let id = |hit: &Value, name: &str| hit[name].as_str().map(str::to_owned);
            let id = crate::search::HitId { id: id(hit, "id").unwrap_or_default(), index: id(hit, "index") };
            hit["came_with"] = json!(explanation.seen.fields.get(&id));
        }
    }
    reported
}

/// The plan of the search.
fn plan(planned: &PlannedSearch) -> Value {
    let work = planned.work.as_ref().ok();
    json!({
        "route": planned.profile.route.as_deref(),
        "tenant": planned.profile.tenant.as_ref().map(|tenant| &*tenant.name),
        "first_provider": planned.profile.first_provider.as_deref(),
        "model": work.and_then(|work| work.model.as_deref()),
        "min_score": work.and_then(|work| work.min_score),
        "min_keep": planned.profile.min_keep,
        "answer_block": planned.answer_block,
        "drift": planned.profile.drift.as_ref().map(|drift| json!({
            "model": drift.settings().model,
            "searches": drift.settings().reference.scores,
        })),
        "confidence": planned.profile.confidence.as_ref().map(|confidence| json!({
            "model": confidence.fit.model,
            "slope": confidence.fit.slope,
            "intercept": confidence.fit.intercept,
            "least": confidence.least,
            "on_nothing_relevant": confidence.then.as_str(),
        })),
        "deadline_ms": work.map(|work| ms(work.deadline)),
        "passages": work.and_then(|work| work.passages).map(|passages| json!({
            "bytes": passages.rule.bytes,
            "overlap": passages.rule.overlap,
            "most": passages.rule.most,
            "sum_of_best": passages.sum_of_best,
        })),
        "boosts": planned.profile.boosts.as_ref()
            .map(|boosts| boosts.0.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "passages_by_model": work.is_some_and(|work| work.spans),
        "fields": work.map(|work| facts::field_names(&work.fields)),
        "instruction": work.and_then(|work| work.instruction.as_deref()),
        "instruction_takers": planned.profile.instructed,
        "template": work.and_then(|work| match &work.fields {
            FieldSet::Template(template) => Some(template.text()),
            _ => None,
        }),
        "asked_for_fields": facts::wanted(&planned.fetch.fields),
    })
}

fn question(explanation: &Explanation, question: &Question) -> Value {
    // JSON has no bytes.
    let (body, base64) = if explanation.grpc {
        (None, Some(STANDARD.encode(message::alone(&question.body))))
    } else {
        (Some(String::from_utf8_lossy(&question.body)), None)
    };
    json!({
        "method": explanation.method,
        "target": question.target,
        "body": body,
        "body_base64": base64,
        "unchanged": question.unchanged,
        "taken_out_again": facts::taken_out(&question.strips),
        "status": question.status,
        "took_ms": ms(question.took),
    })
}

fn call(call: &ProviderCall) -> Value {
    let (status, failure, took) = match call.end {
        CallEnd::Open => (None, None, None),
        CallEnd::ProbeResponse { status, took } => (Some(status), None, Some(ms(took))),
        CallEnd::Failed { class, cause, took } => {
            (None, Some((class.reason().as_str(), cause)), Some(ms(took)))
        }
    };
    json!({
        "provider": &*call.provider,
        "documents": call.documents,
        "method": call.method,
        "url": call.url,
        "headers": pairs(&call.headers),
        "body": String::from_utf8_lossy(&call.body),
        "status": status,
        "failure": failure.map(|(class, _)| class),
        "cause": failure.map(|(_, cause)| cause),
        "response": String::from_utf8_lossy(&call.response),
        "took_ms": took,
    })
}

fn pairs(headers: &[(String, String)]) -> Value {
    headers.iter().map(|(name, value)| json!([name, value])).collect()
}

/// To a microsecond.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
