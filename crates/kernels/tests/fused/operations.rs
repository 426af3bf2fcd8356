//! Fused operations against the same functions written with Burn's own: values and gradients, on every CPU device.

use crate::support::{check, close, devices, masked, numbers};
use burn::tensor::{DType, Device, Int, Tensor, TensorData, activation};
use firebrand_kernels::fused::{
    AttentionOptions, attention, bias_gelu, dropout, dropout_residual_norm, linear, norm, pad, self_attention,
    softmax_dropout, unpad, window_bias,
};
use firebrand_kernels::{Gelu, Mask, Precision, Texts, Window};

const MASK: Mask = Mask { seed: 5, step: 9, number: 2, probability: 0.3 };

/// GELU as its definition has it: Burn's own has the derivative of the approximation on `ndarray`.
fn plain_gelu(x: Tensor<3>) -> Tensor<3> {
    x.clone() * ((x / 2f64.sqrt()).erf() + 1.0) * 0.5
}

#[test]
fn bias_and_gelu() {
    for device in devices() {
        for kind in [Gelu::Exact, Gelu::Tanh] {
            let plain = |x| match kind {
                Gelu::Exact => plain_gelu(x),
                Gelu::Tanh => activation::gelu_approximate(x),
            };
            check(
                [numbers([3, 5, 37], 1, &device), numbers([1, 1, 37], 2, &device)],
                |[x, bias]| bias_gelu(x, Some(bias.flatten::<1>(0, 2)), kind),
                |[x, bias]| plain(x + bias),
            );
            check([numbers([3, 5, 37], 1, &device)], |[x]| bias_gelu(x, None, kind), |[x]| plain(x));
        }
    }
}

#[test]
fn softmax_with_every_kind_of_bias() {
    for device in devices() {
        for dropout in [None, Some(MASK)] {
            for shape in [[2, 1, 1, 21], [1, 3, 5, 21], [2, 3, 5, 21], [1, 1, 1, 21], [2, 1, 5, 21]] {
                check(
                    [numbers([2, 3, 5, 21], 1, &device), numbers(shape, 2, &device)],
                    |[scores, bias]| softmax_dropout(scores, Some(bias), 0.7, dropout),
                    |[scores, bias]| masked(activation::softmax(scores * 0.7 + bias, 3), dropout),
                );
            }
            check(
                [numbers([2, 3, 5, 21], 1, &device)],
                |[scores]| softmax_dropout(scores, None, 0.7, dropout),
                |[scores]| masked(activation::softmax(scores * 0.7, 3), dropout),
            );
        }
    }
}

#[test]
fn a_bias_that_is_expanded_or_turned() {
    for device in devices() {
        check(
            [numbers([2, 3, 5, 21], 1, &device), numbers([2, 1, 1, 21], 2, &device)],
            |[scores, bias]| softmax_dropout(scores, Some(bias.expand([2, 3, 5, 21])), 0.7, None),
            |[scores, bias]| activation::softmax(scores * 0.7 + bias, 3),
        );
        check(
            [numbers([2, 3, 5, 21], 1, &device), numbers([1, 3, 21, 5], 2, &device)],
            |[scores, bias]| softmax_dropout(scores, Some(bias.swap_dims(2, 3)), 0.7, None),
            |[scores, bias]| activation::softmax(scores * 0.7 + bias.swap_dims(2, 3), 3),
        );
    }
}

#[test]
fn queries_that_see_nothing_are_zero_and_have_no_gradient() {
    for device in devices() {
        let scores = numbers([2, 3, 5, 21], 1, &device).require_grad();
        let hidden: Vec<f32> = (0..42).map(|place| if place < 21 { f32::NEG_INFINITY } else { 0.0 }).collect();
        let bias = Tensor::from_data(TensorData::new(hidden, [2, 1, 1, 21]), &device);
        let p = softmax_dropout(scores.clone(), Some(bias), 0.7, None);
        let first: Vec<f32> = p.clone().narrow(0, 0, 1).into_data().try_into_vec().unwrap();
        assert!(first.iter().all(|&p| p == 0.0), "{first:?}");
        let gradients = (p * numbers([2, 3, 5, 21], 3, &device)).sum().backward();
        let gradient: Vec<f32> = scores.grad(&gradients).unwrap().into_data().try_into_vec().unwrap();
        assert!(gradient[..3 * 5 * 21].iter().all(|&g| g == 0.0));
        assert!(gradient.iter().all(|g| g.is_finite()) && gradient.iter().any(|&g| g != 0.0));
    }
}

/// A norm as its definition has it.
fn plain_norm(x: Tensor<3>, weight: Tensor<3>, bias: Option<Tensor<3>>) -> Tensor<3> {
    let centred = x.clone() - x.mean_dim(2);
    let y = centred.clone() / (centred.powi_scalar(2).mean_dim(2) + 1e-5).sqrt() * weight;
    match bias {
        Some(bias) => y + bias,
        None => y,
    }
}

fn flat(x: Tensor<3>) -> Tensor<1> {
    x.flatten(0, 2)
}

#[test]
fn dropout_residual_and_norm() {
    for device in devices() {
        let [x, residual] = [1, 2].map(|seed| numbers([3, 5, 37], seed, &device));
        let [weight, bias] = [3, 4].map(|seed| numbers([1, 1, 37], seed, &device));
        for dropout in [None, Some(MASK)] {
            check(
                [x.clone(), residual.clone(), weight.clone(), bias.clone()],
                |[x, residual, w, b]| dropout_residual_norm(x, residual, flat(w), Some(flat(b)), 1e-5, dropout),
                |[x, residual, w, b]| plain_norm(masked(x, dropout) + residual, w, Some(b)),
            );
            check(
                [x.clone(), residual.clone(), weight.clone()],
                |[x, residual, w]| dropout_residual_norm(x, residual, flat(w), None, 1e-5, dropout),
                |[x, residual, w]| plain_norm(masked(x, dropout) + residual, w, None),
            );
        }
        check(
            [x.clone(), weight.clone(), bias.clone()],
            |[x, w, b]| norm(x, flat(w), Some(flat(b)), 1e-5),
            |[x, w, b]| plain_norm(x, w, Some(b)),
        );
        check([x, weight], |[x, w]| norm(x, flat(w), None, 1e-5), |[x, w]| plain_norm(x, w, None));
    }
}

#[test]
fn one_tensor_as_input_and_residual() {
    for device in devices() {
        check(
            [numbers([3, 5, 37], 1, &device), numbers([1, 1, 37], 2, &device)],
            |[x, w]| dropout_residual_norm(x.clone(), x, flat(w), None, 1e-5, Some(MASK)),
            |[x, w]| plain_norm(masked(x.clone(), Some(MASK)) + x, w, None),
        );
    }
}

#[test]
fn dropout_alone() {
    for device in devices() {
        check([numbers([3, 5, 37], 1, &device)], |[x]| dropout(x, MASK), |[x]| masked(x, Some(MASK)));
    }
}

#[test]
fn inputs_in_any_order_are_left_as_they_were() {
    for device in devices() {
        check(
            [numbers([5, 3, 37], 1, &device)],
            |[x]| dropout(x.swap_dims(0, 1), MASK),
            |[x]| masked(x.swap_dims(0, 1), Some(MASK)),
        );
        check(
            [numbers([5, 37, 3], 1, &device), numbers([1, 1, 37], 2, &device)],
            |[x, bias]| bias_gelu(x.swap_dims(1, 2), Some(flat(bias)), Gelu::Exact),
            |[x, bias]| plain_gelu(x.swap_dims(1, 2) + bias),
        );
        check(
            [numbers([3, 9, 37], 1, &device), numbers([3, 5, 37], 2, &device), numbers([1, 1, 37], 3, &device)],
            |[x, residual, w]| {
                dropout_residual_norm(x.slice([0..3, 2..7, 0..37]), residual, flat(w), None, 1e-5, Some(MASK))
            },
            |[x, residual, w]| plain_norm(masked(x.slice([0..3, 2..7, 0..37]), Some(MASK)) + residual, w, None),
        );
        check(
            [numbers([2, 5, 3, 21], 1, &device)],
            |[x]| softmax_dropout(x.swap_dims(1, 2), None, 0.7, Some(MASK)),
            |[x]| masked(activation::softmax(x.swap_dims(1, 2) * 0.7, 3), Some(MASK)),
        );
        // A caller that keeps a tensor finds in it what was there.
        let x = numbers([2, 3, 5, 21], 1, &device);
        let before = x.to_data();
        let _ = softmax_dropout(x.clone(), None, 0.7, Some(MASK));
        let _ = dropout(x.clone(), MASK);
        x.to_data().assert_eq(&before, true);
    }
}

#[test]
fn inference_needs_no_graph() {
    for device in devices() {
        let plain = device.clone().inner();
        let scores = numbers([2, 3, 5, 21], 1, &plain);
        let bias = numbers([2, 1, 1, 21], 2, &plain);
        let p = softmax_dropout(scores.clone(), Some(bias.clone()), 0.7, None);
        let expected = activation::softmax(scores * 0.7 + bias, 3);
        close(&p, &expected);
        assert!(!p.device().is_autodiff());
    }
}

#[test]
fn a_tensor_outside_the_graph_is_a_constant() {
    let device = Device::flex().autodiff();
    let scores = numbers([2, 3, 5, 21], 1, &device).require_grad();
    let bias = numbers([2, 1, 1, 21], 2, &Device::flex());
    let p = softmax_dropout(scores.clone(), Some(bias), 0.7, None);
    let gradients = (p * numbers([2, 3, 5, 21], 3, &device)).sum().backward();
    assert!(scores.grad(&gradients).is_some());
}

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

/// Numbers of another kind take the way of other devices, composed of Burn's own operations.
#[test]
fn composed_operations_are_the_same() {
    let device = Device::flex().autodiff();
    let double = |x: Tensor<3>| x.cast(DType::F64);
    let inputs = || [1, 2, 3].map(|seed| numbers([2, 21, 12], seed, &device));
    for window in [Window::ALL, Window::CAUSAL, Window::sliding(3)] {
        for dropout in [None, Some(MASK)] {
            let options = AttentionOptions { heads: 3, scale: 0.4, window, bias: None, dropout, texts: None };
            check(
                inputs(),
                |x| {
                    let [q, k, v] = x.map(double);
                    attention(q, k, v, options.clone()).cast(DType::F32)
                },
                |[q, k, v]| attention(q, k, v, options.clone()),
            );
        }
        let (bias, dropout, texts) = (None, None, Some(Texts::new([5, 1, 9, 6])));
        let options = AttentionOptions { heads: 3, scale: 0.4, window, bias, dropout, texts };
        check(
            inputs().map(|x| x.narrow(0, 0, 1)),
            |x| {
                let [q, k, v] = x.map(double);
                attention(q, k, v, options.clone()).cast(DType::F32)
            },
            |[q, k, v]| attention(q, k, v, options.clone()),
        );
    }
    let [x, residual, _] = inputs();
    for kind in [Gelu::Exact, Gelu::Tanh] {
        check([x.clone()], |[x]| bias_gelu(double(x), None, kind).cast(DType::F32), |[x]| bias_gelu(x, None, kind));
    }
    let parameter = |seed| numbers([12], seed, &device);
    for dropout in [None, Some(MASK)] {
        check(
            [x.clone(), residual.clone()],
            |x| {
                let ([x, residual], [weight, bias]) =
                    (x.map(double), [5, 6].map(|seed| parameter(seed).cast(DType::F64)));
                dropout_residual_norm(x, residual, weight, Some(bias), 1e-5, dropout).cast(DType::F32)
            },
            |[x, residual]| dropout_residual_norm(x, residual, parameter(5), Some(parameter(6)), 1e-5, dropout),
        );
    }
}

/// A query that sees nothing is told from one that sees NaN.
#[test]
fn nan_stays_nan_on_the_composed_path() {
    let device = Device::flex();
    let mut values = vec![f32::NEG_INFINITY; 42];
    values[3] = f32::NAN;
    let scores = Tensor::<4>::from_data(TensorData::new(values, [1, 1, 2, 21]), &device);
    for kind in [DType::F32, DType::F64] {
        let bias = Tensor::zeros([1, 1, 1, 21], (&device, kind));
        let p = softmax_dropout(scores.clone().cast(kind), Some(bias), 1.0, None).cast(DType::F32);
        let p: Vec<f32> = p.into_data().try_into_vec().unwrap();
        assert!(p[..21].iter().all(|p| p.is_nan()) && p[21..].iter().all(|&p| p == 0.0), "{kind:?}: {p:?}");
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

#[test]
fn padding_comes_and_goes() {
    let texts = Texts::new([3, 1, 4]);
    for device in devices() {
        let padded = |x: Tensor<3>| {
            let zeros = |length| Tensor::zeros([1, length, 5], &x.device());
            let part = |range| x.clone().slice([0..1, range, 0..5]);
            let rows = [vec![part(0..3), zeros(1)], vec![part(3..4), zeros(3)], vec![part(4..8)]];
            Tensor::cat(rows.map(|row| Tensor::cat(row, 1)).to_vec(), 0)
        };
        check([numbers([1, 8, 5], 1, &device)], |[x]| pad(x, &texts), |[x]| padded(x));
        let packed = |x: Tensor<3>| {
            let part = |row: usize, length| x.clone().slice([row..row + 1, 0..length, 0..5]);
            Tensor::cat(vec![part(0, 3), part(1, 1), part(2, 4)], 1)
        };
        check([numbers([3, 4, 5], 1, &device)], |[x]| unpad(x, &texts), |[x]| packed(x));
    }
}

#[test]
fn linear_layers() {
    for device in devices() {
        for [rows, length, inputs, outputs] in [[2, 5, 7, 11], [4, 64, 200, 160]] {
            let shapes = [[rows, length, inputs], [1, inputs, outputs], [1, 1, outputs]];
            let [x, w, b] = [1, 2, 3].map(|seed| numbers(shapes[seed - 1], seed as u32, &device) * 0.2);
            let matrix = |w: Tensor<3>| w.squeeze_dim::<2>(0);
            check(
                [x.clone(), w.clone(), b],
                |[x, w, b]| linear(x, matrix(w), Some(flat(b))),
                |[x, w, b]| x.matmul(w) + b,
            );
            check([x.clone(), w.clone()], |[x, w]| linear(x, matrix(w), None), |[x, w]| x.matmul(w));
            check(
                [x.swap_dims(0, 1), w.swap_dims(1, 2)],
                |[x, w]| linear(x.swap_dims(0, 1), matrix(w).transpose(), None),
                |[x, w]| x.swap_dims(0, 1).matmul(w.swap_dims(1, 2)),
            );
        }
    }
}
