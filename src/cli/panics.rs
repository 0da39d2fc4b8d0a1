//! What is said of a panic: where it was, and never its message, which may quote a text (that of a slice does).

use std::panic::{Location, set_hook};

use super::output::say;

/// Has panics said so, for the whole process.
pub(super) fn say_where_only() {
    set_hook(Box::new(|panic| say(format_args!("{}", said(panic.location())))));
}

fn said(location: Option<&Location<'_>>) -> String {
    let at = location.map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    format!(
        "rerankd: a fault of its own at {at}; what it was about is not shown, since it may hold a text. Please report it."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_by_its_place() {
        let line = said(Some(Location::caller()));
        assert!(line.contains("panics.rs:") && line.contains("Please report"), "{line}");
        assert!(said(None).contains("an unknown place"));
    }
}
