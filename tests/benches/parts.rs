//! What the parts of a message's way cost: `cargo bench -p tests --bench parts`.

use criterion::{Criterion, criterion_group, criterion_main};

#[path = "../hot/mod.rs"]
mod hot;

fn parts(criterion: &mut Criterion) {
    for (name, make) in hot::OPERATIONS {
        let mut operation = make();
        criterion.bench_function(name, |bencher| bencher.iter(&mut operation));
    }
}

criterion_group!(benches, parts);
criterion_main!(benches);
