//! Archives and pickles of torch.

use super::{TORCH, case, check, golden};
use crate::forged::{archive, call, dictionary, global, number, storage, tensor, text, torch_file, tuple};

#[test]
fn archives_of_torch() {
    let not_whole = "damaged or incomplete torch file";
    let whole = golden("torch/float32.bin");
    let pickle = dictionary(&[("a", tensor(storage("FloatStorage", "0", 2), 0, &[2], &[1]))]);
    let damaged = |at: usize, bytes: &[u8]| {
        let mut whole = torch_file(&pickle, &[0; 8]);
        let at = whole.len() - at;
        whole[at..at + bytes.len()].copy_from_slice(bytes);
        whole
    };
    let deflated = {
        let mut bytes = torch_file(&pickle, &[0; 8]);
        let at = bytes.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
        bytes[at + 10] = 8;
        bytes
    };
    let tar = [&[b'a'; 257][..], b"ustar\0", &[0; 500]].concat();
    let empty = (0..20_000).map(|index| index.to_string()).collect::<Vec<_>>();
    let empty = empty.iter().map(|name| (name.as_str(), &b""[..])).collect::<Vec<_>>();
    check(vec![
        case("nothing", TORCH, b"", not_whole),
        case("no archive", TORCH, vec![0; 4096], not_whole),
        case("an archive before torch 1.6", TORCH, golden("torch/old.bin"), "hint: load and save it once"),
        case("a tar archive", TORCH, tar, "hint: load and save it once"),
        case("cut at the end", TORCH, &whole[..whole.len() - 1], not_whole),
        case("cut in the middle", TORCH, &whole[..whole.len() / 2], not_whole),
        case("only an end", TORCH, archive(&[]), not_whole),
        case("no pickle", TORCH, archive(&[("data/0", b"")]), "`data.pkl` is missing"),
        case("no storage", TORCH, archive(&[("data.pkl", &pickle)]), "`data/0` is missing"),
        case("an entry twice", TORCH, archive(&[("data.pkl", b"."), ("data.pkl", &pickle)]), "two entries"),
        case("a compressed entry", TORCH, deflated, "compressed or encrypted"),
        case("a directory of 4 GiB", TORCH, damaged(10, &[0xfe, 0xff, 0xff, 0xff]), "fetch it again"),
        case("a directory elsewhere", TORCH, damaged(6, &[9, 0, 0, 0]), not_whole),
        case("a directory behind the end", TORCH, damaged(6, &[0xff; 4]), not_whole),
        case("many entries", TORCH, archive(&empty), "`data.pkl` is missing"),
        case("ends without end", TORCH, [&b"PK\x03\x04"[..], &b"PK\x05\x06".repeat(20_000)].concat(), "fetch it again"),
        case(
            "big-endian numbers",
            TORCH,
            archive(&[("data.pkl", &pickle), ("data/0", &[0; 8]), ("byteorder", b"big")]),
            "not little-endian",
        ),
    ]);
}

#[test]
fn pickles_that_would_run_code() {
    let run = |module: &str, name: &str, instruction: &[u8]| {
        let pickle = [b"\x80\x02", &global(module, name)[..], &tuple(&[text("touch /tmp/it-ran")]), instruction, b"."];
        torch_file(&pickle.concat(), b"")
    };
    let on_the_stack = [b"\x80\x04", &text("os")[..], &text("system"), b"\x93."].concat();
    check(vec![
        case("os.system", TORCH, run("os", "system", b"R"), "`os.system`, which plain tensors do not need"),
        case("posix.system", TORCH, run("posix", "system", b"R"), "`posix.system`"),
        case("a new object", TORCH, run("subprocess", "Popen", b"\x81"), "`subprocess.Popen`"),
        case("eval", TORCH, run("builtins", "eval", b"R"), "`builtins.eval`"),
        case("a name of torch", TORCH, run("torch", "load", b"R"), "`torch.load`"),
        case("a name with dots", TORCH, run("torch._utils", "_rebuild_tensor_v2.__globals__", b"R"), "__globals__"),
        case("a name from the stack", TORCH, torch_file(&on_the_stack, b""), "`os.system`"),
        case("an escape to the terminal", TORCH, run("\u{1b}[31m", "x", b"R"), "\\u{1b}[31m"),
        case("a long name", TORCH, run(&"a".repeat(100_000), "x", b"R"), "aaa…"),
        case("another instance", TORCH, torch_file(b"(cos\nsystem\no.", b""), "`os.system`"),
        case("an instance by name", TORCH, torch_file(b"(ios\nsystem\n.", b""), "instruction 0x69"),
        case("an extension", TORCH, torch_file(b"\x80\x02\x82\x01.", b""), "instruction 0x82"),
        case(
            "a storage that is called",
            TORCH,
            torch_file(&[&call("torch", "FloatStorage", &tuple(&[number(1 << 40)]))[..], b"."].concat(), b""),
            "not how torch does it",
        ),
        case(
            "a dictionary of a list of pairs",
            TORCH,
            torch_file(&[&call("collections", "OrderedDict", &tuple(&[vec![b')']]))[..], b"."].concat(), b""),
            "not how torch does it",
        ),
        case("a state that is set", TORCH, torch_file(b"\x80\x02}Nb.", b""), "None as its state"),
    ]);
}

#[test]
fn pickles_that_lie() {
    let floats = |count| storage("FloatStorage", "0", count);
    let one = |tensor| torch_file(&dictionary(&[("a", tensor)]), &[0; 8]);
    let outside = "does not fit in a storage of 2";
    let shared =
        (0..3000).map(|index| (format!("{index}"), tensor(floats(2000), 0, &[2000], &[1]))).collect::<Vec<_>>();
    let shared = shared.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect::<Vec<_>>();
    check(vec![
        case("a storage of 2^40", TORCH, one(tensor(floats(1 << 40), 0, &[2], &[1])), "but has 8 bytes"),
        case("a storage of 2^62", TORCH, one(tensor(floats(1 << 62), 0, &[2], &[1])), "but has 8 bytes"),
        case("a storage of -1", TORCH, one(tensor(floats(-1), 0, &[2], &[1])), "found -1, expected a size"),
        case("a longer shape", TORCH, one(tensor(floats(2), 0, &[3], &[1])), outside),
        case("an offset", TORCH, one(tensor(floats(2), 1, &[2], &[1])), outside),
        case("the largest offset", TORCH, one(tensor(floats(2), i64::MAX, &[2], &[1])), outside),
        case("a stride", TORCH, one(tensor(floats(2), 0, &[2], &[2])), outside),
        case("the largest stride", TORCH, one(tensor(floats(2), 0, &[2, 2], &[i64::MAX, 1])), outside),
        case("a negative stride", TORCH, one(tensor(floats(2), 1, &[2], &[-1])), "found -1, expected a size"),
        case("a number repeated 2^40 times", TORCH, one(tensor(floats(2), 0, &[1 << 40], &[0])), outside),
        case("a shape beyond all numbers", TORCH, one(tensor(floats(2), 0, &[1 << 40, 1 << 40], &[0, 0])), outside),
        case("many dimensions", TORCH, one(tensor(floats(2), 0, &[1; 9], &[1; 9])), "9 dimensions"),
        case("very many dimensions", TORCH, one(tensor(floats(2), 0, &[1; 1000], &[1; 1000])), "a tuple has 1000"),
        case("fewer strides", TORCH, one(tensor(floats(2), 0, &[1, 1], &[1])), "does not match"),
        case(
            "an unknown storage",
            TORCH,
            one(tensor(storage("ComplexFloatStorage", "0", 1), 0, &[1], &[1])),
            "`torch.Comp",
        ),
        case("a storage above", TORCH, one(tensor(storage("FloatStorage", "../0", 2), 0, &[2], &[1])), "is missing"),
        case(
            "a long number",
            TORCH,
            torch_file(&[b"\x80\x02\x8a\xff", &[1; 255][..], b"."].concat(), b""),
            "255 bytes",
        ),
        case("a longer number", TORCH, torch_file(b"\x80\x02\x8b\xff\xff\xff\x7f.", b""), "instruction 0x8b"),
        case("a text of 4 GiB", TORCH, torch_file(b"\x80\x02X\xff\xff\xff\xff.", b""), "cut off"),
        case(
            "a name twice",
            TORCH,
            {
                let value = tensor(floats(2), 0, &[2], &[1]);
                torch_file(&dictionary(&[("a", value.clone()), ("a", value)]), &[0; 8])
            },
            "two tensors are named `a`",
        ),
        case("one storage for thousands", TORCH, torch_file(&dictionary(&shared), &[0; 8000]), "cannot hold"),
        case("a number instead", TORCH, torch_file(b"\x80\x02K\x01.", b""), "expected a dictionary of tensors"),
        case("nothing", TORCH, torch_file(b"", b""), "cut off"),
        case("no end", TORCH, torch_file(b"\x80\x02}", b""), "cut off"),
        case("nothing to end with", TORCH, torch_file(b"\x80\x02.", b""), "too few values"),
        case("a mark that is missing", TORCH, torch_file(b"\x80\x02t.", b""), "a mark is missing"),
        case("a tuple from below a mark", TORCH, torch_file(b"\x80\x02}NN(\x86u.", b""), "too few values"),
        case("an entry from below a mark", TORCH, torch_file(b"\x80\x02}NN(su.", b""), "too few values"),
        case("a dictionary from below a mark", TORCH, torch_file(b"\x80\x02}(NNs.", b""), "too few values"),
        case("a call from below a mark", TORCH, torch_file(b"\x80\x02ccollections\nOrderedDict\n)(R.", b""), "too few"),
        case("an end below a mark", TORCH, torch_file(b"\x80\x02}(.", b""), "too few values"),
        case("an empty name", TORCH, torch_file(b"\x80\x02c\n\n.", b""), "`.`"),
        case("a name without end", TORCH, torch_file(b"\x80\x02cos", b""), "a name has no end"),
        case("entries of none", TORCH, torch_file(b"\x80\x02(NNu.", b""), "too few values"),
        case("half an entry", TORCH, torch_file(b"\x80\x02}(Nu.", b""), "an entry has no value"),
    ]);
}

#[test]
fn pickles_that_would_fill_the_memory() {
    let run = |start: &[u8], repeated: &[u8], count: usize| {
        torch_file(&[b"\x80\x04", start, &repeated.repeat(count), b"."].concat(), b"")
    };
    let names = |value: &[u8]| {
        let name = |index: u32| format!("{index:06}");
        (0..150_000).flat_map(|index| [b"\x8c\x06", name(index).as_bytes(), value, b"s"].concat()).collect::<Vec<u8>>()
    };
    let shared = {
        let value = tensor(storage("FloatStorage", "0", 0), 0, &[0], &[1]);
        let pickle = [b"\x80\x04", &value[..], b"q\0}", &names(b"h\0"), b"."].concat();
        torch_file(&pickle, b"")
    };
    let far = "far more than plain tensors";
    let waiting = "values on its stack";
    let one = [&tensor(storage("FloatStorage", "0", 0), 0, &[0; 8], &[1; 8])[..], b"\x85"].concat();
    check(vec![
        case("nested dictionaries", TORCH, run(b"", b"}", 1_000_000), waiting),
        case("nested tuples", TORCH, run(b")", b"\x85", 1_000_000), far),
        case("tuples of one another", TORCH, run(b")", b"\x94h\0h\0\x86", 1_000_000), "values"),
        case("doubled tuples", TORCH, run(b")", b"\x94\x85h\0\x86", 500_000), far),
        case("marks", TORCH, run(b"", b"(", 1_000_000), "marks on its stack"),
        case("nones", TORCH, run(b"", b"N", 1_000_000), waiting),
        case("full tuples", TORCH, run(b"N", b"(NNNNNNNNNNNNNNNt\x86", 100_000), far),
        case(
            "full tuples one after the other",
            TORCH,
            run(b"N", b"NNNNNNNNNNNNNNN(NNNNNNNNNNNNNNNt", 100_000),
            waiting,
        ),
        case("tuples in tuples", TORCH, run(b"N", b"NN\x87", 500_000), far),
        case("a value remembered often", TORCH, run(b"N", b"\x94", 1_000_000), far),
        case("a value remembered far out", TORCH, run(b"N", b"r\xff\xff\xff\xff", 1), "before value 0"),
        case("texts", TORCH, run(b"}", b"\x8c\x01aNs", 300_000), "`a` is None"),
        case("empty texts", TORCH, run(b"", b"\x8c\0", 300_000), waiting),
        case("tensors", TORCH, run(b"N", &one, 20_000), waiting),
        case("entries", TORCH, run(b"}", &names(b"N"), 1), "`149999` is None"),
        case("one tensor by many names", TORCH, shared, far),
    ]);
}
