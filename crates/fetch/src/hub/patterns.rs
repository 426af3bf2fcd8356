//! Which files of a repository or folder matter when the configuration does not say.

/// Files of a model that hold no weights.
const MODEL_FILES: [&str; 14] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
    "sentencepiece.model",
    "sentencepiece.bpe.model",
    "bpe.codes",
];

/// The licence that the weights come under goes with them, and the card says whose work they are.
const ABOUT_FILES: [&str; 6] = ["README.md", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", "NOTICE.txt"];

/// Extensions of the formats that the `clean` stage reads; text formats may also be compressed with gzip.
const DATA_ENDINGS: [&str; 8] = [".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet", ".pq"];

/// Extensions of Arrow files and streams, which it reads too.
const ARROW_ENDINGS: [&str; 4] = [".arrow", ".arrows", ".feather", ".ipc"];

/// What names the classes of the Arrow files beside it, if they do not.
const ARROW_INFO: &str = "dataset_info.json";

/// Files that describe a data set but hold no rows.
const DATA_EXCEPT: [&str; 6] =
    ["dataset_infos.json", ARROW_INFO, "dataset_dict.json", "state.json", "package.json", "metadata.json"];

/// The files of a model: configuration, tokenizer, and its weights in one form.
///
/// Safetensors are preferred to pickles, and one file to shards. Only the top folder counts: folders below it hold exports to
/// other formats, and modules of other libraries.
pub(crate) fn model<'a>(files: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let top: Vec<_> = files.filter(|path| !path.contains('/')).collect();
    let has = |name: &str| top.contains(&name);
    let shards = |stem: &'static str, ending: &'static str| {
        move |name: &str| {
            let middle = name.strip_prefix(stem).and_then(|rest| rest.strip_suffix(ending));
            middle.and_then(|middle| middle.strip_prefix('-')).is_some_and(|middle| middle.contains("-of-"))
        }
    };
    let weights: Box<dyn Fn(&str) -> bool> = if has("model.safetensors") {
        Box::new(|name| name == "model.safetensors")
    } else if has("model.safetensors.index.json") {
        let shard = shards("model", ".safetensors");
        Box::new(move |name| name == "model.safetensors.index.json" || shard(name))
    } else if has("pytorch_model.bin") {
        Box::new(|name| name == "pytorch_model.bin")
    } else {
        let shard = shards("pytorch_model", ".bin");
        Box::new(move |name| name == "pytorch_model.bin.index.json" || shard(name))
    };
    top.iter().copied().filter(|name| MODEL_FILES.contains(name) || is_about(name) || weights(name)).collect()
}

/// Whether a file says whose work a model is, and under which licence it comes.
pub(crate) fn is_about(name: &str) -> bool {
    ABOUT_FILES.contains(&name)
}

/// The tables of a data set, and what describes those of Arrow.
pub(crate) fn data<'a>(files: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let all: Vec<&str> = files.collect();
    let ends = |name: &str, endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let has_arrow = all.iter().any(|path| ends(&path.to_lowercase(), &ARROW_ENDINGS));
    let wanted = |path: &&str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let hidden = path.split('/').any(|part| part.starts_with('.'));
        let lower = name.to_lowercase();
        let plain = lower.strip_suffix(".gz").unwrap_or(&lower);
        let table = ends(&lower, &ARROW_ENDINGS) || ends(plain, &DATA_ENDINGS) && !DATA_EXCEPT.contains(&name);
        !hidden && (table || has_arrow && name == ARROW_INFO)
    };
    all.iter().copied().filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_its_weights_once() {
        let all = [
            "config.json",
            "model.safetensors",
            "pytorch_model.bin",
            "tf_model.h5",
            "tokenizer.json",
            "vocab.txt",
            "onnx/model.onnx",
            "1_Pooling/config.json",
        ];
        assert_eq!(model(all.into_iter()), ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt"]);
        let pickles = all.into_iter().filter(|name| *name != "model.safetensors");
        assert_eq!(model(pickles), ["config.json", "pytorch_model.bin", "tokenizer.json", "vocab.txt"]);
        let sharded = [
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "model-old.safetensors",
            "pytorch_model.bin",
        ];
        assert_eq!(model(sharded.into_iter()), &sharded[..3]);
    }

    #[test]
    fn data_brings_its_tables() {
        let tables = ["data/train-0.parquet", "test.CSV", "train.jsonl.gz"];
        let others = ["README.md", ".gitattributes", "dataset_infos.json", "x.py", "images.tar.gz"];
        assert_eq!(data(others.into_iter().chain(tables)), tables);
    }

    #[test]
    fn arrow_data_brings_its_descriptions() {
        let wanted = ["train/data-00000-of-00001.arrow", "train/dataset_info.json", "x.feather", "y.ARROWS", "z.ipc"];
        let others = ["dataset_dict.json", "train/state.json", ".cache/x.arrow"];
        assert_eq!(data(others.into_iter().chain(wanted)), wanted);
        assert_eq!(data(["dataset_info.json", "x.csv"].into_iter()), ["x.csv"]);
    }
}
