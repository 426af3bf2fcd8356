//! Multi-head attention as one operation.

use burn::tensor::{DType, Int, Tensor, TensorData};
use firebrand_kernels::{Mask, Texts, Window};

use super::cast::is_half;
use super::{linear, matmul, pad, softmax_dropout, to_half, unpad};

/// Options of [`attention`].
#[derive(Debug, Clone)]
pub struct AttentionOptions {
    /// Number of heads; divides the width.
    pub heads: usize,
    /// Factor of the scores.
    pub scale: f64,
    /// The keys that a query sees. On `flex`, only those are computed.
    pub window: Window,
    /// Added to the scaled scores; minus infinity hides a key. `[rows, heads, length, length]`, with 1 for broadcast axes among
    /// the first three.
    pub bias: Option<Tensor<4>>,
    /// Dropout of the attention weights.
    pub dropout: Option<Mask>,
    /// Texts packed one after the other, none of which sees another. Their number is `rows` above, and `length` is that of the
    /// longest.
    pub texts: Option<Texts>,
}

#[cfg(feature = "flex")]
impl AttentionOptions {
    /// The texts of `x`, `[rows, length, …]`: those packed in it, or its rows.
    fn texts_of(&self, x: &Tensor<3>) -> Texts {
        let [rows, length, _] = x.dims();
        self.texts.clone().unwrap_or_else(|| Texts::new(std::iter::repeat_n(length, rows)))
    }
}

/// `dropout(softmax(query * key^T * scale + bias)) * value` for each head.
///
/// On `flex`, the full matrix of scores is never in memory. A bias that requires a gradient (learned relative positions) goes
/// through [`softmax_dropout`] instead, between two products.
///
/// # Shapes
/// - `key` and `value`: `[rows, length, heads * size]`, or, packed, `[1, tokens, heads * size]`
/// - `query` and output: the same; or, for one token of each text, `[rows, 1, heads * size]`, or, packed,
///   `[1, rows, heads * size]`
///
/// # Panics
/// When a window is given for one token of each text, whose position is not known here: [`window_bias`] hides the keys then.
pub fn attention(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, options: AttentionOptions) -> Tensor<3> {
    let [query, key, value] = [query, key, value].map(to_half);
    let shape = query.dims();
    if shape != key.dims() {
        assert_eq!(options.window, Window::ALL, "one token of each text needs a bias, not a window");
        let [first, second, width] = shape;
        // The scores of so few queries are small.
        return padded([query.reshape([first * second, 1, width]), key, value], options).reshape(shape);
    }
    #[cfg(feature = "flex")]
    if [&query, &key, &value].into_iter().all(super::operation::is_supported) {
        let texts = options.texts_of(&query);
        if let Some(bias) = flex::constant(options.bias.as_ref(), texts.longest()) {
            return flex::attention([query, key, value], texts, bias, &options);
        }
    }
    let Some(texts) = options.texts.clone() else { return composed([query, key, value], options) };
    unpad(padded([pad(query, &texts), key, value], options), &texts)
}

/// The weight, `[inputs, heads * size]`, and bias, `[heads * size]`, of a linear layer.
pub type Projection = (Tensor<2>, Option<Tensor<1>>);

/// [`attention`] whose queries, keys and values are [`linear`] projections of the same `x`.
///
/// On `flex`, this is one operation: the three gradients of `x` are summed as they are computed.
///
/// # Shapes
/// - `x`: `[rows, length, inputs]`, or, packed, `[1, tokens, inputs]`
/// - output: the same, but `heads * size` wide
pub fn self_attention(x: Tensor<3>, projections: [Projection; 3], options: AttentionOptions) -> Tensor<3> {
    let x = to_half(x);
    let projections = projections.map(|(weight, bias)| (to_half(weight), bias.map(to_half)));
    #[cfg(feature = "flex")]
    {
        use super::operation::is_supported;
        let supported = |(weight, bias): &Projection| is_supported(weight) && bias.as_ref().is_none_or(is_supported);
        // All have a bias, or none has.
        let alike = projections.iter().all(|(_, bias)| bias.is_some() == projections[0].1.is_some());
        if alike && is_supported(&x) && projections.iter().all(supported) {
            let texts = options.texts_of(&x);
            if let Some(bias) = flex::constant(options.bias.as_ref(), texts.longest()) {
                return flex::self_attention(x, projections, texts, bias, &options);
            }
        }
    }
    let [query, key, value] = projections.map(|(weight, bias)| linear(x.clone(), weight, bias));
    attention(query, key, value, options)
}

/// The bias that hides the keys outside of the window: minus infinity there, 0 elsewhere. `None` if it hides none.
///
/// # Shapes
/// - `positions`: `[queries]`, each query's position in its text
/// - output: `[queries, keys]`
pub fn window_bias(window: Window, positions: Tensor<1, Int>, keys: usize) -> Option<Tensor<2>> {
    if !window.hides(keys) {
        return None;
    }
    let (device, [queries]) = (positions.device(), positions.dims());
    let keys_before =
        positions.reshape([queries, 1]) - Tensor::<1, Int>::arange(0..keys as i64, &device).reshape([1, keys]);
    // No distance is larger than this.
    let [before, after] = [window.before, window.after].map(|reach| reach.min(keys) as i64);
    let hidden = keys_before.clone().greater_elem(before).bool_or(keys_before.lower_elem(-after));
    Some(Tensor::zeros([queries, keys], (&device, DType::F32)).mask_fill(hidden, f32::NEG_INFINITY))
}

/// Attention of padded queries; keys and values may be packed.
fn padded([query, key, value]: [Tensor<3>; 3], options: AttentionOptions) -> Tensor<3> {
    let Some(texts) = &options.texts else { return composed([query, key, value], options) };
    let [key, value] = [key, value].map(|x| pad(x, texts));
    let bias = Some(sum(options.bias.clone(), padding_bias(texts, &query)));
    composed([query, key, value], AttentionOptions { bias, ..options })
}

/// The bias that hides the padding of texts, `[texts, 1, 1, longest]`, for scores of a tensor like this.
fn padding_bias(texts: &Texts, like: &Tensor<3>) -> Tensor<4> {
    let longest = texts.longest();
    let hidden = |&length: &usize| (0..longest).map(move |key| if key < length { 0.0 } else { f32::NEG_INFINITY });
    let values: Vec<f32> = texts.lengths().iter().flat_map(hidden).collect();
    let shape = [texts.lengths().len(), 1, 1, longest];
    Tensor::from_data(TensorData::new(values, shape), (&like.device(), score_type(like)))
}

/// The element type of the scores of a tensor: never half precision.
fn score_type(like: &Tensor<3>) -> DType {
    if is_half(like.dtype()) { DType::F32 } else { like.dtype() }
}

fn sum(bias: Option<Tensor<4>>, more: Tensor<4>) -> Tensor<4> {
    match bias {
        Some(bias) => bias + more,
        None => more,
    }
}

fn composed(inputs: [Tensor<3>; 3], options: AttentionOptions) -> Tensor<3> {
    let AttentionOptions { heads, scale, window, mut bias, dropout, .. } = options;
    let [rows, queries, width] = inputs[0].dims();
    let positions = Tensor::<1, Int>::arange(0..queries as i64, &inputs[0].device());
    if let Some(hidden) = window_bias(window, positions, inputs[1].dims()[1]) {
        bias = Some(sum(bias, hidden.cast(score_type(&inputs[0])).unsqueeze()));
    }
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
    use firebrand_kernels::attention;
    use firebrand_kernels::{Arch, Mask, Precision, Texts, Window, linear};

    use super::{AttentionOptions, Projection};
    use crate::linear::flex::as_weight;
    use crate::operation::{self, Fused, contiguous, run, slice, tensor};
    use crate::softmax::{as_bias, contiguous_rows};

    /// An optional bias as the operation takes it; `None` for one that requires a gradient or is not supported.
    pub(super) fn constant(bias: Option<&Tensor<4>>, keys: usize) -> Option<Option<FlexTensor>> {
        let Some(bias) = bias else { return Some(None) };
        if !operation::is_supported(bias) || bias.dims()[3] != keys {
            return None;
        }
        let kind = match bias.clone().into_dispatch().kind {
            DispatchTensorKind::Autodiff(inner) => *inner,
            kind => kind,
        };
        match kind {
            DispatchTensorKind::Flex(BackendTensor::Float(bias)) => Some(Some(contiguous_rows(bias))),
            DispatchTensorKind::Flex(BackendTensor::Autodiff(bias)) if !bias.is_tracked() => {
                Some(Some(contiguous_rows(bias.into_primitive())))
            }
            _ => None,
        }
    }

    pub(super) fn attention(
        inputs: [Tensor<3>; 3],
        texts: Texts,
        bias: Option<FlexTensor>,
        options: &AttentionOptions,
    ) -> Tensor<3> {
        run(Attention::new(texts, bias, options), inputs.map(Tensor::into_dispatch))
    }

    pub(super) fn self_attention(
        x: Tensor<3>,
        projections: [Projection; 3],
        texts: Texts,
        bias: Option<FlexTensor>,
        options: &AttentionOptions,
    ) -> Tensor<3> {
        let attention = Attention::new(texts, bias, options);
        let operation = SelfAttention { attention, precision: Precision::current() };
        let [(wq, bq), (wk, bk), (wv, bv)] = projections;
        let [x, wq, wk, wv] = [x.into_dispatch(), wq.into_dispatch(), wk.into_dispatch(), wv.into_dispatch()];
        match [bq, bk, bv].map(|bias| bias.map(Tensor::into_dispatch)) {
            [Some(bq), Some(bk), Some(bv)] => run(operation, [x, wq, wk, wv, bq, bk, bv]),
            _ => run(operation, [x, wq, wk, wv]),
        }
    }

    /// Inputs: queries, keys and values.
    #[derive(Debug, Clone)]
    struct Attention {
        texts: Texts,
        heads: usize,
        scale: f32,
        window: Window,
        bias: Option<FlexTensor>,
        dropout: Option<Mask>,
    }

    impl Attention {
        fn new(texts: Texts, bias: Option<FlexTensor>, options: &AttentionOptions) -> Self {
            let &AttentionOptions { heads, scale, window, dropout, .. } = options;
            Self { texts, heads, scale: scale as f32, window, bias, dropout }
        }

        fn kernel(&self, query: &FlexTensor) -> attention::Attention<'_> {
            let [.., width] = query.shape().dims::<3>();
            attention::Attention {
                lengths: self.texts.lengths(),
                heads: self.heads,
                size: width / self.heads,
                scale: self.scale,
                window: self.window,
                bias: self.bias.as_ref().map(as_bias),
                dropout: self.dropout,
            }
        }
    }

    impl Fused<3> for Attention {
        /// The inputs, and what the kernel keeps.
        type Saved = ([FlexTensor; 3], Vec<f32>);

        fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
            let inputs = inputs.map(contiguous);
            let (output, kept) = self.kernel(&inputs[0]).forward(Arch::new(), inputs.each_ref().map(slice));
            (tensor(output, inputs[0].shape()), (inputs, kept))
        }

        fn backward(&self, (inputs, kept): Self::Saved, gradient: FlexTensor, _: [bool; 3]) -> [Option<FlexTensor>; 3] {
            let (kernel, gradient) = (self.kernel(&inputs[0]), contiguous(gradient));
            let gradients = kernel.backward(Arch::new(), inputs.each_ref().map(slice), &kept, slice(&gradient));
            gradients.map(|values| Some(tensor(values, inputs[0].shape())))
        }
    }

    /// Inputs: `x`, the three weights and, optionally, the three biases.
    #[derive(Debug, Clone)]
    struct SelfAttention {
        attention: Attention,
        precision: Precision,
    }

    /// The positions of the weights among the inputs.
    const WEIGHTS: [usize; 3] = [1, 2, 3];

    impl<const N: usize> Fused<N> for SelfAttention {
        /// The inputs, and what attention saves.
        type Saved = ([FlexTensor; N], <Attention as Fused<3>>::Saved);

        fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved) {
            let inputs = inputs.map(contiguous);
            let x = &inputs[0];
            let [rows, length, _] = x.shape().dims();
            let project = |place: usize| {
                let (weight, bias) = (as_weight(&inputs[place]), inputs.get(place + WEIGHTS.len()).map(slice));
                let y = linear::forward(self.precision, slice(x), weight, bias);
                tensor(y, [rows, length, weight.shape[1]])
            };
            let [query, key, value] = WEIGHTS;
            let (query, (key, value)) =
                rayon::join(|| project(query), || rayon::join(|| project(key), || project(value)));
            let (output, saved) = self.attention.forward([query, key, value]);
            (output, (inputs, saved))
        }

        fn backward(
            &self,
            (inputs, saved): Self::Saved,
            gradient: FlexTensor,
            wanted: [bool; N],
        ) -> [Option<FlexTensor>; N] {
            let gradients = self.attention.backward(saved, gradient, [true; 3]);
            let mut gradients = gradients.iter().flatten().map(slice);
            let layers: [(usize, &[f32]); 3] = WEIGHTS.map(|place| (place, gradients.next().unwrap_or_default()));
            let (x, of) = (slice(&inputs[0]), |input: usize| wanted.get(input).is_some_and(|&wanted| wanted));
            let input = || {
                let layers = layers.map(|(place, dy)| (as_weight(&inputs[place]), dy));
                linear::backward_input(self.precision, &layers)
            };
            let weight = |(place, dy): (usize, &[f32])| {
                let shape = as_weight(&inputs[place]).shape;
                of(place).then(|| linear::backward_weight(self.precision, x, dy, shape))
            };
            let bias = |(place, dy): (usize, &[f32])| {
                let [_, outputs] = as_weight(&inputs[place]).shape;
                of(place + WEIGHTS.len()).then(|| linear::backward_bias(Arch::new(), dy, outputs))
            };
            // In parallel, so that no thread waits for the last part of the first.
            let (input, parameters): (_, Vec<_>) =
                rayon::join(|| of(0).then(input), || layers.map(weight).into_iter().chain(layers.map(bias)).collect());
            let mut found = std::iter::once(input).chain(parameters).zip(&inputs);
            std::array::from_fn(|_| {
                let (values, input) = found.next()?;
                Some(tensor(values?, input.shape()))
            })
        }
    }
}
