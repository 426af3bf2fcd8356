//! From a pickle to its table of tensors.

use std::collections::BTreeMap;

use super::global::short;
use super::machine::Machine;
use super::value::{Objects, Storage, Value};
use super::view::View;

/// The tensors that a pickle describes.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    pub(super) storages: Vec<Storage<'a>>,
    pub(super) views: Vec<View>,
    /// Name → index in `views`.
    pub(super) tensors: BTreeMap<String, u32>,
}

impl<'a> Pickle<'a> {
    /// Reads a pickle, without calling anything.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut machine = Machine::new(bytes);
        let result = machine.run();
        let place = machine.place;
        let at = |problem: String| format!("its pickle does not hold plain tensors: {problem} (before byte {place})");
        let result = result.map_err(at)?;
        Self::table(machine.into_objects(), result).map_err(at)
    }

    fn table(objects: Objects<'a>, result: Value) -> Result<Self, String> {
        let Value::Dict(dict) = result else {
            return Err(format!("it is {}, expected a dictionary of tensors", objects.kind(result)));
        };
        let Objects { texts, mut dicts, storages, views, .. } = objects;
        let dict = dicts.swap_remove(dict as usize);
        if let Some((name, kind)) = dict.other {
            let name = short(texts[name as usize]);
            return Err(format!("`{name}` is {kind}, expected a tensor: is this a checkpoint of a training run?"));
        }
        let mut tensors = BTreeMap::new();
        for (name, view) in dict.tensors {
            let name = texts[name as usize];
            if tensors.insert(name.to_owned(), view).is_some() {
                return Err(format!("two tensors are named `{}`", short(name)));
            }
        }
        Ok(Self { storages, views, tensors })
    }
}
