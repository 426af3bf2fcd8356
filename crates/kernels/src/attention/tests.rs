use super::*;
use crate::testing::{arches, close, doubles, numbers, with_threads};
use proptest::prelude::*;

/// Answers and gradients of queries, keys and values, one number at a time.
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
            let powers: Vec<f64> = (0..length).map(|key| (dot(&q, &k, key) * scale + added(key)).exp()).collect();
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
    let [mut o, mut dq, mut dk, mut dv] = [(); 4].map(|()| vec![f32::NAN; attention.numbers()]);
    let mut kept = vec![f32::NAN; attention.kept()];
    attention.forward(arch, inputs, &mut o, &mut kept);
    attention.backward(arch, inputs, &kept, gradient, [&mut dq, &mut dk, &mut dv]);
    [o, dq, dk, dv]
}

fn compare(attention: &Attention<'_>, seed: u64) -> Result<(), TestCaseError> {
    let [q, k, v, gradient] = [1, 2, 3, 4].map(|part| numbers(attention.numbers(), seed ^ part));
    let expected = reference(attention, [&q, &k, &v], &gradient);
    for arch in arches() {
        for (found, expected) in run(arch, attention, [&q, &k, &v], &gradient).iter().zip(&expected) {
            close(found, expected, 3e-5)?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn answers_and_gradients_are_right(
        lengths in proptest::collection::vec(1usize..40, 1..4),
        heads in 1usize..4, size in 1usize..20, seed: u64, kind in 0u8..4, drop: bool,
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
        compare(&Attention { lengths: &lengths, heads, size, scale: 0.5, bias, dropout }, seed)?;
    }
}

#[test]
fn long_texts_have_several_blocks() {
    let dropout = Some(Mask { seed: 1, step: 2, number: 3, probability: 0.1 });
    let attention = Attention { lengths: &[2 * BLOCK + 3, 5], heads: 2, size: 8, scale: 0.3, bias: None, dropout };
    compare(&attention, 7).unwrap();
}

#[test]
fn threads_change_no_bit() {
    let dropout = Some(Mask { seed: 1, step: 2, number: 3, probability: 0.1 });
    let attention = Attention { lengths: &[150, 3, 80], heads: 4, size: 24, scale: 0.3, bias: None, dropout };
    let [q, k, v, gradient] = [1, 2, 3, 4].map(|part| numbers(attention.numbers(), part));
    with_threads(|| run(Arch::new(), &attention, [&q, &k, &v], &gradient));
}
