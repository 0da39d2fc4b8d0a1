//! Limits that a fleet shares: atomic scripts over Redis's own clock, so that no host's clock matters.
//!
//! Scripts are sent whole each time. They are short, and a Redis that has restarted needs no second round trip.

use std::{sync::Arc, time::Duration};

use redis::{Cmd, Value};

use super::{Failure, keys::Keys};

const TAKE: &str = include_str!("take.lua");
const GIVE_BACK: &str = include_str!("give_back.lua");
const SETTLE: &str = include_str!("settle.lua");

/// The result of the fleet's limits for one call.
#[derive(Clone, Debug, PartialEq)]
pub enum Shared {
    /// It may be made and is counted.
    Granted(Leave),
    /// It may not.
    Rejected {
        /// What prevented it.
        by: SharedLimit,
        /// When one may be made at the earliest.
        retry_in: Duration,
    },
    /// Redis did not say. The caller has its own limits.
    Away,
}

/// The limits that a fleet can keep together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedLimit {
    /// Calls in any 60 seconds.
    Rate,
    /// Search units or tokens in a minute or day.
    Spend,
}

/// What one call needs, and the limits that it has to keep within; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Calls in any 60 seconds.
    pub calls_per_minute: Option<u32>,
    /// What the call will probably cost: search units or tokens.
    pub amount: f64,
    /// The most of them in a minute of UTC.
    pub spend_per_minute: Option<u64>,
    /// The most of them in a day of UTC.
    pub spend_per_day: Option<u64>,
}

impl Wanted {
    /// Whether there is any limit to check.
    pub fn is_limited(&self) -> bool {
        self.calls_per_minute.is_some() || self.has_budget()
    }

    fn has_budget(&self) -> bool {
        self.spend_per_minute.is_some() || self.spend_per_day.is_some()
    }
}

/// One call, counted by the fleet, and its estimate, until the bill comes.
#[derive(Clone, Debug, PartialEq)]
pub struct Leave {
    /// How many more calls may be made now; 0 where they are not limited.
    pub calls_left: u64,
    name: Arc<str>,
    wanted: Wanted,
    second: i64,
    left_in_minute: Option<f64>,
    left_in_day: Option<f64>,
    minute: i64,
    day: i64,
}

impl Leave {
    /// What was left when this was counted, of this minute's and of this day's budget; none of one that is over by
    /// now. `minute` and `day` are those of UTC, counted from 1970.
    pub fn left_at(&self, minute: u64, day: u64) -> (Option<f64>, Option<f64>) {
        let is = |now: u64, then: i64| i64::try_from(now) == Ok(then);
        let in_minute = self.left_in_minute.filter(|_| is(minute, self.minute));
        (in_minute, self.left_in_day.filter(|_| is(day, self.day)))
    }

    /// Undoes the call that was counted, where calls are.
    pub(super) fn give_back(&self) -> Option<Amendment> {
        self.wanted.calls_per_minute?;
        Some(Amendment::GiveBack { name: self.name.clone(), second: self.second })
    }

    /// Replaces the estimate by the bill, where there is a budget.
    pub(super) fn settle(&self, billed: f64) -> Option<Amendment> {
        let difference = billed - self.wanted.amount;
        let (name, minute, day) = (self.name.clone(), self.minute, self.day);
        (self.wanted.has_budget() && difference != 0.0).then_some(Amendment::Settle {
            name,
            difference,
            minute,
            day,
        })
    }
}

/// A correction of a wrong count.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Amendment {
    GiveBack { name: Arc<str>, second: i64 },
    Settle { name: Arc<str>, difference: f64, minute: i64, day: i64 },
}

impl Amendment {
    pub(super) fn command(&self, keys: &Keys) -> Cmd {
        match self {
            Amendment::GiveBack { name, second } => {
                let mut command = script(GIVE_BACK, keys.limits(name));
                command.arg(second);
                command
            }
            Amendment::Settle { name, difference, minute, day } => {
                let mut command = script(SETTLE, keys.limits(name));
                command.arg(difference).arg(minute).arg(day);
                command
            }
        }
    }
}

fn script(text: &str, key: String) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(1).arg(key);
    command
}

pub(super) fn take(keys: &Keys, name: &str, wanted: &Wanted) -> Cmd {
    let or_empty = |limit: Option<u64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    let mut command = script(TAKE, keys.limits(name));
    command.arg(or_empty(wanted.calls_per_minute.map(u64::from))).arg(wanted.amount);
    command.arg(or_empty(wanted.spend_per_minute)).arg(or_empty(wanted.spend_per_day));
    command
}

pub(super) fn taken(name: &str, wanted: &Wanted, response: &Value) -> Result<Shared, Failure> {
    let Value::Array(items) = response else { return Err(Failure::Garbage) };
    match items.as_slice() {
        [
            Value::Int(1),
            Value::Int(calls_left),
            Value::Int(second),
            left_in_minute,
            left_in_day,
            Value::Int(minute),
            Value::Int(day),
        ] => Ok(Shared::Granted(Leave {
            calls_left: u64::try_from(*calls_left).unwrap_or(0),
            name: name.into(),
            wanted: *wanted,
            second: *second,
            left_in_minute: number(left_in_minute)?,
            left_in_day: number(left_in_day)?,
            minute: *minute,
            day: *day,
        })),
        [Value::Int(0), Value::Int(wait), Value::BulkString(limit)] => {
            let by = match limit.as_slice() {
                b"rate" => SharedLimit::Rate,
                b"spend" => SharedLimit::Spend,
                _ => return Err(Failure::Garbage),
            };
            let retry_in = Duration::from_millis(u64::try_from(*wait).unwrap_or(0));
            Ok(Shared::Rejected { by, retry_in })
        }
        _ => Err(Failure::Garbage),
    }
}

/// A number written as text, or empty for none.
fn number(value: &Value) -> Result<Option<f64>, Failure> {
    let Value::BulkString(bytes) = value else { return Err(Failure::Garbage) };
    let text = std::str::from_utf8(bytes).map_err(|_| Failure::Garbage)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| Failure::Garbage) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Wanted =
        Wanted { calls_per_minute: None, amount: 1.0, spend_per_minute: Some(5), spend_per_day: Some(9) };

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn granted(minute: &str, day: &str, ends: [i64; 2]) -> Value {
        let [end, of_day] = ends.map(Value::Int);
        Value::Array(vec![
            Value::Int(1),
            Value::Int(9),
            Value::Int(1_700_000_000),
            text(minute),
            text(day),
            end,
            of_day,
        ])
    }

    #[test]
    fn responses_are_read() {
        let Ok(Shared::Granted(leave)) = taken("c", &BUDGET, &granted("", "2.5", [1, 2])) else { panic!() };
        assert_eq!((leave.calls_left, leave.left_at(1, 2)), (9, (None, Some(2.5))));
        for (word, by) in [("rate", SharedLimit::Rate), ("spend", SharedLimit::Spend)] {
            let rejected = Value::Array(vec![Value::Int(0), Value::Int(1500), text(word)]);
            let retry_in = Duration::from_millis(1500);
            assert_eq!(taken("c", &BUDGET, &rejected), Ok(Shared::Rejected { by, retry_in }));
        }
    }

    #[test]
    fn what_was_left_of_a_minute_or_a_day_says_nothing_of_the_next() {
        let Ok(Shared::Granted(leave)) = taken("c", &BUDGET, &granted("1", "9", [1440, 1])) else { panic!() };
        assert_eq!(leave.left_at(1440, 1), (Some(1.0), Some(9.0)));
        assert_eq!(leave.left_at(1441, 1), (None, Some(9.0)));
        assert_eq!(leave.left_at(2880, 2), (None, None));
    }

    #[test]
    fn only_what_was_counted_is_put_right() {
        let leave = |wanted: Wanted| match taken("c", &wanted, &granted("", "", [1, 2])) {
            Ok(Shared::Granted(leave)) => leave,
            other => panic!("{other:?}"),
        };
        assert_eq!(leave(BUDGET).give_back(), None);
        assert_eq!(leave(BUDGET).settle(1.0), None, "as estimated");
        assert!(leave(BUDGET).settle(0.0).is_some());
        let rate = leave(Wanted { calls_per_minute: Some(10), ..Wanted::default() });
        assert!(rate.give_back().is_some() && rate.settle(3.0).is_none());
    }

    #[test]
    fn other_responses_grant_nothing() {
        for response in [
            Value::Nil,
            Value::Okay,
            Value::Array(vec![]),
            Value::Array(vec![Value::Int(1)]),
            granted("x", "", [1, 2]),
            Value::Array(vec![Value::Int(0), Value::Int(1)]),
            Value::Array(vec![Value::Int(0), Value::Int(1), text("x")]),
            Value::Array(vec![Value::Int(0), text("x"), text("rate")]),
        ] {
            assert_eq!(taken("c", &BUDGET, &response), Err(Failure::Garbage), "{response:?}");
        }
    }
}
