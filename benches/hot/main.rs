//! Timed benches of the hot functions. `benches/README.md` says what each is.

mod cases;
mod inputs;
mod traces;

use criterion::{Criterion, criterion_group, criterion_main};

fn hot(criterion: &mut Criterion) {
    for case in cases::all() {
        criterion.bench_function(&case.name, |bencher| {
            let mut work = (case.ready)();
            bencher.iter(&mut work);
        });
    }
}

criterion_group!(benches, hot);
criterion_main!(benches);
