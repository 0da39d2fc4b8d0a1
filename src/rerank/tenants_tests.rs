use std::sync::atomic::Ordering;

use tokio::time::{Duration, advance};
use tower::{ServiceExt, util::BoxCloneSyncService};

use super::*;
use crate::{
    fleet::tests::{
        fleet_of,
        peer::{Act, Peer},
    },
    rerank::{
        Billing, CircuitSettings, FailureClass, LimitSettings, ProviderFacts, RerankError, Siblings,
        SingleFlightSettings, SpendSettings,
        batch::BatchLimit,
        breaker::Breaker,
        limits::Ledger,
        test_support::{facts, half_for_each, metrics, request, scripted},
    },
};

fn shared() -> StackShared {
    StackShared::new(Arc::new(ScoreStore::new(1 << 20, Duration::from_secs(600), [1; 32])), metrics())
}

fn settings(name: &str, limits: TenantLimits, cache_bytes: Option<u64>) -> TenantSettings {
    TenantSettings { name: name.to_owned(), limits, cache_bytes, providers: vec!["p".to_owned()] }
}

fn per_day(units: u64) -> TenantLimits {
    TenantLimits {
        search_units: SpendSettings { per_day: Some(units), ..Default::default() },
        ..Default::default()
    }
}

/// The account of a provider behind these limits, which counts its calls.
fn account(
    limits: &LimitSettings,
    shared: &StackShared,
) -> ((Account, Reranker), Arc<std::sync::atomic::AtomicUsize>) {
    let (call, calls) = scripted(|_, request| half_for_each(request));
    let gate = Gate::new("p".into(), Billing::SearchUnits, limits, &shared.ledger, shared.metrics.clone());
    let account = Account {
        name: "p".into(),
        facts: ProviderFacts { ..facts() },
        size: BatchLimit { tokens: None, documents: Arc::new(|| 100) },
        single_flight: SingleFlightSettings::default(),
        per_search: None,
        responds_first: false,
        circuit: None,
    };
    ((account, BoxCloneSyncService::new(Limits::new(call, Arc::new(gate)))), calls)
}

fn stack(
    settings: &TenantSettings,
    before: Option<&TenantStack>,
    below: &(Account, Reranker),
    shared: &StackShared,
) -> TenantStack {
    let mut stack = TenantStack::new(settings, before, shared);
    stack.uses("p", ([0; 32], below), shared);
    stack
}

async fn ask(stack: &TenantStack, text: &str) -> Result<u32, FailureClass> {
    let response = stack.links["p"].provider.clone().oneshot(request(&[text])).await;
    response.map(|scores| scores.cache_hits).map_err(|error| error.class())
}

#[tokio::test(start_paused = true)]
async fn each_tenant_spends_its_own_budget_within_the_accounts() {
    let shared = shared();
    let search_units = SpendSettings { per_day: Some(4), ..Default::default() };
    let (below, calls) = account(&LimitSettings { search_units, ..Default::default() }, &shared);
    let acme = stack(&settings("acme", per_day(2), None), None, &below, &shared);
    let bolt = stack(&settings("bolt", per_day(3), None), None, &below, &shared);
    for text in ["a", "b"] {
        assert_eq!(ask(&acme, text).await, Ok(0));
    }
    assert_eq!(ask(&acme, "c").await, Err(FailureClass::Budget), "its own is spent");
    for text in ["d", "e"] {
        assert_eq!(ask(&bolt, text).await, Ok(0));
    }
    assert_eq!(ask(&bolt, "f").await, Err(FailureClass::Budget), "that of all is spent");
    assert_eq!(calls.load(Ordering::SeqCst), 4);
    advance(Duration::from_secs(24 * 60 * 60)).await;
    assert_eq!((ask(&acme, "g").await, ask(&bolt, "h").await), (Ok(0), Ok(0)), "a new day");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_over_its_rate_or_its_places_is_shed_at_once_and_the_other_is_not() {
    let shared = shared();
    let (below, _) = account(&LimitSettings::default(), &shared);
    let slow = tower::service_fn(|request| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        half_for_each(request)
    });
    let below = (below.0, BoxCloneSyncService::new(slow));
    let limits =
        TenantLimits { max_concurrency: Some(1), requests_per_minute: Some(2), ..Default::default() };
    let acme = stack(&settings("acme", limits, None), None, &below, &shared);
    let bolt = stack(&settings("bolt", TenantLimits::default(), None), None, &below, &shared);
    let (first, second, other) = tokio::join!(ask(&acme, "a"), ask(&acme, "b"), ask(&bolt, "c"));
    assert_eq!((first, second, other), (Ok(0), Err(FailureClass::Overloaded), Ok(0)));
    assert_eq!(ask(&acme, "d").await, Ok(0));
    assert_eq!(ask(&acme, "e").await, Err(FailureClass::RateLimited));
    assert!(acme.links["p"].asked_again.as_ref()(KeepReason::RateLimited).is_some());
    assert_eq!(ask(&bolt, "e").await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn a_cache_of_ones_own_is_neither_read_nor_filled_by_others() {
    let shared = shared();
    let (below, calls) = account(&LimitSettings::default(), &shared);
    let own = Some(1 << 20);
    let acme = stack(&settings("acme", TenantLimits::default(), own), None, &below, &shared);
    let bolt = stack(&settings("bolt", TenantLimits::default(), own), None, &below, &shared);
    let [one, two] = ["one", "two"]
        .map(|name| stack(&settings(name, TenantLimits::default(), None), None, &below, &shared));
    let none = stack(&settings("none", TenantLimits::default(), Some(0)), None, &below, &shared);
    for tenant in [&acme, &bolt, &one] {
        assert_eq!((ask(tenant, "a").await, ask(tenant, "a").await), (Ok(0), Ok(1)));
    }
    assert_eq!(ask(&two, "a").await, Ok(1), "what is shared is shared");
    assert_eq!((ask(&none, "a").await, ask(&none, "a").await), (Ok(0), Ok(0)), "nothing is kept");
    assert_eq!(calls.load(Ordering::SeqCst), 5);
    assert_eq!((acme.store.entries(), shared.store.entries(), none.store.entries()), (1, 1, 0));
    for (size, more) in [(4096, 500), (4096, 1000)] {
        let small = stack(&settings("small", TenantLimits::default(), Some(size)), None, &below, &shared);
        for n in 0..more {
            ask(&small, &n.to_string()).await.unwrap();
        }
        assert!(
            small.store.bytes() <= size && shared.store.entries() == 1,
            "its flood takes no place of others"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_counts_and_scores() {
    let shared = shared();
    let (below, _) = account(&LimitSettings::default(), &shared);
    let before = stack(&settings("acme", per_day(2), Some(1 << 20)), None, &below, &shared);
    assert_eq!(ask(&before, "a").await, Ok(0));
    let lower = settings("acme", per_day(1), Some(1 << 20));
    let after = stack(&lower, Some(&before), &below, &shared);
    assert_eq!(ask(&after, "a").await, Ok(1), "its cache is the same");
    assert_eq!(ask(&after, "b").await, Err(FailureClass::Budget), "what it has spent is spent");
    let same = stack(&lower, Some(&after), &below, &shared);
    assert!(Arc::ptr_eq(&same.links["p"].gate, &after.links["p"].gate));
    assert!(!Arc::ptr_eq(&after.links["p"].gate, &before.links["p"].gate));
}

#[tokio::test(start_paused = true)]
async fn a_fleet_counts_each_tenant_under_a_key_of_its_own() {
    let peer = Peer::new();
    peer.script(|words| match words[0] == b"EVAL" {
        true => Act::Say("*7\r\n:1\r\n:9\r\n:1700000000\r\n$1\r\n9\r\n$1\r\n9\r\n:1\r\n:1\r\n"),
        false => Act::Serve,
    });
    let fleet = fleet_of(&peer).await;
    for tenant in ["acme", "bolt"] {
        let of = (tenant.into(), "p".into());
        let counts = (&Ledger::default(), &Default::default());
        let limits = per_day(5).of_gate();
        let gate = Gate::of_tenant(of, Billing::SearchUnits, &limits, counts, Some(fleet.clone()), metrics());
        let (call, _) = scripted(|_, request| half_for_each(request));
        Limits::new(call, Arc::new(gate)).oneshot(request(&["a"])).await.unwrap();
    }
    let keys: Vec<String> =
        peer.seen("EVAL").iter().map(|words| String::from_utf8_lossy(&words[3]).into_owned()).collect();
    assert!(
        keys.iter().any(|key| key.ends_with(":l:acme%7Cp"))
            && keys.iter().any(|key| key.ends_with(":l:bolt%7Cp")),
        "{keys:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_request_wait_for_each_other_at_the_tenants_limit_too() {
    let shared = shared();
    let (below, _) = account(&LimitSettings::default(), &shared);
    let limits = TenantLimits { max_concurrency: Some(1), ..Default::default() };
    let acme = stack(&settings("acme", limits, None), None, &below, &shared);
    let siblings = Some(Siblings::default());
    let asked = |text: &str| crate::rerank::RerankRequest { siblings: siblings.clone(), ..request(&[text]) };
    let provider = acme.links["p"].provider.clone();
    let (one, two) = tokio::join!(provider.clone().oneshot(asked("a")), provider.clone().oneshot(asked("b")));
    assert!(one.is_ok() && two.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_costs_no_round_trip_of_the_tenants_own() {
    let peer = Peer::new();
    peer.script(|words| match words[0] == b"EVAL" {
        true => Act::Say("*7\r\n:1\r\n:9\r\n:1700000000\r\n$1\r\n9\r\n$1\r\n9\r\n:1\r\n:1\r\n"),
        false => Act::Serve,
    });
    let shared = shared();
    let (mut below, _) = account(&LimitSettings::default(), &shared);
    let (call, _) = scripted(|_, _| Err(RerankError::Timeout));
    let opens = CircuitSettings { min_calls: 1, ..CircuitSettings::default() };
    let call = Breaker::new(call, opens, "p".into(), metrics());
    below.0.circuit = Some(call.switch());
    below.1 = BoxCloneSyncService::new(call);
    let fleet = Arc::into_inner(fleet_of(&peer).await).unwrap();
    let store = ScoreStore::new(1 << 20, Duration::from_secs(600), [1; 32]).with_fleet(fleet, true);
    let shared = shared.with_store(Arc::new(store));
    let acme = stack(&settings("acme", per_day(5), None), None, &below, &shared);
    assert_eq!(ask(&acme, "a").await, Err(FailureClass::Timeout));
    for _ in 0..5 {
        assert_eq!(ask(&acme, "a").await, Err(FailureClass::CircuitOpen));
    }
    assert_eq!(peer.seen("EVAL").len(), 1);
}
