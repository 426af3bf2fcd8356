//! Files as an attacker would write them, byte by byte: archives, pickles and headers.

#![allow(dead_code, clippy::allow_attributes, reason = "the fuzz target uses a part")]

/// A zip archive of entries that are not compressed, all in one folder.
pub(crate) fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for (name, contents) in entries {
        let name = format!("model/{name}");
        let length = (contents.len() as u32).to_le_bytes();
        let name_length = (name.len() as u16).to_le_bytes();
        directory.extend(b"PK\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        directory.extend([length, length].concat());
        directory.extend(name_length);
        directory.extend([0; 12]);
        directory.extend((bytes.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        bytes.extend(b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        bytes.extend([length, length].concat());
        bytes.extend(name_length);
        bytes.extend([0; 2]);
        bytes.extend(name.as_bytes());
        bytes.extend(*contents);
    }
    let (start, length) = (bytes.len() as u32, directory.len() as u32);
    let count = (entries.len() as u16).to_le_bytes();
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count, count].concat());
    bytes.extend([length.to_le_bytes(), start.to_le_bytes()].concat());
    bytes.extend([0; 2]);
    bytes
}

/// The same archive with every size and place in a field of 64 bits, as archives beyond 4 GiB have them.
pub(crate) fn archive64(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for (name, contents) in entries {
        let name = format!("model/{name}");
        let name_length = (name.len() as u16).to_le_bytes();
        let length = (contents.len() as u64).to_le_bytes();
        directory.extend(b"PK\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        directory.extend([0xff; 8]);
        directory.extend(name_length);
        // A field of another kind, of four bytes, and the one of 24.
        directory.extend((8 + 28u16).to_le_bytes());
        directory.extend([0; 10]);
        directory.extend([0xff; 4]);
        directory.extend(name.as_bytes());
        directory.extend(b"FB\x04\0ZZZZ\x01\0\x18\0");
        directory.extend([length, length, (bytes.len() as u64).to_le_bytes()].concat());
        bytes.extend(b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
        bytes.extend(name_length);
        bytes.extend([0; 2]);
        bytes.extend(name.as_bytes());
        bytes.extend(*contents);
    }
    let (start, length, count) = (bytes.len() as u64, directory.len() as u64, entries.len() as u64);
    bytes.extend(directory);
    let end = (bytes.len() as u64).to_le_bytes();
    bytes.extend(b"PK\x06\x06\x2c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    bytes.extend([count, count, length, start].map(u64::to_le_bytes).concat());
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(end);
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([0xff; 12]);
    bytes.extend([0; 2]);
    bytes
}

/// A `.bin` file of this pickle and one storage, `0`.
pub(crate) fn torch_file(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    archive(&[("data.pkl", pickle), ("data/0", storage)])
}

/// A safetensors file with this header.
pub(crate) fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// The pickle of a dictionary.
pub(crate) fn dictionary(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut pickle = b"\x80\x02}(".to_vec();
    for (name, value) in entries {
        pickle.extend(text(name));
        pickle.extend(value);
    }
    pickle.extend(b"u.");
    pickle
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

pub(crate) fn number(number: i64) -> Vec<u8> {
    [b"\x8a\x08", &number.to_le_bytes()[..]].concat()
}

pub(crate) fn tuple(values: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &values.concat()[..], b"t"].concat()
}

/// A name of Python.
pub(crate) fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

/// A reference to storage `0`.
pub(crate) fn storage(kind: &str, key: &str, count: i64) -> Vec<u8> {
    let reference = tuple(&[text("storage"), global("torch", kind), text(key), text("cpu"), number(count)]);
    [&reference[..], b"Q"].concat()
}

/// A tensor.
pub(crate) fn tensor(storage: Vec<u8>, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let numbers = |numbers: &[i64]| tuple(&numbers.iter().map(|&value| number(value)).collect::<Vec<_>>());
    let hooks = [&global("collections", "OrderedDict")[..], b")R"].concat();
    let arguments = tuple(&[storage, number(offset), numbers(shape), numbers(strides), vec![0x89], hooks]);
    call("torch._utils", "_rebuild_tensor_v2", &arguments)
}

/// A call with a tuple.
pub(crate) fn call(module: &str, name: &str, arguments: &[u8]) -> Vec<u8> {
    [&global(module, name)[..], arguments, b"R"].concat()
}
