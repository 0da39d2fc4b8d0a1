//! Requests to Amazon OpenSearch, signed as AWS wants them (Signature Version 4), with credentials that the AWS SDK's
//! default chain finds and that are fetched anew before they expire. Nothing here is shown in a log or in `Debug`.

mod chain;
mod credentials;
mod metrics;
mod request;
mod told;
mod wire_target;

use std::{fmt, sync::Arc, time::SystemTime};

use http::{HeaderName, HeaderValue};

pub use credentials::{Expiry, Keys, NoCredentials};
pub use metrics::SigningMetrics;
pub use request::{SIGNED, ToSign, Unsignable};
pub use told::Doubt;
pub use wire_target::wire_target;

/// The AWS service that a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// A domain of Amazon OpenSearch Service.
    Es,
    /// A collection of Amazon OpenSearch Serverless.
    Aoss,
}

/// Which clients are lent the credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignedClients {
    /// Those whose requests carry a signature for AWS. That there is one is seen, not that it is right.
    #[default]
    Signed,
    /// Everyone who reaches the listener.
    Any,
}

impl Service {
    /// As it stands in a signature's scope.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es => "es",
            Self::Aoss => "aoss",
        }
    }
}

/// Signs the requests to one database. Cheap to clone.
#[derive(Clone)]
pub struct Signer {
    service: Service,
    region: Arc<str>,
    keys: Keys,
    doubts: told::Doubts,
}

/// Why a request was not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// There are no credentials now.
    #[error("there are no AWS credentials to sign with")]
    NoCredentials,
    /// The request has no form that could be signed.
    #[error("the request cannot be signed")]
    Unsignable,
}

impl Signer {
    /// For a database of this service in this region.
    pub fn new(service: Service, region: &str, keys: Keys, metrics: SigningMetrics) -> Self {
        Self { service, region: region.into(), keys, doubts: told::Doubts::new(metrics) }
    }

    /// The headers that make a request a signed one. Waits for credentials while the first are being fetched.
    pub async fn headers(&self, request: ToSign<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, SigningError> {
        let credentials = self.keys.current().await.map_err(|NoCredentials| SigningError::NoCredentials)?;
        let scope = (self.service.as_str(), &*self.region);
        request::headers(request, &credentials, scope, SystemTime::now())
            .map_err(|Unsignable| SigningError::Unsignable)
    }

    /// Looks into a 403: the clock may be wrong, or the credentials. `address` is the database's, for the log.
    pub fn forbidden(&self, date: Option<SystemTime>, address: &str) {
        let doubt = Doubt::of(date, SystemTime::now());
        self.doubts.say(doubt, address);
        if doubt == Doubt::Rejected {
            self.keys.doubt();
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("service", &self.service)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}
