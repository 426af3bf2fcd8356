//! Fused operations against the same functions written with Burn's own: values and gradients, on every CPU device.

use crate::support::{MASK, check, close, devices, masked, numbers};
use burn::tensor::{DType, Device, Tensor, TensorData, activation};
use firebrand_fused::{
    AttentionOptions, attention, bias_gelu, dropout, dropout_residual_norm, linear, norm, pad, softmax_dropout, unpad,
};
use firebrand_kernels::{Gelu, Texts, Window};

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
fn a_bias_that_is_expanded_or_transposed() {
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

/// Tensors in double precision take the path of other devices, composed of Burn's own operations.
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

/// A query that sees nothing becomes 0, one that sees NaN becomes NaN.
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
