//! The header of a safetensors file: eight bytes of length, then JSON.
//!
//! The `safetensors` crate parses it into several intermediate copies, so that a hostile header of many small numbers makes
//! it allocate thirty times the file's size. This parser keeps only what it needs, and rejects duplicate names.

use std::collections::{BTreeMap, btree_map};
use std::fmt;

use safetensors::tensor::Dtype;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::json::{Distinct, duplicate_key};

/// Bytes before the header, which hold its length.
pub(super) const LENGTH: u64 = 8;

/// The longest accepted header, as in the `safetensors` crate.
pub(super) const MAX_LENGTH: u64 = 100_000_000;

/// The maximum number of dimensions of a tensor.
const MAX_DIMENSIONS: usize = 8;

/// The maximum number of metadata strings.
const MAX_STRINGS: usize = 4096;

/// A parsed header.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) strings: BTreeMap<String, String>,
    pub(super) tensors: BTreeMap<String, Entry>,
}

/// A tensor's entry in the header.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) dtype: Dtype,
    #[serde(deserialize_with = "shape")]
    pub(super) shape: Vec<usize>,
    /// Start and end of its bytes, relative to the end of the header.
    #[serde(rename = "data_offsets")]
    pub(super) offsets: (u64, u64),
}

impl Header {
    /// Parses the header of a file that has `data` bytes after it, and checks that the tensors cover those bytes exactly:
    /// no overlaps and no gaps.
    pub(super) fn parse(text: &[u8], data: u64) -> Result<Self, String> {
        let header: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let mut ranges: Vec<_> = header.tensors.iter().map(|(name, entry)| (entry.offsets, name)).collect();
        ranges.sort_unstable();
        let mut end = 0;
        for ((from, to), name) in ranges {
            if from != end || to < from {
                return Err(format!(
                    "`{name}` spans bytes {from} to {to}, but the next tensor must start at byte {end}"
                ));
            }
            let entry = &header.tensors[name];
            if entry.bytes() != Some(to - from) {
                return Err(format!("`{name}`, {:?} of shape {:?}, has {} bytes", entry.dtype, entry.shape, to - from));
            }
            end = to;
        }
        if end != data {
            return Err(format!("the tensors take {end} bytes, but {data} follow the header"));
        }
        Ok(header)
    }
}

impl Entry {
    /// Size in bytes of a tensor of this type and shape; `None` if it overflows or is no whole number of bytes.
    fn bytes(&self) -> Option<u64> {
        let bits =
            self.shape.iter().try_fold(self.dtype.bitsize() as u64, |bits, &size| bits.checked_mul(size as u64))?;
        bits.is_multiple_of(8).then_some(bits / 8)
    }
}

fn shape<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
    struct Sizes;
    impl<'de> Visitor<'de> for Sizes {
        type Value = Vec<usize>;
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "a list of at most {MAX_DIMENSIONS} sizes")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Vec<usize>, A::Error> {
            let mut sizes = Vec::new();
            while let Some(size) = access.next_element()? {
                if sizes.len() == MAX_DIMENSIONS {
                    return Err(Error::invalid_length(sizes.len() + 1, &self));
                }
                sizes.push(size);
            }
            Ok(sizes)
        }
    }
    deserializer.deserialize_seq(Sizes)
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Header, A::Error> {
                let mut header = Header::default();
                let mut has_strings = false;
                while let Some(key) = access.next_key::<String>()? {
                    if key == "__metadata__" {
                        if std::mem::replace(&mut has_strings, true) {
                            return Err(duplicate_key(&key));
                        }
                        let strings = access.next_value::<Option<Distinct<String, MAX_STRINGS>>>()?;
                        header.strings = strings.map(|Distinct(strings)| strings).unwrap_or_default();
                        continue;
                    }
                    match header.tensors.entry(key) {
                        btree_map::Entry::Occupied(entry) => return Err(duplicate_key(entry.key())),
                        btree_map::Entry::Vacant(entry) => {
                            entry.insert(access.next_value()?);
                        }
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
