//! [`Boosts`]: what a hit's fields add to its relevance, or keep it from.

use std::{
    borrow::Cow,
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Times in numbers up to this are in seconds (it is the year 5138), larger ones in milliseconds (from March 1973 on).
const LAST_SECOND: f64 = 1e11;
/// The last second of the year 9999: larger ones, of microseconds, are no times.
const LAST_MILLISECONDS: f64 = 253_402_300_799.0;
/// The seconds of 400 years of the Gregorian calendar.
const CYCLE: f64 = 146_097.0 * 86_400.0;
/// Recency is counted in steps of this share of the half-life, and of an hour at most.
const STEPS: u32 = 50;
const LONGEST_STEP: Duration = Duration::from_secs(3600);

/// Applied to relevance, in this order: `r + |r| · Σ weight · share` of all that have a weight, then floors and caps one after
/// the other. A hit that lacks a field, or has a value there that means nothing, gets a share of 0: nothing changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Boosts(pub Vec<Boost>);

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Boost {
    /// The dotted path of the field that is read.
    pub field: String,
    /// What its value means.
    pub by: BoostBy,
}

/// What a field's value means for a hit.
#[derive(Clone, Debug, PartialEq)]
pub enum BoostBy {
    /// A time; the share is 1 now and in the future, and halves with each half-life before.
    Recency {
        /// Longer than zero.
        half_life: Duration,
        /// What a share of 1 adds, relative to relevance.
        weight: f32,
    },
    /// A number `x`; the share is `x / (x + pivot)`, 0 below 0.
    Number {
        /// At this number the share is a half; above 0.
        pivot: f64,
        /// What a share of 1 adds, relative to relevance.
        weight: f32,
    },
    /// The share is 1 if it is one of these, else 0.
    Values {
        /// As text.
        values: Vec<String>,
        /// What a share of 1 adds, relative to relevance.
        weight: f32,
    },
    /// A hit with one of these is worth no less.
    Floor {
        /// As text.
        values: Vec<String>,
        /// The least, 0 to 1.
        least: f32,
    },
    /// A hit with one of these is worth no more.
    Cap {
        /// As text.
        values: Vec<String>,
        /// The most, 0 to 1.
        most: f32,
    },
}

/// What boosts made of a hit's relevance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Boosted {
    /// What it is ranked by.
    pub score: f32,
    /// What each boost added, or took away.
    pub parts: Vec<f32>,
}

impl Boosts {
    /// The fields that are read, each once.
    pub fn fields(&self) -> Vec<&str> {
        let mut fields: Vec<&str> = Vec::new();
        for boost in &self.0 {
            if !fields.contains(&&*boost.field) {
                fields.push(&boost.field);
            }
        }
        fields
    }

    /// What becomes of a hit's relevance; `values` are those of its field of each boost, as text.
    pub fn apply(&self, relevance: f32, now: SystemTime, values: &[Vec<Cow<'_, str>>]) -> Boosted {
        let of = |at: usize| values.get(at).map(Vec::as_slice).unwrap_or_default();
        let base = finite(relevance);
        let added = |(at, boost): (usize, &Boost)| base.abs() * boost.weighted(now, of(at));
        let mut parts: Vec<f32> = self.0.iter().enumerate().map(added).collect();
        let mut score = finite(base + parts.iter().sum::<f32>());
        for (at, (boost, part)) in self.0.iter().zip(&mut parts).enumerate() {
            let bounded = boost.bounded(score, of(at));
            *part += bounded - score;
            score = bounded;
        }
        Boosted { score, parts }
    }
}

impl Boost {
    /// Its weight times its share; 0 for one that bounds.
    fn weighted(&self, now: SystemTime, values: &[Cow<'_, str>]) -> f32 {
        match &self.by {
            BoostBy::Recency { half_life, weight } => {
                let latest = values.iter().filter_map(|value| time(value)).reduce(f64::max);
                latest.map_or(0.0, |latest| weight * recency(latest, now, *half_life))
            }
            BoostBy::Number { pivot, weight } => {
                let most = values.iter().filter_map(|value| number(value)).reduce(f64::max);
                most.map_or(0.0, |most| weight * saturated(most, *pivot))
            }
            BoostBy::Values { values: these, weight } => weight * f32::from(u8::from(is_one(values, these))),
            BoostBy::Floor { .. } | BoostBy::Cap { .. } => 0.0,
        }
    }

    fn bounded(&self, score: f32, values: &[Cow<'_, str>]) -> f32 {
        match &self.by {
            BoostBy::Floor { values: these, least } if is_one(values, these) => score.max(*least),
            BoostBy::Cap { values: these, most } if is_one(values, these) => score.min(*most),
            _ => score,
        }
    }
}

impl fmt::Display for Boost {
    /// For people: how the formula reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        match &self.by {
            BoostBy::Recency { half_life, weight } => {
                write!(
                    f,
                    "+ {weight} × r × 0.5^(age of {field} / {})",
                    humantime::format_duration(*half_life)
                )
            }
            BoostBy::Number { pivot, weight } => write!(f, "+ {weight} × r × {field} / ({field} + {pivot})"),
            BoostBy::Values { values, weight } => {
                write!(f, "+ {weight} × r if {field} is {}", values.join(" or "))
            }
            BoostBy::Floor { values, least } => {
                write!(f, "at least {least} if {field} is {}", values.join(" or "))
            }
            BoostBy::Cap { values, most } => {
                write!(f, "at most {most} if {field} is {}", values.join(" or "))
            }
        }
    }
}

fn finite(score: f32) -> f32 {
    if score.is_nan() { 0.0 } else { score.clamp(f32::MIN, f32::MAX) }
}

fn is_one(values: &[Cow<'_, str>], these: &[String]) -> bool {
    values.iter().any(|value| these.iter().any(|this| this == value))
}

/// 1 now, a half of it with each half-life before. The present counts in steps, so that the pages of a walk have one order;
/// times of hits are compared exactly.
fn recency(time: f64, now: SystemTime, half_life: Duration) -> f32 {
    let step = (half_life / STEPS).min(LONGEST_STEP).as_secs_f64().max(1.0);
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let age = ((now / step).floor() * step - time).max(0.0);
    (-age / half_life.as_secs_f64()).exp2() as f32
}

fn saturated(number: f64, pivot: f64) -> f32 {
    let share = number / (number + pivot);
    if number > 0.0 && share.is_finite() { share as f32 } else { 0.0 }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// A time in seconds since 1970: ISO 8601 with or without time and offset (UTC without), a year, or a number of seconds or
/// milliseconds.
fn time(text: &str) -> Option<f64> {
    let text = text.trim();
    // A column of numbers with gaps makes `2024.0` of a year.
    let year = text.strip_suffix(".0").unwrap_or(text);
    if year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) {
        return iso(&format!("{year}-01-01"));
    }
    match number(text) {
        Some(number) if number.abs() <= LAST_SECOND => Some(number),
        Some(number) => Some(number / 1000.0).filter(|seconds| *seconds <= LAST_MILLISECONDS),
        None => iso(text),
    }
}

fn iso(text: &str) -> Option<f64> {
    let (day, rest) = text.split_at_checked(10)?;
    let (clock, offset) = match rest.find(['+', '-', 'Z', 'z']) {
        Some(at) => rest.split_at_checked(at)?,
        None => (rest, ""),
    };
    let clock = match clock.strip_prefix(['T', 't', ' ']) {
        None if clock.is_empty() => "00:00:00".to_owned(),
        None => return None,
        Some(minutes) if minutes.len() == 5 => format!("{minutes}:00"),
        Some(clock) => clock.to_owned(),
    };
    // It reads no times before 1970; in 400 years all days come again.
    let year: u32 =
        day.get(..4).filter(|year| year.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    let cycles = 1970_u32.saturating_sub(year).div_ceil(400);
    let (year, rest) = (year + 400 * cycles, day.get(4..)?);
    let utc = humantime::parse_rfc3339(&format!("{year:04}{rest}T{clock}Z")).ok()?;
    let utc = utc.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    Some(utc - f64::from(cycles) * CYCLE - seconds_of_offset(offset)?)
}

/// Of `+02:00`, `+0200`, `+02`, `Z` or nothing.
fn seconds_of_offset(offset: &str) -> Option<f64> {
    let sign = match offset.chars().next() {
        None | Some('Z' | 'z') => return (offset.len() <= 1).then_some(0.0),
        Some('-') => -1.0,
        Some(_) => 1.0,
    };
    let digits: String = offset.get(1..)?.chars().filter(|c| *c != ':').collect();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at_checked(2)?;
    let hours: f64 = hours.parse().ok()?;
    let minutes: f64 = if minutes.is_empty() { 0.0 } else { minutes.parse().ok()? };
    Some(sign * (hours * 3600.0 + minutes * 60.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn values(texts: &[&'static str]) -> Vec<Cow<'static, str>> {
        texts.iter().map(|text| Cow::Borrowed(*text)).collect()
    }

    fn at(text: &str) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs_f64(time(text).unwrap())
    }

    fn boost(field: &str, by: BoostBy) -> Boost {
        Boost { field: field.to_owned(), by }
    }

    fn example() -> Boosts {
        let named = |name: &str| vec![name.to_owned()];
        Boosts(vec![
            boost("published", BoostBy::Recency { half_life: 30 * DAY, weight: 0.4 }),
            boost("views", BoostBy::Number { pivot: 100.0, weight: 0.2 }),
            boost("source", BoostBy::Cap { values: named("forum"), most: 0.6 }),
            boost("source", BoostBy::Floor { values: named("manual"), least: 0.3 }),
        ])
    }

    /// The example of the documentation.
    #[test]
    fn relevance_is_boosted_by_the_formula_and_then_bounded() {
        let now = at("2026-07-01");
        let near = |one: f32, other: f32| (one - other).abs() < 1e-3;
        let of = |relevance, published, views, source| {
            let values = [values(&[published]), values(&[views]), values(&[source]), values(&[source])];
            example().apply(relevance, now, &values)
        };
        let wiki = of(0.5, "2026-06-01", "300", "wiki");
        assert!(near(wiki.score, 0.675), "{wiki:?}");
        assert!(near(wiki.parts[0], 0.1) && near(wiki.parts[1], 0.075), "{wiki:?}");
        let forum = of(0.7, "2026-07-01", "0", "forum");
        assert!(near(forum.score, 0.6) && near(forum.parts[2], -0.38), "{forum:?}");
        assert!(near(of(0.1, "2020-01-01", "", "manual").score, 0.3));
    }

    #[test]
    fn what_is_missing_or_means_nothing_changes_nothing() {
        let now = at("2026-07-01");
        for value in ["", "soon", "NaN", "inf", "-inf", "1e999", "-3", "2026-13-45", "true", "[]"] {
            let number = Boosts(vec![boost("n", BoostBy::Number { pivot: 1.0, weight: 1.0 })]);
            assert_eq!(number.apply(0.5, now, &[values(&[value])]).score, 0.5, "{value}");
            if value != "-3" {
                let recent = Boosts(vec![boost("d", BoostBy::Recency { half_life: DAY, weight: 1.0 })]);
                assert_eq!(recent.apply(0.5, now, &[values(&[value])]).score, 0.5, "{value}");
            }
        }
        let missing = example().apply(0.5, now, &[]);
        assert_eq!(missing, Boosted { score: 0.5, parts: vec![0.0; 4] });
    }

    #[test]
    fn times_are_read_as_databases_write_them() {
        let noon = 1_714_564_800.0;
        for text in [
            "2024-05-01T12:00:00Z",
            "2024-05-01T12:00:00.000Z",
            "2024-05-01 12:00:00",
            "2024-05-01T12:00",
            "2024-05-01T14:00:00+02:00",
            "2024-05-01T07:30:00-0430",
            "1714564800",
            "1714564800000",
            "1.7145648e9",
        ] {
            assert_eq!(time(text), Some(noon), "{text}");
        }
        assert_eq!(time("2024-05-01"), Some(noon - 43_200.0));
        assert_eq!(time("1971"), Some(365.0 * 86_400.0));
        assert_eq!(time("1971.0"), Some(365.0 * 86_400.0));
        assert_eq!(time("1969-12-31"), Some(-86_400.0));
        assert_eq!(time("1968-02-29T12:00:00+01:00"), Some(-58_021_200.0));
        assert_eq!(
            (time("1714564800000000"), time("2024-05-01+00NaN"), time("-123-01-01")),
            (None, None, None)
        );
        assert_eq!(
            (time("yesterday"), time("2024-05-01x"), time("2024-05-01T12:00:00Q")),
            (None, None, None)
        );
    }

    #[test]
    fn what_lies_in_the_future_is_new_and_the_present_counts_in_steps() {
        let recent = |time: &str, now: &str| recency(super::time(time).unwrap(), at(now), DAY);
        assert_eq!(recent("2030-01-01", "2026-01-01"), 1.0);
        assert_eq!(recent("2026-01-01", "2026-01-02"), 0.5);
        assert_eq!(
            recent("2026-01-01", "2026-01-02T00:05:00Z"),
            recent("2026-01-01", "2026-01-02T00:01:00Z")
        );
    }

    #[test]
    fn negative_relevance_is_raised_too() {
        let boosts = Boosts(vec![boost("s", BoostBy::Values { values: vec!["a".into()], weight: 0.5 })]);
        assert_eq!(boosts.apply(-2.0, UNIX_EPOCH, &[values(&["b", "a"])]).score, -1.0);
        assert_eq!(boosts.apply(-2.0, UNIX_EPOCH, &[values(&["b"])]).score, -2.0);
    }

    proptest! {
        #[test]
        fn a_boosted_score_is_a_number_whatever_a_field_holds(
            relevance in any::<f32>(),
            texts in prop::collection::vec("[0-9TZ:+.e -]{0,24}|\\PC{0,12}", 4),
            seconds in any::<u32>(),
        ) {
            let values: Vec<Vec<Cow<'_, str>>> = texts.iter().map(|text| vec![Cow::Borrowed(&**text)]).collect();
            let now = UNIX_EPOCH + Duration::from_secs(seconds.into());
            let boosted = example().apply(relevance, now, &values);
            prop_assert!(boosted.score.is_finite());
            prop_assert_eq!(boosted.parts.len(), 4);
        }
    }
}
