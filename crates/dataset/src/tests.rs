//! What the readers accept and refuse.

use std::collections::BTreeMap;
use std::path::PathBuf;

use arrow::array::{Array, BooleanArray, DictionaryArray, MutableDictionaryArray, MutableUtf8Array, NullArray};
use arrow::array::{PrimitiveArray, TryExtend, Utf8ViewArray};
use arrow::datatypes::ArrowDataType;
use arrow::types::NativeType;

use crate::columnar::{list as list_array, write_arrays};
use crate::*;

type Column = (&'static str, Box<dyn Array>);

/// A new directory that contains a file with these columns.
fn file(columns: Vec<Column>) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("rows.parquet");
    std::fs::write(&path, write_arrays(columns, &BTreeMap::new()).unwrap()).unwrap();
    (home, path)
}

/// The type of a value in a column.
trait Cell: Sized {
    fn array(values: Vec<Self>) -> Box<dyn Array>;
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Cell for $number {
            fn array(values: Vec<Self>) -> Box<dyn Array> {
                PrimitiveArray::from_vec(values).boxed()
            }
        }
        impl Cell for Option<$number> {
            fn array(values: Vec<Self>) -> Box<dyn Array> {
                PrimitiveArray::from(values).boxed()
            }
        }
    )*};
}

numbers!(i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);

impl Cell for &str {
    fn array(values: Vec<Self>) -> Box<dyn Array> {
        Utf8ViewArray::from_slice_values(values).boxed()
    }
}

impl Cell for Option<&str> {
    fn array(values: Vec<Self>) -> Box<dyn Array> {
        Utf8ViewArray::from_slice(values).boxed()
    }
}

impl Cell for bool {
    fn array(values: Vec<Self>) -> Box<dyn Array> {
        BooleanArray::from_slice(values).boxed()
    }
}

fn column<T: Cell, const N: usize>(name: &'static str, values: [T; N]) -> Column {
    (name, T::array(values.into()))
}

fn texts() -> Column {
    column("text", ["a", "b"])
}

fn list<T: NativeType>(name: &'static str, rows: &[&[T]]) -> Column {
    let items = PrimitiveArray::from_vec(rows.concat()).boxed();
    let ends = rows.iter().scan(0, |end, row| {
        *end += row.len();
        Some(*end)
    });
    (name, list_array(ends, None, items).unwrap())
}

fn read(columns: Vec<Column>) -> Vec<Example> {
    let (_home, path) = file(columns);
    read_examples(&path).unwrap_or_else(|error| panic!("{}", error.render()))
}

/// Checks that these columns are a data error that names the file and contains these texts.
fn refused(columns: Vec<Column>, expected: &[&str]) {
    let (_home, path) = file(columns);
    let error = read_examples(&path).expect_err("this must be refused");
    assert_eq!(error.kind().exit_code(), 4);
    for text in expected.iter().chain(&["rows.parquet"]) {
        assert!(error.render().contains(text), "expected {text:?} in:\n{}", error.render());
    }
}

fn plain(id: u64, text: &str, label: u32) -> Example {
    Example { id, text: text.to_owned(), pair: None, labels: vec![label], group: None, weight: 1.0, part: None }
}

#[test]
fn text_and_label_are_enough() {
    let expected = vec![plain(0, "a", 1), plain(1, "b", 0)];
    for labels in [
        column("label", [1_i64, 0]),
        column("label", [1_u64, 0]),
        column("label", [1_i32, 0]),
        column("label", [1_i8, 0]),
        column("label", [1_i16, 0]),
        column("label", [1_u8, 0]),
        column("label", [1_u16, 0]),
        column("labels", [1_u32, 0]),
        list("labels", &[&[1_i64], &[0]]),
        list("labels", &[&[1_u64], &[0]]),
        list("labels", &[&[1_i32], &[0]]),
        list("label", &[&[1_u32], &[0]]),
    ] {
        assert_eq!(read(vec![texts(), labels]), expected);
    }
}

#[test]
fn optional_columns_are_read_in_their_usual_types() {
    let rows = read(vec![
        column("noise", [true, false]),
        column("part", [Some("test"), None]),
        column("weight", [0.5_f64, 2.0]),
        column("group", [7_i64, 8]),
        column("pair", [Some("to it"), None]),
        column("id", [5_i32, 3]),
        list("labels", &[&[1_i64, 2], &[]]),
        texts(),
    ]);
    let first = Example {
        pair: Some("to it".to_owned()),
        labels: vec![1, 2],
        group: Some("7".to_owned()),
        weight: 0.5,
        part: Some(Part::Test),
        ..plain(5, "a", 0)
    };
    let second = Example { labels: vec![], group: Some("8".to_owned()), weight: 2.0, ..plain(3, "b", 0) };
    assert_eq!(rows, [first, second]);
    let nothing = ("group", NullArray::new(ArrowDataType::Null, 2).boxed());
    assert_eq!(read(vec![texts(), column("label", [1_i64, 0]), nothing])[1], plain(1, "b", 0));
}

#[test]
fn labels_takes_precedence_over_label() {
    assert_eq!(read(vec![texts(), column("label", [9_i64, 9]), column("labels", [1_i64, 0])])[0].labels, [1]);
}

#[test]
fn categories_are_texts() {
    let mut names = MutableDictionaryArray::<u32, MutableUtf8Array<i64>>::new(false);
    names.try_extend([Some("x"), Some("y")]).unwrap();
    let groups: DictionaryArray<u32> = names.into();
    let groups = ("group", groups.boxed());
    let rows = read(vec![texts(), column("label", [0_i64, 1]), groups]);
    assert_eq!(rows[1].group.as_deref(), Some("y"));
}

#[test]
fn a_missing_column_names_what_is_there_and_what_is_expected() {
    refused(
        vec![column("sentence", ["a"]), column("y", [1_i64])],
        &[
            "has no column `text`; it has: sentence (str), y (i64)",
            "hint: expected columns: id (integer, may be missing), text (text), pair (text, may be missing), labels or label (list of integers or integer), ",
        ],
    );
    refused(vec![texts(), column("y", [1_i64, 2])], &["has no column `labels` (nor `label`)"]);
}

#[test]
fn wrong_types_are_named() {
    refused(vec![column("text", [1_i64]), column("label", [1_i64])], &["column `text` is i64, expected text"]);
    refused(
        vec![texts(), column("label", ["a", "b"])],
        &["column `label` is str, expected list of integers or integer"],
    );
    refused(vec![texts(), column("label", [1.0, f64::NAN])], &["is f64", "hint: some writers turn integers"]);
    refused(vec![texts(), list("labels", &[&[1.0_f64], &[]])], &["is list[f64]"]);
    refused(
        vec![texts(), column("label", [0_i64, 1]), column("weight", ["1", "2"])],
        &["`weight` is str, expected floating"],
    );
    refused(vec![texts(), column("label", [0_i64, 1]), column("id", ["1", "2"])], &["`id` is str, expected integer"]);
}

#[test]
fn bad_values_name_their_row() {
    let label = || column("label", [0_i64, 1]);
    refused(vec![column("text", [Some("a"), None]), label()], &["`text`, row 1 (from 0): has no text (null)"]);
    refused(vec![texts(), column("label", [Some(0_i64), None])], &["`labels`, row 1 (from 0): is null"]);
    refused(vec![texts(), column("label", [0_i64, -1])], &["row 1 (from 0): -1 is negative"]);
    refused(vec![texts(), column("label", [1_i64 << 32, 1])], &["row 0 (from 0): 4294967296 is too large"]);
    refused(vec![texts(), column("label", [0, u64::MAX])], &["row 1 (from 0): 18446744073709551615 is too large"]);
    refused(vec![texts(), list("labels", &[&[0_i64, 3], &[2, -7]])], &["row 1 (from 0): -7 is negative"]);
    let holes = list_array([2, 4], None, PrimitiveArray::from(vec![Some(1_i64), None, Some(1), None]).boxed());
    refused(vec![texts(), ("labels", holes.unwrap())], &["row 0 (from 0): has a null in its list"]);
    let lists = list_array([1, 1], Some(&[true, false]), PrimitiveArray::from_vec(vec![1_i64]).boxed());
    refused(vec![texts(), ("labels", lists.unwrap())], &["`labels`, row 1 (from 0): is null"]);
    refused(
        vec![texts(), label(), column("weight", [1.0, f64::NAN])],
        &["`weight`, row 1 (from 0): NaN is not a weight"],
    );
    refused(vec![texts(), label(), column("weight", [-0.5_f32, 1.0])], &["row 0 (from 0): -0.5 is not a weight"]);
    refused(vec![texts(), label(), column("weight", [1e300, 1.0])], &["row 0 (from 0): inf is not a weight"]);
    refused(vec![texts(), label(), column("weight", [Some(1.0), None])], &["`weight`, row 1 (from 0): is null"]);
    refused(vec![texts(), label(), column("id", [1_i64, -1])], &["`id`, row 1 (from 0): -1 is negative"]);
    refused(
        vec![texts(), label(), column("part", ["train", "dev"])],
        &["row 1 (from 0): \"dev\" is not a part (`train`"],
    );
}

#[test]
fn token_rows_need_only_ids_and_labels() {
    let (_home, path) = file(vec![list("ids", &[&[101_i64, 7, 102], &[]]), column("label", [1_i64, 0])]);
    let rows = read_tokens(&path).unwrap();
    let first = TokenRow { id: 0, ids: vec![101, 7, 102], type_ids: vec![0; 3], labels: vec![1], weight: 1.0, cut: 0 };
    assert_eq!(rows[0], first);
    assert_eq!(rows[1].ids.len(), 0);
    let (_home, path) =
        file(vec![list("ids", &[&[1_i64, 2]]), list("type_ids", &[&[0_i64]]), column("label", [1_i64])]);
    let error = read_tokens(&path).unwrap_err();
    assert!(error.message().ends_with("column `type_ids`, row 0 (from 0): 1 type ids for 2 ids"), "{error}");
}

#[test]
fn predictions_take_double_precision_and_refuse_nan() {
    let columns = |second: f64| {
        vec![
            column("label", [1_i64, 0]),
            column("predicted", [1_i64, 1]),
            list("probabilities", &[&[0.25, 0.75], &[0.5, second]]),
        ]
    };
    let (_home, path) = file(columns(0.5));
    let rows = read_predictions(&path).unwrap();
    assert_eq!(rows[0], Prediction { id: 0, labels: vec![1], predicted: vec![1], probabilities: vec![0.25, 0.75] });
    let (_home, path) = file(columns(f64::NAN));
    let error = read_predictions(&path).unwrap_err();
    assert!(error.message().ends_with("column `probabilities`, row 1 (from 0): has a NaN"), "{error}");
}
