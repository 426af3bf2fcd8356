//! A training step at MiniLM's shape, dropout, clipping and update included.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "../../model/benches/support/mod.rs"]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use firebrand_model::{device, keep_freed_memory};
use firebrand_train::{AdamW, AdamWConfig, Freeze, Learner};
use support::{Rows, SHAPES, criterion, minilm};

fn step(criterion: &mut Criterion) {
    keep_freed_memory();
    let classifier = minilm(&device("flex").unwrap().autodiff());
    // A step takes the learner by value; the option holds it between samples.
    let mut learner = Some(Learner::new(classifier, AdamW::new(adamw()), 1.0, 1));
    let mut step = 0;
    for (rows, length) in SHAPES {
        let batch = Rows::new(std::iter::repeat_n(length, rows));
        let tokens = batch.tokens();
        let targets: Vec<[u32; 1]> = (0..rows as u32).map(|row| [row % 2]).collect();
        criterion.bench_function(&format!("training step {rows} x {length}"), |bench| {
            bench.iter(|| {
                let (moved, figures) = learner.take().unwrap().step(step, &tokens, &targets, 5e-5).unwrap();
                learner = Some(moved);
                step += 1;
                figures
            });
        });
    }
}

/// With only the top layer and the head unfrozen.
fn frozen_step(criterion: &mut Criterion) {
    keep_freed_memory();
    let classifier = minilm(&device("flex").unwrap().autodiff());
    let layers = classifier.network.encoder.layers.len();
    let words = ["embeddings".to_owned(), format!("layers.0-{}", layers - 2)];
    let freeze = Freeze::new(&words, 0, layers).unwrap();
    let classifier = classifier.map_network(|network| freeze.apply(network, 0));
    let mut learner = Some(Learner::new(classifier, AdamW::new(adamw()), 1.0, 1));
    let mut step = 0;
    let batch = Rows::new(std::iter::repeat_n(128, 16));
    let (tokens, targets) = (batch.tokens(), [[0_u32]; 16]);
    criterion.bench_function("training step 16 x 128, the top layer alone", |bench| {
        bench.iter(|| {
            let (moved, figures) = learner.take().unwrap().step(step, &tokens, &targets, 5e-5).unwrap();
            learner = Some(moved);
            step += 1;
            figures
        });
    });
}

fn adamw() -> AdamWConfig {
    AdamWConfig {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.01,
        no_decay: AdamWConfig::BIASES_AND_NORMS.map(str::to_owned).to_vec(),
    }
}

criterion_group!(name = benches; config = criterion(); targets = step, frozen_step);
criterion_main!(benches);
