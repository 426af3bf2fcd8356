//! The same functions composed of Burn's own operations, for devices other than `flex`.

use burn::tensor::{Tensor, TensorData, activation};
use firebrand_kernels::{Gelu, Mask};

pub(super) fn bias_gelu(x: Tensor<3>, bias: Option<Tensor<1>>, kind: Gelu) -> Tensor<3> {
    let x = match bias {
        Some(bias) => x + bias.unsqueeze::<3>(),
        None => x,
    };
    match kind {
        Gelu::Exact if x.is_autodiff() => {
            // Burn's own has the derivative of the tanh approximation on some devices, some 1e-4 off.
            let phi = x.clone().mul_scalar(std::f64::consts::FRAC_1_SQRT_2).erf().add_scalar(1.0).mul_scalar(0.5);
            x * phi
        }
        Gelu::Exact => activation::gelu(x),
        Gelu::Tanh => activation::gelu_approximate(x),
    }
}

pub(super) fn softmax_dropout(
    scores: Tensor<4>,
    bias: Option<Tensor<4>>,
    scale: f64,
    dropout: Option<Mask>,
) -> Tensor<4> {
    let scores = scores.mul_scalar(scale);
    let probabilities = match bias {
        None => activation::softmax(scores, 3),
        Some(bias) => {
            let scores = scores + bias;
            // A query that sees nothing would become NaN: minus infinity minus minus infinity.
            let blind = scores.clone().detach().equal_elem(f32::NEG_INFINITY).all_dim(3).expand(scores.dims());
            let probabilities = activation::softmax(scores.mask_fill(blind.clone(), 0.0), 3);
            probabilities.mask_fill(blind, 0.0)
        }
    };
    match dropout {
        Some(mask) => self::dropout(probabilities, mask),
        None => probabilities,
    }
}

pub(super) fn norm(
    x: Tensor<3>,
    residual: Option<Tensor<3>>,
    weight: Tensor<1>,
    bias: Option<Tensor<1>>,
    epsilon: f64,
    dropout: Option<Mask>,
) -> Tensor<3> {
    let x = match dropout {
        Some(mask) => self::dropout(x, mask),
        None => x,
    };
    let x = match residual {
        Some(residual) => x + residual,
        None => x,
    };
    let centred = x.clone() - x.mean_dim(2);
    let variance = centred.clone().powi_scalar(2).mean_dim(2);
    let y = centred / variance.add_scalar(epsilon).sqrt() * weight.unsqueeze::<3>();
    match bias {
        Some(bias) => y + bias.unsqueeze::<3>(),
        None => y,
    }
}

pub(super) fn dropout<const D: usize>(x: Tensor<D>, mask: Mask) -> Tensor<D> {
    let shape = x.dims();
    let values = TensorData::new(mask.values(shape.iter().product()), shape);
    let values = Tensor::from_data(values, (&x.device(), x.dtype()));
    x * values
}
