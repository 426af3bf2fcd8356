//! Attention as a whole.

use burn::tensor::{DType, Tensor, TensorData};

use super::cast::is_half;
use super::{halved, linear, matmul, pad, softmax_dropout, unpad};
use crate::{Mask, Texts};

/// How [`attention`] weighs values.
#[derive(Debug, Clone)]
pub struct AttentionOptions {
    /// Number of heads; divides the width.
    pub heads: usize,
    /// What scores are multiplied by.
    pub scale: f64,
    /// What is added to the scaled scores, minus infinity where a key is not to be seen: `[rows, heads, length, length]`,
    /// with 1 for any of the first three where it is the same for all.
    pub bias: Option<Tensor<4>>,
    /// Dropout of the weights.
    pub dropout: Option<Mask>,
    /// Texts that are packed one after the other, of which none sees another; `rows` above is their number then, and
    /// `length` that of the longest.
    pub texts: Option<Texts>,
}

#[cfg(feature = "flex")]
impl AttentionOptions {
    /// The texts of `x`, `[rows, length, …]`: those that are packed in it, or its rows.
    fn texts_of(&self, x: &Tensor<3>) -> Texts {
        let [rows, length, _] = x.dims();
        self.texts.clone().unwrap_or_else(|| Texts::new(std::iter::repeat_n(length, rows)))
    }
}

/// `dropout(softmax(query * key^T * scale + bias)) * value`, for each head.
///
/// On `flex` no matrix of scores is ever whole in memory. A bias that takes a gradient itself (learned relative positions)
/// goes the way of [`softmax_dropout`], with two products around it.
///
/// # Shapes
/// - `key` and `value`: `[rows, length, heads * size]`, or, packed, `[1, tokens, heads * size]`
/// - `query` and output: the same; or of one token of each text only, `[rows, 1, heads * size]`, or, packed,
///   `[1, rows, heads * size]`
pub fn attention(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, options: AttentionOptions) -> Tensor<3> {
    let [query, key, value] = [query, key, value].map(halved);
    let shape = query.dims();
    if shape != key.dims() {
        let [first, second, width] = shape;
        // Of so few scores, no matrix is large.
        return padded([query.reshape([first * second, 1, width]), key, value], options).reshape(shape);
    }
    #[cfg(feature = "flex")]
    if [&query, &key, &value].into_iter().all(super::operation::fits) {
        let texts = options.texts_of(&query);
        if let Some(bias) = flex::constant(options.bias.as_ref(), texts.longest()) {
            return flex::attention([query, key, value], texts, bias, &options);
        }
    }
    let Some(texts) = options.texts.clone() else { return composed([query, key, value], options) };
    unpad(padded([pad(query, &texts), key, value], options), &texts)
}

/// A map's weight, `[inputs, heads * size]`, and bias, `[heads * size]`.
pub type LinearMap = (Tensor<2>, Option<Tensor<1>>);

/// [`attention`] of queries, keys and values that are [`linear`] maps of the same `x`, each with the attention's width.
///
/// On `flex` it is one operation, whose three gradients of `x` are added up where they are computed.
///
/// # Shapes
/// - `x`: `[rows, length, inputs]`, or, packed, `[1, tokens, inputs]`
/// - output: the same, but `heads * size` wide
pub fn self_attention(x: Tensor<3>, maps: [LinearMap; 3], options: AttentionOptions) -> Tensor<3> {
    let x = halved(x);
    let maps = maps.map(|(weight, bias)| (halved(weight), bias.map(halved)));
    #[cfg(feature = "flex")]
    {
        use super::operation::fits;
        let fit = |(weight, bias): &LinearMap| fits(weight) && bias.as_ref().is_none_or(fits);
        // All have a bias, or none has.
        let alike = maps.iter().all(|(_, bias)| bias.is_some() == maps[0].1.is_some());
        if alike && fits(&x) && maps.iter().all(fit) {
            let texts = options.texts_of(&x);
            if let Some(bias) = flex::constant(options.bias.as_ref(), texts.longest()) {
                return flex::self_attention(x, maps, texts, bias, &options);
            }
        }
    }
    let [query, key, value] = maps.map(|(weight, bias)| linear(x.clone(), weight, bias));
    attention(query, key, value, options)
}

/// Of queries that are padded, where texts are packed.
fn padded([query, key, value]: [Tensor<3>; 3], options: AttentionOptions) -> Tensor<3> {
    let Some(texts) = &options.texts else { return composed([query, key, value], options) };
    let [key, value] = [key, value].map(|x| pad(x, texts));
    let padding = padding(texts, &query);
    let bias = match &options.bias {
        Some(bias) => bias.clone() + padding,
        None => padding,
    };
    composed([query, key, value], AttentionOptions { bias: Some(bias), ..options })
}

/// What hides the padding of texts: `[texts, 1, 1, longest]`, on the device of another tensor and of the kind of
/// numbers of its scores.
fn padding(texts: &Texts, like: &Tensor<3>) -> Tensor<4> {
    let longest = texts.longest();
    let hidden = |&length: &usize| (0..longest).map(move |key| if key < length { 0.0 } else { f32::NEG_INFINITY });
    let values: Vec<f32> = texts.lengths().iter().flat_map(hidden).collect();
    let kind = if is_half(like.dtype()) { DType::F32 } else { like.dtype() };
    Tensor::from_data(TensorData::new(values, [texts.lengths().len(), 1, 1, longest]), (&like.device(), kind))
}

fn composed(inputs: [Tensor<3>; 3], options: AttentionOptions) -> Tensor<3> {
    let AttentionOptions { heads, scale, bias, dropout, .. } = options;
    let [rows, queries, width] = inputs[0].dims();
    let [query, key, value] = inputs.map(|x| {
        let [rows, length, _] = x.dims();
        x.reshape([rows, length, heads, width / heads]).swap_dims(1, 2)
    });
    let weights = softmax_dropout(query.matmul(key.transpose()), bias, scale, dropout);
    matmul(weights, value).swap_dims(1, 2).reshape([rows, queries, width])
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::FlexTensor;
    use burn::backend::{BackendTensor, DispatchTensorKind, TensorMetadata};
    use burn::tensor::Tensor;

    use super::{AttentionOptions, LinearMap};
    use crate::attention;
    use crate::fused::linear::flex::{input_gradient, weight_gradient};
    use crate::fused::operation::{self, Fused, in_order, output, run, slice, tensor};
    use crate::fused::softmax::{as_bias, rows_in_order};
    use crate::{Arch, Mask, Precision, Texts, linear};

    /// A bias without a gradient, or none, as the operation takes it; `None` for any other.
    pub(super) fn constant(bias: Option<&Tensor<4>>, keys: usize) -> Option<Option<FlexTensor>> {
        let Some(bias) = bias else { return Some(None) };
        if !operation::fits(bias) || bias.dims()[3] != keys {
            return None;
        }
        let kind = match bias.clone().into_dispatch().kind {
            DispatchTensorKind::Autodiff(inner) => *inner,
            kind => kind,
        };
        match kind {
            DispatchTensorKind::Flex(BackendTensor::Float(bias)) => Some(Some(rows_in_order(bias))),
            DispatchTensorKind::Flex(BackendTensor::Autodiff(bias)) if !bias.is_tracked() => {
                Some(Some(rows_in_order(bias.into_primitive())))
            }
            _ => None,
        }
    }

    pub(super) fn attention(
        inputs: [Tensor<3>; 3],
        texts: Texts,
        bias: Option<FlexTensor>,
        &AttentionOptions { heads, scale, dropout, .. }: &AttentionOptions,
    ) -> Tensor<3> {
        run(Attention { texts, heads, scale: scale as f32, bias, dropout }, inputs.map(Tensor::into_dispatch))
    }

    pub(super) fn self_attention(
        x: Tensor<3>,
        maps: [LinearMap; 3],
        texts: Texts,
        bias: Option<FlexTensor>,
        &AttentionOptions { heads, scale, dropout, .. }: &AttentionOptions,
    ) -> Tensor<3> {
        let attention = Attention { texts, heads, scale: scale as f32, bias, dropout };
        let operation = SelfAttention { attention, precision: Precision::current() };
        let [(wq, bq), (wk, bk), (wv, bv)] = maps;
        let [x, wq, wk, wv] = [x.into_dispatch(), wq.into_dispatch(), wk.into_dispatch(), wv.into_dispatch()];
        match [bq, bk, bv].map(|bias| bias.map(Tensor::into_dispatch)) {
            [Some(bq), Some(bk), Some(bv)] => run(operation, [x, wq, wk, wv, bq, bk, bv]),
            _ => run(operation, [x, wq, wk, wv]),
        }
    }

    /// Of queries, keys and values.
    #[derive(Debug, Clone)]
    struct Attention {
        texts: Texts,
        heads: usize,
        scale: f32,
        bias: Option<FlexTensor>,
        dropout: Option<Mask>,
    }

    impl Attention {
        fn kernel(&self, query: &FlexTensor) -> attention::Attention<'_> {
            let [.., width] = query.shape().dims::<3>();
            attention::Attention {
                lengths: self.texts.lengths(),
                heads: self.heads,
                size: width / self.heads,
                scale: self.scale,
                bias: self.bias.as_ref().map(as_bias),
                dropout: self.dropout,
            }
        }
    }

    impl Fused<3> for Attention {
        /// The inputs, and what the kernel keeps.
        type Saved = ([FlexTensor; 3], Vec<f32>);

        fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
            let inputs = inputs.map(in_order);
            let kernel = self.kernel(&inputs[0]);
            let mut kept = vec![0.0; kernel.kept()];
            let slices = inputs.each_ref().map(slice);
            let (answers, ()) =
                output(kernel.numbers(), |answers| kernel.forward(Arch::new(), slices, answers, &mut kept));
            (tensor(answers, inputs[0].shape()), (inputs, kept))
        }

        fn backward(&self, (inputs, kept): Self::Saved, gradient: FlexTensor, _: [bool; 3]) -> [Option<FlexTensor>; 3] {
            let kernel = self.kernel(&inputs[0]);
            let gradient = in_order(gradient);
            let slices = inputs.each_ref().map(slice);
            let length = kernel.numbers();
            let (dq, (dk, (dv, ()))) = output(length, |dq| {
                output(length, |dk| {
                    output(length, |dv| {
                        kernel.backward(Arch::new(), slices, &kept, slice(&gradient), [dq, dk, dv]);
                    })
                })
            });
            [dq, dk, dv].map(|values| Some(tensor(values, inputs[0].shape())))
        }
    }

    /// Of `x`, the three weights and, if there are such, the three biases.
    #[derive(Debug, Clone)]
    struct SelfAttention {
        attention: Attention,
        precision: Precision,
    }

    /// The places of the weights.
    const MAPS: [usize; 3] = [1, 2, 3];

    impl<const N: usize> Fused<N> for SelfAttention {
        /// The inputs, and what attention saves.
        type Saved = ([FlexTensor; N], <Attention as Fused<3>>::Saved);

        fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved) {
            let inputs = inputs.map(in_order);
            let x = &inputs[0];
            let [rows, length, _] = x.shape().dims();
            let map = |place: usize| {
                let (weight, bias) = (&inputs[place], inputs.get(place + MAPS.len()).map(slice));
                let sizes @ [_, outputs] = weight.shape().dims();
                let write = |y: &mut [f32]| linear::forward(self.precision, slice(x), slice(weight), bias, sizes, y);
                tensor(output(rows * length * outputs, write).0, [rows, length, outputs])
            };
            let [query, key, value] = MAPS;
            let (query, (key, value)) = rayon::join(|| map(query), || rayon::join(|| map(key), || map(value)));
            let (answers, saved) = self.attention.forward([query, key, value]);
            (answers, (inputs, saved))
        }

        fn backward(
            &self,
            (inputs, saved): Self::Saved,
            gradient: FlexTensor,
            wanted: [bool; N],
        ) -> [Option<FlexTensor>; N] {
            let gradients = self.attention.backward(saved, gradient, [true; 3]);
            let parts: Vec<&[f32]> = gradients.iter().flatten().map(slice).collect();
            let (x, of) = (&inputs[0], |input: usize| wanted.get(input).is_some_and(|&wanted| wanted));
            let maps = || MAPS.into_iter().zip(parts.iter().copied());
            let input = || input_gradient(self.precision, x, maps().map(|(place, dy)| (&inputs[place], dy)));
            let weight = |(place, dy): (usize, &[f32])| {
                of(place).then(|| weight_gradient(self.precision, x, &inputs[place], dy))
            };
            let bias = |(place, dy): (usize, &[f32])| {
                let [_, outputs] = inputs[place].shape().dims();
                of(place + MAPS.len()).then(|| linear::backward_bias(Arch::new(), dy, outputs))
            };
            // One beside the other, so that no thread waits for the last part of the first.
            let (input, maps): (_, Vec<_>) =
                rayon::join(|| of(0).then(input), || maps().map(weight).chain(maps().map(bias)).collect());
            let mut found = std::iter::once(input).chain(maps).zip(&inputs);
            std::array::from_fn(|_| {
                let (values, input) = found.next()?;
                Some(tensor(values?, input.shape()))
            })
        }
    }
}
