//! The Python names that a pickle of tensors may refer to. They are only matched here; nothing is ever called.

use crate::checkpoint::floats::FloatKind;

/// A known Python name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// A dictionary.
    OrderedDict,
    /// `torch.Size`, a tensor's shape.
    Size,
    /// `(storage, offset, shape, strides, …)` → tensor.
    RebuildTensor,
    /// `(tensor, …)` → the same tensor.
    RebuildParameter,
    /// The type of a storage.
    Storage(Element),
}

/// The element type of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Float(FloatKind),
    Int8,
    Uint8,
    Int16,
    Int32,
    Int64,
    Bool,
}

impl Global {
    /// The meaning of `MODULE.NAME`.
    pub(super) fn known(module: &str, name: &str) -> Result<Self, String> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch", "Size") => Self::Size,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Self::RebuildParameter,
            ("torch", "HalfStorage") => Self::Storage(Element::Float(FloatKind::F16)),
            ("torch", "BFloat16Storage") => Self::Storage(Element::Float(FloatKind::Bf16)),
            ("torch", "FloatStorage") => Self::Storage(Element::Float(FloatKind::F32)),
            ("torch", "DoubleStorage") => Self::Storage(Element::Float(FloatKind::F64)),
            ("torch", "CharStorage") => Self::Storage(Element::Int8),
            ("torch", "ByteStorage") => Self::Storage(Element::Uint8),
            ("torch", "ShortStorage") => Self::Storage(Element::Int16),
            ("torch", "IntStorage") => Self::Storage(Element::Int32),
            ("torch", "LongStorage") => Self::Storage(Element::Int64),
            ("torch", "BoolStorage") => Self::Storage(Element::Bool),
            _ => {
                return Err(format!(
                    "it asks for `{}.{}`, which plain tensors do not need; nothing was run",
                    short(module),
                    short(name)
                ));
            }
        })
    }
}

/// The start of a long name, with what a terminal must not be sent made visible.
pub(super) fn short(name: &str) -> String {
    const SHOWN: usize = 80;
    let mut text: String = name.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if name.chars().nth(SHOWN).is_some() {
        text.push('…');
    }
    text
}

impl Element {
    /// Bytes per element.
    pub(super) const fn size(self) -> u64 {
        match self {
            Self::Float(kind) => kind.size(),
            Self::Int8 | Self::Uint8 | Self::Bool => 1,
            Self::Int16 => 2,
            Self::Int32 => 4,
            Self::Int64 => 8,
        }
    }

    /// Its name in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Float(FloatKind::F16) => "float16",
            Self::Float(FloatKind::Bf16) => "bfloat16",
            Self::Float(FloatKind::F32) => "float32",
            Self::Float(FloatKind::F64) => "float64",
            Self::Int8 => "int8",
            Self::Uint8 => "uint8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Bool => "bool",
        }
    }
}
