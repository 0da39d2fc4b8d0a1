use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    rerank::{Billing, wall::Calendar},
    search::Document,
};

/// The most that a provider may bill, in search units or tokens, whichever it bills.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SpendSettings {
    /// In any minute of the clock.
    pub per_minute: Option<u64>,
    /// In any day of the calendar, UTC.
    pub per_day: Option<u64>,
}

/// A call's estimate, until its bill arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reservation {
    amount: f64,
    minute: u64,
    day: u64,
}

/// A budget that is spent for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OverBudget;

/// What each provider has spent, by name and unit: a reload starts no new day. Counts start anew with the process,
/// unless a fleet shares them.
#[derive(Debug, Default)]
pub(in crate::rerank) struct Ledger(Mutex<HashMap<(Arc<str>, Billing), Account>>);

/// What one provider has spent.
type Account = Arc<Mutex<Spent>>;

impl Ledger {
    fn of(&self, provider: &Arc<str>, billing: Billing) -> Account {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry((provider.clone(), billing)).or_default().clone()
    }
}

/// The budget of one provider.
#[derive(Debug)]
pub(in crate::rerank) struct SpendLimit {
    pub(super) settings: SpendSettings,
    spent: Account,
}

impl SpendLimit {
    pub(super) fn new(
        settings: SpendSettings,
        ledger: &Ledger,
        provider: &Arc<str>,
        billing: Billing,
    ) -> Self {
        Self { settings, spent: ledger.of(provider, billing) }
    }

    /// Counts a call before it is made; rejects one that could go over the budget.
    pub(super) fn reserve(&self, amount: f64, now: Calendar) -> Result<Reservation, OverBudget> {
        self.with(|spent, settings| spent.reserve(amount, now, settings))
    }

    /// Replaces the estimate by the bill.
    pub(super) fn settle(&self, reserved: Reservation, billed: f64) {
        self.with(|spent, _| spent.settle(reserved, billed));
    }

    /// What is left of this minute's and of this day's budget, where there is one.
    pub(super) fn left(&self, now: Calendar) -> (Option<f64>, Option<f64>) {
        self.with(|spent, settings| {
            spent.turn(now);
            let left = |limit: Option<u64>, spent: f64| limit.map(|limit| (limit as f64 - spent).max(0.0));
            (left(settings.per_minute, spent.in_minute), left(settings.per_day, spent.in_day))
        })
    }

    fn with<T>(&self, step: impl FnOnce(&mut Spent, &SpendSettings) -> T) -> T {
        step(&mut self.spent.lock().unwrap_or_else(PoisonError::into_inner), &self.settings)
    }
}

/// Pure: each step brings the time.
#[derive(Debug, Default)]
struct Spent {
    minute: u64,
    in_minute: f64,
    day: u64,
    in_day: f64,
}

impl Spent {
    fn turn(&mut self, now: Calendar) {
        if self.minute != now.minute {
            (self.minute, self.in_minute) = (now.minute, 0.0);
        }
        if self.day != now.day {
            (self.day, self.in_day) = (now.day, 0.0);
        }
    }

    fn reserve(
        &mut self,
        amount: f64,
        now: Calendar,
        settings: &SpendSettings,
    ) -> Result<Reservation, OverBudget> {
        self.turn(now);
        let over = |limit: Option<u64>, spent: f64| limit.is_some_and(|limit| spent + amount > limit as f64);
        if over(settings.per_minute, self.in_minute) || over(settings.per_day, self.in_day) {
            return Err(OverBudget);
        }
        self.in_minute += amount;
        self.in_day += amount;
        Ok(Reservation { amount, minute: now.minute, day: now.day })
    }

    /// A bill that comes in a later minute or day belongs to that in which the call was made.
    fn settle(&mut self, reserved: Reservation, billed: f64) {
        let difference = billed - reserved.amount;
        if reserved.minute == self.minute {
            self.in_minute = (self.in_minute + difference).max(0.0);
        }
        if reserved.day == self.day {
            self.in_day = (self.in_day + difference).max(0.0);
        }
    }
}

/// Tokens are only known to the provider; about four bytes of English, and of most other scripts.
pub(super) const BYTES_PER_TOKEN: usize = 4;
/// No service reads more of one document by default.
const TOKENS_READ: usize = 4_096;
/// A document of more tokens, those of the query with it, is billed as several.
pub(super) const TOKENS_PER_PIECE: usize = 500;
/// Documents of one search unit.
pub(super) const PIECES_PER_UNIT: usize = 100;

/// What a call will probably be billed: search units or tokens.
///
/// Search units: Σ max(1, ⌈(query + document) / 500⌉) / 100, rounded up (Pinecone's and Cohere's pricing pages).
pub(super) fn estimate(billing: Billing, query: &str, documents: &[Document]) -> f64 {
    expected_bill(billing, tokens(query), documents.iter().map(|document| tokens_in(document.size())))
}

/// The same from the tokens of the query and of each document.
pub fn expected_bill(billing: Billing, query: usize, documents: impl Iterator<Item = usize>) -> f64 {
    match billing {
        Billing::Free => 0.0,
        Billing::Tokens => documents.map(|document| query + document).sum::<usize>() as f64,
        Billing::SearchUnits => {
            let pieces = |document| pieces_of(query + document);
            documents.map(pieces).sum::<usize>().div_ceil(PIECES_PER_UNIT) as f64
        }
    }
}

/// As how many documents one is billed.
pub(super) fn pieces(query_tokens: usize, text: &str) -> usize {
    pieces_of(query_tokens + tokens(text))
}

fn pieces_of(tokens: usize) -> usize {
    tokens.div_ceil(TOKENS_PER_PIECE).max(1)
}

/// About as many tokens as a service reads of a text.
pub fn tokens(text: &str) -> usize {
    tokens_in(text.len())
}

fn tokens_in(bytes: usize) -> usize {
    bytes.div_ceil(BYTES_PER_TOKEN).min(TOKENS_READ)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(minute: u64) -> Calendar {
        Calendar {
            minute,
            day: minute / 1440,
            minute_left: Duration::from_secs(60),
            day_left: Duration::ZERO,
        }
    }

    fn limit(per_minute: Option<u64>, per_day: Option<u64>) -> SpendLimit {
        let settings = SpendSettings { per_minute, per_day };
        SpendLimit::new(settings, &Ledger::default(), &"p".into(), Billing::SearchUnits)
    }

    #[test]
    fn beyond_the_budget_nothing_goes_until_the_minute_or_day_turns() {
        let spend = limit(Some(2), Some(3));
        assert!(spend.reserve(2.0, at(0)).is_ok());
        assert_eq!(spend.reserve(1.0, at(0)), Err(OverBudget), "the minute is spent");
        assert!(spend.reserve(1.0, at(1)).is_ok());
        assert_eq!(spend.reserve(1.0, at(2)), Err(OverBudget), "the day is spent");
        assert_eq!(spend.left(at(2)), (Some(2.0), Some(0.0)));
        assert!(spend.reserve(1.0, at(1440)).is_ok());
    }

    #[test]
    fn other_settings_of_a_provider_begin_no_new_budget() {
        let (ledger, name) = (Ledger::default(), "p".into());
        let limit = |name, billing| {
            SpendLimit::new(SpendSettings { per_minute: None, per_day: Some(1) }, &ledger, name, billing)
        };
        assert!(limit(&name, Billing::SearchUnits).reserve(1.0, at(0)).is_ok());
        assert_eq!(limit(&name, Billing::SearchUnits).reserve(1.0, at(0)), Err(OverBudget));
        assert!(limit(&name, Billing::Tokens).reserve(1.0, at(0)).is_ok(), "another unit");
        assert!(limit(&"other".into(), Billing::SearchUnits).reserve(1.0, at(0)).is_ok());
    }

    #[test]
    fn the_bill_takes_the_place_of_the_estimate() {
        let spend = limit(None, Some(10));
        let reserved = spend.reserve(4.0, at(0)).unwrap();
        spend.settle(reserved, 1.0);
        assert_eq!(spend.left(at(0)), (None, Some(9.0)));
        let reserved = spend.reserve(4.0, at(1)).unwrap();
        assert_eq!(spend.left(at(1440)), (None, Some(10.0)));
        spend.settle(reserved, 9.0);
        assert_eq!(spend.left(at(1440)), (None, Some(10.0)), "yesterday's bill is yesterday's");
    }

    #[test]
    fn estimates_follow_the_published_formula() {
        let units = |sizes: &[usize]| {
            let text = |n: &usize| Document::from(&*"x".repeat(n * BYTES_PER_TOKEN));
            let texts: Vec<Document> = sizes.iter().map(text).collect();
            estimate(Billing::SearchUnits, "", &texts)
        };
        assert_eq!(units(&[100; 100]), 1.0);
        assert_eq!(units(&[100; 101]), 2.0);
        assert_eq!(units(&[1200; 50]), 2.0, "150 pieces");
        assert_eq!(units(&[1]), 1.0);
        assert_eq!(estimate(Billing::Tokens, "four", &["12345678".into(), "1".into()]), 5.0);
        assert_eq!(estimate(Billing::Free, "q", &["d".into()]), 0.0);
    }
}
