//! Reads any bytes as a table: the outcome is rows or a data error, never a panic.
//!
//! The first byte selects the format, whether bad rows are dropped, and whether the data is multi-label.

#![no_main]

use std::fs;
use std::sync::OnceLock;

use firebrand_clean::{Clean, Config};
use firebrand_pipeline::config::default_section;
use firebrand_pipeline::progress::{QuietProgress, quiet};
use firebrand_pipeline::{Request, Slot, Stage, StageIo};
use tempfile::TempDir;

static HOME: OnceLock<(TempDir, QuietProgress)> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let home = HOME.get_or_init(|| (TempDir::new().unwrap(), quiet())).0.path();
    let (raw, output) = (home.join("fetch/raw"), home.join("out"));
    for directory in [&raw, &output] {
        _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory).unwrap();
    }
    let ending = ["csv", "tsv", "jsonl", "json", "parquet", "arrow"][usize::from(choice % 8) % 6];
    fs::write(raw.join(format!("a.{ending}")), bytes).unwrap();
    let mut config: Config = default_section(Slot::Clean).unwrap();
    config.min_rows_per_label = 1;
    config.multi_label = choice & 8 != 0;
    config.bad_rows = if choice & 16 != 0 { "drop" } else { "error" }.to_owned();
    let io = StageIo::new(Request { output, ..Request::in_dir(home, Slot::Clean) });
    if let Err(error) = Clean::run(&config, &io) {
        assert_eq!(error.kind().exit_code(), 4, "{}", error.render());
    }
});
