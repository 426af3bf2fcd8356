//! Files written by pyarrow 26, as `datasets` and pandas write them:
//!
//! ```python
//! import json, pyarrow as pa, pyarrow.feather, pyarrow.ipc, pyarrow.parquet as pq
//! texts = ["good", "bad", "fine", "poor"]
//! when = pa.array([1, 2, 3, 4], pa.timestamp("us"))
//! narrow = pa.table({"text": texts, "label": pa.array([1, 0, 1, 0], pa.int8()), "when": when})
//! pa.feather.write_feather(narrow, "feather.feather", compression="lz4")
//! names = {"names": ["negative", "positive"], "_type": "ClassLabel"}
//! features = {"text": {"dtype": "string", "_type": "Value"}, "label": names}
//! meta = {"huggingface": json.dumps({"info": {"features": features}, "fingerprint": "x"})}
//! named = pa.table({"text": texts, "label": [1, 0, 1, -1]}).replace_schema_metadata(meta)
//! pq.write_table(named, "classlabel.parquet")
//! with pa.OSFile("stream.arrow", "wb") as file, pa.ipc.new_stream(file, named.schema) as writer:
//!     writer.write_table(named, max_chunksize=2)
//! labels = pa.array(["pos", "neg", "pos", None]).cast(pa.dictionary(pa.int8(), pa.string()))
//! lists = pa.table({"text": texts, "label": labels, "topics": [["a"], [], ["a", "b"], None]})
//! pa.feather.write_feather(lists, "dictionary.arrow", compression="uncompressed")
//! pq.write_table(lists, "dictionary.parquet")
//! ```

use super::Bench;

const FEATHER: &[u8] = include_bytes!("../../tests/data/feather.feather");
const CLASSES: &[u8] = include_bytes!("../../tests/data/classlabel.parquet");
const STREAM: &[u8] = include_bytes!("../../tests/data/stream.arrow");
const DICTIONARY: [(&str, &[u8]); 2] = [
    ("a.arrow", include_bytes!("../../tests/data/dictionary.arrow")),
    ("a.parquet", include_bytes!("../../tests/data/dictionary.parquet")),
];

fn rows(bench: &Bench) -> Vec<(String, String)> {
    bench.rows().into_iter().map(|(_, text, label)| (text, label)).collect()
}

fn expected(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(text, label)| ((*text).to_owned(), (*label).to_owned())).collect()
}

#[test]
fn feather_with_narrow_integers() {
    let bench = Bench::new(&[("a.feather", FEATHER)]).done();
    assert_eq!(rows(&bench), expected(&[("good", "1"), ("bad", "0"), ("fine", "1"), ("poor", "0")]));
    let error = Bench::new(&[("a.feather", FEATHER)]).with(|config| config.group_column = "when".to_owned()).refused();
    assert!(error.contains("a.feather: column `when` is timestamp, not text"), "{error}");
}

#[test]
fn classes_have_the_names_of_the_metadata() {
    let named = expected(&[("good", "positive"), ("bad", "negative"), ("fine", "positive")]);
    for (name, content) in [("a.parquet", CLASSES), ("train/data-00000-of-00001.arrow", STREAM)] {
        let bench = Bench::new(&[(name, content)]).done();
        assert_eq!((rows(&bench), bench.dropped("hidden_label")), (named.clone(), 1), "{name}");
        assert!(bench.notes()[0].contains("metadata: \"negative\", \"positive\""), "{:?}", bench.notes());
    }
    let bench = Bench::new(&[("a.parquet", CLASSES)]).with(|config| {
        config.rename_labels =
            [("0", "bad"), ("1", "good"), ("-1", "none")].map(|(from, to)| (from.to_owned(), to.to_owned())).into();
    });
    assert_eq!(bench.done().labels(), ["bad", "good", "none"]);
}

#[test]
fn a_dataset_saved_to_disk_is_read_with_its_descriptions() {
    let info = br#"{"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}"#;
    let state = br#"{"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_split": "train"}"#;
    let files: [(&str, &[u8]); 4] = [
        ("dataset_dict.json", br#"{"splits": ["train"]}"#),
        ("train/data-00000-of-00001.arrow", FEATHER),
        ("train/dataset_info.json", info),
        ("train/state.json", state),
    ];
    let bench = Bench::new(&files).done();
    assert_eq!(bench.labels(), ["no", "yes"]);
    assert_eq!(bench.report()["files"]["ignored"].as_array().unwrap().len(), 3);
}

#[test]
fn dictionaries_and_lists_of_both_formats() {
    for (name, content) in DICTIONARY {
        let bench = Bench::new(&[(name, content)]).done();
        assert_eq!(rows(&bench), expected(&[("good", "pos"), ("bad", "neg"), ("fine", "pos")]), "{name}");
        let bench = Bench::new(&[(name, content)]).with(|config| {
            (config.multi_label, config.label_column) = (true, "topics".to_owned());
        });
        let labels: Vec<_> = bench.done().examples().into_iter().map(|row| row.labels).collect();
        assert_eq!(labels, [vec![0], vec![], vec![0, 1], vec![]], "{name}");
    }
}

#[test]
fn damaged_files_are_errors() {
    for (name, content) in [("a.parquet", CLASSES), ("a.arrow", STREAM), ("a.feather", FEATHER)] {
        for at in (0..content.len()).step_by(7) {
            let mut damaged = content.to_vec();
            damaged[at] ^= 0xff;
            for bytes in [&damaged[..], &content[..at]] {
                if let Err(error) = Bench::new(&[(name, bytes)]).run() {
                    assert_eq!(error.kind().exit_code(), 4, "{name}, byte {at}: {}", error.render());
                }
            }
        }
    }
}
