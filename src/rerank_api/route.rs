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

/// Where in a path Cohere's own one begins, if it is that of another call of Cohere's: as clients write it below any base
/// path, from its version on.
pub(super) fn of_cohere(path: &str) -> Option<usize> {
    let at = versioned(path).filter(|_| split(path).is_none())?;
    (!is_doubled(path.get(at..)?)).then_some(at)
}

/// Where the first version stands that is followed by more, or what Cohere has beside its versions.
fn versioned(path: &str) -> Option<usize> {
    let begins = |(at, _): &(usize, &str)| {
        path.get(at + 1..).and_then(|rest| rest.split_once('/')).is_some_and(|(first, _)| is_version(first))
    };
    path.match_indices('/').find(begins).map(|(at, _)| at)
}

fn is_version(segment: &str) -> bool {
    matches!(segment, "v1" | "v2" | "compatibility")
}

/// Whether a path has a version twice: what the SDKs make of a base URL that already names one.
fn is_doubled(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    segments
        .next()
        .zip(segments.next())
        .is_some_and(|(first, second)| first != "compatibility" && is_version(first) && is_version(second))
}

/// The version that a request means.
pub(super) fn route(method: &Method, path: &str) -> Result<Version, ApiError> {
    let Some((base, version)) = split(path) else {
        let doubled = versioned(path).and_then(|at| path.get(at..)).is_some_and(is_doubled);
        return Err(if doubled { ApiError::VersionInBase } else { ApiError::NotServed });
    };
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
    fn other_calls_of_coheres_are_known_below_any_base_path() {
        for (path, own) in [
            ("/v2/embed", "/v2/embed"),
            ("/v1/chat", "/v1/chat"),
            ("/proxy/v1/embed-jobs/7/cancel", "/v1/embed-jobs/7/cancel"),
            ("/compatibility/v1/embeddings", "/compatibility/v1/embeddings"),
        ] {
            assert_eq!(of_cohere(path).map(|at| &path[at..]), Some(own), "{path}");
        }
        for path in ["/v2/rerank", "/a/v1/rerank", "/v2/v2/rerank", "/", "/v2", "/embed", "/v3/embed", "*"] {
            assert_eq!(of_cohere(path), None, "{path}");
        }
        for path in ["/v1/v2/embed", "/a/v2/v2/chat"] {
            assert_eq!((of_cohere(path), to(path)), (None, Err(ApiError::VersionInBase)), "{path}");
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
