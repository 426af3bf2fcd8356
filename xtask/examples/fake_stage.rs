//! A stage of any slot for the runner's own tests: it writes well-formed files, slowly, from its inputs and configuration.
//!
//! What it does is steered by the environment, so that the configuration stays an ordinary one:
//! `FAKE_DELAY_MS` between two pieces of output, `FAKE_OMIT=SLOT:PATH`, `FAKE_FAIL=SLOT:CODE`, `FAKE_REFUSE=SLOT` (in
//! `check`), `FAKE_LOG=FILE` (a line per call).
#![expect(clippy::unwrap_used, reason = "a test's helper: a panic is a failed test")]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use firebrand_pipeline::{Error, OutputKind, Result, Slot, Stage, StageIo, hash};

/// The stage of the slot with this number.
struct Fake<const N: usize>;

impl<const N: usize> Stage for Fake<N> {
    const SLOT: Slot = Slot::ALL[N];
    type Config = serde_json::Value;

    fn check(_config: &Self::Config) -> Result<()> {
        note(&format!("{} check", Self::SLOT));
        match std::env::var("FAKE_REFUSE") {
            Ok(slot) if slot == Self::SLOT.name() => Err(Error::key("seed", "is not to this stage's taste")),
            _ => Ok(()),
        }
    }

    fn run(config: &Self::Config, io: &StageIo) -> Result<()> {
        note(&format!("{} run{}", Self::SLOT, if io.resuming() { " resumed" } else { "" }));
        if let Some(code) = steered("FAKE_FAIL", Self::SLOT) {
            std::process::exit(code.parse().unwrap());
        }
        let seed = seed(config, io, Self::SLOT);
        let omit = steered("FAKE_OMIT", Self::SLOT);
        for output in Self::SLOT.outputs().iter().filter(|output| omit.as_deref() != Some(output.path)) {
            write(output.kind, &io.output(output.path), &hash::bytes(format!("{seed}{}", output.path).as_bytes()));
        }
        Ok(())
    }
}

/// `VALUE` where the variable is `SLOT:VALUE`.
fn steered(variable: &str, slot: Slot) -> Option<String> {
    let value = std::env::var(variable).ok()?;
    value.strip_prefix(&format!("{slot}:")).map(str::to_owned)
}

/// Depends on the configuration and on every byte of the inputs.
fn seed(config: &serde_json::Value, io: &StageIo, slot: Slot) -> String {
    let mut text = config.to_string();
    for input in slot.inputs() {
        for output in input.outputs().iter().filter(|output| output.kind != OutputKind::Directory) {
            let path = io.optional_input(*input, output.path).unwrap();
            text.push_str(&path.map_or_else(String::new, |path| hash::file(&path).unwrap()));
        }
    }
    hash::bytes(text.as_bytes())
}

fn write(kind: OutputKind, path: &Path, text: &str) {
    match kind {
        OutputKind::Parquet => pieces(path, &["PAR1", text, "PAR1"]),
        // What the runner reads of `metrics.json`.
        OutputKind::Json => {
            pieces(path, &["{\"text\": \"", text, "\", \"test\": {\"accuracy\": 0.75, \"macro_f1\": 0.5}}"]);
        }
        OutputKind::JsonLines => pieces(path, &["{\"text\": \"", text, "\"}\n{}\n"]),
        OutputKind::File => pieces(path, &[text, text, text]),
        OutputKind::Directory => {
            fs::create_dir_all(path.join("inner")).unwrap();
            pieces(&path.join("config.json"), &["{}", "\n"]);
            pieces(&path.join("inner/data.bin"), &[text, text]);
        }
    }
}

/// Writes in pieces, so that a kill finds half-written files.
fn pieces(path: &Path, pieces: &[&str]) {
    let delay = std::env::var("FAKE_DELAY_MS").ok().and_then(|delay| delay.parse().ok()).unwrap_or(0);
    let mut file = File::create(path).unwrap();
    for piece in pieces {
        file.write_all(piece.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(delay));
    }
}

fn note(line: &str) {
    if let Ok(path) = std::env::var("FAKE_LOG") {
        writeln!(OpenOptions::new().create(true).append(true).open(path).unwrap(), "{line}").unwrap();
    }
}

fn main() -> ExitCode {
    // The program's name says which slot it fills: `firebrand-clean`.
    let name = std::env::args().next().unwrap();
    let slot: Slot = name.rsplit('-').next().unwrap().parse().unwrap();
    match slot {
        Slot::Fetch => firebrand_pipeline::main::<Fake<0>>(),
        Slot::Clean => firebrand_pipeline::main::<Fake<1>>(),
        Slot::Split => firebrand_pipeline::main::<Fake<2>>(),
        Slot::Augment => firebrand_pipeline::main::<Fake<3>>(),
        Slot::Tokenize => firebrand_pipeline::main::<Fake<4>>(),
        Slot::Train => firebrand_pipeline::main::<Fake<5>>(),
        Slot::Evaluate => firebrand_pipeline::main::<Fake<6>>(),
        Slot::Export => firebrand_pipeline::main::<Fake<7>>(),
    }
}
