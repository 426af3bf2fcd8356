//! Any bytes as a table: rows or an error of the data, and nothing else.
//!
//! The first byte says which format, and whether bad rows are dropped and rows have several labels.

#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use firebrand_clean::{Clean, Config};
use firebrand_pipeline::config::default_section;
use firebrand_pipeline::progress::{Hushed, hush};
use firebrand_pipeline::{Request, Slot, Stage, StageIo};
use tempfile::TempDir;

static HOME: OnceLock<(TempDir, Hushed)> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let home = HOME.get_or_init(|| (TempDir::new().unwrap(), hush())).0.path();
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
    let io = StageIo::new(Request {
        protocol: Request::PROTOCOL,
        slot: Slot::Clean,
        run: "fuzz".to_owned(),
        config: serde_json::Value::Null,
        origins: BTreeMap::new(),
        inputs: BTreeMap::from([(Slot::Fetch, home.join("fetch"))]),
        output,
        cache: home.join("cache"),
        workspace: home.to_owned(),
        resume: false,
    });
    if let Err(error) = Clean::run(&config, &io) {
        assert_eq!(error.kind().exit_code(), 4, "{}", error.render());
    }
});
