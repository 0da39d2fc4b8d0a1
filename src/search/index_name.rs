//! Names of indices, and the expressions by which searches name them: what a hit's index belongs to, and what an
//! expression may reach. Elasticsearch's and OpenSearch's grammar; a Qdrant collection is called by its one name.

use std::borrow::Cow;

use wildmatch::WildMatch;

/// The most wrappings of one name that are taken off: a restored copy of a shrunken backing index has three.
const MOST_WRAPPINGS: usize = 8;
/// Expressions of more parts are taken for one of everything, and longer patterns than this are not compared: what is
/// reached is then seen by the hits alone.
const MOST_PARTS: usize = 256;
const LONGEST_PATTERN: usize = 1024;

/// All the names under which one index may be meant: its own; what is left of it without the prefix of a remote
/// cluster; the data stream that it is a backing index of; the index that it is a copy of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexNames<'a>(Vec<Form<'a>>);

/// One of the names of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Form<'a> {
    name: Cow<'a, str>,
    /// It begins with a dot only because it is the inside of a data stream: what is said of hidden indices in general
    /// does not mean it.
    backing: bool,
}

impl<'a> IndexNames<'a> {
    /// The names of the index that a hit, or a request, calls `name`.
    pub fn of(name: &'a str) -> Self {
        let name = without_selector(name);
        let (cluster, mut bare) = split_cluster(name);
        let mut forms = Vec::with_capacity(2);
        for _ in 0..MOST_WRAPPINGS {
            let inner = unwrapped(&bare);
            let backing = inner.is_some() && bare.starts_with('.');
            forms.push(Form { name: bare, backing });
            match inner {
                Some(inner) => bare = Cow::Owned(inner),
                None => break,
            }
        }
        if let Some(cluster) = cluster {
            let remote = |form: &Form<'_>| Form {
                name: Cow::Owned(format!("{cluster}:{}", form.name)),
                backing: form.backing,
            };
            let remote: Vec<Form<'a>> = forms.iter().map(remote).collect();
            forms.extend(remote);
        }
        Self(forms)
    }

    /// Each name alone.
    pub fn each(&self) -> impl Iterator<Item = IndexNames<'a>> {
        self.0.iter().map(|form| Self(vec![form.clone()]))
    }

    /// Whether `pattern` (`*` and `?` are wild) means this index by any of its names.
    pub fn are_meant_by(&self, pattern: &str) -> bool {
        let wild = WildMatch::new(pattern);
        self.0.iter().any(|form| wild.matches(&form.name) && !(form.backing && means_hidden(pattern)))
    }
}

/// Whether a pattern means hidden indices whatever they are called: `.*`, or anything at all.
fn means_hidden(pattern: &str) -> bool {
    let (_, bare) = split_cluster(pattern);
    bare.trim_matches(['*', '?', '.']).is_empty()
}

/// `logs::failures` is a part of `logs`.
fn without_selector(name: &str) -> &str {
    name.rsplit_once("::").map_or(name, |(name, _)| name)
}

/// The cluster and the index of `cluster:index`. Date math has colons of its own.
fn split_cluster(name: &str) -> (Option<&str>, Cow<'_, str>) {
    match name.split_once(':') {
        Some((cluster, index)) if !cluster.starts_with('<') => (Some(cluster), Cow::Borrowed(index)),
        _ => (None, Cow::Borrowed(name)),
    }
}

/// What an index was made from, by the names that the database gives to copies: mounted snapshots (`partial-…`,
/// `restored-…`), shrunken (`shrink-abcd-…`), downsampled and reindexed ones, and the backing indices and failure
/// stores of data streams (`.ds-logs-2026.01.31-000001`, `.fs-…`).
fn unwrapped(name: &str) -> Option<String> {
    for prefix in ["partial-", "restored-"] {
        if let Some(rest) = filled(name.strip_prefix(prefix)) {
            return Some(rest.to_owned());
        }
    }
    if let Some(rest) = name.strip_prefix("shrink-") {
        let (random, rest) = rest.split_at_checked(4)?;
        return filled(rest.strip_prefix('-').filter(|_| random.is_ascii())).map(str::to_owned);
    }
    if let Some(rest) = name.strip_prefix("downsample-") {
        return match rest.find("-.ds-") {
            Some(at) => rest.get(at + 1..).map(str::to_owned),
            None => filled(rest.split_once('-').map(|(_, rest)| rest)).map(str::to_owned),
        };
    }
    if let Some(rest) = name.strip_prefix(".migrated-ds-") {
        return Some(format!(".ds-{rest}"));
    }
    let (hidden, plain) = name.strip_prefix('.').map_or(("", name), |plain| (".", plain));
    if let Some(rest) = plain.strip_prefix("reindexed-v") {
        let rest = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
        return filled(rest.strip_prefix('-')).map(|rest| format!("{hidden}{rest}"));
    }
    let rest = name.strip_prefix(".ds-").or_else(|| name.strip_prefix(".fs-"))?;
    let (rest, generation) = rest.rsplit_once('-')?;
    if generation.len() < 6 || !generation.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // The first versions wrote no date.
    let stream = rest.rsplit_once('-').filter(|(_, date)| is_date(date)).map_or(rest, |(stream, _)| stream);
    filled(Some(stream)).map(str::to_owned)
}

/// `2026.01.31`.
fn is_date(text: &str) -> bool {
    let digits = |at: usize, byte: u8| if at == 4 || at == 7 { byte == b'.' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(|(at, byte)| digits(at, byte))
}

fn filled(name: Option<&str>) -> Option<&str> {
    name.filter(|name| !name.is_empty())
}

/// One part of an index expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// An index, a data stream or an alias, by its name.
    One(IndexNames<'a>),
    /// Whatever this pattern matches.
    Many(Cow<'a, str>),
    /// Not what this pattern matches.
    Except(&'a str),
}

/// The parts of the index expression of a search: names, wildcards, `_all`, exclusions (`-x`), date math
/// (`<logs-{now/d}>`), each with or without a remote cluster (`eu:logs`) and a selector (`logs::failures`).
pub fn targets<S: AsRef<str>>(expression: &[S]) -> Vec<Target<'_>> {
    if expression.len() > MOST_PARTS {
        return vec![Target::Many(Cow::Borrowed("*"))];
    }
    let mut targets: Vec<Target<'_>> = expression.iter().map(|part| target(part.as_ref())).collect();
    if targets.iter().all(|target| matches!(target, Target::Except(_))) {
        targets.push(Target::Many(Cow::Borrowed("*")));
    }
    targets
}

fn target(part: &str) -> Target<'_> {
    if let Some(pattern) = part.strip_prefix('-') {
        return Target::Except(pattern);
    }
    let part = without_selector(part);
    if part.is_empty() || part == "_all" {
        return Target::Many(Cow::Borrowed("*"));
    }
    if let Some(pattern) = dated(part) {
        return Target::Many(Cow::Owned(pattern));
    }
    if part.contains('*') { Target::Many(Cow::Borrowed(part)) } else { Target::One(IndexNames::of(part)) }
}

/// What date math may come to, as a pattern: `<logs-{now/d}>` is `logs-*`.
fn dated(part: &str) -> Option<String> {
    let at = part.find('<')?;
    let (before, math) = part.split_at(at);
    let math = math.strip_prefix('<')?.strip_suffix('>')?;
    if !(before.is_empty() || before.ends_with(':')) {
        return None;
    }
    let mut pattern = before.to_owned();
    let (mut depth, mut escaped) = (0_usize, false);
    for sign in math.chars() {
        match sign {
            _ if escaped => {
                escaped = false;
                if depth == 0 {
                    pattern.push(sign);
                }
            }
            '\\' => escaped = true,
            '{' => {
                if depth == 0 {
                    pattern.push('*');
                }
                depth += 1;
            }
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => pattern.push(sign),
            _ => {}
        }
    }
    Some(pattern)
}

impl Target<'_> {
    /// Whether this part names the index by its spelling: no alias is needed to come to it.
    pub fn spells(&self, names: &IndexNames<'_>) -> bool {
        match self {
            Target::One(own) => own.0.iter().any(|own| names.0.iter().any(|form| form.name == own.name)),
            Target::Many(pattern) => {
                let wild = WildMatch::new(pattern);
                names.0.iter().any(|form| wild.matches(&form.name))
            }
            Target::Except(_) => false,
        }
    }

    /// Whether something that this part names may be meant by `pattern`.
    pub fn may_be_meant_by(&self, pattern: &str) -> bool {
        match self {
            Target::One(names) => names.are_meant_by(pattern),
            Target::Many(own) => spellings(own).any(|own| meet(own, pattern)),
            Target::Except(_) => false,
        }
    }

    /// Whether all that this part can name is meant by `pattern`.
    pub fn is_all_meant_by(&self, pattern: &str) -> bool {
        match self {
            Target::One(names) => names.are_meant_by(pattern),
            Target::Many(own) => {
                let backing = |own: &str| own.starts_with(".ds-") || own.starts_with(".fs-");
                let inside = backing(&split_cluster(own).1) && means_hidden(pattern);
                !inside && spellings(own).any(|own| covers(pattern, own))
            }
            Target::Except(_) => true,
        }
    }

    /// Whether this part takes out all that `pattern` means.
    pub fn takes_out(&self, pattern: &str) -> bool {
        matches!(self, Target::Except(own) if covers(own, pattern))
    }
}

/// A pattern with and without the prefixes of clusters, mounted snapshots and data streams.
fn spellings(pattern: &str) -> impl Iterator<Item = &str> {
    let bare = pattern.split_once(':').map(|(_, bare)| bare);
    let inner = bare.unwrap_or(pattern);
    let inner =
        [".ds-", ".fs-", "partial-", "restored-"].iter().find_map(|prefix| inner.strip_prefix(prefix));
    std::iter::once(pattern).chain(bare).chain(inner)
}

/// Whether all that `inner` matches is matched by `outer`. Says no where it is not sure.
fn covers(outer: &str, inner: &str) -> bool {
    // A star of `inner` stands for itself, and only a star of `outer` takes that; a question mark must not.
    let sure = !(outer.contains('?') && inner.contains('*'));
    sure && inner.len() <= LONGEST_PATTERN && WildMatch::new(outer).matches(inner)
}

/// Whether some name is matched by both. Says yes where it is not sure.
fn meet(one: &str, other: &str) -> bool {
    if one.len() > LONGEST_PATTERN || other.len() > LONGEST_PATTERN {
        return true;
    }
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // `row[b]`: whether what is left of `one` and `other[b..]` meet; from their ends to their beginnings.
    let stars = |rest: &[char]| rest.iter().all(|&sign| sign == '*');
    let mut below: Vec<bool> = (0..=other.len()).map(|b| stars(&other[b..])).collect();
    for a in (0..one.len()).rev() {
        let mut row = vec![false; other.len() + 1];
        row[other.len()] = stars(&one[a..]);
        for b in (0..other.len()).rev() {
            let same = one[a] == other[b] || one[a] == '?' || other[b] == '?';
            row[b] = match (one[a], other[b]) {
                ('*', _) | (_, '*') => below[b] || row[b + 1],
                _ => same && below[b + 1],
            };
        }
        below = row;
    }
    below[0]
}

#[cfg(test)]
#[path = "index_name_tests.rs"]
mod tests;
