//! Attention as one operation, against its definition written with Burn's own: values and gradients, on every CPU device.

use crate::support::{MASK, check, devices, masked, numbers};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use firebrand_fused::{AttentionOptions, attention, linear, self_attention, window_bias};
use firebrand_kernels::{Precision, Texts, Window};

/// Attention as its definition has it.
fn plain_attention([query, key, value]: [Tensor<3>; 3], options: AttentionOptions) -> Tensor<3> {
    let [rows, length, width] = query.dims();
    let split = |x: Tensor<3>| x.reshape([rows, length, options.heads, width / options.heads]).swap_dims(1, 2);
    let device = query.device();
    let mut scores = split(query).matmul(split(key).transpose()) * options.scale;
    if let Some(bias) = options.bias {
        scores = scores + bias;
    }
    let hidden = |query: usize, key: usize| {
        query.saturating_sub(key) > options.window.before || key.saturating_sub(query) > options.window.after
    };
    let pairs = (0..length).flat_map(|query| (0..length).map(move |key| (query, key)));
    let values = pairs.map(|(query, key)| if hidden(query, key) { f32::NEG_INFINITY } else { 0.0 }).collect();
    let hidden = Tensor::<2>::from_data(TensorData::new(values, [length, length]), &device);
    scores = scores.clone() + hidden.cast(scores.dtype()).unsqueeze();
    let weights = masked(activation::softmax(scores, 3), options.dropout);
    weights.matmul(split(value)).swap_dims(1, 2).reshape([rows, length, width])
}

#[test]
fn attention_as_a_whole() {
    for device in devices() {
        let inputs = || [1, 2, 3].map(|seed| numbers([2, 21, 12], seed, &device));
        for dropout in [None, Some(MASK)] {
            for bias in [None, Some([2, 1, 1, 21]), Some([1, 3, 21, 21]), Some([2, 3, 21, 21])] {
                let bias = bias.map(|shape| numbers(shape, 4, &device));
                let options = || AttentionOptions {
                    heads: 3,
                    scale: 0.4,
                    window: Window::ALL,
                    bias: bias.clone(),
                    dropout,
                    texts: None,
                };
                check(inputs(), |[q, k, v]| attention(q, k, v, options()), |x| plain_attention(x, options()));
            }
        }
        let options = || AttentionOptions {
            heads: 3,
            scale: 0.4,
            window: Window::ALL,
            bias: None,
            dropout: Some(MASK),
            texts: None,
        };
        check(
            [1, 2, 3].map(|seed| numbers([21, 2, 12], seed, &device)),
            |x| {
                let [q, k, v] = x.map(|x| x.swap_dims(0, 1));
                attention(q, k, v, options())
            },
            |x| plain_attention(x.map(|x| x.swap_dims(0, 1)), options()),
        );
    }
}

#[test]
fn a_learned_bias_of_attention_has_its_gradient() {
    for device in devices() {
        let options = |bias: Tensor<3>| AttentionOptions {
            heads: 3,
            scale: 0.4,
            window: Window::ALL,
            bias: Some(bias.unsqueeze()),
            dropout: None,
            texts: None,
        };
        check(
            [numbers([2, 21, 12], 1, &device), numbers([3, 21, 21], 2, &device)],
            |[x, bias]| attention(x.clone(), x.clone(), x, options(bias)),
            |[x, bias]| plain_attention([x.clone(), x.clone(), x], options(bias)),
        );
    }
}

#[test]
fn attention_within_windows() {
    let windows = [Window::CAUSAL, Window::sliding(3), Window::sliding(3).intersection(Window::CAUSAL)];
    let texts = Texts::new([5, 1, 9, 6]);
    for device in devices() {
        for (window, dropout) in windows.into_iter().flat_map(|window| [(window, None), (window, Some(MASK))]) {
            let bias = Some(numbers([2, 1, 1, 21], 4, &device));
            let options = AttentionOptions { heads: 3, scale: 0.4, window, bias, dropout, texts: None };
            let inputs = [1, 2, 3].map(|seed| numbers([2, 21, 12], seed, &device));
            check(
                inputs.clone(),
                |[q, k, v]| attention(q, k, v, options.clone()),
                |x| plain_attention(x, options.clone()),
            );
            // One query of each text, at some position.
            let positions = Tensor::<1, Int>::from_data([4, 20], &device);
            let place = |x: Tensor<3>| {
                Tensor::cat(vec![x.clone().slice([0..1, 4..5, 0..12]), x.slice([1..2, 20..21, 0..12])], 0)
            };
            if dropout.is_none() {
                let hidden = window_bias(window, positions, 21).unwrap().reshape([2, 1, 1, 21]);
                let bias = options.bias.clone().map(|bias| bias + hidden);
                let of_one = AttentionOptions { window: Window::ALL, bias, ..options.clone() };
                check(
                    inputs,
                    |[q, k, v]| attention(place(q), k, v, of_one.clone()),
                    |x| place(plain_attention(x, options.clone())),
                );
            }
        }
        for window in windows {
            let options = AttentionOptions {
                heads: 3,
                scale: 0.4,
                window,
                bias: None,
                dropout: None,
                texts: Some(texts.clone()),
            };
            check(
                [1, 2, 3].map(|seed| numbers([1, 21, 12], seed, &device)),
                |[q, k, v]| attention(q, k, v, options.clone()),
                |x| plain_attention_of_texts(&x, &texts, &options),
            );
        }
    }
}

/// One text at a time.
fn plain_attention_of_texts(inputs: &[Tensor<3>; 3], texts: &Texts, options: &AttentionOptions) -> Tensor<3> {
    let [_, _, width] = inputs[0].dims();
    let texts = texts.starts().zip(texts.lengths());
    let outputs = texts.map(|(start, &length)| {
        let bias = options.bias.clone().map(|bias| {
            let [rows, heads, ..] = bias.dims();
            bias.slice([0..rows, 0..heads, 0..length, 0..length])
        });
        let options = AttentionOptions { bias, texts: None, ..options.clone() };
        plain_attention(inputs.clone().map(|x| x.slice([0..1, start..start + length, 0..width])), options)
    });
    Tensor::cat(outputs.collect(), 1)
}

#[test]
fn packed_texts_do_not_see_each_other() {
    let texts = Texts::new([5, 1, 9, 6]);
    for device in devices() {
        let inputs = || [1, 2, 3].map(|seed| numbers([1, 21, 12], seed, &device));
        for bias in [None, Some([1, 3, 9, 9]), Some([1, 1, 9, 9])] {
            let bias = bias.map(|shape| numbers(shape, 4, &device));
            let options = AttentionOptions {
                heads: 3,
                scale: 0.4,
                window: Window::ALL,
                bias,
                dropout: None,
                texts: Some(texts.clone()),
            };
            check(
                inputs(),
                |[q, k, v]| attention(q, k, v, options.clone()),
                |x| plain_attention_of_texts(&x, &texts, &options),
            );
        }
        check(
            [numbers([1, 21, 12], 1, &device), numbers([3, 9, 9], 2, &device)],
            |[x, bias]| attention(x.clone(), x.clone(), x, packed_with(bias, &texts)),
            |[x, bias]| plain_attention_of_texts(&[x.clone(), x.clone(), x], &texts, &packed_with(bias, &texts)),
        );
    }
}

#[test]
fn one_query_of_each_text() {
    for device in devices() {
        for bias in [None, Some([2, 1, 1, 21]), Some([1, 3, 1, 21])] {
            let bias = bias.map(|shape| numbers(shape, 4, &device));
            let options = || AttentionOptions {
                heads: 3,
                scale: 0.4,
                window: Window::ALL,
                bias: bias.clone(),
                dropout: None,
                texts: None,
            };
            // The output of other queries does not count.
            let first = |x: Tensor<3>| x.narrow(1, 0, 1);
            check(
                [1, 2, 3].map(|seed| numbers([2, 21, 12], seed, &device)),
                |[q, k, v]| attention(first(q), k, v, options()),
                |x| first(plain_attention(x, options())),
            );
        }
        let texts = Texts::new([5, 1, 9, 6]);
        let last = Tensor::<1, Int>::from_data([4, 5, 14, 20], &device);
        let options = AttentionOptions {
            heads: 3,
            scale: 0.4,
            window: Window::ALL,
            bias: None,
            dropout: None,
            texts: Some(texts.clone()),
        };
        check(
            [1, 2, 3].map(|seed| numbers([1, 21, 12], seed, &device)),
            |[q, k, v]| attention(q.select(1, last.clone()), k, v, options.clone()),
            |x| plain_attention_of_texts(&x, &texts, &options).select(1, last.clone()),
        );
    }
}

#[test]
fn attention_of_three_projections_of_the_same_tensor() {
    let weights = |device: &Device| [2, 3, 4].map(|seed| numbers([1, 20, 12], seed, device));
    let biases = |device: &Device| [5, 6, 7].map(|seed| numbers([1, 1, 12], seed, device));
    let matrix = |weight: Tensor<3>| weight.squeeze_dim::<2>(0);
    for device in devices() {
        let x = numbers([2, 21, 20], 1, &device) * 0.3;
        let options = || AttentionOptions {
            heads: 3,
            scale: 0.4,
            window: Window::ALL,
            bias: None,
            dropout: Some(MASK),
            texts: None,
        };
        let ([wq, wk, wv], [bq, bk, bv]) = (weights(&device), biases(&device));
        check(
            [x.clone(), wq, wk, wv, bq, bk, bv],
            |[x, wq, wk, wv, bq, bk, bv]| {
                let map = |weight, bias: Tensor<3>| (matrix(weight), Some(bias.flatten::<1>(0, 2)));
                self_attention(x, [map(wq, bq), map(wk, bk), map(wv, bv)], options())
            },
            |[x, wq, wk, wv, bq, bk, bv]| {
                let map = |weight, bias| x.clone().matmul(weight) + bias;
                plain_attention([map(wq, bq), map(wk, bk), map(wv, bv)], options())
            },
        );
        let texts = Texts::new([5, 1, 9, 6]);
        let [wq, wk, wv] = weights(&device);
        let packed = AttentionOptions {
            heads: 3,
            scale: 0.4,
            window: Window::ALL,
            bias: None,
            dropout: None,
            texts: Some(texts.clone()),
        };
        check(
            [x.clone().narrow(0, 0, 1), wq, wk, wv],
            |[x, wq, wk, wv]| self_attention(x, [wq, wk, wv].map(|weight| (matrix(weight), None)), packed.clone()),
            |[x, wq, wk, wv]| {
                plain_attention_of_texts(&[wq, wk, wv].map(|weight| x.clone().matmul(weight)), &texts, &packed)
            },
        );
        // One of them has a bias.
        let ([wq, wk, wv], [bq, ..]) = (weights(&device), biases(&device));
        check(
            [x.clone(), wq, wk, wv, bq],
            |[x, wq, wk, wv, bq]| {
                let query = (matrix(wq), Some(bq.flatten::<1>(0, 2)));
                self_attention(x, [query, (matrix(wk), None), (matrix(wv), None)], options())
            },
            |[x, wq, wk, wv, bq]| {
                plain_attention([x.clone().matmul(wq) + bq, x.clone().matmul(wk), x.matmul(wv)], options())
            },
        );
        // With frozen projections, only `x` has a gradient.
        let fixed = weights(&device);
        check(
            [x],
            |[x]| self_attention(x, fixed.clone().map(|weight| (matrix(weight), None)), options()),
            |[x]| plain_attention(fixed.clone().map(|weight| x.clone().matmul(weight)), options()),
        );
    }
}

/// In either precision, three projections and attention in one operation equal the four operations.
#[test]
fn attention_with_projections_equals_the_separate_operations() {
    let device = Device::flex().autodiff();
    for precision in [Precision::F32, Precision::Bf16] {
        let run = |whole: bool| {
            let x = numbers([2, 21, 48], 1, &device).require_grad();
            let weights = [2, 3, 4].map(|seed| numbers([48, 48], seed, &device).require_grad());
            let options =
                AttentionOptions { heads: 3, scale: 0.01, window: Window::ALL, bias: None, dropout: None, texts: None };
            let y = if whole {
                self_attention(x.clone(), weights.clone().map(|weight| (weight, None)), options)
            } else {
                let [query, key, value] = weights.clone().map(|weight| linear(x.clone(), weight, None));
                attention(query, key, value, options)
            };
            let gradients = y.clone().sum().backward();
            let of = |weight: &Tensor<2>| weight.grad(&gradients).unwrap().into_data();
            (y.inner().into_data(), weights.each_ref().map(of), x.grad(&gradients).unwrap())
        };
        let [(y, weights, x), (expected_y, expected_weights, expected_x)] =
            [true, false].map(|whole| precision.within(|| run(whole)));
        assert_eq!(y, expected_y);
        assert_eq!(weights, expected_weights);
        // Three sums, in another order.
        let furthest = (x - expected_x.clone()).abs().max() / expected_x.abs().max();
        assert!(furthest.into_scalar::<f32>() < 1e-6);
    }
}

fn packed_with(bias: Tensor<3>, texts: &Texts) -> AttentionOptions {
    AttentionOptions {
        heads: 3,
        scale: 0.4,
        window: Window::ALL,
        bias: Some(bias.unsqueeze()),
        dropout: None,
        texts: Some(texts.clone()),
    }
}

#[test]
fn packed_texts_have_dropout_of_their_own() {
    // With values of one, the output is the sum of the kept weights.
    let texts = Texts::new([40, 60, 40]);
    let device = Device::flex();
    let [zeros, ones] = [Tensor::zeros([1, 140, 8], &device), Tensor::ones([1, 140, 8], &device)];
    let options = AttentionOptions {
        heads: 2,
        scale: 1.0,
        window: Window::ALL,
        bias: None,
        dropout: Some(MASK),
        texts: Some(texts),
    };
    let sums = attention(zeros.clone(), zeros, ones, options).into_data().try_to_vec::<f32>().unwrap();
    let mean = sums.iter().sum::<f32>() / sums.len() as f32;
    assert!((mean - 1.0).abs() < 0.05, "{mean}");
    let text = |range: std::ops::Range<usize>| &sums[range.start * 8..range.end * 8];
    assert_ne!(text(0..40), text(100..140));
}
