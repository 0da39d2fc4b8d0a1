//! The default chain of the AWS SDK: variables, profile files, web identity (IRSA), containers (ECS, EKS Pod Identity),
//! instance metadata (IMDSv2), in this order.

use aws_config::{
    Region, default_provider::credentials::DefaultCredentialsChain, provider_config::ProviderConfig,
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError},
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

/// Fetches credentials. Everything is read anew, files too: whatever has been written since counts. `region`: that of
/// the token service, if a role is assumed.
pub(super) async fn fetch(region: &str) -> Result<Credentials, CredentialsError> {
    let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = ProviderConfig::without_region().with_http_client(client);
    let chain = DefaultCredentialsChain::builder().configure(config).region(Region::new(region.to_owned()));
    chain.build().await.provide_credentials().await
}
