//! Damaged and hostile files: an error each, that says what is wrong, and no memory to speak of.

mod torch;

use std::fs;

use crate::files::{self, load};
use crate::forged::{dictionary, safetensors};
use crate::memory;

/// The most memory that a file may take while it is found to be wrong: eight times its size, or twice that for settings, of
/// which every value is kept; and a mebibyte.
fn allowed(file: &str, size: usize) -> usize {
    let times = if file == CONFIG { 16 } else { 8 };
    times * size + (1 << 20)
}

struct Case {
    what: &'static str,
    file: &'static str,
    bytes: Vec<u8>,
    /// What the error says.
    says: &'static str,
}

fn case(what: &'static str, file: &'static str, bytes: impl Into<Vec<u8>>, says: &'static str) -> Case {
    Case { what, file, bytes: bytes.into(), says }
}

fn golden(file: &str) -> Vec<u8> {
    fs::read(files::golden().join(file)).unwrap()
}

#[test]
fn more_layers_than_tensors() {
    let directory = tempfile::tempdir().unwrap();
    let settings = String::from_utf8(golden("models/bert/config.json")).unwrap();
    let settings = settings.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1000");
    fs::write(directory.path().join(CONFIG), settings).unwrap();
    fs::write(directory.path().join(SAFETENSORS), golden("models/bert/model.safetensors")).unwrap();
    let (result, peak) = memory::peak(|| load(directory.path()).map(|_| ()));
    let error = result.unwrap_err().to_string();
    assert!(error.contains("41 tensors are too few for the 1000 layers"), "{error}");
    assert!(peak < 1 << 20, "{peak}");
}

/// Loads a directory of the golden `config.json` and the case's file.
fn check(cases: Vec<Case>) {
    for Case { what, file, bytes, says } in cases {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("config.json"), golden("models/bert/config.json")).unwrap();
        fs::write(directory.path().join(file), &bytes).unwrap();
        let (result, peak) = memory::peak(|| load(directory.path()).map(|_| ()));
        let error = result.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(says), "{what}: {says:?} is not in {error:?}");
        assert!(error.contains(file), "{what}: {error:?} does not name the file");
        assert!(error.len() < 4096, "{what}: the error has {} bytes", error.len());
        assert!(peak <= allowed(file, bytes.len()), "{what}: {peak} bytes were held for a file of {}", bytes.len());
    }
}

const SAFETENSORS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const TORCH: &str = "pytorch_model.bin";
const CONFIG: &str = "config.json";

#[test]
fn headers_of_safetensors() {
    let not_whole = "damaged or incomplete safetensors file";
    let entry = |name: &str, kind: &str, shape: &str, from: u64, to: u64| {
        format!(r#""{name}":{{"dtype":"{kind}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let file = |entries: &[String], data: usize| safetensors(&format!("{{{}}}", entries.join(",")), &vec![0; data]);
    let whole = golden("models/bert/model.safetensors");
    let names = (0..40_000).map(|index| entry(&index.to_string(), "F32", "[]", 0, 0)).collect::<Vec<_>>();
    let strings = (0..100_000).map(|index| format!(r#""{index}":"""#)).collect::<Vec<_>>().join(",");
    let shape = |sizes: usize| format!("[{}1]", "1,".repeat(sizes));
    check(vec![
        case("nothing", SAFETENSORS, b"", not_whole),
        case("half a length", SAFETENSORS, b"\x08\0\0", not_whole),
        case("a header of 2^60 bytes", SAFETENSORS, (1u64 << 60).to_le_bytes(), not_whole),
        case("a header of 2^64 - 1 bytes", SAFETENSORS, u64::MAX.to_le_bytes(), not_whole),
        case("a list", SAFETENSORS, safetensors("[]", b""), not_whole),
        case("no JSON", SAFETENSORS, safetensors("{", b""), not_whole),
        case("no UTF-8", SAFETENSORS, b"\x04\0\0\0\0\0\0\0{\"\xff\"", not_whole),
        case(
            "more data than tensors",
            SAFETENSORS,
            safetensors("{}", b"rest"),
            "the tensors take 0 bytes, but 4 follow the header",
        ),
        case("cut in the data", SAFETENSORS, &whole[..whole.len() - 1], not_whole),
        case("cut in the header", SAFETENSORS, &whole[..100], not_whole),
        case(
            "overlapping tensors",
            SAFETENSORS,
            file(&[entry("a", "F32", "[2]", 0, 8), entry("b", "F32", "[2]", 4, 12)], 12),
            "`b` spans bytes 4 to 12, but the next tensor must start at byte 8",
        ),
        case("a hole", SAFETENSORS, file(&[entry("a", "F32", "[1]", 4, 8)], 8), not_whole),
        case("offsets backwards", SAFETENSORS, file(&[entry("a", "F32", "[1]", 4, 0)], 4), not_whole),
        case("a shape that is not its bytes", SAFETENSORS, file(&[entry("a", "F32", "[3]", 0, 8)], 8), "has 8 bytes"),
        case(
            "a shape beyond all numbers",
            SAFETENSORS,
            file(&[entry("a", "F32", "[4294967296,4294967296,4294967296]", 0, 8)], 8),
            not_whole,
        ),
        case("a negative size", SAFETENSORS, file(&[entry("a", "F32", "[-1]", 0, 4)], 4), not_whole),
        case("an unknown type", SAFETENSORS, file(&[entry("a", "F33", "[1]", 0, 4)], 4), "F33"),
        case("half a byte", SAFETENSORS, file(&[entry("a", "F4", "[1]", 0, 0)], 0), not_whole),
        case(
            "a name twice",
            SAFETENSORS,
            file(&[entry("a", "F32", "[1]", 0, 4), entry("a", "F32", "[1]", 0, 4)], 4),
            "duplicate key \"a\"",
        ),
        case("a field twice", SAFETENSORS, safetensors(r#"{"a":{"dtype":"F32","dtype":"F32"}}"#, b""), "dtype"),
        case(
            "metadata twice",
            SAFETENSORS,
            safetensors(r#"{"__metadata__":{},"__metadata__":{}}"#, b""),
            "duplicate key",
        ),
        case("nested lists", SAFETENSORS, safetensors(&"[".repeat(100_000), b""), not_whole),
        case("nested objects", SAFETENSORS, safetensors(&r#"{"a":"#.repeat(100_000), b""), not_whole),
        case(
            "a shape of many sizes",
            SAFETENSORS,
            file(&[entry("a", "F32", &shape(100_000), 0, 4)], 4),
            "at most 8 sizes",
        ),
        case("many tensors of nothing", SAFETENSORS, file(&names, 1), not_whole),
        case(
            "many strings",
            SAFETENSORS,
            safetensors(&format!(r#"{{"__metadata__":{{{strings}}}}}"#), b""),
            "at most 4096",
        ),
        case("a pickle", SAFETENSORS, dictionary(&[]), not_whole),
    ]);
}

#[test]
fn weights_that_do_not_fit() {
    let whole = golden("models/bert/model.safetensors");
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let with_first = |number: f32| {
        let mut bytes = whole.clone();
        bytes[header..header + 4].copy_from_slice(&number.to_le_bytes());
        bytes
    };
    let replaced = |from: &str, to: &str| {
        let text = str::from_utf8(&whole[8..header]).unwrap().replace(from, to);
        safetensors(&text, &whole[header..])
    };
    check(vec![
        case("not a number", SAFETENSORS, with_first(f32::NAN), "holds NaN at index 0"),
        case("infinity", SAFETENSORS, with_first(f32::NEG_INFINITY), "holds -inf at index 0"),
        case("a shape of another model", SAFETENSORS, replaced("[3,32]", "[32,3]"), "has shape [32, 3]"),
        case("whole numbers", SAFETENSORS, replaced(r#""dtype":"F32""#, r#""dtype":"I32""#), "expected floats"),
        case(
            "another name",
            SAFETENSORS,
            replaced("classifier.bias", "classifier.bios"),
            "`classifier.bias` is missing",
        ),
        case("no tensors", SAFETENSORS, safetensors("{}", b""), "is missing"),
        case("one tensor", TORCH, golden("torch/float32.bin"), "is missing"),
    ]);
}

#[test]
fn indexes_of_shards() {
    let map = |entries: &str| format!(r#"{{"weight_map":{{{entries}}}}}"#);
    let join = |entry: &dyn Fn(u32) -> String| map(&(0..50_000).map(entry).collect::<Vec<_>>().join(","));
    check(vec![
        case("nothing", INDEX, "", "not an index"),
        case("no map", INDEX, "{}", "weight_map"),
        case("an empty map", INDEX, map(""), "its `weight_map` is empty"),
        case("a tensor twice", INDEX, map(r#""a":"1","a":"2""#), "duplicate key \"a\""),
        case("a map twice", INDEX, r#"{"weight_map":{"a":"1"},"weight_map":{"a":"2"}}"#, "duplicate field"),
        case("a file above", INDEX, map(r#""a":"../x""#), "expected one in the same directory"),
        case("a file from the root", INDEX, map(r#""a":"/etc/passwd""#), "expected one in the same directory"),
        case("the directory", INDEX, map(r#""a":".""#), "expected one in the same directory"),
        case("no UTF-8", INDEX, b"{\"weight_map\":{\"\xff\":\"\"}}", "not an index"),
        case("many tensors", INDEX, join(&|index| format!(r#""{index}":"..""#)), "expected one in the same directory"),
        case("many files", INDEX, join(&|index| format!(r#""{index}":"{index}""#)), "at most 10000 files"),
        case("nested lists", INDEX, format!(r#"{{"a":{}"#, "[".repeat(100_000)), "not an index"),
    ]);
}

#[test]
fn settings() {
    let with = |from: &str, to: &str| {
        let text = String::from_utf8(golden("models/bert/config.json")).unwrap();
        assert!(text.contains(from));
        text.replace(from, to)
    };
    let layers = |count: &str| with("\"num_hidden_layers\": 2", &format!("\"num_hidden_layers\": {count}"));
    check(vec![
        case("nothing", CONFIG, "", "EOF"),
        case("no UTF-8", CONFIG, b"{\"model_type\": \"\xff\"}", "invalid unicode"),
        case("a list", CONFIG, "[]", "expected a JSON object, found a list"),
        case(
            "a key twice",
            CONFIG,
            with("\"hidden_size\": 32", "\"hidden_size\": 32, \"hidden_size\": 64"),
            "duplicate key",
        ),
        case("10^9 layers", CONFIG, layers("1000000000"), "`num_hidden_layers` is 1000000000"),
        case("10^300 layers", CONFIG, layers("1e300"), "`num_hidden_layers` is"),
        case("a negative number of layers", CONFIG, layers("-1"), "`num_hidden_layers` is -1"),
        case("10^7 layers", CONFIG, layers("10000000"), "`num_hidden_layers` is 10000000"),
        case("10^4 layers", CONFIG, layers("10000"), "`num_hidden_layers` is 10000"),
        case("10^7 labels", CONFIG, r#"{"model_type": "bert", "num_labels": 10000000}"#, "num_labels"),
        case("an absurd width", CONFIG, with("\"hidden_size\": 32", "\"hidden_size\": 1e18"), "`hidden_size` is"),
        case("nested lists", CONFIG, "[".repeat(100_000), "recursion limit"),
        case("nested objects", CONFIG, "{\"a\":".repeat(100_000), "recursion limit"),
        case(
            "many numbers",
            CONFIG,
            format!("[{}1]", "1,".repeat(1_000_000)),
            "more values than any model's configuration",
        ),
        case(
            "many keys",
            CONFIG,
            format!("{{{}}}", (0..500_000).map(|index| format!("\"{index:06}\":0")).collect::<Vec<_>>().join(",")),
            "more values than any model's configuration",
        ),
        case("a large file", CONFIG, vec![b' '; 17 << 20], "more than any model's configuration"),
    ]);
}
