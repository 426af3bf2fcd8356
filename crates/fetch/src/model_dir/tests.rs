//! Directories as people have them, each called what it is.

use std::fs;

use serde_json::json;

use super::*;

/// A place with these files; those with JSON can be read.
fn place(asker: Asker<'_>, files: &[(&str, Value)]) -> Result<Choice, String> {
    let read = |name: &str| {
        let found = files.iter().find(|(path, _)| *path == name);
        Ok(found.unwrap_or_else(|| panic!("{name} is not there")).1.clone())
    };
    let names = files.iter().map(|(path, _)| (*path).to_owned()).collect();
    choose(&Place { asker, names, read: &read }).map_err(|error| error.render())
}

fn stage(files: &[(&str, Value)]) -> Result<Choice, String> {
    place(Asker::Stage, files)
}

/// Files without contents that matter.
fn named<'a>(names: &[&'a str]) -> Vec<(&'a str, Value)> {
    names.iter().map(|name| (*name, json!({}))).collect()
}

#[track_caller]
fn refused(files: &[(&str, Value)], expected: &[&str]) {
    let error = stage(files).expect_err("this is no checkpoint");
    for text in expected {
        assert!(error.contains(text), "expected {text:?} in:\n{error}");
    }
}

#[test]
fn a_checkpoint_is_taken_as_it_is() {
    for weights in ["model.safetensors", "pytorch_model.bin"] {
        let files =
            [weights, "config.json", "onnx/model.onnx", "tf_model.h5", "model.Q4.gguf", "vocab.txt", "README.md"];
        let choice = stage(&named(&files)).unwrap();
        let taken: Vec<_> = choice.files.into_iter().map(|(_, to)| to).collect();
        assert_eq!(taken, [weights, "config.json", "vocab.txt", "README.md"]);
        assert!(choice.sentence.is_none());
    }
    // A merged model keeps what it was merged from.
    assert!(stage(&named(&["config.json", "model.safetensors", "adapter_config.json"])).is_ok());
    assert!(stage(&[("config.json", json!({"quantization_config": null})), ("model.safetensors", json!(0))]).is_ok());
}

#[test]
fn an_adapter_names_its_base() {
    let adapter = json!({"peft_type": "LORA", "base_model_name_or_path": "google-bert/bert-base-uncased"});
    let files = [("adapter_config.json", adapter.clone()), ("adapter_model.safetensors", json!(0))];
    refused(
        &files,
        &[
            "`model` is a PEFT adapter (LORA) for google-bert/bert-base-uncased, not a whole model (adapter_config.json)",
            "merge_and_unload()",
            "fetch.model = { hub = \"google-bert/bert-base-uncased\" }",
        ],
    );
    // Some bring the base's configuration along.
    refused(&[("adapter_config.json", adapter), ("config.json", json!({"model_type": "bert"}))], &["PEFT adapter"]);
    refused(
        &[("adapter_config.json", json!({"base_model_name_or_path": null}))],
        &["is an adapter, not", "the base that"],
    );
    let local = json!({"peft_type": "LORA", "base_model_name_or_path": "/home/me/bert"});
    refused(&[("adapter_config.json", local)], &["(LORA) for /home/me/bert, not", "the base that it was made for"]);
    let hostile = json!({"peft_type": "\u{1b}[31m", "base_model_name_or_path": "a".repeat(10_000)});
    refused(&[("adapter_config.json", hostile)], &["`model` is an adapter, not a whole model"]);
}

#[test]
fn quantised_weights_are_called_so() {
    let with = |settings: Value| {
        let config = json!({"model_type": "bert", "_name_or_path": "org/full", "quantization_config": settings});
        [("config.json", config), ("model.safetensors", json!(0))]
    };
    for (settings, expected) in [
        (json!({"quant_method": "bitsandbytes", "load_in_4bit": true}), "(bitsandbytes, 4 bits; see"),
        (json!({"load_in_8bit": true, "load_in_4bit": false}), "(bitsandbytes, 8 bits; see"),
        (json!({"quant_method": "gptq", "bits": 4}), "(gptq, 4 bits; see"),
        (json!({"quant_method": "awq", "w_bit": 4}), "(awq, 4 bits; see"),
        (json!({"quant_method": "fp8"}), "(fp8; see"),
        (json!({}), "(by an unknown method; see"),
    ] {
        refused(
            &with(settings),
            &[expected, "cannot be fine-tuned", "in full precision, probably org/full", "dequantize()"],
        );
    }
    refused(
        &named(&["config.json", "quantize_config.json", "gptq_model-4bit-128g.safetensors"]),
        &["quantised weights"],
    );
    refused(
        &named(&["config.json", "quant_config.json", "model.safetensors"]),
        &["quantised weights", "quant_config.json"],
    );
}

#[test]
fn other_forms_of_weights_are_named_with_the_way_from_them() {
    for (weights, expected) in [
        (&["tf_model.h5"][..], ["has only TensorFlow weights", "from_tf=True"]),
        (&["bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"], ["TensorFlow weights", "from_tf=True"]),
        (&["flax_model.msgpack"], ["has only Flax weights", "from_flax=True"]),
        (&["flax_model.msgpack", "tf_model.h5"], ["has only TensorFlow weights and Flax weights", "from_tf=True"]),
        (&["onnx/model.onnx", "onnx/config.json"], ["has only an ONNX export", "exported from"]),
        (&["model_quantized.onnx"], ["has only an ONNX export", "exported from"]),
        (&["bert.Q4_K_M.gguf", "bert.Q8_0.gguf"], ["has only GGUF weights", "full precision"]),
        (&["openvino_model.xml", "openvino_model.bin"], ["has only an OpenVINO export", "exported from"]),
    ] {
        for config in [true, false] {
            let mut files = named(weights);
            files.extend(config.then(|| ("config.json", json!({}))));
            refused(&files, &expected);
        }
    }
}

#[test]
fn several_models_are_listed() {
    let several =
        named(&["b/config.json", "b/pytorch_model.bin", "a/config.json", "a/model.safetensors", "c/config.json"]);
    refused(&several, &["`model` holds several models, in b, a", "for the one in b, set model.inside = \"b\""]);
    let one = named(&["notes.txt", "deep/bert/config.json", "deep/bert/model.safetensors", "onnx/model.onnx"]);
    refused(&one, &["neither config.json nor weights", "set model.inside = \"deep/bert\""]);
    let hint = |asker| place(asker, &one).unwrap_err();
    assert!(hint(Asker::Directory("run")).contains("did you mean run/deep/bert?"));
    assert!(hint(Asker::Hub("a/b")).contains("fetch.model = { hub = \"a/b\", inside = \"deep/bert\" }"));
}

fn modules(kinds: &[(&str, &str)]) -> Value {
    let module =
        |(kind, path): &(&str, &str)| json!({"type": format!("sentence_transformers.models.{kind}"), "path": path});
    Value::Array(kinds.iter().map(module).collect())
}

#[test]
fn a_sentence_model_is_followed_to_its_transformer() {
    let list = modules(&[("BERT", "0_BERT"), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]);
    let pooling =
        json!({"pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true, "word_embedding_dimension": 32});
    let files = [
        ("modules.json", list),
        ("config.json", json!({"__version__": "0.3.0"})),
        ("README.md", json!(0)),
        ("LICENSE", json!(0)),
        ("0_BERT/README.md", json!(0)),
        ("0_BERT/config.json", json!({"model_type": "bert"})),
        ("0_BERT/pytorch_model.bin", json!(0)),
        ("0_BERT/vocab.txt", json!(0)),
        ("1_Pooling/config.json", pooling),
    ];
    let choice = stage(&files).unwrap();
    let expected = [
        ("0_BERT/README.md", "README.md"),
        ("0_BERT/config.json", "config.json"),
        ("0_BERT/pytorch_model.bin", "pytorch_model.bin"),
        ("0_BERT/vocab.txt", "vocab.txt"),
        ("LICENSE", "LICENSE"),
    ];
    assert_eq!(choice.files, expected.map(|(path, to)| (path.to_owned(), to.to_owned())));
    let note = choice.sentence.unwrap().note().unwrap();
    assert_eq!(
        note,
        "a sentence-transformers model with its transformer in 0_BERT; it pools by mean, as `train.pooling = \"mean\"` does"
    );
}

#[test]
fn pooling_is_told_in_every_spelling() {
    for (pooling, expected) in [
        (json!({"pooling_mode_mean_tokens": true, "include_prompt": true}), Some("pools by mean, as `train.pooling")),
        (json!({"pooling_mode": "mean"}), Some("pools by mean, as `train.pooling")),
        (json!({"pooling_mode_cls_token": true}), Some("pools by cls")),
        (json!({"pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true}), Some("pools by mean and max")),
        (json!({}), None),
        (json!([]), None),
    ] {
        let files = [
            ("modules.json", modules(&[("Transformer", ""), ("Pooling", "1_Pooling")])),
            ("config.json", json!({})),
            ("model.safetensors", json!(0)),
            ("1_Pooling/config.json", pooling),
        ];
        let choice = stage(&files).unwrap();
        assert_eq!(choice.files.len(), 2);
        let note = choice.sentence.unwrap().note();
        assert_eq!(note.is_some(), expected.is_some(), "{note:?}");
        assert!(note.unwrap_or_default().contains(expected.unwrap_or_default()));
    }
}

#[test]
fn a_sentence_model_without_a_transformer_is_refused() {
    let files = [("modules.json", modules(&[("StaticEmbedding", "")])), ("model.safetensors", json!(0))];
    refused(&files, &["whose first module is StaticEmbedding, which is not a transformer"]);
    // Nor does a path lead out of the place.
    let files = [("modules.json", modules(&[("Transformer", "../other")])), ("config.json", json!({}))];
    refused(&files, &["neither config.json nor weights"]);
    // An adapter on a sentence model is an adapter.
    let adapter = json!({"peft_type": "LORA", "base_model_name_or_path": "org/sentences"});
    let files = [("modules.json", modules(&[("Transformer", "")])), ("adapter_config.json", adapter)];
    refused(&files, &["is a PEFT adapter (LORA) for org/sentences"]);
    for odd in [json!({}), json!([]), json!("x")] {
        assert!(stage(&[("modules.json", odd), ("config.json", json!({})), ("model.safetensors", json!(0))]).is_ok());
    }
    // What is in the folder is looked at as anything else is.
    let files = [
        ("modules.json", modules(&[("Transformer", "0_Transformer")])),
        ("0_Transformer/config.json", json!({})),
        ("0_Transformer/tf_model.h5", json!(0)),
    ];
    refused(&files, &["has only TensorFlow weights"]);
}

#[test]
fn a_directory_here_is_looked_at_alike() {
    let home = tempfile::tempdir().unwrap();
    let write = |path: &str, value: Value| {
        let path = home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value.to_string()).unwrap();
    };
    write("modules.json", modules(&[("Transformer", "0_Transformer")]));
    write("0_Transformer/config.json", json!({}));
    write("0_Transformer/model.safetensors", json!(0));
    let found = local_model(home.path()).unwrap();
    assert_eq!(found.directory, home.path().join("0_Transformer"));
    assert_eq!(found.sentence_model.unwrap(), "a sentence-transformers model with its transformer in 0_Transformer");
    assert_eq!(local_model(&found.directory).unwrap(), LocalModel { directory: found.directory, sentence_model: None });
    assert!(
        local_model(&home.path().join("nowhere")).unwrap_err().render().contains("neither config.json nor weights")
    );
}
