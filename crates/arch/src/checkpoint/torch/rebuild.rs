//! The results of the calls in a pickle of tensors.

use super::global::{Global, short};
use super::value::{Objects, Storage, Value};
use super::view::{MAX_DIMENSIONS, View};

impl Objects<'_> {
    /// The result of calling a known name.
    pub(super) fn call(&mut self, function: Value, arguments: Value) -> Result<Value, String> {
        let Value::Global(function) = function else {
            return Err(format!("{} is called as if it were a function", self.kind(function)));
        };
        let arguments = self.tuple(arguments)?;
        match (function, arguments) {
            (Global::OrderedDict, []) => self.add_dict(),
            (Global::Size, &[sizes @ Value::Tuple { .. }]) => Ok(sizes),
            (Global::RebuildParameter, &[tensor @ Value::Tensor(_), ..]) => Ok(tensor),
            (Global::RebuildTensor, &[Value::Storage(storage), offset, shape, strides, ..]) => {
                self.tensor(storage, offset, shape, strides)
            }
            (function, arguments) => {
                let kinds: Vec<_> = arguments.iter().map(|&value| self.kind(value)).collect();
                Err(format!("{function:?} is called with ({}), which is not how torch does it", kinds.join(", ")))
            }
        }
    }

    fn tensor(&mut self, storage: u32, offset: Value, shape: Value, strides: Value) -> Result<Value, String> {
        let place = storage as usize;
        let Storage { element, count, .. } = self.storages[place];
        let view = View::new(place, element, count, self.count(offset)?, self.sizes(shape)?, self.sizes(strides)?)?;
        self.add_tensor(view)
    }

    fn sizes(&self, value: Value) -> Result<Vec<usize>, String> {
        let values = self.tuple(value)?;
        if values.len() > MAX_DIMENSIONS {
            return Err(format!("a tensor has {} dimensions: at most {MAX_DIMENSIONS} are read", values.len()));
        }
        let size = |&value: &Value| {
            let count = self.count(value)?;
            usize::try_from(count).map_err(|_| format!("{count} is too large a size"))
        };
        values.iter().map(size).collect()
    }

    /// What a reference to something outside the pickle stands for: `("storage", type, key, device, numbers)`.
    pub(super) fn outside(&mut self, reference: Value) -> Result<Value, String> {
        let &[tag, Value::Global(Global::Storage(element)), key, _device, count] = self.tuple(reference)? else {
            return Err("it refers to something outside that is no storage".to_owned());
        };
        if self.text(tag)? != "storage" {
            return Err(format!("it refers to a `{}`: expected a storage", short(self.text(tag)?)));
        }
        let (key, count) = (self.text(key)?, self.count(count)?);
        self.add_storage(Storage { key, element, count })
    }
}
