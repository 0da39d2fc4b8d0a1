//! What AWS does with a signed request, written here a second time from its documentation: the canonical request, the
//! string to sign, the key, and whether the signature is theirs.

use ring::{digest, hmac};

use super::body_of;

/// The credentials of AWS's own examples; nobody's.
pub const ID: &str = "AKIDEXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub const TOKEN: &str = "a-session-token/canary+1==";

/// What a client's own signer puts on a request; of which rerankd sees only that it is there.
pub const THEIRS: &str = "authorization: AWS4-HMAC-SHA256 Credential=THEIRS/20150830/eu-west-1/es/aws4_request, \
                          SignedHeaders=host;x-amz-date, Signature=5fa00fa3\r\nx-amz-date: 20150830T123600Z\r\n\
                          x-amz-security-token: their-token\r\nx-amz-content-sha256: their-hash\r\n";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// Every byte escaped but the unreserved ones and those of `also`.
fn escaped(bytes: &[u8], also: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        byte if also.contains(byte) => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    bytes.iter().map(one).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(text).collect()
}

/// The path without empty and dotted segments, escaped once more.
fn canonical_path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let end = if !kept.is_empty() && path.ends_with('/') { "/" } else { "" };
    escaped(format!("/{}{end}", kept.join("/")).as_bytes(), b"/")
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (escaped(&unescaped(name), b""), escaped(&unescaped(value), b"")))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// What a request is as AWS sees it.
pub struct Verified {
    pub signed_headers: Vec<String>,
    pub service: String,
    pub region: String,
    pub date: String,
}

/// Whether a request is signed with our credentials, every byte of it; else why not.
pub fn verify(request: &str) -> Result<Verified, String> {
    let (head, _) = request.split_once("\r\n\r\n").ok_or("no head")?;
    let mut lines = head.split("\r\n");
    let mut line = lines.next().ok_or("no request line")?.split(' ');
    let (method, target) = (line.next().ok_or("no method")?, line.next().ok_or("no target")?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if query.contains('+') {
        return Err("a + in the query: some read it as a blank".to_owned());
    }
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let only = |name: &str| {
        let mut all = headers.iter().filter(|(each, _)| each == name).map(|(_, value)| value.as_str());
        match (all.next(), all.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Err(format!("no {name}")),
            _ => Err(format!("{name} twice")),
        }
    };
    let rest = only("authorization")?.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("another scheme")?;
    let part = |name: &str| {
        let parts = rest.split(", ").filter_map(|part| part.split_once('='));
        parts.into_iter().find(|(each, _)| *each == name).map(|(_, value)| value).ok_or(format!("no {name}"))
    };
    let scope: Vec<&str> = part("Credential")?.split('/').collect();
    let [ID, day, region, service, "aws4_request"] = scope[..] else {
        return Err(format!("scope {scope:?}"));
    };
    let date = only("x-amz-date")?;
    let hash = sha256(body_of(request).as_bytes());
    if only("x-amz-content-sha256")? != hash {
        return Err("the hash of another body".to_owned());
    }
    if !date.starts_with(day) {
        return Err("two dates".to_owned());
    }
    let signed: Vec<String> = part("SignedHeaders")?.split(';').map(str::to_owned).collect();
    let mut canonical = format!("{method}\n{}\n{}\n", canonical_path(path), canonical_query(query));
    for name in &signed {
        canonical += &format!("{name}:{}\n", only(name)?);
    }
    canonical += &format!("\n{}\n{hash}", signed.join(";"));
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let key = [day, region, service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{SECRET}").into_bytes(), |key, text| keyed(&key, text));
    let signature = part("Signature")?;
    if hex(&keyed(&key, &to_sign)) != signature {
        return Err(format!("the signature is none of this request:\n{canonical}"));
    }
    Ok(Verified { signed_headers: signed, service: service.into(), region: region.into(), date: date.into() })
}

/// What AWS answers to a request that it does not take.
pub fn forbidden(why: &str) -> String {
    super::response(403, "application/json", &serde_json::json!({ "message": why }).to_string())
}
