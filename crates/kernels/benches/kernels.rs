//! Each kernel at the shapes of a MiniLM training step: 16 texts of 128 tokens, 384 wide, 1536 in the MLP, 12 heads.

use criterion::{Criterion, criterion_group, criterion_main};
use firebrand_kernels::adamw::AdamW;
use firebrand_kernels::{Arch, Gelu, Mask, dropout, embedding, gelu, norm, reduce, softmax};

const TOKENS: usize = 16 * 128;
const WIDTH: usize = 384;
const INNER: usize = 4 * WIDTH;
const SCORES: [usize; 4] = [16, 12, 128, 128];
const VOCABULARY: usize = 30_522;
const MASK: Mask = Mask { seed: 1, step: 2, number: 3, probability: 0.1 };

fn numbers(length: usize) -> Vec<f32> {
    (0..length).map(|place| (place * 37 % 1009) as f32 / 504.0 - 1.0).collect()
}

fn activations(criterion: &mut Criterion) {
    let arch = Arch::new();
    let (x, bias) = (numbers(TOKENS * INNER), numbers(INNER));
    let mut gradient = x.clone();
    for kind in [Gelu::Exact, Gelu::Tanh] {
        criterion.bench_function(&format!("bias, {kind:?} gelu, forward"), |bench| {
            bench.iter(|| gelu::forward(arch, kind, &x, Some(&bias), INNER));
        });
        criterion.bench_function(&format!("bias, {kind:?} gelu, backward"), |bench| {
            bench.iter(|| gelu::backward(arch, kind, &x, Some(&bias), INNER, &mut gradient));
        });
    }
}

fn attention(criterion: &mut Criterion) {
    let arch = Arch::new();
    let mut scores = numbers(SCORES.iter().product());
    let padding = vec![0.0; 16 * 128];
    let bias = softmax::Bias { values: &padding, strides: [128, 0, 0] };
    criterion.bench_function("softmax, forward", |bench| {
        bench.iter(|| softmax::forward(arch, &mut scores, SCORES, 0.2, Some(bias), None));
    });
    criterion.bench_function("softmax, dropout, forward", |bench| {
        bench.iter(|| softmax::forward(arch, &mut scores, SCORES, 0.2, Some(bias), Some(MASK)));
    });
    let mut gradient = numbers(scores.len());
    criterion.bench_function("softmax, backward", |bench| {
        bench.iter(|| softmax::backward(arch, &scores, 128, 0.2, None, &mut gradient));
    });
    criterion.bench_function("softmax, dropout, backward", |bench| {
        bench.iter(|| softmax::backward(arch, &scores, 128, 0.2, Some(MASK), &mut gradient));
    });
    criterion.bench_function("dropout of the scores alone", |bench| {
        bench.iter(|| dropout::apply(arch, &mut gradient, MASK));
    });
}

fn norms(criterion: &mut Criterion) {
    let arch = Arch::new();
    let [mut x, residual, mut gradient] = [(); 3].map(|()| numbers(TOKENS * WIDTH));
    let [weight, bias] = [(); 2].map(|()| numbers(WIDTH));
    let scales = numbers(TOKENS);
    let parameters = norm::Parameters { weight: &weight, bias: Some(&bias), epsilon: 1e-12 };
    criterion.bench_function("dropout, residual, norm, forward", |bench| {
        bench.iter(|| norm::forward(arch, &mut x, Some(&residual), Some(MASK), parameters));
    });
    criterion.bench_function("dropout, residual, norm, backward", |bench| {
        bench.iter(|| norm::backward(arch, &x, &scales, &weight, &mut gradient, Some(MASK)));
    });
}

fn optimiser(criterion: &mut Criterion) {
    let arch = Arch::new();
    let settings = AdamW {
        learning_rate: 1e-5,
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        weight_decay: 0.0,
        step: 10,
        gradient_scale: 0.5,
    };
    // Everything but the embedding table.
    let [mut p, mut m, g] = [(); 3].map(|()| numbers(10_800_000));
    let mut v: Vec<f32> = m.iter().map(|m| m * m).collect();
    criterion.bench_function("AdamW of the layers", |bench| {
        bench.iter(|| settings.update(arch, &mut p, [&mut m, &mut v], &g));
    });
    criterion.bench_function("norm of the layers' gradients", |bench| bench.iter(|| reduce::sum_of_squares(arch, &g)));
    criterion
        .bench_function("column sums", |bench| bench.iter(|| reduce::column_sums(arch, &g[..TOKENS * WIDTH], WIDTH)));
    let ids: Vec<u32> = (0..TOKENS as u32).map(|place| place * 7919 % 12_000).collect();
    criterion.bench_function("gradient of the embedding table", |bench| {
        bench.iter(|| embedding::gradient(arch, &ids, &g[..TOKENS * WIDTH], WIDTH));
    });
    let gradient = embedding::gradient(arch, &ids, &g[..TOKENS * WIDTH], WIDTH);
    let [mut p, mut m] = [(); 2].map(|()| numbers(VOCABULARY * WIDTH));
    let mut v: Vec<f32> = m.iter().map(|m| m * m).collect();
    for seen in [6_000, 12_000, VOCABULARY] {
        let mut touched: Vec<bool> = (0..VOCABULARY).map(|row| row < seen).collect();
        criterion.bench_function(&format!("AdamW of the embedding table, {seen} tokens seen"), |bench| {
            bench.iter(|| settings.update_rows(arch, &mut p, [&mut m, &mut v], &gradient, &mut touched.clone()));
        });
        touched.clear();
    }
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(15)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
}

criterion_group!(name = benches; config = short(); targets = activations, attention, norms, optimiser);
criterion_main!(benches);
