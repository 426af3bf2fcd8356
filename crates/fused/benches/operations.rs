//! Each fused operation beside the same function of Burn's own operations, forward and backward, at the shapes of a MiniLM
//! training step: 16 texts of 128 tokens.

use std::time::Duration;

use burn::tensor::{Device, Distribution, Tensor, activation};
use criterion::{Criterion, criterion_group, criterion_main};
use firebrand_fused::{bias_gelu, dropout, dropout_residual_norm, softmax_dropout};
use firebrand_kernels::{Gelu, Mask};

const MASK: Mask = Mask { seed: 1, step: 2, number: 3, probability: 0.1 };

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex().autodiff()).require_grad()
}

/// Dropout as Burn has it.
fn drop<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let values = Tensor::random(x.dims(), Distribution::Bernoulli(1.0 - MASK.probability), &x.device());
    x * values * (1.0 / (1.0 - MASK.probability))
}

fn both<const D: usize>(
    criterion: &mut Criterion,
    name: &str,
    fused: impl Fn() -> Tensor<D>,
    composed: impl Fn() -> Tensor<D>,
) {
    criterion.bench_function(&format!("{name}, fused"), |bench| bench.iter(|| fused().sum().backward()));
    criterion.bench_function(&format!("{name}, composed"), |bench| bench.iter(|| composed().sum().backward()));
}

fn operations(criterion: &mut Criterion) {
    // Each input is a product, as in a network: nobody else holds it.
    let (x, bias) = (random([16, 128, 1536]), random([1536]));
    for kind in [Gelu::Exact, Gelu::Tanh] {
        both(
            criterion,
            &format!("bias, {kind:?} gelu"),
            || bias_gelu(x.clone() * 1.0, Some(bias.clone()), kind),
            || match kind {
                Gelu::Exact => activation::gelu(x.clone() * 1.0 + bias.clone().unsqueeze()),
                Gelu::Tanh => activation::gelu_approximate(x.clone() * 1.0 + bias.clone().unsqueeze()),
            },
        );
    }
    let scores = random([16, 12, 128, 128]);
    let hidden = Tensor::zeros([16, 1, 1, 128], &scores.device());
    both(
        criterion,
        "scale, mask, softmax, dropout",
        || softmax_dropout(scores.clone() * 1.0, Some(hidden.clone()), 0.2, Some(MASK)),
        || drop(activation::softmax(scores.clone() * 1.0 * 0.2 + hidden.clone(), 3)),
    );
    both(criterion, "dropout of scores", || dropout(scores.clone() * 1.0, MASK), || drop(scores.clone() * 1.0));
    let [x, residual] = [(); 2].map(|()| random([16, 128, 384]));
    let [weight, bias] = [(); 2].map(|()| random([384]));
    both(
        criterion,
        "dropout, residual, norm",
        || {
            let (x, residual, bias) = (x.clone() * 1.0, residual.clone() * 1.0, Some(bias.clone()));
            dropout_residual_norm(x, residual, weight.clone(), bias, 1e-12, Some(MASK))
        },
        || {
            let x = drop(x.clone() * 1.0) + residual.clone() * 1.0;
            let (variance, mean) = x.clone().var_mean_bias(2);
            (x - mean) / (variance + 1e-12).sqrt() * weight.clone().unsqueeze() + bias.clone().unsqueeze()
        },
    );
}

fn short() -> Criterion {
    let criterion = Criterion::default().sample_size(15).warm_up_time(Duration::from_millis(300));
    criterion.measurement_time(Duration::from_secs(2))
}

criterion_group!(name = benches; config = short(); targets = operations);
criterion_main!(benches);
