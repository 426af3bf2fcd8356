//! Answers the commands of `scripts/compare_engines.py`: one JSON object per line on stdin, one per line on stdout.

#![expect(clippy::print_stdout, reason = "answers go to stdout")]

use std::error::Error;
use std::io::{BufRead, stdin};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use firebrand_infer::{Classifier, Options, Query, Tokens};
use serde_json::{Value, json};

type Rows = Vec<(Vec<u32>, Vec<u32>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("usage: engine_worker MODEL --precision P --threads N")?);
    let mut options = Options { max_length: NonZeroUsize::new(128), ..Options::default() };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--precision" => options.precision = Some(value.parse()?),
            "--threads" => options.threads = Some(value.parse()?),
            "--max-length" => options.max_length = Some(value.parse()?),
            other => return Err(format!("there is no option {other}").into()),
        }
    }
    let start = Instant::now();
    let classifier = Classifier::open_with(&directory, &options)?;
    println!("{}", json!({"load_s": start.elapsed().as_secs_f64(), "isa": classifier.isa().name()}));
    for line in stdin().lock().lines() {
        let command: Value = serde_json::from_str(&line?)?;
        match answer(&classifier, &command) {
            Ok(answer) => println!("{answer}"),
            Err(error) => println!("{}", json!({"error": error.to_string()})),
        }
    }
    Ok(())
}

fn answer(classifier: &Classifier, command: &Value) -> Result<Value, Box<dyn Error>> {
    let number = |name: &str| command[name].as_f64().ok_or_else(|| format!("`{name}` is missing"));
    match command["cmd"].as_str().unwrap_or_default() {
        "logits" => {
            let rows = encode(classifier, &texts(command)?)?;
            let full = classifier.logits(&tokens(&rows))?;
            let first = &rows[..rows.len().min(number("alone")? as usize)];
            let alone: Result<Vec<_>, _> = tokens(first)
                .iter()
                .map(|row| classifier.logits(std::slice::from_ref(row)).map(|logits| logits.concat()))
                .collect();
            let to = command["to"].as_str().ok_or("`to` is missing")?;
            std::fs::write(to, json!({"full": full, "alone": alone?}).to_string())?;
            Ok(json!({"ok": true}))
        }
        "shape" => shape(
            classifier,
            number("b")? as usize,
            number("s")? as usize,
            [number("warm")?, number("seconds")?, number("max")?],
        ),
        "texts" => {
            let texts = texts(command)?;
            let rows = encode(classifier, &texts)?;
            let (start, cpu) = (Instant::now(), cpu_seconds());
            classifier.logits(&tokens(&rows))?;
            let (computing, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
            let start = Instant::now();
            let queries: Vec<Query<'_>> = texts.iter().map(|text| Query::from(text.as_str())).collect();
            let refused = classifier.predict(&queries).iter().filter(|answer| answer.is_err()).count();
            let tokenizing = start.elapsed().as_secs_f64();
            if refused > 0 {
                return Err(format!("{refused} texts were refused").into());
            }
            Ok(json!({"s": computing, "with_tokenizing_s": tokenizing, "cpu_per_wall": cpu / computing}))
        }
        "memory" => Ok(json!({"peak_rss_mib": peak_memory()?})),
        other => Err(format!("there is no command `{other}`").into()),
    }
}

fn shape(
    classifier: &Classifier,
    rows: usize,
    length: usize,
    [warm, seconds, most]: [f64; 3],
) -> Result<Value, Box<dyn Error>> {
    let vocabulary = classifier.config().network.encoder.embeddings.vocabulary as u64;
    // Any ids will do: xorshift.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut id = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let first = 1000 % vocabulary;
        (first + state % (vocabulary - first)) as u32
    };
    let ids: Vec<Vec<u32>> = (0..rows).map(|_| (0..length).map(|_| id()).collect()).collect();
    let type_ids = vec![0; length];
    let batch: Vec<Tokens<'_>> = ids.iter().map(|ids| Tokens { ids, type_ids: &type_ids }).collect();
    for _ in 0..warm as usize {
        classifier.logits(&batch)?;
    }
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut milliseconds = Vec::new();
    while (milliseconds.len() as f64) < most && (milliseconds.is_empty() || start.elapsed().as_secs_f64() < seconds) {
        let start = Instant::now();
        classifier.logits(&batch)?;
        milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let wall = start.elapsed().as_secs_f64();
    Ok(json!({"ms": milliseconds, "cpu_per_wall": (cpu_seconds() - cpu) / wall}))
}

fn texts(command: &Value) -> Result<Vec<String>, Box<dyn Error>> {
    let path = command["texts"].as_str().ok_or("`texts` is missing")?;
    let limit = command["limit"].as_u64().unwrap_or(u64::MAX) as usize;
    let texts = std::fs::read_to_string(path)?;
    Ok(texts.lines().filter(|line| !line.trim().is_empty()).take(limit).map(str::to_owned).collect())
}

fn encode(classifier: &Classifier, texts: &[String]) -> Result<Rows, Box<dyn Error>> {
    texts.iter().map(|text| Ok(classifier.tokenize(Query::from(text.as_str()))?)).collect()
}

fn tokens(rows: &[(Vec<u32>, Vec<u32>)]) -> Vec<Tokens<'_>> {
    rows.iter().map(|(ids, type_ids)| Tokens { ids, type_ids }).collect()
}

/// Processor time that this process has used, in seconds.
fn cpu_seconds() -> f64 {
    // SAFETY: it writes into the structure, which any bytes are valid for.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Largest resident memory so far, in MiB.
fn peak_memory() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
