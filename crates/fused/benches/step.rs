//! The layers of a MiniLM training step, forward and backward, with dropout: 16 texts of 128 tokens, six layers, 384 wide,
//! 1536 in the MLP, 12 heads; and attention alone. With fused operations, with these but for attention as a whole, and
//! composed of Burn's own operations.

use std::time::Duration;

use burn::tensor::{Device, Distribution, Tensor, activation, module};
use criterion::{Criterion, criterion_group, criterion_main};
use firebrand_fused::{AttentionOptions, attention, bias_gelu, dropout_residual_norm, linear, softmax_dropout};
use firebrand_kernels::{Gelu, Mask, Window};

const ROWS: usize = 16;
const LENGTH: usize = 128;
const WIDTH: usize = 384;
const INNER: usize = 4 * WIDTH;
const HEADS: usize = 12;
const LAYERS: usize = 6;

/// What is fused.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fused {
    Whole,
    Parts,
    Nothing,
}

/// A matrix and a bias.
type Map = (Tensor<2>, Tensor<1>);

struct Layer {
    query: Map,
    key: Map,
    value: Map,
    output: Map,
    up: Map,
    down: Map,
    norms: [[Tensor<1>; 2]; 2],
}

impl Layer {
    fn new(device: &Device) -> Self {
        let map = |inputs: usize, outputs: usize| {
            let weight = Tensor::random([inputs, outputs], Distribution::Normal(0.0, 0.02), device).require_grad();
            (weight, Tensor::zeros([outputs], device).require_grad())
        };
        let norm = || [Tensor::ones([WIDTH], device).require_grad(), Tensor::zeros([WIDTH], device).require_grad()];
        Self {
            query: map(WIDTH, WIDTH),
            key: map(WIDTH, WIDTH),
            value: map(WIDTH, WIDTH),
            output: map(WIDTH, WIDTH),
            up: map(WIDTH, INNER),
            down: map(INNER, WIDTH),
            norms: [norm(), norm()],
        }
    }

    fn forward(&self, x: Tensor<3>, bias: &Tensor<4>, layer: u32, fused: Fused) -> Tensor<3> {
        let mask = |number: u32| Mask { seed: 1, step: 2, number: 3 * layer + number, probability: 0.1 };
        let inputs = [&self.query, &self.key, &self.value].map(|map| apply(map, x.clone(), fused));
        let attended = attend(inputs, HEADS, bias, mask(0), fused);
        let x = norm(apply(&self.output, attended, fused), x, &self.norms[0], mask(1), fused);
        let inner = match fused {
            Fused::Nothing => activation::gelu(apply(&self.up, x.clone(), fused)),
            _ => bias_gelu(linear(x.clone(), self.up.0.clone(), None), Some(self.up.1.clone()), Gelu::Exact),
        };
        norm(apply(&self.down, inner, fused), x, &self.norms[1], mask(2), fused)
    }
}

fn apply(map: &Map, x: Tensor<3>, fused: Fused) -> Tensor<3> {
    match fused {
        Fused::Nothing => module::linear(x, map.0.clone(), Some(map.1.clone())),
        _ => linear(x, map.0.clone(), Some(map.1.clone())),
    }
}

fn attend(inputs: [Tensor<3>; 3], heads: usize, bias: &Tensor<4>, mask: Mask, fused: Fused) -> Tensor<3> {
    let scale = 0.18;
    let [rows, length, width] = inputs[0].dims();
    if fused == Fused::Whole {
        let [query, key, value] = inputs;
        let options = AttentionOptions {
            heads,
            scale,
            window: Window::ALL,
            bias: Some(bias.clone()),
            dropout: Some(mask),
            texts: None,
        };
        return attention(query, key, value, options);
    }
    let [query, key, value] = inputs.map(|x| x.reshape([rows, length, heads, width / heads]).swap_dims(1, 2));
    let scores = query.matmul(key.transpose());
    let weights = match fused {
        Fused::Nothing => drop(activation::softmax(scores * scale + bias.clone(), 3), mask),
        _ => softmax_dropout(scores, Some(bias.clone()), scale, Some(mask)),
    };
    weights.matmul(value).swap_dims(1, 2).reshape([rows, length, width])
}

fn drop<const D: usize>(x: Tensor<D>, mask: Mask) -> Tensor<D> {
    let values = Tensor::random(x.dims(), Distribution::Bernoulli(1.0 - mask.probability), &x.device());
    x * values * (1.0 / (1.0 - mask.probability))
}

fn norm(x: Tensor<3>, residual: Tensor<3>, [weight, bias]: &[Tensor<1>; 2], mask: Mask, fused: Fused) -> Tensor<3> {
    if fused != Fused::Nothing {
        return dropout_residual_norm(x, residual, weight.clone(), Some(bias.clone()), 1e-12, Some(mask));
    }
    let x = drop(x, mask) + residual;
    let (variance, mean) = x.clone().var_mean_bias(2);
    (x - mean) / (variance + 1e-12).sqrt() * weight.clone().unsqueeze() + bias.clone().unsqueeze()
}

fn layers(criterion: &mut Criterion) {
    keep_freed_memory();
    let device = Device::flex().autodiff();
    let layers: Vec<Layer> = (0..LAYERS).map(|_| Layer::new(&device)).collect();
    let x = Tensor::<3>::random([ROWS, LENGTH, WIDTH], Distribution::Normal(0.0, 1.0), &device).require_grad();
    let bias = Tensor::zeros([ROWS, 1, 1, LENGTH], &device);
    for fused in [Fused::Whole, Fused::Parts, Fused::Nothing] {
        let forward =
            || layers.iter().zip(0..).fold(x.clone(), |x, (layer, number)| layer.forward(x, &bias, number, fused));
        criterion.bench_function(&format!("layers, forward and backward, fused: {fused:?}"), |bench| {
            bench.iter(|| forward().sum().backward());
        });
    }
}

fn attention_alone(criterion: &mut Criterion) {
    keep_freed_memory();
    let device = Device::flex().autodiff();
    for (length, size) in [(128, 32), (256, 64)] {
        let shape = [ROWS, length, HEADS * size];
        let inputs =
            [(); 3].map(|()| Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.0), &device).require_grad());
        let bias = Tensor::zeros([ROWS, 1, 1, length], &device);
        let mask = Mask { seed: 1, step: 2, number: 3, probability: 0.1 };
        for fused in [Fused::Whole, Fused::Parts, Fused::Nothing] {
            criterion.bench_function(
                &format!("attention, {length} tokens, heads of {size}, fused: {fused:?}"),
                |bench| {
                    bench.iter(|| attend(inputs.clone(), HEADS, &bias, mask, fused).sum().backward());
                },
            );
        }
    }
}

/// As a training process does it: fresh pages for every temporary cost more than its arithmetic.
fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: these only set parameters of the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
}

criterion_group!(name = benches; config = short(); targets = attention_alone, layers);
criterion_main!(benches);
