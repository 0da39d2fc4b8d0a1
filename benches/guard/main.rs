//! One hot function, once, for callgrind to count: `guard <case>`. Without an argument: the names of the cases.
//!
//! `benches/guard/run` runs it and compares.

#[path = "../hot/cases.rs"]
mod cases;
#[path = "../hot/inputs.rs"]
mod inputs;
#[path = "../hot/traces.rs"]
mod traces;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Fifty hits: a growth shows there as well as anywhere.
    let mut cases = cases::all();
    cases.retain(|case| !case.name.contains("/10/") && !case.name.contains("/200/"));
    // Cargo passes flags of its own.
    let Some(name) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        cases.iter().for_each(|case| println!("{}", case.name));
        return ExitCode::SUCCESS;
    };
    let Some(case) = cases.iter().find(|case| case.name == name) else {
        eprintln!("guard: no case is called {name}");
        return ExitCode::FAILURE;
    };
    let mut work = (case.ready)();
    // What happens once only (which instructions the processor has, the heap's first growth) is not counted.
    for _ in 0..3 {
        work();
    }
    rerankd_guard_counted(&mut *work);
    ExitCode::SUCCESS
}

/// Counting starts and ends with this function: callgrind knows it by its name.
#[inline(never)]
fn rerankd_guard_counted(work: &mut dyn FnMut()) {
    work();
    std::hint::black_box(());
}
