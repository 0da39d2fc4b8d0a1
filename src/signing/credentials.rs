//! [`Keys`]: the credentials that requests are signed with. One task fetches them, and again before they expire, so that
//! no request waits for that but the first ones.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::{Credentials, provider::error::CredentialsError};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{SigningMetrics, chain};
use crate::{telemetry, trouble::Lines};

/// Timeout of the whole chain.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);
/// The first requests wait so long for the first credentials.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// Credentials that do not expire are looked up again after this: the file that they are in may have changed.
const AGAIN: Duration = Duration::from_secs(60 * 60);
/// Others are fetched so long before they expire, or in the middle of a shorter life.
const EARLY: Duration = Duration::from_secs(10 * 60);
/// After a failure, doubled each time up to the last.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Between two looks at the clock, which may be set while nothing happens.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Credentials that are doubted are fetched again no sooner than this.
const DOUBTED_AGAIN: Duration = Duration::from_secs(60);

/// There are no credentials, or they have expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCredentials;

/// Until when credentials are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// They do not expire.
    Never,
    /// Until then.
    At(SystemTime),
}

/// The credentials as they are now. Clones share them; fetching ends with the last.
#[derive(Clone)]
pub struct Keys(Arc<Shared>);

struct Shared {
    state: watch::Receiver<State>,
    doubted: Arc<Notify>,
    _task: Option<AbortOnDropHandle<()>>,
}

/// What is known of them.
#[derive(Clone, Default)]
struct State {
    credentials: Option<Credentials>,
    /// Why the last attempt gave none.
    failure: Option<Arc<str>>,
    /// An attempt has ended.
    tried: bool,
}

type Fetch = Box<dyn Fn() -> BoxFuture<'static, Result<Credentials, CredentialsError>> + Send + Sync>;

impl Keys {
    /// Begins to fetch them by the default chain, on the runtime of the caller; outside of one nothing is fetched.
    /// `region`: of the token service, where the environment names none.
    pub fn fetched(region: &str, metrics: SigningMetrics) -> Self {
        let region: Arc<str> = region.into();
        Self::by(
            Box::new(move || {
                let region = region.clone();
                async move { chain::fetch(&region).await }.boxed()
            }),
            metrics,
        )
    }

    fn by(fetch: Fetch, metrics: SigningMetrics) -> Self {
        let (sender, state) = watch::channel(State::default());
        let doubted = Arc::new(Notify::new());
        let keeper = Keeper { fetch, sender, doubted: doubted.clone(), metrics, lines: Lines::default() };
        let task = Handle::try_current().ok().map(|runtime| runtime.spawn(keeper.keep()));
        Self(Arc::new(Shared { state, doubted, _task: task.map(AbortOnDropHandle::new) }))
    }

    /// The credentials, if they are good. Waits only while the first attempt to fetch them goes on.
    pub(super) async fn current(&self) -> Result<Credentials, NoCredentials> {
        let mut state = self.0.state.clone();
        let first = state.wait_for(|state| state.tried);
        match timeout(FIRST_WAIT, first).await {
            Ok(Ok(state)) => state.good(SystemTime::now()).cloned().ok_or(NoCredentials),
            Ok(Err(_)) | Err(_) => Err(NoCredentials),
        }
    }

    /// Whether there are any that are good.
    pub fn are_good(&self) -> bool {
        self.0.state.borrow().good(SystemTime::now()).is_some()
    }

    /// The end of the key's id and until when it is good, or why there is none. Waits for the first attempt.
    pub async fn shown(&self) -> Result<(String, Expiry), String> {
        let found = self.current().await;
        let state = self.0.state.borrow().clone();
        let why = || state.failure.as_deref().unwrap_or("they could not be fetched in time").to_owned();
        let credentials = found.map_err(|NoCredentials| why())?;
        let id: Vec<char> = credentials.access_key_id().chars().collect();
        let end: String = id.iter().skip(id.len().saturating_sub(4)).collect();
        Ok((end, credentials.expiry().map_or(Expiry::Never, Expiry::At)))
    }

    /// The database has rejected them: they may have been replaced.
    pub(super) fn doubt(&self) {
        self.0.doubted.notify_one();
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("good", &self.are_good()).finish_non_exhaustive()
    }
}

impl State {
    fn good(&self, now: SystemTime) -> Option<&Credentials> {
        self.credentials.as_ref().filter(|each| each.expiry().is_none_or(|end| end > now))
    }
}

/// Why there are none. A cause is told only where it is of a source that was asked: what is wrong with a variable is told with
/// its value, which may be a token.
fn told(error: &CredentialsError) -> String {
    match error {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::ProviderError(_) => {
            telemetry::chain(error)
        }
        _ => error.to_string(),
    }
}

/// Fetches them, as long as it is not dropped.
struct Keeper {
    fetch: Fetch,
    sender: watch::Sender<State>,
    doubted: Arc<Notify>,
    metrics: SigningMetrics,
    lines: Lines,
}

impl Keeper {
    async fn keep(self) {
        let mut failures = 0;
        loop {
            let fetched = match timeout(FETCH_TIMEOUT, (self.fetch)()).await {
                Ok(Ok(credentials)) => Ok(credentials),
                Ok(Err(error)) => Err(told(&error)),
                Err(elapsed) => Err(elapsed.to_string()),
            };
            let wait = match fetched {
                Ok(credentials) => {
                    failures = 0;
                    self.take(credentials)
                }
                Err(why) => {
                    failures += 1;
                    self.fail(why);
                    pause(failures)
                }
            };
            self.wait(wait).await;
        }
    }

    /// Takes new ones; returns when to fetch the next.
    fn take(&self, credentials: Credentials) -> Duration {
        let (now, end) = (SystemTime::now(), credentials.expiry());
        let before = self.sender.borrow().clone();
        self.metrics.fetched(true);
        if before.failure.is_some() || !before.tried {
            let until = end.map(|end| humantime::format_rfc3339_seconds(end).to_string());
            tracing::info!(until, "AWS credentials to sign with: fetched");
        }
        self.sender.send_replace(State { credentials: Some(credentials), failure: None, tried: true });
        self.metrics.usable(self.sender.borrow().good(now).is_some());
        next(end, now).mul_f64(1.0 - fastrand::f64() / 20.0)
    }

    /// Those there are stay until they expire.
    fn fail(&self, why: String) {
        self.metrics.fetched(false);
        self.lines.say("no_credentials", || {
            let detail = why.clone();
            move |left_out: Option<u64>| {
                tracing::warn!(
                    cause = "no_credentials",
                    detail,
                    left_out,
                    help = "docs/aws.md#credentials",
                    "AWS credentials to sign with could not be fetched: see the role or the variables of this process"
                );
            }
        });
        self.sender.send_modify(|state| {
            state.failure = Some(why.into());
            state.tried = true;
        });
        self.metrics.usable(self.sender.borrow().good(SystemTime::now()).is_some());
    }

    /// Returns after this time, or sooner if the credentials are doubted.
    async fn wait(&self, time: Duration) {
        let (since, until) = (Instant::now(), SystemTime::now() + time);
        loop {
            let left = until.duration_since(SystemTime::now()).unwrap_or_default();
            let left = left.min(time.saturating_sub(since.elapsed()));
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = sleep(left.min(LOOK_EVERY)) => {}
                () = self.doubted.notified(), if since.elapsed() >= DOUBTED_AGAIN => return,
            }
            self.metrics.usable(self.sender.borrow().good(SystemTime::now()).is_some());
        }
    }
}

/// When to fetch the next ones.
fn next(end: Option<SystemTime>, now: SystemTime) -> Duration {
    let Some(end) = end else { return AGAIN };
    let left = end.duration_since(now).unwrap_or_default();
    (left - EARLY.min(left / 2)).max(RETRY.0)
}

/// How long to wait after so many failures.
fn pause(failures: u32) -> Duration {
    let doubled = RETRY.0.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(RETRY.1).mul_f64(1.0 - fastrand::f64() / 4.0)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use prometheus::Registry;

    use super::*;

    const SECRET: &str = "canary-secret";

    fn metrics() -> SigningMetrics {
        SigningMetrics::register(&Registry::new()).unwrap()
    }

    /// Credentials that are good for so long, by the wall clock.
    fn good_for(seconds: u64) -> Credentials {
        let end = SystemTime::now() + Duration::from_secs(seconds);
        Credentials::new("AKIDEXAMPLE", SECRET, Some("canary-token".to_owned()), Some(end), "test")
    }

    /// Keys that are fetched by this, which gets the number of the attempt; and how many there were.
    fn keys(
        fetch: impl Fn(usize) -> Result<Credentials, CredentialsError> + Send + Sync + 'static,
    ) -> (Keys, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let fetch = Arc::new(fetch);
        let by = move || {
            let (number, fetch) = (counted.fetch_add(1, Ordering::SeqCst), fetch.clone());
            async move { fetch(number) }.boxed()
        };
        (Keys::by(Box::new(by), metrics()), count)
    }

    fn none() -> Result<Credentials, CredentialsError> {
        Err(CredentialsError::not_loaded("no providers in chain provided credentials"))
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_requests_wait_for_the_first_credentials_and_no_longer_than_five_seconds() {
        let (keys, _) = keys(|_| Ok(good_for(3600)));
        assert!(keys.current().await.is_ok());
        let never = Box::new(|| std::future::pending().boxed());
        let keys = Keys::by(never, metrics());
        let since = Instant::now();
        assert_eq!(keys.current().await.err(), Some(NoCredentials));
        assert_eq!(since.elapsed(), FIRST_WAIT);
        assert!(keys.shown().await.unwrap_err().contains("in time"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_with_a_variable_is_told_without_its_value() {
        let (keys, _) =
            keys(|_| Err(CredentialsError::invalid_configuration("canary-token cannot be a header value")));
        let why = keys.shown().await.unwrap_err();
        assert!(!why.contains("canary") && !why.is_empty(), "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_at_once_and_fetching_goes_on_until_it_works() {
        let (keys, count) = keys(|number| if number < 3 { none() } else { Ok(good_for(3600)) });
        assert_eq!(keys.current().await.err(), Some(NoCredentials));
        assert!(keys.shown().await.unwrap_err().contains("no providers in chain"));
        assert!(!keys.are_good());
        sleep(Duration::from_secs(1 + 2 + 4)).await;
        assert!(keys.current().await.is_ok() && keys.are_good());
        assert_eq!(count.load(Ordering::SeqCst), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_are_good_stay_while_the_next_cannot_be_fetched() {
        let (keys, count) = keys(|number| if number == 0 { Ok(good_for(4)) } else { none() });
        assert!(keys.current().await.is_ok());
        sleep(Duration::from_secs(3)).await;
        assert!(count.load(Ordering::SeqCst) > 1);
        assert!(keys.current().await.is_ok(), "they have not expired by the clock of the wall");
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_have_expired_are_not_used() {
        let (keys, _) = keys(|_| Ok(good_for(0)));
        assert_eq!(keys.current().await.err(), Some(NoCredentials));
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_are_doubted_are_fetched_again_once_a_minute() {
        let (keys, count) = keys(|_| Ok(good_for(36_000)));
        keys.current().await.unwrap();
        for _ in 0..10 {
            keys.doubt();
            sleep(Duration::from_secs(30)).await;
        }
        let fetched = count.load(Ordering::SeqCst);
        assert!((3..=6).contains(&fetched), "{fetched} times in five minutes");
    }

    #[test]
    fn the_next_are_fetched_ten_minutes_before_the_end_or_in_the_middle_of_a_short_life() {
        let now = SystemTime::now();
        let after = |seconds| next(Some(now + Duration::from_secs(seconds)), now).as_secs();
        assert_eq!((after(3600), after(1200), after(600), after(0)), (3000, 600, 300, 1));
        assert_eq!(next(None, now), AGAIN);
    }

    #[tokio::test]
    async fn nothing_of_them_is_shown_but_the_end_of_the_id() {
        let (keys, _) = keys(|_| Ok(good_for(3600)));
        let (end, expiry) = keys.shown().await.unwrap();
        assert_eq!(end, "MPLE");
        assert!(matches!(expiry, Expiry::At(_)));
        let signer =
            crate::signing::Signer::new(crate::signing::Service::Es, "eu-west-1", keys.clone(), metrics());
        for shown in [format!("{keys:?}"), format!("{signer:?}")] {
            assert!(!shown.contains("canary") && !shown.contains("AKID"), "{shown}");
        }
    }
}
