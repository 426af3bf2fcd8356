//! Properties that hold for any rows and any damage.

use std::path::Path;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::*;

fn indices() -> impl Strategy<Value = Vec<u32>> {
    vec(any::<u32>(), 0..5)
}

fn part() -> impl Strategy<Value = Option<Part>> {
    option::of(prop_oneof![Just(Part::Train), Just(Part::Validation), Just(Part::Test)])
}

fn example() -> impl Strategy<Value = Example> {
    let weight = 0.0_f32..1e6;
    let texts = (any::<String>(), option::of(any::<String>()));
    (any::<u64>(), texts, indices(), option::of(any::<String>()), weight, part()).prop_map(
        |(id, (text, pair), labels, group, weight, part)| Example { id, text, pair, labels, group, weight, part },
    )
}

fn token_row() -> impl Strategy<Value = TokenRow> {
    let tokens = vec((any::<u32>(), 0_u32..2), 0..12);
    (any::<u64>(), tokens, indices(), 0.0_f32..2.0, any::<u32>()).prop_map(|(id, tokens, labels, weight, cut)| {
        let (ids, type_ids) = tokens.into_iter().unzip();
        TokenRow { id, ids, type_ids, labels, weight, cut }
    })
}

fn prediction() -> impl Strategy<Value = Prediction> {
    let probabilities = vec(0.0_f32..1.0, 0..6);
    (any::<u64>(), indices(), indices(), probabilities).prop_map(|(id, labels, predicted, probabilities)| Prediction {
        id,
        labels,
        predicted,
        probabilities,
    })
}

/// Writes twice, compares the bytes, and reads back.
fn round_trip<T>(
    rows: &[T],
    write: impl Fn(&Path, &[T]) -> firebrand_pipeline::Result<()>,
    read: impl Fn(&Path) -> firebrand_pipeline::Result<Vec<T>>,
) -> Vec<T> {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (home.path().join("one.parquet"), home.path().join("two.parquet"));
    write(&one, rows).unwrap();
    write(&two, rows).unwrap();
    assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    read(&one).unwrap_or_else(|error| panic!("{}", error.render()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn examples_come_back(rows in vec(example(), 0..40)) {
        prop_assert_eq!(round_trip(&rows, write_examples, read_examples), rows);
    }

    #[test]
    fn token_rows_come_back(rows in vec(token_row(), 0..40)) {
        prop_assert_eq!(round_trip(&rows, write_tokens, read_tokens), rows);
    }

    #[test]
    fn predictions_come_back(rows in vec(prediction(), 0..40)) {
        prop_assert_eq!(round_trip(&rows, write_predictions, read_predictions), rows);
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error(rows in vec(example(), 1..10), at in 0.0..1.0) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("rows.parquet");
        write_examples(&path, &rows).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let length = (bytes.len() as f64 * at) as usize;
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = read_examples(&path).unwrap_err();
        prop_assert_eq!(error.kind().exit_code(), 4);
        prop_assert!(error.message().contains("rows.parquet"));
    }

    /// A change that is not detected is in the mark of the seal: without it, the file counts as another writer's.
    #[test]
    fn a_changed_byte_is_an_error_or_changes_nothing(
        rows in vec(example(), 1..10),
        index in any::<prop::sample::Index>(),
        change in 1_u8..,
    ) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("rows.parquet");
        write_examples(&path, &rows).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let index = index.index(bytes.len());
        bytes[index] ^= change;
        std::fs::write(&path, &bytes).unwrap();
        match read_examples(&path) {
            Ok(read) => prop_assert_eq!(read, rows),
            Err(error) => prop_assert_eq!(error.kind().exit_code(), 4, "{}", error.render()),
        }
    }
}

#[test]
fn more_rows_than_a_row_group_come_back() {
    let row = |id: u64| Example {
        id,
        text: format!("text {id} – 多"),
        pair: id.is_multiple_of(7).then(|| format!("pair {id}")),
        labels: vec![(id % 3) as u32; (id % 4) as usize],
        group: (!id.is_multiple_of(5)).then(|| format!("g{}", id % 100)),
        weight: 1.0,
        part: None,
    };
    let rows: Vec<Example> = (0..150_000).map(row).collect();
    assert!(round_trip(&rows, write_examples, read_examples) == rows);
}

#[test]
fn files_that_are_not_parquet_are_reported() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("rows.parquet");
    let refused = || read_examples(&path).unwrap_err();
    assert!(refused().render().contains("cannot read") && refused().kind().exit_code() == 4);
    for (bytes, expected) in [
        (&b""[..], "is not a Parquet file: it is empty"),
        (b"text,label\nfine,1\n", "is not a Parquet file: it starts with \"text,label\\nf\""),
        (b"PAR1", "is cut off after 4 bytes"),
        (b"PAR1PAR1PAR1", "is damaged"),
        (b"PAR1\xff\xff\xff\xffPAR1", "is damaged"),
        (b"PAR1 and so on, not to the end", "is cut off after 30 bytes"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        assert!(refused().message().contains(expected), "{}", refused().render());
        assert!(refused().render().contains("hint: run the stage that wrote the file again"));
    }
}

#[test]
fn write_errors_name_the_path() {
    let home = tempfile::tempdir().unwrap();
    let error = write_examples(&home.path().join("no/rows.parquet"), &[]).unwrap_err();
    assert!(error.message().contains("cannot write") && error.message().contains("rows.parquet"), "{error}");
}

/// `/dev/full` is a Linux device on which every write fails for lack of space.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported_as_full() {
    let error = write_tokens(Path::new("/dev/full"), &[]).unwrap_err();
    assert_eq!(error.kind().exit_code(), 1);
    assert!(error.render().contains("the disk is full"), "{}", error.render());
}
