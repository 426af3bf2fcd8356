//! The objects that a pickle builds, in flat lists: a value is an index into one of them.
//!
//! Nothing is nested, so copying a value costs eight bytes whatever it refers to, and how much a pickle of some length may
//! build is known before it runs.

use super::global::{Element, Global};
use super::view::View;

/// A value on the stack.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    None,
    Bool,
    /// An integer that fits in 32 bits; larger ones are in a list.
    Int(i32),
    Large(u32),
    /// Index in `texts`.
    Text(u32),
    Global(Global),
    /// A range of `items`.
    Tuple {
        start: u32,
        length: u8,
    },
    Dict(u32),
    Storage(u32),
    Tensor(u32),
}

/// A storage as the pickle describes it.
#[derive(Debug)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    pub(super) element: Element,
    /// How many elements it should have.
    pub(super) count: u64,
}

/// The entries of a dictionary that matter here.
#[derive(Debug, Default)]
pub(super) struct Dict {
    /// Name → tensor, as indices into their lists.
    pub(super) tensors: Vec<(u32, u32)>,
    /// The name and kind of an entry that is not a tensor.
    pub(super) other: Option<(u32, &'static str)>,
}

/// All objects.
#[derive(Debug)]
pub(super) struct Objects<'a> {
    pub(super) texts: Vec<&'a str>,
    large: Vec<i64>,
    items: Vec<Value>,
    pub(super) dicts: Vec<Dict>,
    pub(super) storages: Vec<Storage<'a>>,
    pub(super) views: Vec<View>,
    /// Remaining budget, in values.
    left: usize,
}

/// Cost of a dictionary entry in addition to its name, in values.
const ENTRY_COST: usize = 8;

/// The longest tuple: a tensor has seven arguments.
const MAX_TUPLE: usize = 16;

impl<'a> Objects<'a> {
    /// With a budget for a pickle of this length. Torch needs a value per two or three bytes; the rest is for small files.
    pub(super) fn new(length: usize) -> Self {
        Self {
            texts: Vec::new(),
            large: Vec::new(),
            items: Vec::new(),
            dicts: Vec::new(),
            storages: Vec::new(),
            views: Vec::new(),
            left: length / 2 + 32_768,
        }
    }

    /// Deducts a cost from the budget.
    pub(super) fn spend(&mut self, values: usize) -> Result<(), String> {
        match self.left.checked_sub(values) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err("it builds far more than plain tensors need".to_owned()),
        }
    }

    pub(super) fn add_int(&mut self, value: i64) -> Result<Value, String> {
        if let Ok(small) = i32::try_from(value) {
            return Ok(Value::Int(small));
        }
        self.spend(1)?;
        add(&mut self.large, value).map(Value::Large)
    }

    pub(super) fn add_text(&mut self, text: &'a [u8]) -> Result<Value, String> {
        let text = str::from_utf8(text).map_err(|_| "a text is not UTF-8".to_owned())?;
        self.spend(2)?;
        add(&mut self.texts, text).map(Value::Text)
    }

    pub(super) fn add_tuple(&mut self, values: &[Value]) -> Result<Value, String> {
        if values.len() > MAX_TUPLE {
            return Err(format!("a tuple has {} values: tensors need at most {MAX_TUPLE}", values.len()));
        }
        self.spend(values.len())?;
        let start = u32::try_from(self.items.len()).map_err(|_| too_many())?;
        for &value in values {
            add(&mut self.items, value)?;
        }
        // At most `MAX_TUPLE`.
        Ok(Value::Tuple { start, length: values.len() as u8 })
    }

    pub(super) fn add_dict(&mut self) -> Result<Value, String> {
        self.spend(size_of::<Dict>() / size_of::<Value>())?;
        add(&mut self.dicts, Dict::default()).map(Value::Dict)
    }

    pub(super) fn add_storage(&mut self, storage: Storage<'a>) -> Result<Value, String> {
        self.spend(size_of::<Storage>() / size_of::<Value>())?;
        add(&mut self.storages, storage).map(Value::Storage)
    }

    pub(super) fn add_tensor(&mut self, tensor: View) -> Result<Value, String> {
        self.spend(size_of::<View>() / size_of::<Value>() + 2 * tensor.shape.len())?;
        add(&mut self.views, tensor).map(Value::Tensor)
    }

    /// Inserts an entry into a dictionary.
    pub(super) fn insert(&mut self, dict: Value, key: Value, value: Value) -> Result<(), String> {
        let Value::Dict(dict) = dict else {
            return Err(format!("entries are set on {}, which is not a dictionary", self.kind(dict)));
        };
        let Value::Text(key) = key else {
            return Err(format!("the key of an entry is {}: expected a string", self.kind(key)));
        };
        let kind = self.kind(value);
        match value {
            Value::Tensor(tensor) => {
                // Here, and in the table built from the dictionary.
                self.spend(ENTRY_COST + self.texts[key as usize].len() / size_of::<Value>())?;
                add(&mut self.dicts[dict as usize].tensors, (key, tensor))?;
            }
            _ => self.dicts[dict as usize].other = Some((key, kind)),
        }
        Ok(())
    }

    pub(super) fn text(&self, value: Value) -> Result<&'a str, String> {
        match value {
            Value::Text(place) => Ok(self.texts[place as usize]),
            other => Err(format!("found {}, expected a string", self.kind(other))),
        }
    }

    /// A non-negative number.
    pub(super) fn count(&self, value: Value) -> Result<u64, String> {
        let number = match value {
            Value::Int(value) => i64::from(value),
            Value::Large(place) => self.large[place as usize],
            other => return Err(format!("found {}, expected a number", self.kind(other))),
        };
        u64::try_from(number).map_err(|_| format!("found {number}, expected a size or an offset"))
    }

    pub(super) fn tuple(&self, value: Value) -> Result<&[Value], String> {
        match value {
            Value::Tuple { start, length } => Ok(&self.items[start as usize..][..length.into()]),
            other => Err(format!("found {}, expected a tuple", self.kind(other))),
        }
    }

    /// The kind of a value, for messages.
    pub(super) fn kind(&self, value: Value) -> &'static str {
        match value {
            Value::None => "None",
            Value::Bool => "a boolean",
            Value::Int(_) | Value::Large(_) => "a number",
            Value::Text(_) => "a string",
            Value::Global(_) => "a name",
            Value::Tuple { .. } => "a tuple",
            Value::Dict(_) => "a dictionary",
            Value::Storage(_) => "a storage",
            Value::Tensor(_) => "a tensor",
        }
    }
}

/// Appends to a list that grows by a quarter: after doubling, the unused half could be as large as everything else.
pub(super) fn add<T>(list: &mut Vec<T>, value: T) -> Result<u32, String> {
    let place = u32::try_from(list.len()).map_err(|_| too_many())?;
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 4 + 16);
    }
    list.push(value);
    Ok(place)
}

fn too_many() -> String {
    "it builds too many values".to_owned()
}
