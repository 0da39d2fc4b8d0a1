//! Settings that may stand in the query string or in the body, and which of the two wins.

use std::{borrow::Cow, time::Duration};

use super::{target::Params, value::one_or_many};
use crate::wire::json::{Kind, Object, Value};

/// Where a setting takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SettingSource {
    Query,
    Body,
    Unset,
}

/// A number with its place; `Err` where it is none, or negative.
pub(super) fn number(
    params: &Params,
    body: Option<&Object<'_>>,
    name: &str,
    default: u64,
) -> Result<(u64, SettingSource), ()> {
    if let Some(text) = params.get(name) {
        return text.parse().map(|number| (number, SettingSource::Query)).map_err(|_| ());
    }
    match body.and_then(|body| body.get(name)) {
        Some(value) => whole(value).map(|number| (number, SettingSource::Body)).ok_or(()),
        None => Ok((default, SettingSource::Unset)),
    }
}

/// A whole number of a body, which both products also take as text, and with a fraction of zero.
pub(super) fn whole(value: Value<'_>) -> Option<u64> {
    if let Some(number) = value.as_u64() {
        return Some(number);
    }
    let number = decimal(value)?;
    let fits = number.fract() == 0.0 && (0.0..=f64::from(i32::MAX)).contains(&number);
    fits.then_some(number as u64)
}

/// A number of a body, which both products also take as text.
pub(super) fn decimal(value: Value<'_>) -> Option<f64> {
    let of_text = || value.as_str()?.trim().parse::<f64>().ok();
    value.as_f64().or_else(of_text).filter(|number| number.is_finite())
}

/// The client's own timeout for the search: `timeout` of the query string, else of the body. `-1` is none, and so is
/// what the upstream will reject.
pub(super) fn timeout(params: &Params, body: Option<&Object<'_>>) -> Option<Duration> {
    if let Some(text) = params.get("timeout") {
        return duration(text);
    }
    let value = body?.get("timeout")?;
    duration(&value.as_str().unwrap_or(Cow::Borrowed(value.text())))
}

/// A number with a unit, as Elasticsearch reads it: units of any case, but `M` is no minute. `0` needs none.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().ok()?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    match unit.trim_start() {
        "" if number == 0 => Some(Duration::ZERO),
        "m" => seconds(60),
        unit => match unit.to_ascii_lowercase().as_str() {
            "nanos" => Some(Duration::from_nanos(number)),
            "micros" => Some(Duration::from_micros(number)),
            "ms" => Some(Duration::from_millis(number)),
            "s" => seconds(1),
            "h" => seconds(60 * 60),
            "d" => seconds(24 * 60 * 60),
            _ => None,
        },
    }
}

/// Whether the order is that of scores: no sort, or one plain `_score`, best first.
pub(super) fn sorted_by_score(params: &Params, body: Option<&Object<'_>>) -> bool {
    let mut keys = 0;
    let mut plain = true;
    for key in params.get("sort").unwrap_or("").split(',').filter(|key| !key.is_empty()) {
        keys += 1;
        plain &= key == "_score" || key == "_score:desc";
    }
    let sort = body.and_then(|body| body.get("sort")).filter(|sort| !sort.is_null());
    for key in sort.map(one_or_many).unwrap_or_default() {
        keys += 1;
        plain &= plain_score(key);
    }
    keys == 0 || (keys == 1 && plain)
}

fn plain_score(key: Value<'_>) -> bool {
    let is = |value: Value<'_>, word: &str| value.as_str().is_some_and(|text| text == word);
    if is(key, "_score") {
        return true;
    }
    let Some([member]) = key.members().and_then(|members| <[_; 1]>::try_from(members).ok()) else {
        return false;
    };
    let order = member.value;
    member.key == "_score"
        && match order.kind() {
            Kind::Object => order.members().is_some_and(|m| {
                m.iter().all(|m| {
                    m.key == "order" && m.value.as_str().is_some_and(|o| o.eq_ignore_ascii_case("desc"))
                })
            }),
            _ => order.as_str().is_some_and(|order| order.eq_ignore_ascii_case("desc")),
        }
}

/// The names in a list, a comma list, or a single string; other elements give their `field`.
pub(super) fn names(value: Option<Value<'_>>) -> Vec<String> {
    let elements = value.map(one_or_many).unwrap_or_default();
    elements.into_iter().filter_map(name).collect()
}

fn name(value: Value<'_>) -> Option<String> {
    Some(match value.kind() {
        Kind::Object => value.get("field")?.as_str()?.into_owned(),
        _ => value.as_str()?.into_owned(),
    })
}

fn comma_list(text: &str) -> Vec<String> {
    text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What the client lets hits show of `_source`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SourceRule {
    All,
    None,
    Filter { includes: Vec<String>, excludes: Vec<String> },
}

/// The rule in effect: anything about `_source` in the query string replaces the body's setting whole.
pub(super) fn source_rule(params: &Params, body: Option<&Object<'_>>) -> SourceRule {
    let list = |name: &str| params.get(name).map(comma_list).unwrap_or_default();
    if ["_source", "_source_includes", "_source_excludes"].iter().any(|name| params.has(name)) {
        let mut includes = list("_source_includes");
        match params.get("_source") {
            Some("false") => return SourceRule::None,
            Some("true" | "") | None => {}
            Some(names) => includes.extend(comma_list(names)),
        }
        return filter(includes, list("_source_excludes"));
    }
    let Some(setting) = body.and_then(|body| body.get("_source")).filter(|value| !value.is_null()) else {
        return if switched_off(params, body) { SourceRule::None } else { SourceRule::All };
    };
    match setting.kind() {
        Kind::Bool if setting.as_bool() == Some(false) => SourceRule::None,
        Kind::Object => {
            let either = |long, short| names(setting.get(long).or_else(|| setting.get(short)));
            filter(either("includes", "include"), either("excludes", "exclude"))
        }
        Kind::String | Kind::Array => filter(names(Some(setting)), Vec::new()),
        _ => SourceRule::All,
    }
}

/// Whether `_source` is left out although nothing is said of it: stored fields (unless it is one of them) and fields
/// made by scripts come instead.
fn switched_off(params: &Params, body: Option<&Object<'_>>) -> bool {
    let member = |name: &str| body.and_then(|body| body.get(name)).filter(|value| !value.is_null());
    let stored = match params.get("stored_fields") {
        Some(list) => Some(comma_list(list)),
        None => member("stored_fields").map(|stored| names(Some(stored))),
    };
    match stored {
        Some(names) => !names.iter().any(|name| name == "_source"),
        None => member("script_fields").and_then(Value::members).is_some_and(|scripts| !scripts.is_empty()),
    }
}

fn filter(includes: Vec<String>, excludes: Vec<String>) -> SourceRule {
    if includes.is_empty() && excludes.is_empty() {
        SourceRule::All
    } else {
        SourceRule::Filter { includes, excludes }
    }
}

/// Whether a `_source` or `fields` pattern names this path or an object above it.
pub(super) fn covers(pattern: &str, path: &str) -> bool {
    let pattern = wildmatch::WildMatchPattern::<'*', '\0'>::new(pattern);
    pattern.matches(path) || path.match_indices('.').any(|(dot, _)| pattern.matches(&path[..dot]))
}

/// What `filter_path` leaves of a response.
pub(super) struct FilterPath {
    patterns: Vec<Vec<String>>,
    /// Has patterns that exclude.
    pub(super) excludes: bool,
}

impl FilterPath {
    /// `None` without such a parameter.
    pub(super) fn read(params: &Params) -> Option<Self> {
        let list = comma_list(params.get("filter_path")?);
        (!list.is_empty()).then(|| Self {
            excludes: list.iter().any(|pattern| pattern.starts_with('-')),
            patterns: list.iter().map(|p| p.split('.').map(str::to_owned).collect()).collect(),
        })
    }

    /// Whether some pattern lets all of `path` through.
    pub(super) fn includes(&self, path: &[&str]) -> bool {
        self.patterns.iter().any(|pattern| reaches(pattern, path))
    }

    /// Whether an empty list at `path` is left out: only a pattern that ends there, or above, names the list itself
    /// and not just what is in it.
    pub(super) fn hides_empty(&self, path: &[&str]) -> bool {
        !self.patterns.iter().any(|pattern| (1..=path.len()).any(|end| ends_at(pattern, &path[..end])))
    }
}

/// Whether a pattern names just this path. `**` at its end stands for one key at least.
fn ends_at(pattern: &[String], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        ([last], [_, ..]) if last == "**" => true,
        ([any, rest @ ..], _) if any == "**" && !rest.is_empty() => {
            (0..=path.len()).any(|skipped| ends_at(rest, &path[skipped..]))
        }
        ([first, rest @ ..], [key, deeper @ ..]) => {
            wildmatch::WildMatchPattern::<'*', '\0'>::new(first).matches(key) && ends_at(rest, deeper)
        }
        _ => false,
    }
}

fn reaches(pattern: &[String], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], _) => true,
        ([any, rest @ ..], _) if any == "**" => {
            (0..=path.len()).any(|skipped| reaches(rest, &path[skipped..]))
        }
        (_, []) => false,
        ([first, rest @ ..], [key, deeper @ ..]) => {
            wildmatch::WildMatchPattern::<'*', '\0'>::new(first).matches(key) && reaches(rest, deeper)
        }
    }
}
