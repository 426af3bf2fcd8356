//! Rows into padded tensors.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[expect(dead_code, reason = "shared with the other benches")]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use firebrand_model::{Batch, device};
use support::{Rows, criterion};

fn batching(criterion: &mut Criterion) {
    let device = device("flex").unwrap();
    let rows = Rows::new((0..64).map(|row| 5 + row * 37 % 124));
    let tokens = rows.tokens();
    criterion.bench_function("batch 64 rows of 5 to 128", |bench| {
        bench.iter(|| Batch::new(&tokens, 0, &device).unwrap());
    });
}

criterion_group!(name = benches; config = criterion(); targets = batching);
criterion_main!(benches);
