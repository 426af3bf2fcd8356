//! Time and memory of evaluation with 100,000 test rows and 1,000 labels: the whole stage on a tiny model and generated texts,
//! single-label and multi-label.
//!
//! ```console
//! $ cargo xtask bench evaluate                       # both
//! $ cargo xtask bench evaluate --filter multi        # one of them
//! ```
//!
//! Each case runs in its own process, because the peak memory of a process never falls. `ROWS` and `LABELS` set the sizes,
//! which are small when it runs as a test (`cargo test --bench many_labels`).

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use firebrand_arch::{ProblemType, StartFrom};
use firebrand_dataset::{Example, LabelMap, TokenRow, write_examples, write_tokens};
use firebrand_evaluate::{Config, Evaluate};
use firebrand_model::Classifier;
use firebrand_pipeline::config::default_section;
use firebrand_pipeline::{Request, Slot, Stage, StageIo};

const CASES: [&str; 2] = ["single-label", "multi-label"];
/// Number of words that all labels share.
const COMMON_WORDS: u64 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(case) = std::env::var("FIREBRAND_BENCH_CASE") {
        return evaluate(case == "multi-label");
    }
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let [rows, labels] = if measuring { ["100000", "1000"] } else { ["2000", "50"] };
    let size = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let (rows, labels) = (size("ROWS", rows), size("LABELS", labels));
    let filter: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for case in CASES.iter().filter(|case| filter.iter().all(|filter| case.contains(filter.as_str()))) {
        let mut command = Command::new(std::env::current_exe()?);
        command.env("FIREBRAND_BENCH_CASE", case).env("ROWS", &rows).env("LABELS", &labels);
        let status = command.status()?;
        if !status.success() {
            return Err(format!("{case} failed").into());
        }
    }
    Ok(())
}

fn evaluate(multi_label: bool) -> Result<(), Box<dyn Error>> {
    let number = |name: &str| -> Result<u64, Box<dyn Error>> { Ok(std::env::var(name)?.parse()?) };
    let (rows, labels) = (number("ROWS")?, number("LABELS")?);
    let directory = tempfile::tempdir()?;
    prepare(directory.path(), rows, labels, multi_label)?;
    let config: Config = default_section(Slot::Evaluate)?;
    let request = Request::in_dir(directory.path(), Slot::Evaluate);
    fs::create_dir(&request.output)?;
    let (before, began) = (peak_memory(), Instant::now());
    Evaluate::run(&config, &StageIo::new(request))?;
    let mut out = std::io::stdout().lock();
    let case = CASES[usize::from(multi_label)];
    writeln!(out, "{case}: {rows} test rows, {labels} labels: {:.0} s", began.elapsed().as_secs_f64())?;
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        writeln!(out, "{case}: peak memory {} MiB ({} MiB before)", after >> 20, before >> 20)?;
    }
    for entry in fs::read_dir(directory.path().join("evaluate"))? {
        let entry = entry?;
        writeln!(out, "{case}: {} {} KiB", entry.file_name().to_string_lossy(), entry.metadata()?.len() >> 10)?;
    }
    Ok(())
}

/// Writes the outputs of the stages before evaluate: as many training rows as test rows, and a tenth of that for validation.
fn prepare(directory: &Path, rows: u64, labels: u64, multi_label: bool) -> Result<(), Box<dyn Error>> {
    for slot in Slot::Evaluate.inputs() {
        fs::create_dir(directory.join(slot.name()))?;
    }
    let names: Vec<String> = (0..labels).map(|label| format!("label {label}")).collect();
    LabelMap::new(names.clone())?.with_multi_label(multi_label).write(&directory.join("clean/labels.json"))?;
    for (file, stage, first, count) in
        [("train", "augment", 0, rows), ("validation", "split", rows, rows / 10), ("test", "split", 2 * rows, rows)]
    {
        let (examples, tokens): (Vec<Example>, Vec<TokenRow>) =
            (first..first + count).map(|id| row(id, labels, multi_label)).unzip();
        write_examples(&directory.join(stage).join(format!("{file}.parquet")), &examples)?;
        write_tokens(&directory.join("tokenize").join(format!("{file}.parquet")), &tokens)?;
    }
    let pretrained = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/models/bert");
    let mut start = StartFrom::new(names, 42);
    if multi_label {
        start.problem = ProblemType::MultiLabelClassification;
    }
    let (model, _) = Classifier::start(&pretrained, &start, &firebrand_model::device("flex")?)?;
    fs::create_dir(directory.join("train/model"))?;
    model.save(&directory.join("train/model"))?;
    fs::write(directory.join("train/metrics.jsonl"), "{}\n")?;
    Ok(())
}

/// A text of 60 words, a few of them specific to the row's labels; and a few tokens.
fn row(id: u64, labels: u64, multi_label: bool) -> (Example, TokenRow) {
    let draw = |place: u64, below: u64| mix(id * 1000 + place) % below;
    let own = if multi_label { draw(90, 4) } else { 1 };
    let mut sets: Vec<u32> = (0..own).map(|label| draw(91 + label, labels) as u32).collect();
    sets.sort_unstable();
    sets.dedup();
    let mut words: Vec<String> =
        (0..56).map(|place| format!("word{}", draw(place, COMMON_WORDS).min(draw(place + 60, COMMON_WORDS)))).collect();
    for label in &sets {
        words.extend((0..2).map(|word| format!("topic{label}x{}", draw(u64::from(*label) % 50 + word, 20))));
    }
    let example =
        Example { id, text: words.join(" "), pair: None, labels: sets.clone(), group: None, weight: 1.0, part: None };
    let ids: Vec<u32> = (0..16).map(|place| 1 + draw(place, 119) as u32).collect();
    let type_ids = vec![0; ids.len()];
    (example, TokenRow { id, ids, type_ids, labels: sets, weight: 1.0, cut: 0 })
}

/// A pseudo-random number: the output function of SplitMix64.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Peak memory of this process in bytes; `None` if the system does not report it (Linux does).
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}
