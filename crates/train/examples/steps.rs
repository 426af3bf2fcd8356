//! Times training steps of a model with random weights, for `scripts/compare_trainer.py`: forward, loss, backward, clipping,
//! AdamW, a linear schedule, dropout as the model's `config.json` says.
//!
//! `steps DIRECTORY ROWS LENGTH WARMUP STEPS fp32|bf16` prints one JSON object: the milliseconds of each step but for the first
//! `WARMUP`, the loss of the first and last of all, and the largest resident memory of this process in MiB (Linux; elsewhere
//! null). Threads are `RAYON_NUM_THREADS`.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use firebrand_kernels::Precision;
use firebrand_model::{Classifier, HubConfig, Tokens, device, keep_freed_memory};
use firebrand_train::{AdamW, AdamWConfig, Learner, Schedule};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, rows, length, warmup, steps, precision] = arguments.as_slice() else {
        return Err("usage: steps DIRECTORY ROWS LENGTH WARMUP STEPS fp32|bf16".into());
    };
    let (rows, length, warmup) = (rows.parse::<u32>()?, length.parse::<u32>()?, warmup.parse::<u64>()?);
    let total = warmup + steps.parse::<u64>()?;

    let precision = match precision.as_str() {
        "fp32" => Precision::F32,
        "bf16" => Precision::Bf16,
        other => return Err(format!("the precision is fp32 or bf16, not {other}").into()),
    };

    // As the train stage does first of all.
    keep_freed_memory();
    let classifier = Classifier::untrained(HubConfig::read(Path::new(directory))?, 1, &device("flex")?.autodiff())?;
    let parameters = classifier.parameters();
    let adamw = AdamWConfig {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.01,
        no_decay: AdamWConfig::BIASES_AND_NORMS.map(str::to_owned).to_vec(),
    };
    let mut learner = Learner::new(classifier, AdamW::new(adamw), 1.0, 1).with_precision(precision);
    let schedule = Schedule::linear(5e-5, Schedule::warmup_of(0.1, total), total);

    // The script makes the same ids.
    let ids: Vec<Vec<u32>> = (0..rows)
        .map(|row| (0..length).map(|place| 1_000 + (row * 7_919 + place * 104_729) % 20_000).collect())
        .collect();
    let type_ids = vec![0; length as usize];
    let tokens: Vec<_> = ids.iter().map(|ids| Tokens { ids, type_ids: &type_ids }).collect();
    let targets: Vec<[u32; 1]> = (0..rows).map(|row| [row % 2]).collect();

    let (mut milliseconds, mut losses) = (Vec::new(), Vec::new());
    for step in 0..total {
        let start = Instant::now();
        let figures;
        (learner, figures) = learner.step(step, &tokens, &targets, schedule.rate(step))?;
        if step >= warmup {
            milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
        }
        losses.push(figures.loss);
    }
    let answer = serde_json::json!({
        "milliseconds": milliseconds,
        "losses": [losses.first(), losses.last()],
        "parameters": parameters,
        "peak_rss_mib": peak_rss_mib(),
    });
    writeln!(std::io::stdout(), "{answer}")?;
    Ok(())
}

/// The largest resident memory that this process has had.
fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? / 1024.0)
}
