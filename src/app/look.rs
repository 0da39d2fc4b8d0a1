//! What `rerankd check --connect` asks beside searches: certificates, and Redis.

use std::time::Duration;

use rustls_pki_types::CertificateDer;

use super::build;
use crate::{
    config::{CacheConfig, RedisConfig, UpstreamConfig},
    fleet::{Look, LookError, look},
    upstream,
};

/// The certificate that a database shows over TLS; `None` without TLS, or where none could be had.
pub async fn upstream_certificate(section: &UpstreamConfig) -> Option<CertificateDer<'static>> {
    upstream::certificate(&section.url, &build::upstream_tls(section)).await
}

/// Who the configured Redis is, and whether it can be used.
pub async fn redis(cache: &CacheConfig, redis: &RedisConfig, within: Duration) -> Result<Look, LookError> {
    look(build::fleet_settings(redis, cache), within).await
}
