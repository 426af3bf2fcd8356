//! Times training steps of a model with random weights, for `scripts/compare_trainer.py`: forward, loss, backward, clipping,
//! AdamW, a linear schedule, dropout as in the model's `config.json`.
//!
//! `steps DIRECTORY BATCHES WARMUP fp32|bf16` reads the token ids of each row of each step's batch from the JSON file `BATCHES`
//! and prints one JSON object: the milliseconds of every step after the first `WARMUP`, the first and the last loss, and the peak
//! resident memory of this process in MiB (Linux; null elsewhere). `RAYON_NUM_THREADS` sets the number of threads.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use firebrand_arch::HubConfig;
use firebrand_kernels::Precision;
use firebrand_model::{Classifier, Tokens, device, keep_freed_memory};
use firebrand_train::{AdamW, AdamWConfig, Learner, Schedule};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, batches, warmup, precision] = arguments.as_slice() else {
        return Err("usage: steps DIRECTORY BATCHES WARMUP fp32|bf16".into());
    };
    let warmup = warmup.parse::<usize>()?;
    let batches: Vec<Vec<Vec<u32>>> = serde_json::from_slice(&std::fs::read(batches)?)?;
    let total = batches.len() as u64;

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

    let (mut milliseconds, mut losses) = (Vec::new(), Vec::new());
    for (step, batch) in batches.iter().enumerate() {
        let type_ids: Vec<Vec<u32>> = batch.iter().map(|ids| vec![0; ids.len()]).collect();
        let tokens: Vec<_> = batch.iter().zip(&type_ids).map(|(ids, type_ids)| Tokens { ids, type_ids }).collect();
        let targets: Vec<[u32; 1]> = (0..batch.len() as u32).map(|row| [row % 2]).collect();
        let start = Instant::now();
        let figures;
        (learner, figures) = learner.step(step as u64, &tokens, &targets, schedule.rate(step as u64))?;
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

/// Peak resident memory of this process.
fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? / 1024.0)
}
