//! Arrow arrays as plain Rust types.

use arrow::array::{
    Array, BooleanArray, DictionaryArray, DictionaryKey, FixedSizeListArray, ListArray, PrimitiveArray, Utf8Array,
    Utf8ViewArray,
};
use arrow::datatypes::{ArrowDataType, IntegerType};
use arrow::offset::Offset;
use arrow::types::NativeType;

use super::{Cause, ColumnType};

/// The values of a column; any value may be missing.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// This many missing values, without a type.
    Nulls(usize),
    /// `true` and `false`.
    Booleans(Vec<Option<bool>>),
    /// Integers of any width except `u64`.
    Integers(Vec<Option<i64>>),
    /// Integers of type `u64`.
    Unsigned(Vec<Option<u64>>),
    /// Floating point numbers.
    Floats(Vec<Option<f64>>),
    /// Texts.
    Texts(Vec<Option<String>>),
    /// Lists: the items of all rows, and the end of each row.
    Lists {
        /// The end of each row's list in `items`; the first list starts at 0.
        ends: Vec<usize>,
        /// Whether each row has a list; missing lists have no items.
        present: Vec<bool>,
        /// The items of all rows.
        items: Box<Values>,
    },
}

impl Values {
    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Nulls(length) => *length,
            Self::Booleans(values) => values.len(),
            Self::Integers(values) => values.len(),
            Self::Unsigned(values) => values.len(),
            Self::Floats(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Lists { ends, .. } => ends.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The concatenated chunks of a column.
    pub(super) fn concatenated<'a>(
        dtype: &ArrowDataType,
        chunks: impl IntoIterator<Item = &'a dyn Array>,
    ) -> Result<Self, Cause> {
        let mut all = Self::empty(dtype)?;
        for chunk in chunks {
            all.append(Self::of(chunk)?)?;
        }
        Ok(all)
    }

    fn empty(dtype: &ArrowDataType) -> Result<Self, Cause> {
        use ArrowDataType as D;
        Ok(match dtype.to_storage() {
            D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) => {
                let items = Box::new(Self::empty(item.dtype())?);
                Self::Lists { ends: Vec::new(), present: Vec::new(), items }
            }
            D::Dictionary(_, values, _) => Self::empty(values)?,
            D::UInt64 => Self::Unsigned(Vec::new()),
            other => match kind_of(other) {
                (ColumnType::Null, _) => Self::Nulls(0),
                (ColumnType::Boolean, _) => Self::Booleans(Vec::new()),
                (ColumnType::Integer, _) => Self::Integers(Vec::new()),
                (ColumnType::Float, _) => Self::Floats(Vec::new()),
                (ColumnType::Text, _) => Self::Texts(Vec::new()),
                (ColumnType::Other, _) => return Err(unsupported(dtype)),
            },
        })
    }

    fn append(&mut self, more: Self) -> Result<(), Cause> {
        match (self, more) {
            (Self::Nulls(length), Self::Nulls(more)) => *length += more,
            (Self::Booleans(values), Self::Booleans(more)) => values.extend(more),
            (Self::Integers(values), Self::Integers(more)) => values.extend(more),
            (Self::Unsigned(values), Self::Unsigned(more)) => values.extend(more),
            (Self::Floats(values), Self::Floats(more)) => values.extend(more),
            (Self::Texts(values), Self::Texts(more)) => values.extend(more),
            (
                Self::Lists { ends, present, items },
                Self::Lists { ends: more_ends, present: more_present, items: more_items },
            ) => {
                let start = items.len();
                ends.extend(more_ends.into_iter().map(|end| start + end));
                present.extend(more_present);
                items.append(*more_items)?;
            }
            _ => return Err("the type of the column changes between chunks".into()),
        }
        Ok(())
    }

    fn of(array: &dyn Array) -> Result<Self, Cause> {
        use ArrowDataType as D;
        Ok(match array.dtype().to_storage() {
            D::Null => Self::Nulls(array.len()),
            D::Boolean => Self::Booleans(typed::<BooleanArray>(array)?.iter().collect()),
            D::Int8 => integers::<i8>(array)?,
            D::Int16 => integers::<i16>(array)?,
            D::Int32 => integers::<i32>(array)?,
            D::Int64 => integers::<i64>(array)?,
            D::UInt8 => integers::<u8>(array)?,
            D::UInt16 => integers::<u16>(array)?,
            D::UInt32 => integers::<u32>(array)?,
            D::UInt64 => {
                Self::Unsigned(typed::<PrimitiveArray<u64>>(array)?.iter().map(Option::<&u64>::copied).collect())
            }
            D::Float32 => {
                let values = typed::<PrimitiveArray<f32>>(array)?.iter();
                Self::Floats(values.map(|value| value.map(|float| f64::from(*float))).collect())
            }
            D::Float64 => {
                Self::Floats(typed::<PrimitiveArray<f64>>(array)?.iter().map(Option::<&f64>::copied).collect())
            }
            D::Utf8 => texts(typed::<Utf8Array<i32>>(array)?.iter()),
            D::LargeUtf8 => texts(typed::<Utf8Array<i64>>(array)?.iter()),
            D::Utf8View => texts(typed::<Utf8ViewArray>(array)?.iter()),
            D::List(_) => lists(typed::<ListArray<i32>>(array)?)?,
            D::LargeList(_) => lists(typed::<ListArray<i64>>(array)?)?,
            D::FixedSizeList(_, size) => fixed_lists(typed::<FixedSizeListArray>(array)?, *size)?,
            D::Dictionary(key, _, _) => match key {
                IntegerType::Int8 => dictionary::<i8>(array)?,
                IntegerType::Int16 => dictionary::<i16>(array)?,
                IntegerType::Int32 => dictionary::<i32>(array)?,
                IntegerType::Int64 => dictionary::<i64>(array)?,
                IntegerType::UInt8 => dictionary::<u8>(array)?,
                IntegerType::UInt16 => dictionary::<u16>(array)?,
                IntegerType::UInt32 => dictionary::<u32>(array)?,
                IntegerType::UInt64 => dictionary::<u64>(array)?,
                IntegerType::Int128 | IntegerType::UInt128 => return Err(unsupported(array.dtype())),
            },
            _ => return Err(unsupported(array.dtype())),
        })
    }

    /// The values at these indices; missing where the index is.
    fn pick(&self, places: &[Option<usize>]) -> Result<Self, Cause> {
        fn picked<T: Clone>(values: &[Option<T>], places: &[Option<usize>]) -> Result<Vec<Option<T>>, Cause> {
            let pick = |place: &Option<usize>| match place {
                None => Ok(None),
                Some(place) => values.get(*place).cloned().ok_or_else(|| "a key is not in the dictionary".into()),
            };
            places.iter().map(pick).collect()
        }
        Ok(match self {
            Self::Nulls(_) => Self::Nulls(places.len()),
            Self::Booleans(values) => Self::Booleans(picked(values, places)?),
            Self::Integers(values) => Self::Integers(picked(values, places)?),
            Self::Unsigned(values) => Self::Unsigned(picked(values, places)?),
            Self::Floats(values) => Self::Floats(picked(values, places)?),
            Self::Texts(values) => Self::Texts(picked(values, places)?),
            Self::Lists { .. } => return Err("dictionaries of lists are not supported".into()),
        })
    }
}

fn typed<T: 'static>(array: &dyn Array) -> Result<&T, Cause> {
    array.as_any().downcast_ref().ok_or_else(|| "an array does not have its declared type".into())
}

fn integers<T: NativeType + Into<i64>>(array: &dyn Array) -> Result<Values, Cause> {
    let values = typed::<PrimitiveArray<T>>(array)?.iter();
    Ok(Values::Integers(values.map(|value| value.map(|&integer| integer.into())).collect()))
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Values {
    Values::Texts(values.map(|value| value.map(str::to_owned)).collect())
}

fn lists<O: Offset>(array: &ListArray<O>) -> Result<Values, Cause> {
    let offsets: Vec<usize> = array.offsets().iter().map(|offset| offset.to_usize()).collect();
    let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
    let items = array.values().sliced(first, last - first);
    rows_of(array, offsets.windows(2).map(|pair| pair[0] - first..pair[1] - first), items.as_ref())
}

fn fixed_lists(array: &FixedSizeListArray, size: usize) -> Result<Values, Cause> {
    rows_of(array, (0..array.len()).map(|row| row * size..(row + 1) * size), array.values().as_ref())
}

/// Lists by the ranges of their items. Items in the range of a missing list are dropped.
fn rows_of(
    array: &dyn Array,
    ranges: impl Iterator<Item = std::ops::Range<usize>>,
    items: &dyn Array,
) -> Result<Values, Cause> {
    let items = Values::of(items)?;
    let present: Vec<bool> = (0..array.len()).map(|row| !array.is_null(row)).collect();
    let (mut ends, mut places, mut end) = (Vec::with_capacity(present.len()), Vec::new(), 0);
    for (range, present) in ranges.zip(&present) {
        if *present {
            end += range.len();
            places.extend(range.map(Some));
        }
        ends.push(end);
    }
    let items = if end == items.len() { items } else { items.pick(&places)? };
    Ok(Values::Lists { ends, present, items: Box::new(items) })
}

fn dictionary<K: DictionaryKey + TryInto<usize>>(array: &dyn Array) -> Result<Values, Cause> {
    let array = typed::<DictionaryArray<K>>(array)?;
    let place = |key: Option<&K>| match key {
        None => Ok(None),
        Some(key) => (*key).try_into().map(Some).map_err(|_| Cause::from("a key of a dictionary is negative")),
    };
    let places = array.keys().iter().map(place).collect::<Result<Vec<_>, _>>()?;
    Values::of(array.values().as_ref())?.pick(&places)
}

fn unsupported(dtype: &ArrowDataType) -> Cause {
    format!("columns of type {} are not supported", type_name(dtype)).into()
}

/// The type of a column's values (or of the items, if they are lists), and whether they are lists.
pub(super) fn kind_of(dtype: &ArrowDataType) -> (ColumnType, bool) {
    use ArrowDataType as D;
    match dtype.to_storage() {
        D::Null => (ColumnType::Null, false),
        D::Boolean => (ColumnType::Boolean, false),
        D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 => {
            (ColumnType::Integer, false)
        }
        D::Float32 | D::Float64 => (ColumnType::Float, false),
        D::Utf8 | D::LargeUtf8 | D::Utf8View => (ColumnType::Text, false),
        D::Dictionary(_, values, _) => match kind_of(values) {
            (kind, false) => (kind, false),
            (_, true) => (ColumnType::Other, false),
        },
        D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) => match kind_of(item.dtype()) {
            (kind, false) => (kind, true),
            (_, true) => (ColumnType::Other, true),
        },
        _ => (ColumnType::Other, false),
    }
}

/// The name of a type, as polars writes it.
pub(super) fn type_name(dtype: &ArrowDataType) -> String {
    use ArrowDataType as D;
    match dtype.to_storage() {
        D::Null => "null".to_owned(),
        D::Boolean => "bool".to_owned(),
        D::Int8 => "i8".to_owned(),
        D::Int16 => "i16".to_owned(),
        D::Int32 => "i32".to_owned(),
        D::Int64 => "i64".to_owned(),
        D::UInt8 => "u8".to_owned(),
        D::UInt16 => "u16".to_owned(),
        D::UInt32 => "u32".to_owned(),
        D::UInt64 => "u64".to_owned(),
        D::Float16 => "f16".to_owned(),
        D::Float32 => "f32".to_owned(),
        D::Float64 => "f64".to_owned(),
        D::Utf8 | D::LargeUtf8 | D::Utf8View => "str".to_owned(),
        D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => "binary".to_owned(),
        D::Dictionary(_, values, _) => format!("dictionary[{}]", type_name(values)),
        D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) => format!("list[{}]", type_name(item.dtype())),
        D::Struct(_) => "struct".to_owned(),
        D::Map(_, _) => "map".to_owned(),
        D::Timestamp(_, _) => "timestamp".to_owned(),
        D::Date32 | D::Date64 => "date".to_owned(),
        D::Time32(_) | D::Time64(_) => "time".to_owned(),
        D::Decimal(_, _) | D::Decimal32(_, _) | D::Decimal64(_, _) | D::Decimal256(_, _) => "decimal".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}
