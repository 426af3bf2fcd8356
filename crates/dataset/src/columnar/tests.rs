use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

fn plain() -> impl Strategy<Value = (Values, usize)> {
    let of = |values: Values| {
        let length = values.len();
        (values, length)
    };
    prop_oneof![
        vec(option::of(any::<bool>()), 1..30).prop_map(Values::Booleans).prop_map(of),
        vec(option::of(any::<i64>()), 1..30).prop_map(Values::Integers).prop_map(of),
        vec(option::of(any::<u64>()), 1..30).prop_map(Values::Unsigned).prop_map(of),
        vec(option::of(-1e300..1e300), 1..30).prop_map(Values::Floats).prop_map(of),
        vec(option::of(any::<String>()), 1..30).prop_map(Values::Texts).prop_map(of),
    ]
}

/// Lists that together contain all items; missing lists come last.
fn lists() -> impl Strategy<Value = Values> {
    (plain(), vec(any::<bool>(), 0..4)).prop_map(|((items, length), missing)| {
        let mut ends: Vec<usize> = (1..=length).filter(|end| end % 3 == 0 || *end == length).collect();
        let mut present = vec![true; ends.len()];
        ends.extend(missing.iter().map(|_| length));
        present.extend(missing);
        Values::Lists { ends, present, items: Box::new(items) }
    })
}

fn round_trip(values: &Values, rows: usize) -> ColumnarFile {
    let metadata = BTreeMap::from([("key".to_owned(), "{\"a\": 1}".to_owned())]);
    let index = Values::Integers((0..rows as i64).map(Some).collect());
    let bytes = write_parquet(vec![("index", index), ("values", values.clone())], &metadata).unwrap();
    let file = ColumnarFile::parquet(bytes).unwrap();
    assert_eq!((file.rows(), file.metadata("key")), (rows, Some("{\"a\": 1}")));
    file
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn plain_columns_come_back((values, rows) in plain()) {
        prop_assert_eq!(round_trip(&values, rows).values(1).unwrap(), values);
    }

    #[test]
    fn lists_come_back(values in lists()) {
        let file = round_trip(&values, values.len());
        prop_assert!(file.columns()[1].is_list);
        prop_assert_eq!(file.values(1).unwrap(), values);
    }

    #[test]
    fn no_input_makes_it_panic(mut bytes in vec(any::<u8>(), 0..200), start in 0..3_usize) {
        let start: &[u8] = [&b"PAR1"[..], b"ARROW1\0\0", b"\xff\xff\xff\xff"][start];
        bytes.splice(0..0, start.iter().copied());
        let parquet = ColumnarFile::parquet(bytes.clone());
        prop_assert!(parquet.is_err());
        if let Ok(file) = ColumnarFile::arrow(bytes) {
            prop_assert_eq!(file.rows(), 0);
        }
    }
}

#[test]
fn columns_of_different_lengths_are_refused() {
    let columns = vec![("a", Values::Integers(vec![Some(1)])), ("b", Values::Texts(vec![]))];
    assert_eq!(write_parquet(columns, &BTreeMap::new()).unwrap_err().to_string(), "column `b` does not have 1 rows");
}

#[test]
fn a_stream_that_is_cut_off_is_refused() {
    let stream = include_bytes!("../../../clean/tests/data/stream.arrow");
    assert_eq!(ColumnarFile::arrow(stream.to_vec()).unwrap().rows(), 4);
    for end in 0..stream.len() {
        assert!(ColumnarFile::arrow(stream[..end].to_vec()).is_err(), "{end} bytes");
    }
    // The missing bytes belong to the last column, which counting the rows skips.
    let error = ColumnarFile::arrow(stream[..stream.len() - 16].to_vec()).unwrap_err();
    assert_eq!(error.to_string(), "it is cut off: the end-of-stream marker is missing");
}
