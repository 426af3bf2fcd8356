//! Scores of a batch, at MiniLM's shape.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use firebrand_model::{device, keep_freed_memory};
use support::{Rows, SHAPES, criterion, minilm};

fn forward(criterion: &mut Criterion) {
    keep_freed_memory();
    let classifier = minilm(&device("flex").unwrap());
    for (rows, length) in SHAPES {
        let batch = Rows::new(std::iter::repeat_n(length, rows));
        let tokens = batch.tokens();
        criterion.bench_function(&format!("forward {rows} x {length}"), |bench| {
            bench.iter(|| classifier.logits(&tokens, rows, &mut |_| ()).unwrap());
        });
    }
}

criterion_group!(name = benches; config = criterion(); targets = forward);
criterion_main!(benches);
