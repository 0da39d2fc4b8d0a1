//! What can be set about traces.

use std::{fmt, path::PathBuf, time::Duration};

use http::{HeaderName, HeaderValue, Uri};

/// How traces are made, and where they go.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// The collector; `None`: there are no traces.
    pub endpoint: Option<Uri>,
    /// The endpoint's path is the whole one, not what `/v1/traces` stands below (HTTP).
    pub is_whole: bool,
    /// What is spoken to it.
    pub protocol: Protocol,
    /// Where headers stand that every export carries.
    pub headers_file: Option<PathBuf>,
    /// Those, and those of the environment.
    pub headers: SecretHeaders,
    /// Trust this certificate authority instead of the system's (`https://`).
    pub ca_file: Option<PathBuf>,
    /// A hash of what it held when it was read: another certificate there is another setting.
    pub ca_held: u64,
    /// For one export, its repetitions included.
    pub timeout: Duration,
    /// The share of requests that are traced where no caller decides, 0 to 1.
    pub ratio: f64,
    /// What a caller's own decision means.
    pub parents: Parents,
    /// Who is told of rerankd's own spans.
    pub propagate: Propagate,
    /// The most spans that wait for an export; more are dropped.
    pub queue: usize,
    /// What the program is called in traces.
    pub service_name: String,
    /// Further attributes of the program, from `OTEL_RESOURCE_ATTRIBUTES`.
    pub attributes: Vec<(String, String)>,
    /// Variables of the specification whose values were not understood.
    pub ignored: Vec<&'static str>,
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self {
            endpoint: None,
            is_whole: false,
            protocol: Protocol::Http,
            headers_file: None,
            headers: SecretHeaders::default(),
            ca_file: None,
            ca_held: 0,
            timeout: Duration::from_secs(10),
            ratio: 1.0,
            parents: Parents::Follow,
            propagate: Propagate::Off,
            queue: 4096,
            service_name: "rerankd".to_owned(),
            attributes: Vec::new(),
            ignored: Vec::new(),
        }
    }
}

impl TraceSettings {
    /// Nobody wants traces, whatever else is said of them.
    pub fn switch_off(&mut self) {
        self.endpoint = None;
        self.ignored.clear();
    }
}

/// What is spoken to the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC, port 4317 as a rule.
    Grpc,
    /// Protobuf over HTTP, port 4318 as a rule.
    Http,
}

/// What it means that a caller has sampled its own span, or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parents {
    /// The same for ours; requests without a caller's span are sampled by the ratio.
    Follow,
    /// The same for ours; others are not traced.
    Only,
    /// Nothing: the ratio decides.
    Ignore,
}

impl Parents {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Follow => "follow",
            Self::Only => "only",
            Self::Ignore => "ignore",
        }
    }
}

/// Who gets rerankd's span as the parent of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagate {
    /// Nobody: the client's `traceparent` goes on as it came.
    Off,
    /// The database.
    Upstream,
    /// The database, and the providers.
    All,
}

/// Headers that may hold a key.
#[derive(Clone, Default, PartialEq)]
pub struct SecretHeaders(pub Vec<(HeaderName, HeaderValue)>);

impl fmt::Debug for SecretHeaders {
    /// Shows the names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl SecretHeaders {
    /// Reads `name=value` pairs with commas or line ends between, values percent-encoded, as in
    /// `OTEL_EXPORTER_OTLP_HEADERS`; `None` where one is none.
    pub fn read(text: &str) -> Option<Self> {
        let pairs = text.split([',', '\n']).map(str::trim).filter(|pair| !pair.is_empty());
        let header = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
        };
        pairs.map(header).collect::<Option<_>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_the_standard_writes_them_and_never_shown() {
        let read =
            SecretHeaders::read("api-key=s3cret, x-tenant = a%20b\nauthorization=Basic%20Zg==\n").unwrap();
        let values: Vec<_> = read.0.iter().map(|(_, value)| value.to_str().unwrap()).collect();
        assert_eq!(values, ["s3cret", "a b", "Basic Zg=="]);
        assert_eq!(format!("{read:?}"), r#"["api-key", "x-tenant", "authorization"]"#);
        assert_eq!(SecretHeaders::read(" \n").unwrap(), SecretHeaders::default());
        for bad in ["s3cret", "a b=c", "a=b\u{0}", "=x"] {
            assert!(SecretHeaders::read(bad).is_none(), "{bad}");
        }
    }
}
