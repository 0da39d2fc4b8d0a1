//! What is said where a path names no service.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::{Service, failure::said};
use crate::body::Body;

/// The response to a path that names no service, with what is served.
pub(super) fn not_served(services: &[Service], meant: Option<&str>) -> Response<Body> {
    let paths: Vec<String> = services.iter().map(|each| format!("/{}", each.settings().name)).collect();
    let meant = meant.filter(|name| services.iter().any(|each| *each.settings().name == **name));
    let hint = meant.map_or_else(String::new, |name| {
        format!(" A base URL of http://HOST:PORT/{name} is what this client seems to want.")
    });
    let message = format!(
        "rerankd: this path names no embedding service. Served are the paths below {}; others are named in \
         embeddings.services.{hint}",
        paths.join(", ")
    );
    // A text for clients that show `error`, an object for none of those that get here without a service's name.
    said(
        StatusCode::NOT_FOUND,
        &json!({ "error": { "message": message, "type": "rerankd" }, "message": message, "paths": paths }),
    )
}

/// What is served here, for who looks.
pub(super) fn index(services: &[Service]) -> Response<Body> {
    let services: Vec<Value> = services
        .iter()
        .map(|each| {
            let settings = each.settings();
            json!({
                "path": format!("/{}", settings.name),
                "url": each.url(),
                "form": settings.form.as_str(),
                "remember": settings.remember.as_str(),
            })
        })
        .collect();
    let message = "rerankd carries calls below each path to its service, and remembers which text gave which vector. \
                   Applications set their embedding client's base URL to this address and one of these paths.";
    said(StatusCode::OK, &json!({ "message": message, "services": services }))
}
