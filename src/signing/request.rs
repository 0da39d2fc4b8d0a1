//! The signature of one request: the AWS project's own code, and what of the request it is given.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderName, HeaderValue, Method, header::AUTHORIZATION};

/// The headers of a signed request that are the signature's, or belong to it.
pub static SIGNED: [HeaderName; 4] = [
    AUTHORIZATION,
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("x-amz-content-sha256"),
];

/// What of a request is signed. No other header is, so that whatever stands between may add and change them.
#[derive(Clone, Copy)]
pub struct ToSign<'a> {
    /// The method.
    pub method: &'a Method,
    /// What the database sees as `Host`.
    pub host: &'a str,
    /// Path and query as they are sent: what [`super::wire_target()`] gives.
    pub target: &'a str,
    /// All of the body.
    pub body: &'a [u8],
}

/// The request has no form that could be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsignable;

/// The headers of the signature. The hash of the body is always among them: serverless collections require it, and
/// domains take it.
pub(super) fn headers(
    request: ToSign<'_>,
    credentials: &Credentials,
    scope: (&str, &str),
    at: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, Unsignable> {
    signed(request, credentials, scope, at, PayloadChecksumKind::XAmzSha256)
}

fn signed(
    request: ToSign<'_>,
    credentials: &Credentials,
    (service, region): (&str, &str),
    at: SystemTime,
    checksum: PayloadChecksumKind,
) -> Result<Vec<(HeaderName, HeaderValue)>, Unsignable> {
    // By default the path is normalised and encoded once more, as every service but S3 wants it.
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = checksum;
    let identity = Identity::from(credentials.clone());
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(at)
        .settings(settings)
        .build()
        .map_err(|_| Unsignable)?
        .into();
    let ToSign { method, host, target, body } = request;
    let uri = format!("https://{host}{target}");
    let host = std::iter::once(("host", host));
    let to_sign = SignableRequest::new(method.as_str(), uri, host, SignableBody::Bytes(body));
    let (instructions, _) =
        sign(to_sign.map_err(|_| Unsignable)?, &params).map_err(|_| Unsignable)?.into_parts();
    let (headers, _) = instructions.into_parts();
    let header = |(name, value): (&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unsignable)?;
        let mut value = HeaderValue::from_str(value).map_err(|_| Unsignable)?;
        value.set_sensitive(true);
        Ok((name, value))
    };
    headers.iter().map(|each| header((each.name(), each.value()))).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::signing::wire_target;

    /// The credentials, time and scope of the published test suite.
    fn suite(token: Option<&str>) -> Credentials {
        let (id, secret) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        Credentials::new(id, secret, token.map(str::to_owned), None, "test")
    }

    fn at() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_440_938_160)
    }

    fn authorization(method: Method, target: &str, token: Option<&str>) -> String {
        let target = wire_target(target.as_bytes()).unwrap();
        let request = ToSign { method: &method, host: "example.amazonaws.com", target: &target, body: b"" };
        let scope = ("service", "us-east-1");
        let headers = signed(request, &suite(token), scope, at(), PayloadChecksumKind::NoHeader).unwrap();
        let (_, value) = headers.iter().find(|(name, _)| name == AUTHORIZATION).unwrap();
        value.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_published_test_vectors_have_the_published_signatures() {
        let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        for (name, method, target, signature) in [
            ("get-vanilla", Method::GET, "/", vanilla),
            ("get-relative", Method::GET, "/example/..", vanilla),
            ("get-relative-relative", Method::GET, "/example1/example2/../..", vanilla),
            ("get-slash", Method::GET, "//", vanilla),
            ("get-slash-dot-slash", Method::GET, "/./", vanilla),
            (
                "get-slash-pointless-dot",
                Method::GET,
                "/./example",
                "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
            ),
            (
                "get-slashes",
                Method::GET,
                "//example//",
                "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
            ),
            (
                "get-unreserved",
                Method::GET,
                "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
                "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            ),
            (
                "get-vanilla-query-order-key-case",
                Method::GET,
                "/?Param2=value2&Param1=value1",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-vanilla-utf8-query",
                Method::GET,
                "/?\u{1234}=bar",
                "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            ),
            (
                "post-vanilla",
                Method::POST,
                "/",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
        ] {
            assert_eq!(
                authorization(method, target, None),
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature={signature}"
                ),
                "{name}"
            );
        }
        let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
        let signed = authorization(Method::GET, "/", Some(token));
        let signature = "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8";
        assert!(signed.ends_with(&format!(
            "SignedHeaders=host;x-amz-date;x-amz-security-token, Signature={signature}"
        )));
    }

    #[test]
    fn the_hash_of_the_body_is_sent_and_signed_and_no_other_header_is() {
        let request = ToSign { method: &Method::POST, host: "db", target: "/_search", body: b"{}" };
        let all = headers(request, &suite(Some("token")), ("aoss", "eu-west-1"), at()).unwrap();
        let value =
            |name: &str| all.iter().find(|(each, _)| each == name).map(|(_, value)| value.to_str().unwrap());
        let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(value("x-amz-content-sha256"), Some(hash));
        assert_eq!(value("x-amz-security-token"), Some("token"));
        let signed = value("authorization").unwrap();
        let names = "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, ";
        assert!(signed.contains("/20150830/eu-west-1/aoss/aws4_request, "), "{signed}");
        assert!(signed.contains(names), "{signed}");
        assert_eq!(all.len(), SIGNED.len());
        assert!(all.iter().all(|(name, value)| SIGNED.contains(name) && value.is_sensitive()));
    }
}
