//! What `lexical` makes of a judged collection: `cargo bench --bench lexical`. `benches/README.md` says what it shows.
//!
//! Ends with 1 where it makes a database's order worse beyond chance, or falls short of what it is to reach.

mod collection;
mod first_stage;
mod trial;

use std::process::ExitCode;

use collection::Collection;
use rerankd::eval::bootstrap::{Interval, mean_interval};
use trial::{Half, Order, Trial};

const SEED: u64 = 1;

/// What the fused order is to reach on the even questions, window 50, behind the vectors.
const GOAL: f64 = 0.415;

fn main() -> ExitCode {
    let collection = Collection::read();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut failures = Vec::new();
    for (stage, orders) in first_stage::all(&collection) {
        println!("\n{stage}: nDCG@10, change and its 95 % interval (paired bootstrap)");
        println!("{:<44} {:>24} {:>26} {:>26}", "", "odd questions", "even questions", "all");
        let trial = Trial { collection: &collection, candidates: &orders };
        let database = runtime.block_on(trial.measure(0, Order::Database));
        row("the database's order", &database, None);
        for window in [50, 100] {
            for order in [Order::Alone, Order::Cold, Order::Warm] {
                let measured = runtime.block_on(trial.measure(window, order));
                let name = format!("window {window}, {}", order.name());
                let changes = row(&name, &measured, Some(&database));
                if order != Order::Alone {
                    let harms = changes.iter().flatten().any(|change| change.high < 0.0);
                    failures.extend(harms.then(|| format!("{stage}, {name}: worse beyond chance")));
                }
                let reached = mean(&measured, Half::Even);
                if (stage, window, order) == (first_stage::VECTORS, 50, Order::Warm) && reached < GOAL {
                    failures.push(format!("{stage}, {name}: {reached:.4} on the even questions, not {GOAL}"));
                }
            }
        }
    }
    failures.iter().for_each(|failure| println!("FAILED {failure}"));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One line of the table; the intervals of the changes.
fn row(name: &str, measured: &[f64], before: Option<&[f64]>) -> Vec<Option<Interval>> {
    print!("{name:<44}");
    let mut intervals = Vec::new();
    for half in [Half::Odd, Half::Even, Half::All] {
        print!("  {:.4}", mean(measured, half));
        let Some(before) = before else {
            print!("{:<20}", "");
            continue;
        };
        let changes: Vec<f64> =
            half.of(measured).zip(half.of(before)).map(|(after, before)| after - before).collect();
        let interval = mean_interval(&changes, SEED);
        let change = changes.iter().sum::<f64>() / changes.len() as f64;
        let (low, high) = interval.map_or((0.0, 0.0), |interval| (interval.low, interval.high));
        print!(" {change:+.3} ({low:+.3} … {high:+.3})");
        intervals.push(interval);
    }
    println!();
    intervals
}

fn mean(values: &[f64], half: Half) -> f64 {
    half.of(values).sum::<f64>() / half.of(values).count() as f64
}
