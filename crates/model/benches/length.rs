//! Time and memory of attention over the length of a text: forward and backward of three layers as wide as ModernBERT-base (one
//! that sees all tokens, two that see near ones) and as GPT-2, one text at a time. Before each timing, the most memory that the
//! pass held is printed.
//!
//! `cargo bench -p firebrand-model --bench length -- 8192` runs one length.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![expect(clippy::print_stderr, reason = "criterion measures time only")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use firebrand_arch::HubConfig;
use firebrand_kernels::within_pool;
use firebrand_model::{Batch, Classifier, Tokens, device};
use serde_json::{Value, json};

/// Without `--bench`, when tests run each benchmark once, the first two.
const LENGTHS: [usize; 4] = [128, 512, 2048, 8192];

/// Counts the bytes that all threads hold together.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(HELD.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The most bytes held during some work, beyond those held before it.
fn peak(work: impl FnOnce()) -> usize {
    let before = HELD.load(Relaxed);
    PEAK.store(before, Relaxed);
    work();
    PEAK.load(Relaxed) - before
}

fn modernbert() -> Value {
    json!({
        "model_type": "modernbert", "vocab_size": 1000, "hidden_size": 768, "num_hidden_layers": 3,
        "num_attention_heads": 12, "intermediate_size": 1152, "max_position_embeddings": 8192, "num_labels": 2,
        "pad_token_id": 0,
    })
}

fn gpt2() -> Value {
    json!({
        "model_type": "gpt2", "vocab_size": 1000, "n_embd": 768, "n_layer": 3, "n_head": 12, "n_positions": 8192,
        "num_labels": 2, "pad_token_id": 0,
    })
}

fn length(criterion: &mut Criterion) {
    let lengths = if std::env::args().any(|argument| argument == "--bench") { &LENGTHS[..] } else { &LENGTHS[..2] };
    for (name, config) in [("ModernBERT", modernbert()), ("GPT-2", gpt2())] {
        let Value::Object(config) = config else { unreachable!("it is an object") };
        let device = device("flex").unwrap().autodiff();
        let classifier = Classifier::untrained(HubConfig::new(config), 1, &device).unwrap();
        for &length in lengths {
            let ids: Vec<u32> = (0..length).map(|place| 1 + (place * 7_919 % 999) as u32).collect();
            let tokens = [Tokens { ids: &ids, type_ids: &vec![0; length] }];
            let pass = || {
                within_pool(|| {
                    let batch = Batch::new(&tokens, 0, &device).unwrap();
                    drop(classifier.network.forward(&batch, None).sum().backward());
                });
            };
            let mut measured = false;
            criterion.bench_function(&format!("{name}, 3 layers, 1 x {length}, forward and backward"), |bench| {
                if !measured {
                    eprintln!("{name}, 1 x {length}: {} MiB at most", peak(pass) >> 20);
                    measured = true;
                }
                bench.iter(pass);
            });
        }
    }
}

/// Few samples: a pass over a long text takes seconds.
fn few() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_secs(3))
}

criterion_group!(name = benches; config = few(); targets = length);
criterion_main!(benches);
