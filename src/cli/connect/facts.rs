//! Clocks and certificates: their checks, for whatever peer they belong to.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, header::DATE};
use rustls_pki_types::CertificateDer;

use super::report::Section;
use crate::tls::not_after;

/// Larger differences between clocks are worth a warning: signed requests, certificates and logs depend on them.
const SKEW: Duration = Duration::from_secs(30);

const DAY: u64 = 24 * 60 * 60;

/// A certificate with less time left is worth a warning.
const SOON_DAYS: u64 = 14;

/// The time in the `Date` header.
pub(super) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

/// How far another clock is from ours; it is exact to a second, and as old as its response.
pub(super) fn clock(section: &mut Section, theirs: Option<SystemTime>, now: SystemTime) {
    let Some(theirs) = theirs else { return section.note("clock", "it does not say the time") };
    let (apart, word) = match now.duration_since(theirs) {
        Ok(apart) => (apart, "ahead of"),
        Err(error) => (error.duration(), "behind"),
    };
    if apart < SKEW {
        return section.good("clock", format!("{} s apart", apart.as_secs()));
    }
    section.warning(
        "clock",
        format!("ours is {} s {word} its clock", apart.as_secs()),
        "Let NTP set the clock that is wrong: certificates, tokens and the days of budgets depend on it.",
    );
}

/// How long a certificate is still valid.
pub(super) fn certificate(section: &mut Section, shown: &CertificateDer<'_>, now: SystemTime, renew: &str) {
    let (Some(end), Ok(now)) = (not_after(shown), now.duration_since(UNIX_EPOCH)) else {
        return section.note("certificate", "its end cannot be read");
    };
    let until = day(end);
    match end.checked_sub(now.as_secs()) {
        None => section.problem("certificate", format!("ended on {until}"), renew),
        Some(left) if left < SOON_DAYS * DAY => {
            section.warning("certificate", format!("ends on {until}, in {} days", left / DAY), renew);
        }
        Some(left) => section.good("certificate", format!("until {until} ({} days)", left / DAY)),
    }
}

/// The day, as 2031-02-03.
fn day(seconds: u64) -> String {
    let Some(time) = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) else {
        return "far away".to_owned();
    };
    let text = httpdate::fmt_http_date(time);
    // Only the years from 1970 to 9999 have such a form; it is `Tue, 03 Feb 2031 00:00:00 GMT`.
    let words: Vec<&str> = text.split(' ').collect();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    match words.as_slice() {
        [_, day, month, year, ..] => {
            let month = months.iter().position(|name| name == month).map_or(0, |at| at + 1);
            format!("{year}-{month:02}-{day}")
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Marks, text};
    use super::*;

    fn said(check: impl FnOnce(&mut Section)) -> String {
        let mut section = Section::new("x", "");
        check(&mut section);
        text(&[section], Marks::Ascii)
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn clocks_that_are_30_s_apart_are_a_warning_and_closer_ones_are_not() {
        assert!(
            said(|section| clock(section, Some(at(1_029)), at(1_000))).contains("ok   clock  29 s apart")
        );
        let behind = said(|section| clock(section, Some(at(1_030)), at(1_000)));
        assert!(behind.contains("warn clock  ours is 30 s behind its clock"), "{behind}");
        let ahead = said(|section| clock(section, Some(at(1_000)), at(1_031)));
        assert!(
            ahead.contains("ours is 31 s ahead of its clock") && ahead.contains("Let NTP set"),
            "{ahead}"
        );
        assert!(said(|section| clock(section, None, at(0))).contains("does not say the time"));
    }

    #[test]
    fn a_certificate_is_shown_with_its_last_day_and_a_warning_in_time() {
        let mut params = rcgen::CertificateParams::new(vec!["db".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let key = rcgen::KeyPair::generate().unwrap();
        let shown = params.self_signed(&key).unwrap();
        let end = 1_927_843_200;
        let check = |now: u64| said(|section| certificate(section, shown.der(), at(now), "Renew it."));
        assert!(check(end - 20 * DAY).contains("ok   certificate  until 2031-02-03 (20 days)"));
        let soon = check(end - 3 * DAY);
        assert!(soon.contains("ends on 2031-02-03, in 3 days") && soon.contains("   Renew it."), "{soon}");
        assert!(check(end + 1).contains("FAIL certificate  ended on 2031-02-03"));
    }
}
