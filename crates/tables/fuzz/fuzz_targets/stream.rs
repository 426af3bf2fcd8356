//! Any bytes as a stream of CSV or TSV rows: it ends, and nothing panics. Where a whole file has no bad rows, its rows are
//! those of the stream.
//!
//! The first byte says which kind, and how short the longest row is.

#![no_main]

use firebrand_tables::csv::{Layout, Records, fields};
use firebrand_tables::{Csv, Interface, Kind, ReadOptions};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let kind = if choice & 1 == 0 { Kind::Csv } else { Kind::Tsv };
    let options = ReadOptions::detect(Interface::CommandLine);
    let sample = String::from_utf8_lossy(bytes);
    let Ok(layout) = Layout::of("fuzz", &sample, choice & 2 == 0, kind, &options, &[]) else { return };
    let most = if choice & 4 == 0 { 1 << 20 } else { usize::from(choice >> 3) + 1 };
    let mut records = Records::new(bytes, &layout, most).unwrap();
    let (mut rows, mut is_sound) = (Vec::new(), true);
    while let Some(record) = records.next().unwrap() {
        is_sound &= record.problem.is_none();
        rows.push(fields(record.bytes, layout.separator, layout.quote));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if choice & 6 == 0
        && is_sound
        && let Ok(csv) = Csv::new("fuzz", text, kind, &options, &[])
    {
        let width = csv.names().len();
        for column in 0..width {
            let found = rows.iter().map(|row| row[column].as_slice());
            let expected = csv.column(column);
            assert!(found.eq(expected.iter().map(|cell| cell.as_deref().unwrap_or_default().as_bytes())));
        }
    }
});
