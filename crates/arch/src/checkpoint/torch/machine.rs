//! The interpreter of a pickle's instructions.

use super::global::Global;
use super::value::{Objects, Value, add};

/// The maximum depth of the stack: torch writes dictionaries in batches of a thousand entries.
const MAX_DEPTH: usize = 16_384;

/// The state of the interpreter.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    /// Offset of the next instruction.
    pub(super) place: usize,
    objects: Objects<'a>,
    stack: Vec<Value>,
    /// Positions of the marks on the stack.
    marks: Vec<usize>,
    memo: Vec<Value>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            place: 0,
            objects: Objects::new(bytes.len()),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
        }
    }

    /// The objects that were built.
    pub(super) fn into_objects(self) -> Objects<'a> {
        self.objects
    }

    /// Runs to the end and returns the value of the pickle.
    pub(super) fn run(&mut self) -> Result<Value, String> {
        loop {
            let [instruction] = self.array()?;
            match instruction {
                // PROTO, FRAME: not needed to read the rest.
                0x80 => drop(self.array::<1>()?),
                0x95 => drop(self.array::<8>()?),
                // MARK
                b'(' => self.mark()?,
                // STOP
                b'.' => return self.pop(),
                // NONE, NEWTRUE, NEWFALSE
                b'N' => self.push(Value::None)?,
                0x88 | 0x89 => self.push(Value::Bool)?,
                // BININT1, BININT2, BININT, LONG1
                b'K' => {
                    let [value] = self.array()?;
                    self.push(Value::Int(value.into()))?;
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()))?;
                }
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.push(Value::Int(value))?;
                }
                0x8a => self.long()?,
                // BINUNICODE, SHORT_BINUNICODE
                b'X' => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.text(length as usize)?;
                }
                0x8c => {
                    let [length] = self.array()?;
                    self.text(length.into())?;
                }
                // EMPTY_TUPLE, TUPLE, TUPLE1, TUPLE2, TUPLE3
                b')' => self.tuple(self.stack.len())?,
                b't' => {
                    let start = self.take_mark()?;
                    self.tuple(start)?;
                }
                0x85..=0x87 => {
                    let start = self.last(usize::from(instruction - 0x84))?;
                    self.tuple(start)?;
                }
                // EMPTY_DICT, SETITEM, SETITEMS
                b'}' => {
                    let dict = self.objects.add_dict()?;
                    self.push(dict)?;
                }
                b's' => {
                    let start = self.last(2)?;
                    self.set_items(start)?;
                }
                b'u' => {
                    let start = self.take_mark()?;
                    self.set_items(start)?;
                }
                // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
                b'q' => {
                    let [place] = self.array()?;
                    self.put(place.into())?;
                }
                b'r' => {
                    let place = u32::from_le_bytes(self.array()?);
                    self.put(place as usize)?;
                }
                0x94 => self.put(self.memo.len())?,
                b'h' => {
                    let [place] = self.array()?;
                    self.get(place.into())?;
                }
                b'j' => {
                    let place = u32::from_le_bytes(self.array()?);
                    self.get(place as usize)?;
                }
                // GLOBAL, STACK_GLOBAL
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.push(Value::Global(Global::known(module, name)?))?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let known = Global::known(self.objects.text(module)?, self.objects.text(name)?)?;
                    self.push(Value::Global(known))?;
                }
                // REDUCE: a call.
                b'R' => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    let result = self.objects.call(function, arguments)?;
                    self.push(result)?;
                }
                // BINPERSID
                b'Q' => {
                    let reference = self.pop()?;
                    let storage = self.objects.outside(reference)?;
                    self.push(storage)?;
                }
                // BUILD: sets attributes of the dictionary, which hold the modules' versions.
                b'b' => {
                    let (state, object) = (self.pop()?, self.pop()?);
                    if !matches!((state, object), (Value::Dict(_), Value::Dict(_))) {
                        let (state, object) = (self.objects.kind(state), self.objects.kind(object));
                        return Err(format!("{object} is given {state} as its state, which plain tensors do not need"));
                    }
                    self.push(object)?;
                }
                other => return Err(format!("instruction 0x{other:02x} is not needed for plain tensors")),
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (bytes, _) = self.bytes[self.place..].split_at_checked(length).ok_or_else(|| "it is cut off".to_owned())?;
        self.place += length;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        // `take` returns exactly `N` bytes.
        self.take(N).map(|bytes| bytes.try_into().unwrap_or([0; N]))
    }

    /// A name up to the end of its line.
    fn line(&mut self) -> Result<&'a str, String> {
        let length = self.bytes[self.place..].iter().position(|&byte| byte == b'\n').ok_or("a name has no end")?;
        let line = self.take(length)?;
        self.place += 1;
        str::from_utf8(line).map_err(|_| "a name is not UTF-8".to_owned())
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let text = self.take(length)?;
        let value = self.objects.add_text(text)?;
        self.push(value)
    }

    /// A signed little-endian number of variable length.
    fn long(&mut self) -> Result<(), String> {
        let [length] = self.array()?;
        let bytes = self.take(length.into())?;
        if bytes.len() > 8 {
            return Err(format!("a number has {} bytes: expected at most 8", bytes.len()));
        }
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut padded = [if negative { 0xff } else { 0 }; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        let value = self.objects.add_int(i64::from_le_bytes(padded))?;
        self.push(value)
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} values on its stack"));
        }
        self.stack.push(value);
        Ok(())
    }

    /// Position of the last `count` values, none of which may lie below a mark.
    fn last(&self, count: usize) -> Result<usize, String> {
        let lowest = self.marks.last().copied().unwrap_or(0);
        self.stack.len().checked_sub(count).filter(|&start| start >= lowest).ok_or_else(too_few)
    }

    fn pop(&mut self) -> Result<Value, String> {
        self.last(1)?;
        self.stack.pop().ok_or_else(too_few)
    }

    fn mark(&mut self) -> Result<(), String> {
        if self.marks.len() >= MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} marks on its stack"));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn take_mark(&mut self) -> Result<usize, String> {
        self.marks.pop().ok_or_else(|| "a mark is missing on its stack".to_owned())
    }

    /// Replaces the values from `start` on by a tuple of them.
    fn tuple(&mut self, start: usize) -> Result<(), String> {
        let values = self.stack.get(start..).ok_or_else(too_few)?;
        let tuple = self.objects.add_tuple(values)?;
        self.stack.truncate(start);
        self.push(tuple)
    }

    /// Moves the keys and values from `start` on into the dictionary below them.
    fn set_items(&mut self, start: usize) -> Result<(), String> {
        let dict = self.stack[self.last(self.stack.len() - start + 1)?];
        let (pairs, rest) = self.stack[start..].as_chunks::<2>();
        if !rest.is_empty() {
            return Err("an entry has no value".to_owned());
        }
        for &[key, value] in pairs {
            self.objects.insert(dict, key, value)?;
        }
        self.stack.truncate(start);
        Ok(())
    }

    /// Memoises the value on top of the stack.
    fn put(&mut self, place: usize) -> Result<(), String> {
        let value = self.stack[self.last(1)?];
        let next = self.memo.len();
        if place > next {
            return Err(format!("it memoises value {place} before value {next}"));
        }
        if place == next {
            self.objects.spend(1)?;
            add(&mut self.memo, value)?;
        }
        self.memo[place] = value;
        Ok(())
    }

    fn get(&mut self, place: usize) -> Result<(), String> {
        let value = self.memo.get(place).copied();
        self.push(value.ok_or_else(|| format!("it refers to value {place}, which it never memoised"))?)
    }
}

fn too_few() -> String {
    "too few values on its stack".to_owned()
}
