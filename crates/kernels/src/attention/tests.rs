use super::*;
use crate::testing::{arches, close, doubles, numbers, with_threads};
use proptest::prelude::*;

/// The output and the gradients of queries, keys and values, one number at a time.
fn reference(attention: &Attention<'_>, inputs: [&[f32]; 3], gradient: &[f32]) -> [Vec<f64>; 4] {
    let &Attention { heads, size, .. } = attention;
    let [q, k, v] = inputs.map(doubles);
    let gradient = doubles(gradient);
    let [mut o, mut dq, mut dk, mut dv] = [(); 4].map(|()| vec![0.0; q.len()]);
    let (mut before, mut weights_before) = (0, 0);
    for (text, &length) in attention.lengths.iter().enumerate() {
        for (head, query) in (0..heads).flat_map(|head| (0..length).map(move |query| (head, query))) {
            let at = |token: usize, number: usize| (before + token) * heads * size + head * size + number;
            let added = |key: usize| {
                attention.bias.map_or(0.0, |bias| {
                    let [of_text, of_head, of_query] = bias.strides;
                    f64::from(bias.values[text * of_text + head * of_head + query * of_query + key])
                })
            };
            let dot =
                |a: &[f64], b: &[f64], key: usize| (0..size).map(|n| a[at(query, n)] * b[at(key, n)]).sum::<f64>();
            let scale = f64::from(attention.scale);
            let seen = attention.window.keys(query, length);
            let power = |key| if seen.contains(&key) { (dot(&q, &k, key) * scale + added(key)).exp() } else { 0.0 };
            let powers: Vec<f64> = (0..length).map(power).collect();
            let total: f64 = powers.iter().sum();
            let p: Vec<f64> = powers.iter().map(|power| if total == 0.0 { 0.0 } else { power / total }).collect();
            let first = weights_before + (head * length + query) * length;
            let kept = |key: usize| f64::from(attention.dropout.map_or(1.0, |mask| mask.value(first + key)));
            let kept: Vec<f64> = (0..length).map(kept).collect();
            let dp: Vec<f64> = (0..length).map(|key| dot(&gradient, &v, key) * kept[key]).collect();
            let inner: f64 = p.iter().zip(&dp).map(|(p, dp)| p * dp).sum();
            for key in 0..length {
                let ds = scale * p[key] * (dp[key] - inner);
                for n in 0..size {
                    o[at(query, n)] += p[key] * kept[key] * v[at(key, n)];
                    dv[at(key, n)] += p[key] * kept[key] * gradient[at(query, n)];
                    dq[at(query, n)] += ds * k[at(key, n)];
                    dk[at(key, n)] += ds * q[at(query, n)];
                }
            }
        }
        before += length;
        weights_before += heads * length * length;
    }
    [o, dq, dk, dv]
}

fn run(arch: Arch, attention: &Attention<'_>, inputs: [&[f32]; 3], gradient: &[f32]) -> [Vec<f32>; 4] {
    let (output, kept) = attention.forward(arch, inputs);
    let [dq, dk, dv] = attention.backward(arch, inputs, &kept, gradient);
    [output, dq, dk, dv]
}

fn compare(attention: &Attention<'_>, seed: u64) -> Result<(), TestCaseError> {
    let [q, k, v, gradient] = [1, 2, 3, 4].map(|part| numbers(attention.elements(), seed ^ part));
    let expected = reference(attention, [&q, &k, &v], &gradient);
    for arch in arches() {
        for (found, expected) in run(arch, attention, [&q, &k, &v], &gradient).iter().zip(&expected) {
            close(found, expected, 3e-5)?;
        }
    }
    Ok(())
}

fn windows() -> impl Strategy<Value = Window> {
    prop_oneof![
        Just(Window::ALL),
        Just(Window::CAUSAL),
        (0usize..12).prop_map(Window::sliding),
        (0usize..12).prop_map(|reach| Window::sliding(reach).intersection(Window::CAUSAL)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn outputs_and_gradients_are_right(
        lengths in proptest::collection::vec(1usize..40, 1..4),
        heads in 1usize..4, size in 1usize..20, seed: u64, kind in 0u8..4, drop: bool,
        window in windows(),
    ) {
        let (rows, length) = (lengths.len(), lengths.iter().copied().max().unwrap_or(0));
        let (values, strides) = match kind {
            0 => (vec![], [0; 3]),
            1 => (numbers(rows * length, seed).iter().map(|&x| if x > 1.0 { f32::NEG_INFINITY } else { 0.0 }).collect(), [length, 0, 0]),
            2 => ((0..rows * length).map(|place| if place < length { f32::NEG_INFINITY } else { 0.0 }).collect(), [length, 0, 0]),
            _ => (numbers(heads * length * length, seed), [0, length * length, length]),
        };
        let bias = (kind > 0).then_some(Bias { values: &values, strides });
        let dropout = drop.then_some(Mask { seed, step: 2, number: 3, probability: 0.3 });
        compare(&Attention { lengths: &lengths, heads, size, scale: 0.5, window, bias, dropout }, seed)?;
    }
}

#[test]
fn long_texts_have_several_blocks() {
    let dropout = Some(Mask { seed: 1, step: 2, number: 3, probability: 0.1 });
    let lengths = [2 * BLOCK + 3, 5];
    for window in [Window::ALL, Window::CAUSAL, Window::sliding(20), Window::sliding(BLOCK + 9)] {
        let attention = Attention { lengths: &lengths, heads: 2, size: 8, scale: 0.3, window, bias: None, dropout };
        compare(&attention, 7).unwrap();
    }
}

/// What a query does not see is not even read.
#[test]
fn keys_out_of_the_window_count_for_nothing() {
    let length = 4 * BLOCK;
    let [q, mut k, mut v, gradient] = [1, 2, 3, 4].map(|part| numbers(length * 4, part));
    let window = Window::sliding(10);
    let attention = Attention { lengths: &[length], heads: 1, size: 4, scale: 0.5, window, bias: None, dropout: None };
    let [output, dq, ..] = run(Arch::new(), &attention, [&q, &k, &v], &gradient);
    k[..4].fill(f32::NAN);
    v[..4].fill(f32::NAN);
    let [other_output, other_dq, ..] = run(Arch::new(), &attention, [&q, &k, &v], &gradient);
    assert!(other_output[..11 * 4].iter().all(|x| x.is_nan()));
    // The first block computes the first key for all of its queries.
    assert_eq!(output[BLOCK * 4..], other_output[BLOCK * 4..]);
    assert_eq!(dq[BLOCK * 4..], other_dq[BLOCK * 4..]);
}

#[test]
fn threads_change_no_bit() {
    let dropout = Some(Mask { seed: 1, step: 2, number: 3, probability: 0.1 });
    for window in [Window::ALL, Window::CAUSAL, Window::sliding(20)] {
        let lengths = [150, 3, 80];
        let attention = Attention { lengths: &lengths, heads: 4, size: 24, scale: 0.3, window, bias: None, dropout };
        let [q, k, v, gradient] = [1, 2, 3, 4].map(|part| numbers(attention.elements(), part));
        with_threads(|| run(Arch::new(), &attention, [&q, &k, &v], &gradient));
    }
}
