//! Sources on this machine.

use serde_json::{Value, json};

use super::{Bench, says};
use crate::archive::tests::zip;
use crate::digest;

#[test]
fn a_file_and_a_folder_are_copied_with_their_hashes() {
    let bench = Bench::new();
    bench.data(json!({ "path": "reviews.csv" })).unwrap();
    assert_eq!(
        bench.list("out"),
        ["pretrained/config.json", "pretrained/model.safetensors", "raw/reviews.csv", "source.json"]
    );
    let origins: Value = serde_json::from_str(&bench.read("out/source.json")).unwrap();
    assert_eq!(origins["data"]["source"], json!({ "path": "reviews.csv" }));
    assert_eq!(origins["data"]["files"][0]["sha256"], digest::of_bytes(b"text,label\ngood,1\n"));
    assert_eq!(origins["model"]["files"][1]["bytes"], 7);

    bench.write("texts/pos/1.txt", b"good");
    bench.write("texts/neg/1.txt", b"bad");
    bench.write("texts/notes.md", b"");
    bench.data(json!({ "path": "texts/", "files": "*/*.txt" })).unwrap();
    assert_eq!(bench.list("out/raw"), ["neg/1.txt", "pos/1.txt"]);
    bench.data(json!({ "path": "texts", "inside": "pos" })).unwrap();
    assert_eq!(bench.list("out/raw"), ["1.txt"]);
}

#[test]
fn an_output_is_no_alias_of_its_source() {
    let bench = Bench::new();
    bench.write("a.zip", &zip(&[("a.csv", b"text,label\n")]));
    bench.data(json!({ "path": "a.zip" })).unwrap();
    bench.write("out/raw/a.csv", b"changed");
    bench.data(json!({ "path": "a.zip" })).unwrap();
    assert_eq!(bench.read("out/raw/a.csv"), "text,label\n");
}

#[test]
fn a_path_that_is_not_there_is_named_with_its_nearest_sibling() {
    let bench = Bench::new();
    says(
        bench.data(json!({ "path": "review.csv" })),
        &["`data.path` = \"review.csv\"", "there are: reviews.csv", "(4)"],
    );
    says(bench.data(json!({ "path": "modle/x/y.csv" })), &["is missing", "there are: model"]);
    says(bench.model(json!({ "path": "nowhere" })), &["`model.path` = \"nowhere\" is not there"]);
}

#[test]
fn a_pinned_file_must_have_its_hash() {
    let bench = Bench::new();
    let hash = digest::of_bytes(b"text,label\ngood,1\n");
    bench.data(json!({ "path": "reviews.csv", "sha256": hash.to_uppercase() })).unwrap();
    let other = "0".repeat(64);
    says(bench.data(json!({ "path": "reviews.csv", "sha256": other })), &[&hash, &other, "not what was pinned", "(4)"]);
    says(bench.data(json!({ "path": "model", "sha256": other })), &["the path is a folder", "(3)"]);
}

#[test]
fn archives_are_unpacked_once_and_again_when_damaged() {
    let bench = Bench::new();
    let bytes = zip(&[("p/data/a.csv", b"text,label\n"), ("p/code.py", b"")]);
    bench.write("a.zip", &bytes);
    bench.data(json!({ "path": "a.zip", "inside": "p/data/a.csv" })).unwrap();
    let entry = format!("cache/unpacked/v1-{}/files", digest::of_bytes(&bytes));
    assert_eq!(bench.list(&entry), ["p/code.py", "p/data/a.csv"]);
    // What is unpacked is used as it is …
    bench.write(&format!("{entry}/p/data/a.csv"), b"TEXT,LABEL\n");
    bench.data(json!({ "path": "a.zip", "inside": "p/data" })).unwrap();
    assert_eq!(bench.read("out/raw/a.csv"), "TEXT,LABEL\n");
    // … unless a file is missing or has another size.
    bench.write(&format!("{entry}/p/data/a.csv"), b"text");
    bench.data(json!({ "path": "a.zip", "inside": "p/data" })).unwrap();
    assert_eq!(bench.read("out/raw/a.csv"), "text,label\n");
    assert_eq!(bench.list("cache/tmp"), Vec::<String>::new());
}

#[test]
fn hostile_archives_leave_nothing_behind() {
    let bench = Bench::new();
    bench.write("a.zip", &zip(&[("good.csv", b"1"), ("../../../x", b"2")]));
    says(bench.data(json!({ "path": "a.zip" })), &["a.zip has an entry \"../../../x\"", "(4)"]);
    bench.write("bomb.zip", &zip(&[("a", &vec![0; 2 << 20])]));
    says(bench.data(json!({ "path": "bomb.zip" })), &["unpacks to more than 1 MiB", "fetch.max_unpacked_mib", "(4)"]);
    bench.write("not.zip", b"text,label");
    says(bench.data(json!({ "path": "not.zip" })), &["not.zip is neither a zip nor a tar.gz", "(4)"]);
    assert!(bench.list("cache/unpacked").is_empty() && bench.list("cache/tmp").is_empty());
}

#[test]
fn a_split_archive_is_joined_by_name() {
    let bench = Bench::new();
    let bytes = zip(&[("model/config.json", b"{}"), ("model/model.safetensors", &[7; 5000])]);
    for (index, part) in bytes.chunks(bytes.len() / 10).enumerate() {
        bench.write(&format!("parts/package-{index}/input/m.zip.{index}"), part);
    }
    bench.write("parts/readme.txt", b"not a part");
    let source = json!({ "path": "parts", "join": "*/input/m.zip.*", "inside": "model" });
    bench.model(source).unwrap();
    assert_eq!(bench.list("out/pretrained"), ["config.json", "model.safetensors"]);
    says(bench.model(json!({ "path": "parts", "join": "m.zap.*" })), &["`model.join` = \"m.zap.*\"", "m.zip.0"]);
    std::fs::remove_file(bench.path("parts/package-3/input/m.zip.3")).unwrap();
    says(bench.model(json!({ "path": "parts", "join": "m.zip.*" })), &["m.zip.2 + m.zip.4", "(4)"]);
}

#[test]
fn a_model_must_be_one() {
    let bench = Bench::new();
    bench.write("empty/notes.txt", b"");
    says(bench.model(json!({ "path": "empty" })), &["neither config.json nor weights", "there are: notes.txt", "(4)"]);
    bench.write("deep/bert/config.json", b"{}");
    bench.write("deep/bert/model.safetensors", b"w");
    says(bench.model(json!({ "path": "deep" })), &["set model.inside = \"bert\""]);
    bench.write("config/config.json", b"{}");
    says(bench.model(json!({ "path": "config" })), &["no weights", "(4)"]);
    bench.write("config/model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
    says(bench.model(json!({ "path": "config" })), &["Git LFS pointer", "git lfs pull", "(4)"]);
    bench.write("config/config.json", b"<html>");
    says(bench.model(json!({ "path": "config" })), &["config.json is not valid", "line 1", "(4)"]);
    bench.write("shards/config.json", b"{}");
    bench.write("shards/model.safetensors.index.json", br#"{"weight_map": {"a": "model-1-of-2.safetensors"}}"#);
    says(bench.model(json!({ "path": "shards" })), &["names model-1-of-2.safetensors, which is not there", "(4)"]);
    bench.write("shards/model-1-of-2.safetensors", b"w");
    bench.model(json!({ "path": "shards" })).unwrap();
}

#[test]
fn an_adapter_is_refused_and_a_sentence_model_is_followed() {
    let bench = Bench::new();
    let adapter =
        json!({ "peft_type": "LORA", "base_model_name_or_path": "google-bert/bert-base-uncased" }).to_string();
    bench.write("adapter/adapter_config.json", adapter.as_bytes());
    bench.write("adapter/adapter_model.safetensors", b"w");
    bench.write("adapter/tokenizer.json", b"{}");
    says(
        bench.model(json!({ "path": "adapter" })),
        &[
            "`model` is a PEFT adapter (LORA) for google-bert/bert-base-uncased, not a whole model",
            "hint: merge it",
            "(4)",
        ],
    );
    // Nor are they when files of it are picked by hand.
    says(bench.model(json!({ "path": "adapter", "files": "*" })), &["is a PEFT adapter", "(4)"]);

    let modules = json!([{ "type": "sentence_transformers.models.BERT", "path": "0_BERT" }]).to_string();
    bench.write("sentences/modules.json", modules.as_bytes());
    bench.write("sentences/config.json", b"{\"__version__\": \"0.3.0\"}");
    bench.write("sentences/0_BERT/config.json", b"{\"model_type\": \"bert\"}");
    bench.write("sentences/0_BERT/model.safetensors", b"w");
    bench.model(json!({ "path": "sentences" })).unwrap();
    assert_eq!(bench.list("out/pretrained"), ["config.json", "model.safetensors"]);
    assert!(bench.read("out/pretrained/config.json").contains("bert"));
}

#[test]
fn only_what_a_model_needs_is_taken_unless_files_says_more() {
    let bench = Bench::new();
    bench.write("model/optimizer.pt", b"large");
    bench.write("model/onnx/model.onnx", b"large");
    bench.write("model/tokenizer.json", b"{}");
    bench.model(json!({ "path": "model" })).unwrap();
    assert_eq!(bench.list("out/pretrained"), ["config.json", "model.safetensors", "tokenizer.json"]);
    bench.model(json!({ "path": "model", "files": ["*.json", "model.*"] })).unwrap();
    assert_eq!(bench.list("out/pretrained"), ["config.json", "model.safetensors", "onnx/model.onnx", "tokenizer.json"]);
}

#[test]
fn picks_that_match_nothing_say_what_is_there() {
    let bench = Bench::new();
    says(
        bench.data(json!({ "path": "model", "files": "*.csv" })),
        &["`data.files` = [\"*.csv\"]", "config.json", "(4)"],
    );
    says(
        bench.data(json!({ "path": "model", "inside": "conf.json" })),
        &["`data.inside`", "there are: config.json", "(4)"],
    );
    std::fs::create_dir(bench.path("void")).unwrap();
    says(bench.data(json!({ "path": "void" })), &["`data` has no files", "(4)"]);
    says(bench.data(json!({ "path": "." })), &["holds this run's own directories", "(3)"]);
}

#[test]
fn packages_that_hold_the_same_path_are_told_apart_or_refused() {
    let bench = Bench::new();
    bench.write("parts/a/x.csv", b"text,label\n");
    let home = bench.path("");
    let io = super::stage_io_in(&home);
    let mut tree = crate::tree::Tree::walk(&home.join("parts/a")).unwrap();
    tree.files.extend(tree.files.clone());
    let found = crate::source::Found { files: tree.files, downloads: Vec::new(), commit: None };
    let source = serde_json::from_value(json!({ "path": "x" })).unwrap();
    let error = crate::output::write(&source, found, crate::source::Role::Data, &io).unwrap_err();
    assert!(error.render().contains("two files that would both be x.csv"));
}

#[cfg(unix)]
#[test]
fn pipes_are_not_waited_for() {
    let bench = Bench::new();
    let made = std::process::Command::new("mkfifo").arg(bench.path("model/pipe")).status().unwrap();
    assert!(made.success());
    says(bench.data(json!({ "path": "model" })), &["pipe is neither a file nor a directory", "(4)"]);
    says(bench.data(json!({ "path": "model/pipe" })), &["is neither a file nor a directory", "(4)"]);
}
