use FailureClass::*;

use super::*;

fn meaning(class: FailureClass) -> Meaning {
    ApiError::of(&RerankError::Held { class }, None).meaning()
}

#[test]
fn a_providers_rejection_of_our_key_is_never_reported_as_the_callers() {
    for class in EVERY {
        let status = meaning(class).status.as_u16();
        assert!(!matches!(status, 401..=403), "{class:?}");
    }
    assert_eq!([Auth, Billing, QuotaExhausted].map(|class| meaning(class).status.as_u16()), [502; 3]);
}

#[test]
fn what_passes_by_itself_says_when_to_come_back() {
    for class in [RateLimited, Budget, Overloaded, CircuitOpen, ProviderUnavailable, Timeout, Deadline] {
        let meaning = meaning(class);
        assert!(matches!(meaning.status.as_u16(), 429 | 503 | 504), "{class:?}");
        assert!(meaning.retry_after.is_some_and(|seconds| seconds >= 1), "{class:?}");
    }
    for class in [InvalidRequest, TooLarge, NoProvider, Auth, BadResponse] {
        assert_eq!(meaning(class).retry_after, None, "{class:?}");
    }
}

#[test]
fn a_wait_that_the_provider_names_is_passed_on_in_whole_seconds_of_a_minute_at_most() {
    let waits = [(0, 1), (1, 1), (1500, 2), (30_000, 30), (600_000, 60)];
    for (millis, seconds) in waits {
        let retry_after = Some(Duration::from_millis(millis));
        let error = RerankError::Status { status: 429, class: RateLimited, retry_after };
        assert_eq!(ApiError::of(&error, None).meaning().retry_after, Some(seconds));
    }
}

#[test]
fn an_unknown_model_is_the_callers_only_if_the_caller_named_it() {
    let error = RerankError::Held { class: NotFound };
    assert_eq!(ApiError::of(&error, None).meaning().status, 502);
    let named = ApiError::of(&error, Some("xyz"));
    assert_eq!((named.meaning().status.as_u16(), named.meaning().fault), (404, Fault::Caller));
    assert!(named.to_string().starts_with("model 'xyz' not found, "));
}

#[test]
fn the_body_is_a_message_with_an_id() {
    let id = Uuid::new_v4();
    let body: serde_json::Value = serde_json::from_slice(&ApiError::NoToken.body(id)).unwrap();
    assert_eq!(body, serde_json::json!({"id": id.to_string(), "message": "no api key supplied"}));
}
