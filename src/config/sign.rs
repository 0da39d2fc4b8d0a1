//! [`SignConfig`]: signing for Amazon OpenSearch.

use crate::signing::{Service, SignedClients};

/// How requests to a database are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignConfig {
    /// The AWS service that the database is of.
    pub service: Service,
    /// The AWS region that it is in.
    pub region: String,
    /// Whose requests are signed.
    pub clients: SignedClients,
}

impl SignConfig {
    /// For a database of this service in this region, with the defaults.
    pub fn new(service: Service, region: String) -> Self {
        Self { service, region, clients: SignedClients::default() }
    }
}
