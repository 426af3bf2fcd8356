//! Files written by pyarrow 26, as a stage in Python would write them:
//!
//! ```python
//! import pyarrow as pa, pyarrow.parquet as pq
//! when, size = pa.array([1, 2], pa.timestamp("us")), pa.array([1, 2]).cast(pa.decimal128(30, 2))
//! fixed = pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32(), 2))
//! groups = pa.array(["a", None]).dictionary_encode()
//! columns = {"text": ["grün", "日本 text"], "label": [1, 0], "group": groups, "when": when, "x": fixed, "dec": size}
//! pq.write_table(pa.table(columns), "pyarrow.parquet")
//! pq.write_table(pa.table({"text": ["a", "b"], "label": pa.array([1, 0], pa.int8())}), "int8.parquet")
//! ```

use std::path::{Path, PathBuf};

use firebrand_dataset::{Example, read_examples};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

#[test]
fn rows_from_python_are_read_and_other_columns_ignored() {
    let row = |id, text: &str, label, group: Option<&str>| Example {
        id,
        text: text.to_owned(),
        pair: None,
        labels: vec![label],
        group: group.map(str::to_owned),
        weight: 1.0,
        part: None,
    };
    let expected = [row(0, "grün", 1, Some("a")), row(1, "日本 text", 0, None)];
    assert_eq!(read_examples(&data("pyarrow.parquet")).unwrap(), expected);
}

#[test]
fn integers_of_eight_bits_are_read() {
    let labels = |row: &Example| row.labels.clone();
    let rows = read_examples(&data("int8.parquet")).unwrap();
    assert_eq!(rows.iter().map(labels).collect::<Vec<_>>(), [vec![1], vec![0]]);
}
