//! Every kernel against plain arithmetic in double precision, and every instruction set of this processor against the others, to
//! the bit.

use std::ops::Range;

use proptest::prelude::*;

use super::lanes::{Blocks, Lanes, Strided, StridedMut};
use super::*;

fn isas() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.available())
}

/// Numbers between -1 and 1, most of them small, some zero.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed | 1;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let x = (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
            if state & 0xf00 == 0 { 0.0 } else { x * x * x }
        })
        .collect()
}

/// Rows of `width`, padded with zeros.
fn padded_rows(rows: usize, width: usize, seed: u64) -> Vec<f32> {
    let values = numbers(rows * width, seed);
    let mut padded_values = vec![0.0; rows * padded(width)];
    for (to, from) in padded_values.chunks_mut(padded(width)).zip(values.chunks(width)) {
        to[..width].copy_from_slice(from);
    }
    padded_values
}

/// What a kernel computes with each instruction set; they must be equal to the bit.
#[track_caller]
fn on_all(compute: impl Fn(Isa) -> Vec<f32>) -> Vec<f32> {
    let results: Vec<(Isa, Vec<f32>)> = isas().map(|isa| (isa, compute(isa))).collect();
    let (first, expected) = &results[0];
    for (isa, found) in &results[1..] {
        for (place, (a, b)) in expected.iter().zip(found).enumerate() {
            assert_eq!(a.to_bits(), b.to_bits(), "{first:?} has {a} at {place}, {isa:?} has {b}");
        }
    }
    expected.clone()
}

dispatch! {
    fn vector_operations<'a>(a: &'a [f32; 16], b: &'a [f32; 16], c: &'a [f32; 16]) -> Vec<f32> = vector_operations_with;
}

/// The result of each operation on vectors, one after the other.
#[inline(always)]
fn vector_operations_with<L: Lanes>(lanes: L, a: &[f32; 16], b: &[f32; 16], c: &[f32; 16]) -> Vec<f32> {
    let (x, y, z) = (lanes.load(a), lanes.load(b), lanes.load(c));
    let large = lanes.mul(x, lanes.splat(1000.0));
    let whole = lanes.round(large);
    let index = lanes.truncate(lanes.mul(lanes.abs(y), lanes.splat(15.999)));
    let mut results = vec![lanes.sum(x), lanes.largest(x), lanes.least(x)];
    let mut push = |x: L::F| {
        let mut values = [0.0; 16];
        lanes.store(x, &mut values);
        results.extend(values);
    };
    push(lanes.add(x, y));
    push(lanes.sub(x, y));
    push(lanes.mul(x, y));
    push(lanes.fma(x, y, z));
    push(lanes.max(x, y));
    push(lanes.min(x, y));
    push(lanes.abs(x));
    push(lanes.float(whole));
    push(lanes.float(lanes.sub_product(whole, lanes.splat_int(3), lanes.load_int(&[7; 16]))));
    push(lanes.float(index));
    push(lanes.lookup(c, index));
    push(lanes.power_of_two(lanes.round(lanes.mul(x, lanes.splat(100.0)))));
    let mut bytes = [0; 16];
    lanes.store_bytes(whole, &mut bytes);
    push(lanes.load(&bytes.map(f32::from)));
    let rows = std::array::from_fn(|row| lanes.mul(x, lanes.splat(b[row])));
    lanes.transpose(rows).into_iter().for_each(push);
    results
}

#[test]
fn a_transpose_has_columns_for_rows() {
    let a: [f32; 16] = std::array::from_fn(|lane| (lane + 1) as f32);
    let b: [f32; 16] = std::array::from_fn(|row| (100 * (row + 1)) as f32);
    let found = on_all(|isa| vector_operations(isa, &a, &b, &[0.0; 16]));
    let transposed = &found[found.len() - 256..];
    for (place, &value) in transposed.iter().enumerate() {
        assert_eq!(value, a[place / 16] * b[place % 16]);
    }
}

fn int8_layer(outputs: usize, inputs: usize, seed: u64) -> (Vec<i8>, Vec<f32>, Vec<f32>) {
    let weights = numbers(outputs * inputs, seed).into_iter().map(|x| (x * 127.0) as i8).collect();
    let scales = numbers(outputs, seed ^ 1).into_iter().map(|x| 0.01 + x.abs() * 0.01).collect();
    (weights, scales, numbers(outputs, seed ^ 2))
}

fn apply(isa: Isa, linear: &PackedLinear, rows: &[f32], width: usize, epilogue: Epilogue<'_>, start: f32) -> Vec<f32> {
    let count = rows.len() / padded(width);
    let mut operand = Operand::of_kind(linear);
    operand.resize(count, padded(width));
    operand.as_mut().fill(isa, rows);
    let stride = LANES * linear.blocks();
    let mut values = vec![start; count * stride];
    linear.apply(isa, operand.rows(0..count), 0..linear.blocks(), epilogue, Output { values: &mut values, stride });
    values
}

proptest! {
    #[test]
    fn vectors_are_the_same_on_every_instruction_set(seed: u64) {
        let vector = |seed| -> [f32; 16] { numbers(16, seed).try_into().unwrap() };
        let (a, b, c) = (vector(seed), vector(seed ^ 1), vector(seed ^ 2));
        on_all(|isa| vector_operations(isa, &a, &b, &c));
    }

    #[test]
    fn int8_products_are_exact_but_for_the_scales(
        rows in 1usize..30, inputs in 1usize..70, outputs in 1usize..70, seed: u64
    ) {
        let (weights, scales, bias) = int8_layer(outputs, inputs, seed);
        let packed = PackedLinear::Int8(PackedInt8::new(outputs, inputs, None, |output| Some(Int8Output {
            weights: &weights[output * inputs..(output + 1) * inputs], scale: scales[output], bias: bias[output],
        })));
        let x = padded_rows(rows, inputs, seed ^ 3);
        let found = on_all(|isa| apply(isa, &packed, &x, inputs, Epilogue::Store, f32::NAN));
        for row in 0..rows {
            let x = &x[row * padded(inputs)..][..inputs];
            let range = x.iter().fold([0.0f32; 2], |[low, high], &x| [low.min(x), high.max(x)]);
            // Half a step of each input, and the rounding of the rest.
            let step = (range[1] - range[0]) / 255.0;
            for output in 0..outputs {
                let weights = &weights[output * inputs..(output + 1) * inputs];
                let exact: f64 = x.iter().zip(weights).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum();
                let expected = exact * f64::from(scales[output]) + f64::from(bias[output]);
                let room: f64 = weights.iter().map(|&w| f64::from(w).abs()).sum::<f64>() * f64::from(step * scales[output]) * 0.51 + 1e-5;
                let found = f64::from(found[row * padded(outputs) + output]);
                prop_assert!((found - expected).abs() <= room, "{found} for {expected}, room {room}");
            }
        }
    }

    #[test]
    fn float_products_are_sums_in_order(rows in 1usize..30, inputs in 1usize..70, outputs in 1usize..70, seed: u64) {
        let weights = numbers(outputs * inputs, seed);
        let bias = numbers(outputs, seed ^ 2);
        let mut packed = PackedFloat::new(outputs, inputs);
        for output in 0..outputs {
            packed.set_bias(output, bias[output]);
            (0..inputs).for_each(|input| packed.set_weight(output, input, weights[output * inputs + input]));
        }
        let packed = PackedLinear::Float(packed);
        let x = padded_rows(rows, inputs, seed ^ 3);
        let found = on_all(|isa| apply(isa, &packed, &x, inputs, Epilogue::Store, f32::NAN));
        for row in 0..rows {
            let x = &x[row * padded(inputs)..][..inputs];
            for output in 0..outputs {
                let weights = &weights[output * inputs..(output + 1) * inputs];
                let expected = x.iter().zip(weights).fold(0.0f32, |sum, (&x, &w)| x.mul_add(w, sum)) + bias[output];
                prop_assert_eq!(found[row * padded(outputs) + output], expected);
            }
        }
    }

    #[test]
    fn norms_have_mean_zero_and_variance_one(rows in 1usize..5, width in 1usize..70, seed: u64) {
        let (weight, bias) = (numbers(width, seed), numbers(width, seed ^ 1));
        let own = Norm::new(&weight, Some(&bias), 1e-5);
        let x = padded_rows(rows, width, seed ^ 2);
        let found = on_all(|isa| {
            let mut x = x.clone();
            norm(isa, &own, &mut x);
            x
        });
        for (x, found) in x.chunks(padded(width)).zip(found.chunks(padded(width))) {
            let wide: Vec<f64> = x[..width].iter().map(|&x| f64::from(x)).collect();
            let mean = wide.iter().sum::<f64>() / width as f64;
            let variance = wide.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            for place in 0..width {
                let expected = (wide[place] - mean) / (variance + 1e-5).sqrt() * f64::from(weight[place]) + f64::from(bias[place]);
                prop_assert!((f64::from(found[place]) - expected).abs() < 2e-5);
            }
            prop_assert!(found[width..].iter().all(|&x| x == 0.0));
        }
    }

    #[test]
    fn attention_is_softmax_of_scores_times_values(
        length in 1usize..50, size in 1usize..40, before in 0usize..60, after in 0usize..60, seed: u64, with_added: bool
    ) {
        let [query, key, value] = [0, 1, 2].map(|part| padded_rows(length, size, seed ^ part));
        let width = padded(size);
        let rows = |values| HeadRows { values, stride: width, count: length };
        let visible: Vec<Range<usize>> =
            (0..length).map(|query| query.saturating_sub(before)..(query + after + 1).min(length)).collect();
        let added = padded_rows(length, length, seed ^ 4);
        let heads = Heads {
            query: rows(&query), key: rows(&key), value: rows(&value), size: width, visible: Some(&visible),
            added: with_added.then_some(Added { values: &added, stride: padded(length) }),
        };
        let found = on_all(|isa| {
            let mut values = vec![f32::NAN; length * width];
            attention(isa, &heads, &mut AttentionScratch::default(), Output { values: &mut values, stride: width });
            values
        });
        for (at, visible) in visible.iter().enumerate() {
            let row = |values: &[f32], at: usize| -> Vec<f64> { values[at * width..][..size].iter().map(|&x| x.into()).collect() };
            let scores: Vec<f64> = visible.clone().map(|key_at| {
                let score: f64 = row(&query, at).iter().zip(row(&key, key_at)).map(|(q, k)| q * k).sum();
                score + if with_added { f64::from(added[at * padded(length) + key_at]) } else { 0.0 }
            }).collect();
            let total: f64 = scores.iter().map(|score| score.exp()).sum();
            for column in 0..size {
                let expected: f64 = visible.clone().zip(&scores)
                    .map(|(key, score)| score.exp() / total * f64::from(value[key * width + column])).sum();
                prop_assert!((f64::from(found[at * width + column]) - expected).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn epilogues_follow_the_product() {
    let mut weights = PackedFloat::new(1, 1);
    weights.set_weight(0, 0, 2.0);
    weights.set_bias(0, -5.0);
    let weights = PackedLinear::Float(weights);
    let x = padded_rows(1, 1, 3)
        .iter()
        .enumerate()
        .map(|(place, _)| if place == 0 { 1.0 } else { 0.0 })
        .collect::<Vec<f32>>();
    let first = |epilogue: Epilogue<'_>| on_all(|isa| apply(isa, &weights, &x, 1, epilogue, 7.0))[0];
    assert_eq!(first(Epilogue::Store), -3.0);
    assert_eq!(first(Epilogue::Add), 4.0);
    assert_eq!(first(Epilogue::Multiply), -21.0);
    assert_eq!(first(Epilogue::Relu), 0.0);
    let gelu = first(Epilogue::Curve(&Curve::new(CurveKind::Gelu)));
    assert!((gelu - -0.004_049_7).abs() < 1e-6, "{gelu}");
}

#[test]
fn inputs_may_be_placed_apart_and_outputs_left_out() {
    let weights = [1i8, 2, 3];
    let packed = PackedLinear::Int8(PackedInt8::new(2, 40, Some(&[0, 17, 39]), |output| {
        (output == 1).then_some(Int8Output { weights: &weights, scale: 1.0, bias: 0.5 })
    }));
    let mut x = vec![0.0; 48];
    (x[0], x[17], x[39], x[1]) = (255.0, 51.0, 0.0, 102.0);
    let found = on_all(|isa| apply(isa, &packed, &x, 40, Epilogue::Store, f32::NAN));
    assert_eq!(found[..2], [0.0, 255.0 + 2.0 * 51.0 + 0.5]);
}

dispatch! {
    fn int_sums<'a>(row: &'a [u8], block: &'a [[[i8; 4]; LANES]]) -> [i32; LANES] = int_sums_with;
}

#[inline(always)]
fn int_sums_with<L: Lanes>(lanes: L, row: &[u8], block: &[[[i8; 4]; LANES]]) -> [i32; LANES] {
    assert_eq!(row.len(), 4 * block.len());
    let mut sums = [0; LANES];
    // SAFETY: the row has four elements for each vector of the block, and there is room for sixteen sums.
    unsafe {
        lanes.int_tile::<1, 1>(
            Strided { start: row.as_ptr(), stride: row.len() },
            Blocks { start: block.as_ptr().cast(), block_stride: 0, stride: 4 * LANES },
            block.len(),
            StridedMut { start: sums.as_mut_ptr(), stride: LANES },
        );
    }
    sums
}

#[test]
fn sums_of_extreme_bytes_are_exact_for_every_depth() {
    for isa in isas() {
        for depth in 1..20 {
            for (high, weights) in [(255, [-128, -128]), (255, [127, 127]), (255, [-128, 127]), (0, [-128, 127])] {
                let row: Vec<u8> = (0..4 * depth).map(|k| if k % 7 == 0 { 1 } else { high }).collect();
                let block: Vec<[[i8; 4]; LANES]> =
                    (0..depth).map(|k| std::array::from_fn(|lane| [weights[(k + lane) % 2]; 4])).collect();
                let expected: [i32; LANES] = std::array::from_fn(|lane| {
                    (0..4 * depth).map(|k| i32::from(row[k]) * i32::from(block[k / 4][lane][k % 4])).sum()
                });
                assert_eq!(int_sums(isa, &row, &block), expected, "{isa:?}, depth {depth}, {high} times {weights:?}");
            }
        }
    }
}

/// A curve, its function, and the room for its error.
type Case<'a> = (CurveKind, &'a dyn Fn(f64) -> f64, f64);

#[test]
fn curves_are_near_the_functions() {
    let phi = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    let tanh = |x: f64| 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh());
    let exact = |x: f64| x * phi(x);
    let silu = |x: f64| x / (1.0 + (-x).exp());
    let cases: [Case; 3] =
        [(CurveKind::Gelu, &exact, 2e-7), (CurveKind::GeluTanh, &tanh, 5e-7), (CurveKind::Silu, &silu, 4e-6)];
    let x: Vec<f32> = (-40_000..40_000).map(|x| x as f32 * 1e-3).collect();
    for (kind, function, room) in cases {
        let curve = Curve::new(kind);
        let found = on_all(|isa| {
            let mut x = x.clone();
            apply_curve(isa, &curve, &mut x);
            x
        });
        for (&x, found) in x.iter().zip(found) {
            let (x, found) = (f64::from(x), f64::from(found));
            let distance = (found - function(x)).abs();
            assert!(distance <= room + 6e-8 * x.abs(), "{kind:?} of {x}: {found}, {distance:e} apart");
        }
    }
}

/// A number that is not finite must not turn into one that is: neither in a row of bytes nor in a curve, a norm or a softmax.
#[test]
fn what_is_not_finite_stays_so() {
    let (weights, scales, bias) = int8_layer(16, 16, 5);
    let linear = PackedLinear::Int8(PackedInt8::new(16, 16, None, |output| {
        Some(Int8Output { weights: &weights[output * 16..][..16], scale: scales[output], bias: bias[output] })
    }));
    for isa in isas() {
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x = vec![0.5; 16];
            x[7] = odd;
            let mut normed = x.clone();
            norm(isa, &Norm::new(&[1.0; 16], None, 1e-5), &mut normed);
            assert!(normed.iter().all(|x| x.is_nan()), "{isa:?}: {normed:?}");
            let product = apply(isa, &linear, &normed, 16, Epilogue::Store, 0.0);
            assert!(product.iter().all(|x| x.is_nan()), "{isa:?}: {product:?}");
            if odd.is_infinite() {
                let product = apply(isa, &linear, &x, 16, Epilogue::Store, 0.0);
                assert!(product.iter().all(|x| x.is_nan()), "{isa:?}: {product:?}");
            }
        }
        for kind in [CurveKind::Gelu, CurveKind::GeluTanh, CurveKind::Silu] {
            let mut x = vec![f32::NAN; 16];
            apply_curve(isa, &Curve::new(kind), &mut x);
            assert!(x.iter().all(|x| x.is_nan()));
        }
    }
}

#[test]
fn rows_of_zeros_and_of_tiny_numbers_are_zeros() {
    let linear = PackedLinear::Int8(PackedInt8::new(1, 16, None, |_| {
        Some(Int8Output { weights: &[1; 16], scale: 1.0, bias: 0.25 })
    }));
    for x in [0.0, f32::MIN_POSITIVE, -1e-45] {
        let found = on_all(|isa| apply(isa, &linear, &[x; 16], 16, Epilogue::Store, f32::NAN));
        assert!((found[0] - 0.25).abs() < 1e-30);
    }
}

#[test]
fn an_instruction_set_is_asked_for_by_name() {
    assert!(Isa::Portable.available());
    assert!(Isa::fastest().available());
    assert_eq!(Isa::ALL.map(Isa::name), ["portable", "neon", "neon-dot", "avx2", "avx512"]);
}
