//! Limits that a fleet shares: atomic scripts over Redis's own clock, so that no host's clock matters.
//!
//! Scripts are sent whole each time. They are short, and a Redis that has restarted needs no second round trip.

use std::{sync::Arc, time::Duration};

use redis::{Cmd, Value};

use super::{Failure, keys::Keys};

const RATE: &str = include_str!("rate.lua");
const GIVE_BACK: &str = include_str!("give_back.lua");
const SPEND: &str = include_str!("spend.lua");
const SETTLE: &str = include_str!("settle.lua");

/// What the fleet's limit says to one call.
#[derive(Clone, Debug, PartialEq)]
pub enum Shared<T> {
    /// It may be made and is counted.
    Granted(T),
    /// It may not.
    Refused {
        /// When one may be made at the earliest.
        retry_in: Duration,
    },
    /// Redis did not say. The caller has its own limit.
    Away,
}

/// One call, counted by the fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct RateToken {
    /// How many more may be made now.
    pub left: u64,
    name: Arc<str>,
    second: i64,
}

/// An estimate, counted by the fleet until the bill comes.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedReservation {
    /// What is left of this minute's budget, where there is one.
    pub left_in_minute: Option<f64>,
    /// What is left of this day's budget (UTC), where there is one.
    pub left_in_day: Option<f64>,
    name: Arc<str>,
    amount: f64,
    minute: i64,
    day: i64,
}

impl SharedReservation {
    /// What was left when this was counted, of this minute's and of this day's budget; none of one that is over by
    /// now. `minute` and `day` are those of UTC, counted from 1970.
    pub fn left_at(&self, minute: u64, day: u64) -> (Option<f64>, Option<f64>) {
        let is = |now: u64, then: i64| i64::try_from(now) == Ok(then);
        let in_minute = self.left_in_minute.filter(|_| is(minute, self.minute));
        (in_minute, self.left_in_day.filter(|_| is(day, self.day)))
    }
}

/// Something counted that was not so.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Amendment {
    GiveBack(RateToken),
    Settle { reservation: SharedReservation, billed: f64 },
}

impl Amendment {
    pub(super) fn command(&self, keys: &Keys) -> Cmd {
        match self {
            Amendment::GiveBack(token) => {
                let mut command = script(GIVE_BACK, keys.rate(&token.name));
                command.arg(token.second);
                command
            }
            Amendment::Settle { reservation, billed } => {
                let mut command = script(SETTLE, keys.spend(&reservation.name));
                command.arg(billed - reservation.amount).arg(reservation.minute).arg(reservation.day);
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

pub(super) fn rate(keys: &Keys, name: &str, per_minute: u32) -> Cmd {
    let mut command = script(RATE, keys.rate(name));
    command.arg(per_minute);
    command
}

pub(super) fn rate_answer(name: &str, answer: Value) -> Result<Shared<RateToken>, Failure> {
    match items(&answer)? {
        [Value::Int(1), Value::Int(left), Value::Int(second)] => {
            let left = u64::try_from(*left).unwrap_or(0);
            Ok(Shared::Granted(RateToken { left, name: name.into(), second: *second }))
        }
        refused => refusal(refused),
    }
}

pub(super) fn spend(
    keys: &Keys,
    name: &str,
    amount: f64,
    per_minute: Option<u64>,
    per_day: Option<u64>,
) -> Cmd {
    let or_empty = |limit: Option<u64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    let mut command = script(SPEND, keys.spend(name));
    command.arg(amount).arg(or_empty(per_minute)).arg(or_empty(per_day));
    command
}

pub(super) fn spend_answer(
    name: &str,
    amount: f64,
    answer: Value,
) -> Result<Shared<SharedReservation>, Failure> {
    match items(&answer)? {
        [Value::Int(1), left_in_minute, left_in_day, Value::Int(minute), Value::Int(day)] => {
            Ok(Shared::Granted(SharedReservation {
                left_in_minute: number(left_in_minute)?,
                left_in_day: number(left_in_day)?,
                name: name.into(),
                amount,
                minute: *minute,
                day: *day,
            }))
        }
        refused => refusal(refused),
    }
}

fn items(answer: &Value) -> Result<&[Value], Failure> {
    match answer {
        Value::Array(items) => Ok(items),
        _ => Err(Failure::Garbage),
    }
}

fn refusal<T>(items: &[Value]) -> Result<Shared<T>, Failure> {
    match items {
        [Value::Int(0), Value::Int(wait)] => {
            Ok(Shared::Refused { retry_in: Duration::from_millis(u64::try_from(*wait).unwrap_or(0)) })
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

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn answers_are_read() {
        let granted = Value::Array(vec![Value::Int(1), Value::Int(9), Value::Int(1_700_000_000)]);
        assert!(matches!(rate_answer("c", granted), Ok(Shared::Granted(RateToken { left: 9, .. }))));
        let refused = || Value::Array(vec![Value::Int(0), Value::Int(1500)]);
        let wait = Duration::from_millis(1500);
        assert_eq!(rate_answer("c", refused()), Ok(Shared::Refused { retry_in: wait }));
        assert_eq!(spend_answer("c", 1.0, refused()), Ok(Shared::Refused { retry_in: wait }));
        let granted = Value::Array(vec![Value::Int(1), text(""), text("2.5"), Value::Int(1), Value::Int(2)]);
        let Ok(Shared::Granted(reservation)) = spend_answer("c", 1.0, granted) else { panic!() };
        assert_eq!((reservation.left_in_minute, reservation.left_in_day), (None, Some(2.5)));
    }

    #[test]
    fn what_was_left_of_a_minute_or_a_day_says_nothing_of_the_next() {
        let granted =
            Value::Array(vec![Value::Int(1), text("1"), text("9"), Value::Int(1440), Value::Int(1)]);
        let Ok(Shared::Granted(reservation)) = spend_answer("c", 1.0, granted) else { panic!() };
        assert_eq!(reservation.left_at(1440, 1), (Some(1.0), Some(9.0)));
        assert_eq!(reservation.left_at(1441, 1), (None, Some(9.0)));
        assert_eq!(reservation.left_at(2880, 2), (None, None));
    }

    #[test]
    fn other_answers_grant_nothing() {
        for answer in [
            Value::Nil,
            Value::Okay,
            Value::Array(vec![]),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![Value::Int(1), text("x"), text(""), Value::Int(1), Value::Int(2)]),
            Value::Array(vec![Value::Int(0), text("x")]),
        ] {
            assert_eq!(rate_answer("c", answer.clone()), Err(Failure::Garbage));
            assert_eq!(spend_answer("c", 1.0, answer), Err(Failure::Garbage));
        }
    }
}
