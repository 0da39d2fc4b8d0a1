//! Paths: `/v1/rerank` and `/v2/rerank`, below any base path.

use http::Method;

use super::{error::ApiError, version::Version};

/// The version that a path means, and the base path before it.
fn split(path: &str) -> Option<(&str, Version)> {
    let of = |suffix, version| path.strip_suffix(suffix).map(|base| (base, version));
    of("/v2/rerank", Version::V2).or_else(|| of("/v1/rerank", Version::V1))
}

/// The version that a path means, whatever stands before it.
pub(super) fn version(path: &str) -> Option<Version> {
    split(path).map(|(_, version)| version)
}

/// The version that a request means.
pub(super) fn route(method: &Method, path: &str) -> Result<Version, ApiError> {
    let (base, version) = split(path).ok_or(ApiError::NotServed)?;
    // What the SDKs make of a base URL that already names a version.
    if base.ends_with("/v1") || base.ends_with("/v2") {
        return Err(ApiError::VersionInBase);
    }
    if method != Method::POST {
        return Err(ApiError::MethodNotAllowed);
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(path: &str) -> Result<Version, ApiError> {
        route(&Method::POST, path)
    }

    #[test]
    fn both_versions_are_served_below_any_base_path() {
        for base in ["", "/proxy/tenant-a", "/v3", "/xv2", "/"] {
            assert_eq!(to(&format!("{base}/v2/rerank")), Ok(Version::V2), "{base}");
            assert_eq!(to(&format!("{base}/v1/rerank")), Ok(Version::V1), "{base}");
        }
    }

    #[test]
    fn a_base_url_that_names_a_version_is_distinguished_from_a_wrong_path() {
        for path in ["/v1/v2/rerank", "/v2/v2/rerank", "/a/v2/v1/rerank"] {
            assert_eq!(to(path), Err(ApiError::VersionInBase), "{path}");
        }
        for path in
            ["/", "/rerank", "/v2/embed", "/v2/chat", "/v1/models", "/v2/rerank/", "/v3/rerank", "v2/rerank"]
        {
            assert_eq!(to(path), Err(ApiError::NotServed), "{path}");
        }
    }

    #[test]
    fn only_post_is_allowed() {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::OPTIONS] {
            assert_eq!(route(&method, "/v2/rerank"), Err(ApiError::MethodNotAllowed));
        }
        assert_eq!(route(&Method::GET, "/v1/models"), Err(ApiError::NotServed));
    }
}
