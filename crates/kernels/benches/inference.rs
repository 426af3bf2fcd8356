//! The kernels of inference on one thread, in the shapes of MiniLM (384 wide) and BERT-base (768): `cargo bench -p
//! firebrand-kernels --bench inference`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use firebrand_kernels::inference::{
    AttentionScratch, Buffer, Curve, CurveKind, Epilogue, HeadRows, Heads, Int8Output, Isa, Operand, Output,
    PackedFloat, PackedInt8, PackedLinear, attention,
};

/// Tokens of a unit.
const ROWS: usize = 128;

fn products(criterion: &mut Criterion) {
    let curve = Curve::new(CurveKind::Gelu);
    let mut group = criterion.benchmark_group("product");
    for (inputs, outputs) in [(384, 1536), (1536, 384), (768, 3072), (3072, 768)] {
        let weights: Vec<i8> = (0..inputs * outputs).map(|index| (index * 37 % 255) as u8 as i8).collect();
        let int8 = PackedInt8::new(outputs, inputs, None, |output| {
            Some(Int8Output { weights: &weights[output * inputs..(output + 1) * inputs], scale: 0.01, bias: 0.1 })
        });
        let mut float = PackedFloat::new(outputs, inputs);
        for output in 0..outputs {
            (0..inputs)
                .for_each(|input| float.set_weight(output, input, f32::from(weights[output * inputs + input]) * 0.01));
        }
        let rows: Vec<f32> = (0..ROWS * inputs).map(|index| (index * 7919 % 1000) as f32 / 500.0 - 1.0).collect();
        group.throughput(Throughput::Elements((ROWS * inputs * outputs) as u64));
        for (name, packed) in [("int8", PackedLinear::Int8(int8)), ("float32", PackedLinear::Float(float))] {
            let mut operand = Operand::of_kind(&packed);
            operand.resize(ROWS, inputs);
            for isa in Isa::ALL.into_iter().filter(|isa| isa.available() && *isa != Isa::Portable) {
                operand.as_mut().fill(isa, &rows);
                let mut buffer = Buffer::default();
                let to = buffer.sized(ROWS * outputs);
                group.bench_function(format!("{name} {} {inputs} to {outputs}, then GELU", isa.name()), |bencher| {
                    bencher.iter(|| {
                        let to = Output { values: &mut *to, stride: outputs };
                        packed.apply(isa, operand.rows(0..ROWS), 0..packed.blocks(), Epilogue::Curve(&curve), to);
                    });
                });
            }
        }
    }
    group.finish();
}

fn heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attention of a head");
    for (length, size) in [(16, 32), (128, 32), (128, 64), (512, 64)] {
        let values: Vec<f32> = (0..3 * length * size).map(|index| (index * 7919 % 1000) as f32 / 500.0 - 1.0).collect();
        let rows = |part: usize| HeadRows { values: &values[part * size..], stride: 3 * size, count: length };
        let heads = Heads { query: rows(0), key: rows(1), value: rows(2), size, visible: None, added: None };
        let (mut scratch, mut buffer) = (AttentionScratch::default(), Buffer::default());
        let to = buffer.sized(length * size);
        group.throughput(Throughput::Elements((2 * length * length * size) as u64));
        group.bench_function(format!("{length} tokens, {size} wide"), |bencher| {
            bencher.iter(|| {
                attention(Isa::fastest(), black_box(&heads), &mut scratch, Output { values: &mut *to, stride: size });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, products, heads);
criterion_main!(benches);
