//! What is no checkpoint, called what it is, with a way forward.

use firebrand_pipeline::{Error, Result, closest_first};
use serde_json::Value;

use super::{Place, WEIGHTS, printable};

/// Weights in a form that cannot be trained from, or not without a conversion.
struct Form {
    what: &'static str,
    is: fn(&str) -> bool,
    way: &'static str,
}

const EXPORTED: &str = "fetch the model that it was exported from: it has a model.safetensors or pytorch_model.bin";

const FORMS: [Form; 8] = [
    Form {
        what: "TensorFlow weights",
        is: |name| {
            name.starts_with("tf_model") && name.ends_with(".h5")
                || name.ends_with(".ckpt.index")
                || name.ends_with("saved_model.pb")
        },
        way: "convert them once in Python (transformers 4, which still reads them): \
              `AutoModel.from_pretrained(DIR, from_tf=True).save_pretrained(DIR)`",
    },
    Form {
        what: "Flax weights",
        is: |name| name.starts_with("flax_model") && name.ends_with(".msgpack"),
        way: "convert them once in Python (transformers 4, which still reads them): \
              `AutoModel.from_pretrained(DIR, from_flax=True).save_pretrained(DIR)`",
    },
    Form { what: "an ONNX export", is: |name| name.ends_with(".onnx"), way: EXPORTED },
    Form {
        what: "GGUF weights",
        is: |name| name.ends_with(".gguf") || name.starts_with("ggml"),
        way: "they are quantised for llama.cpp: fetch the model that they were made from, in full precision",
    },
    Form { what: "an OpenVINO export", is: |name| name.ends_with("openvino_model.xml"), way: EXPORTED },
    Form {
        what: "a Core ML export",
        is: |name| name.contains(".mlpackage") || name.ends_with(".mlmodel"),
        way: EXPORTED,
    },
    Form { what: "a TensorFlow Lite export", is: |name| name.ends_with(".tflite"), way: EXPORTED },
    Form { what: "weights of rust-bert", is: |name| name.ends_with("rust_model.ot"), way: EXPORTED },
];

/// Refuses a folder of a place unless it holds a checkpoint. `below` is the folder with a slash, or empty; `names` are the
/// files in it.
pub(super) fn check(place: &Place<'_>, below: &str, names: &[&str]) -> Result<()> {
    let has = |name: &str| names.contains(&name);
    let read = |name: &str| (place.read)(&format!("{below}{name}"));
    let weights = WEIGHTS.into_iter().find(|name| has(name));
    if weights.is_none() && has("adapter_config.json") {
        return Err(adapter(place, &read("adapter_config.json")?));
    }
    let config = if has("config.json") { Some(read("config.json")?) } else { None };
    if config.as_ref().is_some_and(|config| !config.is_object()) {
        return Err(
            Error::data("the model's config.json is not a JSON object").hint("is it a model in the hub's layout?")
        );
    }
    if let Some(how) = quantised(config.as_ref(), &has) {
        return Err(quantised_weights(place, &how, config.as_ref()));
    }
    match (weights, &config) {
        (Some(weights), Some(_)) if weights.ends_with(".index.json") => shards(&read(weights)?, weights, has),
        (Some(_), Some(_)) => Ok(()),
        (None, config) => Err(no_weights(place, names, config.is_some())),
        (Some(_), None) => Err(incomplete(place, names, "no config.json")),
    }
}

fn adapter(place: &Place<'_>, config: &Value) -> Error {
    let text = |key: &str| printable(config.get(key)?);
    // AdapterHub's files are called alike and have no `peft_type`.
    let base = text("base_model_name_or_path").or_else(|| text("model_name"));
    let kind = match text("peft_type") {
        Some(kind) => format!("a PEFT adapter ({kind})"),
        None => "an adapter".to_owned(),
    };
    let of = base.map(|base| format!(" for {base}")).unwrap_or_default();
    let error = place.asker.error(&format!("is {kind}{of}, not a whole model (adapter_config.json)")).hint(
        "merge it into its base in Python, and fetch the result: \
         `AutoPeftModelForSequenceClassification.from_pretrained(DIR).merge_and_unload().save_pretrained(MERGED)`",
    );
    match base {
        Some(base) if is_hub_name(base) => {
            error.hint(format!("or start from the base: fetch.model = {{ hub = \"{base}\" }}"))
        }
        _ => error.hint("or start from the base that it was made for"),
    }
}

/// Whether a model's name is one of the hub, and not a path on the machine of whoever wrote it.
fn is_hub_name(name: &str) -> bool {
    name.matches('/').count() <= 1 && !name.starts_with(['/', '.', '~']) && !name.contains('\\')
}

/// How the weights are quantised, as `config.json` or a file beside it says.
fn quantised(config: Option<&Value>, has: &impl Fn(&str) -> bool) -> Option<String> {
    let Some(settings) = config.and_then(|config| config.get("quantization_config")).filter(|value| value.is_object())
    else {
        // Files of AutoGPTQ and AutoAWQ before `config.json` held this.
        let file = ["quantize_config.json", "quant_config.json"].into_iter().find(|name| has(name))?;
        return Some(format!("{file} says so"));
    };
    let is = |key: &str| settings.get(key).and_then(Value::as_bool) == Some(true);
    let method = match settings.get("quant_method").and_then(printable) {
        Some(method) => method,
        None if is("load_in_4bit") || is("load_in_8bit") => "bitsandbytes",
        None => "by an unknown method",
    };
    let stated = ["bits", "w_bit"].iter().find_map(|key| settings.get(key)?.as_u64());
    let bits = stated.or(is("load_in_4bit").then_some(4)).or(is("load_in_8bit").then_some(8));
    let bits = bits.map(|bits| format!(", {bits} bits")).unwrap_or_default();
    Some(format!("{method}{bits}; see `quantization_config` in config.json"))
}

fn quantised_weights(place: &Place<'_>, how: &str, config: Option<&Value>) -> Error {
    let base = config.and_then(|config| printable(config.get("_name_or_path")?)).filter(|base| is_hub_name(base));
    let base = base.map(|base| format!(", probably {base}")).unwrap_or_default();
    place
        .asker
        .error(&format!("has quantised weights ({how}), which cannot be fine-tuned here"))
        .hint(format!("fetch the model that it was made from, in full precision{base}"))
        .hint(
            "or write its weights in full precision in Python: `model.dequantize()`, then `model.save_pretrained(DIR)`",
        )
}

fn no_weights(place: &Place<'_>, names: &[&str], has_config: bool) -> Error {
    let forms: Vec<_> = FORMS.iter().filter(|form| names.iter().any(|name| (form.is)(name))).collect();
    match (folders(names), forms.as_slice()) {
        (Folders { whole: true, folders }, _) | (Folders { folders, .. }, []) if folders.len() > 1 => {
            several(place, &folders)
        }
        (Folders { whole: false, .. }, [first, ..]) => {
            let whats: Vec<_> = forms.iter().map(|form| form.what).collect();
            place.asker.error(&format!("has only {}", whats.join(" and "))).hint(first.way)
        }
        _ if has_config => incomplete(place, names, "no weights (model.safetensors or pytorch_model.bin)"),
        _ => incomplete(place, names, "neither config.json nor weights (model.safetensors or pytorch_model.bin)"),
    }
}

/// Folders that may hold a model.
struct Folders<'a> {
    folders: Vec<&'a str>,
    /// Whether they have weights too, not only a configuration.
    whole: bool,
}

fn folders<'a>(names: &[&'a str]) -> Folders<'a> {
    let with = |file: &str| -> Vec<&'a str> {
        names.iter().filter_map(|name| name.strip_suffix(file)?.strip_suffix('/')).collect()
    };
    // Modules of sentence-transformers have a config.json too.
    let is_module = |folder: &&str| ["_Pooling", "_Dense", "_Normalize"].iter().any(|module| folder.ends_with(module));
    let configured: Vec<_> = with("config.json").into_iter().filter(|folder| !is_module(folder)).collect();
    let weighted: Vec<_> = WEIGHTS.into_iter().flat_map(with).collect();
    let whole: Vec<_> = configured.iter().copied().filter(|folder| weighted.contains(folder)).collect();
    if whole.is_empty() {
        Folders { folders: configured, whole: false }
    } else {
        Folders { folders: whole, whole: true }
    }
}

fn several(place: &Place<'_>, folders: &[&str]) -> Error {
    const SHOWN: usize = 8;
    let more = folders.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let shown: Vec<_> = folders.iter().copied().take(SHOWN).collect();
    place
        .asker
        .error(&format!("holds several models, in {}{more}", shown.join(", ")))
        .hint(place.asker.inside(shown.first().unwrap_or(&"")))
}

fn incomplete(place: &Place<'_>, names: &[&str], lacks: &str) -> Error {
    let error = place
        .asker
        .error(&format!("is not a model's directory: it has {lacks}"))
        .hint(closest_first("config.json", names.iter().copied()));
    match folders(names).folders.as_slice() {
        [] => error,
        [folder, ..] => error.hint(place.asker.inside(folder)),
    }
}

/// Checks that the files that an index names are there.
fn shards(index: &Value, name: &str, has: impl Fn(&str) -> bool) -> Result<()> {
    let shards = index.get("weight_map").and_then(Value::as_object);
    let shards = shards.ok_or_else(|| Error::data(format!("the model's {name} has no `weight_map`")))?;
    match shards.values().filter_map(Value::as_str).find(|shard| !has(shard)) {
        Some(missing) => Err(Error::data(format!("the model's {name} names {missing}, which is not there"))
            .hint("a shard is missing: fetch the model again, or add it to `files`")),
        None => Ok(()),
    }
}
