//! Texts to values. Each error is a sentence for the operator; URLs and keys are never quoted in one.

use std::{fmt::Display, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use http::Uri;
use rustls_pki_types::ServerName;

use super::hints;
use crate::fleet::is_prefix;
use crate::search::{BadPrefix, PathPrefix};
use crate::tls;

/// The known word that is most like `word`, if one is like it at all.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    known
        .iter()
        .map(|candidate| {
            // One slip makes a short word very unlike by Jaro-Winkler (`ulr`).
            let slip = strsim::damerau_levenshtein(&word, candidate) <= 1 && candidate.len() > 2;
            (if slip { 1.0 } else { strsim::jaro_winkler(&word, candidate) }, *candidate)
        })
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// One of a closed list of words.
pub(super) fn word<T: Copy>(text: &str, all: &[T], as_str: fn(T) -> &'static str) -> Result<T, String> {
    if let Some(value) = all.iter().find(|value| as_str(**value) == text) {
        return Ok(*value);
    }
    let words: Vec<&str> = all.iter().map(|value| as_str(*value)).collect();
    let hint = nearest(text, &words).map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
    Err(format!("`{text}` is not one of {}.{hint}", words.join(", ")))
}

/// A whole number inside a range.
pub(super) fn whole<T>(min: T, max: T) -> impl Fn(&str) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    move |text| match text.replace('_', "").parse::<T>() {
        Ok(value) if value >= min && value <= max => Ok(value),
        _ => Err(format!("`{text}` is not a whole number from {min} to {max}.")),
    }
}

/// A relevance score: those of every provider lie within 0 and 1.
pub(super) fn score(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        Ok(value) if value.is_finite() => Err(format!(
            "`{text}` is not from 0 to 1, as the scores of every provider are here; a floor over all of them would \
             leave no hit."
        )),
        _ => Err(format!("`{text}` is not a number from 0 to 1, such as 0.2.")),
    }
}

/// The farthest from 0 that a number may be.
pub(super) const MOST_NUMBER: f64 = 1000.0;

/// A number on either side of 0.
pub(super) fn number(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value: &f64| value.abs() <= MOST_NUMBER);
    value.ok_or_else(|| format!("`{text}` is not a number from -{MOST_NUMBER} to {MOST_NUMBER}."))
}

/// A share over 0, up to 1: as 0.05 or 5%.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse::<f64>(),
    };
    match value {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        _ => Err(format!("`{text}` is not a share over 0 and up to 1, such as 0.05 or 5%.")),
    }
}

/// `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(hints::boolean(text)),
    }
}

/// A duration longer than nothing.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(value) if value > LONGEST => Err(too_long(text)),
        Ok(value) if !value.is_zero() => Ok(value),
        Ok(_) => Err("a duration of zero is of no use here.".to_owned()),
        Err(_) => Err(hints::duration(text, "300ms, 1s or 24h")),
    }
}

/// A duration, which may be nothing.
pub(super) fn duration_or_none(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(value) if value > LONGEST => Err(too_long(text)),
        Ok(value) => Ok(value),
        Err(_) => Err(hints::duration(text, "0s, 5s or 1m")),
    }
}

/// Clocks cannot represent when much longer ones end.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

fn too_long(text: &str) -> String {
    format!("`{text}` is longer than a hundred years.")
}

/// A byte size.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    text.parse::<bytesize::ByteSize>().map(|size| size.as_u64()).map_err(|_| hints::size(text))
}

/// A byte size of something that may be switched off by 0.
pub(super) fn bytes_or_none(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        1..1024 => Err(hints::unit_of_size(text)),
        size => Ok(size),
    }
}

/// A byte size within these bounds.
pub(super) fn size(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let size = bytes(text)?;
    if usize::try_from(size).is_err() {
        return Err(format!("`{text}` is more than this machine can address."));
    }
    match size {
        _ if (least..=most).contains(&size) => Ok(size),
        _ if most == u64::MAX => Err(hints::unit_of_size(text)),
        _ => Err(format!("`{text}` is not from {} to {}.", size_words(least), size_words(most))),
    }
}

/// A size in the largest unit that gives a whole number.
pub(super) fn size_words(size: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if size >= unit && size.is_multiple_of(unit) {
            return format!("{}{name}", size / unit);
        }
    }
    if size == 0 { "0".to_owned() } else { format!("{size} B") }
}

/// What keys of Redis may begin with.
pub(super) fn key_prefix(text: &str) -> Result<String, String> {
    if is_prefix(text) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` cannot be a prefix of keys; use 1 to 64 letters, digits and . _ - : /"))
}

/// An address to listen on.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| hints::address(text))
}

/// A path of the file system.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("an empty path.".to_owned()) } else { Ok(PathBuf::from(text)) }
}

/// A file that can be opened now; what it holds is read by its user.
pub(super) fn readable_file(text: &str) -> Result<PathBuf, String> {
    let path = path(text)?;
    match std::fs::metadata(&path).and_then(|meta| std::fs::File::open(&path).map(|_| meta.is_file())) {
        Ok(true) => Ok(path),
        Ok(false) => Err(format!("`{text}` is a folder, not a file; name the file in it.")),
        Err(error) => Err(hints::file(text, &error)),
    }
}

/// A PEM file with at least one certificate.
pub(super) fn certificate_file(text: &str) -> Result<PathBuf, String> {
    let path = readable_file(text)?;
    tls::certificates(&path).map_err(|error| format!("{error}."))?;
    Ok(path)
}

/// A PEM file with a private key.
pub(super) fn private_key_file(text: &str) -> Result<PathBuf, String> {
    let path = readable_file(text)?;
    tls::private_key(&path).map_err(|error| format!("{error}."))?;
    Ok(path)
}

/// A host name or an IP address, as certificates have them.
pub(super) fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned())
        .map_err(|_| format!("`{text}` is not a host name, such as search.internal."))
}

/// The URL of a provider: scheme, host, maybe a path.
pub(super) fn url(text: &str) -> Result<Uri, String> {
    if !text.contains("://") {
        return Err(
            "the URL has to begin with http:// or https:// (where TLS is spoken); the scheme is missing: write http:// before it."
                .to_owned(),
        );
    }
    let uri: Uri =
        text.parse().map_err(|_| "this is not a URL, such as https://search.internal:9200.".to_owned())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("the URL has to begin with http:// or https://.".to_owned());
    }
    let Some(authority) = uri.authority() else { return Err("the URL names no host.".to_owned()) };
    if authority.as_str().contains('@') {
        return Err("the URL must not hold a user name or password; a database's login comes from its clients, a provider's key from api_key_env or api_key_file.".to_owned());
    }
    // `http` takes any digits as a port and then knows none.
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    if authority.host().is_empty() || (!port.is_empty() && uri.port_u16().is_none_or(|port| port == 0)) {
        return Err("the URL's host or port is not valid; ports are from 1 to 65535.".to_owned());
    }
    if uri.query().is_some() {
        return Err("the URL must not have a query string.".to_owned());
    }
    Ok(uri)
}

/// The URL of an upstream: scheme and host, and the prefix that its path is.
pub(super) fn upstream_url(text: &str) -> Result<(Uri, PathPrefix), String> {
    let uri = url(text)?;
    let prefix = path_prefix(uri.path())?;
    let mut parts = http::uri::Parts::default();
    parts.scheme = uri.scheme().cloned();
    parts.authority = uri.authority().cloned();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    let origin = Uri::from_parts(parts).map_err(|_| "this is not a URL.".to_owned())?;
    Ok((origin, prefix))
}

/// A path below which a database is found.
pub(super) fn path_prefix(text: &str) -> Result<PathPrefix, String> {
    let sentence = "a prefix is a path, such as /es or /search/eu, without `..`, query or escaped slashes.";
    PathPrefix::parse(text.trim()).map_err(|BadPrefix| sentence.to_owned())
}

/// A collection pattern: `*` and `?` are the only signs.
pub(super) fn glob(text: &str) -> Result<String, String> {
    let pattern = text.strip_prefix('-').unwrap_or(text);
    if pattern.is_empty() {
        return Err("an empty pattern; `*` stands for every collection.".to_owned());
    }
    one(text)?;
    if pattern.chars().any(|c| matches!(c, '[' | ']' | '{' | '}' | '/' | ',' | '\\') || c.is_whitespace()) {
        return Err(format!(
            "`{text}` is not a pattern: only `*` and `?` have a meaning, one pattern an entry."
        ));
    }
    Ok(text.to_owned())
}

/// A pattern of a route, where a leading `-` would exclude nothing.
pub(super) fn route_glob(text: &str) -> Result<String, String> {
    if text.starts_with('-') {
        return Err("a route cannot exclude; write `mode: off` in a route for the collection.".to_owned());
    }
    glob(text)
}

/// A pattern of a model's id.
pub(super) fn id_glob(text: &str) -> Result<String, String> {
    if text.is_empty() || text.chars().any(|c| c == ',' || c.is_whitespace()) {
        return Err(format!("`{text}` is not an id; `*` and `?` are wild, one id an entry."));
    }
    Ok(text.to_owned())
}

/// A dotted path into a document.
pub(super) fn dotted(text: &str) -> Result<String, String> {
    if text.split('.').any(|part| part.trim().is_empty()) {
        return Err(format!("`{text}` is not a dotted path, such as params.query."));
    }
    Ok(text.to_owned())
}

/// The dotted path of one field of a document.
pub(super) fn field(text: &str) -> Result<String, String> {
    one(text).and_then(|text| dotted(&text))
}

/// The beginning of a text. One that every text has would take all of it away.
pub(super) fn text_prefix(text: &str) -> Result<String, String> {
    match text.chars().all(|c| c.is_whitespace() || c == '*') {
        true => Err("an empty prefix; write [] for none.".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// Any text but none, nor several.
pub(super) fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("an empty name.".to_owned()) } else { one(text) }
}

/// A text with no sign in it that lists are written with.
fn one(text: &str) -> Result<String, String> {
    let separators = [',', ';', '|', '\n', '\t'];
    if !text.contains(separators) {
        return Ok(text.to_owned());
    }
    let parts: Vec<&str> = text.split(separators).map(str::trim).filter(|part| !part.is_empty()).collect();
    Err(format!("`{text}` would be one name; several are written as a list: [{}].", parts.join(", ")))
}

/// The name of an environment variable. Not quoted: a key written here by mistake must not be printed.
pub(super) fn variable(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty()
        || text.len() > 64
        || !text.chars().all(good)
        || text.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err("this has to be the name of an environment variable, not the key itself.".to_owned());
    }
    Ok(text.to_owned())
}
