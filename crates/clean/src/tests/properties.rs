//! Properties that hold for any table.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::Bench;

type Row = (String, String, bool);

fn table() -> impl Strategy<Value = Vec<Row>> {
    let text =
        prop::sample::select(vec!["", " ", "<br>", "a", " a", "b", "a b", "quote \" and, comma", "line\nbreak", "é"]);
    let label = prop::sample::select(vec!["", "x", "X", " y", "y", "3"]);
    let rows = (text, label, prop::bool::weighted(0.8))
        .prop_map(|(text, label, used)| (text.to_owned(), label.to_owned(), used));
    prop::collection::vec(rows, 0..30)
}

fn csv(rows: &[Row]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let lines = rows.iter().map(|(text, label, used)| format!("{},{},{used}\n", quoted(text), quoted(label)));
    "text,label,used\n".to_owned() + &lines.collect::<String>()
}

fn bench(rows: &[Row], duplicates: &str, conflicts: &str, min_characters: usize) -> Bench {
    Bench::csv(&csv(rows))
        .with(|config| {
            config.duplicates = duplicates.to_owned();
            config.conflicts = conflicts.to_owned();
            config.min_characters = min_characters;
            config.similar_labels = "merge".to_owned();
            config.filter.insert("used".to_owned(), json!(true));
        })
        .done()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// [`Bench::done`] checks that every row is kept or counted under one reason. In addition, ids identify source rows,
    /// duplicates are dropped as configured, and the label map does not depend on the order of rows.
    #[test]
    fn every_row_is_accounted_for(
        mut rows in table(),
        duplicates in prop::sample::select(vec!["drop", "keep"]),
        conflicts in prop::sample::select(vec!["drop", "majority", "keep"]),
        min_characters in 1_usize..4,
    ) {
        // At least two labels always remain.
        rows.extend([("first one".to_owned(), "x".to_owned(), true), ("second one".to_owned(), "y".to_owned(), true)]);
        let done = bench(&rows, duplicates, conflicts, min_characters);
        prop_assert_eq!(done.report()["rows"]["read"].as_u64().unwrap(), rows.len() as u64);
        let mut labels_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, text, label) in done.rows() {
            let (source, named, used) = &rows[id as usize];
            prop_assert!(used);
            prop_assert_eq!(&text, &source.split_whitespace().collect::<Vec<_>>().join(" "));
            prop_assert_eq!(label.to_lowercase(), named.trim().to_lowercase());
            labels_of.entry(text).or_default().push(label);
        }
        for labels in labels_of.into_values() {
            let mut distinct = labels.clone();
            distinct.sort();
            distinct.dedup();
            prop_assert!(conflicts == "keep" || distinct.len() == 1, "{:?}", labels);
            prop_assert!(duplicates == "keep" || distinct.len() == labels.len(), "{:?}", labels);
        }
        rows.reverse();
        let reversed = bench(&rows, duplicates, conflicts, min_characters);
        prop_assert_eq!(done.labels(), reversed.labels());
        prop_assert_eq!(done.report()["rows"].clone(), reversed.report()["rows"].clone());
    }

    /// Any file content leads to a result or an error, never a panic.
    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(prop::sample::select(b"ab,;\t\"\n\r{}[]:1\xe9\xefPAR".to_vec()), 0..60),
        name in prop::sample::select(vec!["a.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet", "a.csv.gz", "x/a"]),
    ) {
        let bytes = [&b"text,label\n"[..], &bytes].concat();
        if let Err(error) = Bench::new(&[(name, &bytes)]).run() {
            prop_assert_eq!(error.kind().exit_code(), 4, "{}", error.render());
        }
    }
}
