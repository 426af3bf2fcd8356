//! An inspection as text: a key and a value per line.

use firebrand_arch::{HeadFacts, ModelFacts, Pooling, SizeFacts};
use firebrand_pipeline::thousands;

use crate::inspection::Inspection;
use crate::tokenizer::Tokenizer;

/// Maximum number of names in a line.
const SHOWN: usize = 6;

/// The text of an inspection of what the user called `name`.
pub(crate) fn of(name: &str, inspection: &Inspection) -> String {
    let Inspection { model, labels, .. } = inspection;
    let mut lines = vec![("model", name.to_owned())];
    lines.extend(inspection.commit.iter().map(|commit| ("commit", commit.clone())));
    lines.extend(inspection.sentence_model.iter().map(|sentence| ("", sentence.clone())));
    lines.push(("family", family(model)));
    lines.push(("layers", layers(&model.sizes)));
    lines.push(("vocabulary", vocabulary(&model.sizes)));
    let max_length = model.sizes.max_length;
    lines.push(("max length", max_length.map_or("unlimited".to_owned(), |length| format!("{} tokens", count(length)))));
    let parameters = model.parameters;
    let (encoder, head) = (thousands(parameters.encoder), thousands(parameters.head));
    lines.push(("parameters", format!("{encoder} in the encoder, {head} in a head for {labels} labels")));
    lines.push(("weights", weights(model)));
    let left_out = &model.weights.left_out;
    if !left_out.is_empty() {
        lines.push(("left out", format!("{} of the tensors: {}", left_out.len(), list(left_out))));
    }
    lines.extend(
        inspection
            .tokenizer
            .iter()
            .flat_map(|tokenizer| [("tokenizer", self::tokenizer(tokenizer)), ("", special_tokens(tokenizer))]),
    );
    if let Some(problem) = &inspection.tokenizer_problem {
        let fits = inspection.tokenizer.is_some();
        let (key, what) = if fits { ("", "does not match this model") } else { ("tokenizer", "none that can be used") };
        lines.push((key, format!("{what}: {problem}")));
    }
    lines.push(("licence", licence(inspection)));
    lines.push(("labels", self::labels(model)));
    lines.push(("new head", format!("for {labels} labels, over {}", pooled(model.head.pooling))));
    lines.extend(head_tensors(&model.head).into_iter().map(|line| ("", line)));
    lines.iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| format!("{key:<11}  {text}\n")).collect()
}

fn family(model: &ModelFacts) -> String {
    let other =
        if model.model_type == model.family { String::new() } else { format!(" (model_type {})", model.model_type) };
    let saved = model.saved_from.as_ref().filter(|saved| *saved != model.architecture);
    let saved = saved.map(|saved| format!(", saved from {saved}")).unwrap_or_default();
    format!("{}{other}, class {}{saved}", model.family, model.architecture)
}

fn layers(sizes: &SizeFacts) -> String {
    let shared = if sizes.distinct_layers == sizes.layers {
        String::new()
    } else {
        format!(" that share the parameters of {}", sizes.distinct_layers)
    };
    let (hidden, heads, inner) = (count(sizes.hidden), sizes.heads, count(sizes.intermediate));
    format!("{}{shared}, hidden size {hidden}, {heads} attention heads, intermediate size {inner}", sizes.layers)
}

fn vocabulary(sizes: &SizeFacts) -> String {
    let width = sizes.embedding;
    let narrow = if width == sizes.hidden { String::new() } else { format!(", embeddings of size {}", count(width)) };
    format!("{} tokens{narrow}", count(sizes.vocabulary))
}

fn weights(model: &ModelFacts) -> String {
    let weights = &model.weights;
    let files = if weights.files > 1 { format!(" ({} files)", weights.files) } else { String::new() };
    let kinds = match weights.kinds.iter().collect::<Vec<_>>().as_slice() {
        [(kind, _)] => format!("of {kind}"),
        kinds => {
            let each: Vec<_> = kinds.iter().map(|(kind, tensors)| format!("{tensors} of {kind}")).collect();
            format!("({})", each.join(", "))
        }
    };
    format!("{}{files}: {} tensors {kinds}, {} bytes", weights.file, count(weights.tensors), thousands(weights.bytes))
}

fn tokenizer(tokenizer: &Tokenizer) -> String {
    let from = if tokenizer.built_from_vocabulary { "built from vocabulary files" } else { "tokenizer.json" };
    let length = tokenizer
        .max_length
        .map_or("texts of any length".to_owned(), |length| format!("texts of up to {} tokens", count(length)));
    let (algorithm, size, side) = (tokenizer.algorithm, count(tokenizer.vocabulary), tokenizer.padding_side);
    format!("{algorithm} of {size} tokens ({from}), {length}, padding on the {side}")
}

/// `[CLS] 101 (cls)`, by id.
fn special_tokens(tokenizer: &Tokenizer) -> String {
    let mut shown: Vec<(u32, &str, Vec<&str>)> = Vec::new();
    for token in &tokenizer.special_tokens {
        let role = token.role.trim_end_matches("_token");
        match shown.last_mut().filter(|(id, ..)| *id == token.id) {
            Some((.., roles)) => roles.push(role),
            None => shown.push((token.id, &token.content, vec![role])),
        }
    }
    let each: Vec<_> =
        shown.iter().map(|(id, content, roles)| format!("{content} {id} ({})", roles.join(", "))).collect();
    each.join(", ")
}

fn licence(inspection: &Inspection) -> String {
    match (&inspection.licence, inspection.licence_text) {
        (Some(licence), _) => format!("{} ({})", licence.name, licence.file),
        (None, Some(file)) => format!("not stated; its text is in {file}"),
        (None, None) => "not stated".to_owned(),
    }
}

fn labels(model: &ModelFacts) -> String {
    let problem = model.problem.as_ref().map(|problem| format!(" ({problem})")).unwrap_or_default();
    let Some(labels) = &model.labels else {
        return match &model.head.problem {
            Some(unreadable) => format!("cannot be read{problem}, so the head will be a new one: {unreadable}"),
            None => format!("none are named{problem}: the head will be a new one"),
        };
    };
    let named = format!("{}{problem}", list(labels));
    match (&model.head.problem, model.head.stored) {
        (Some(problem), _) => format!("{named}; the head cannot be kept: {problem}"),
        (None, true) => format!("{named}; the head is kept for data with these labels, and replaced for others"),
        (None, false) => format!("{named}; but the file has no head for them: it will be a new one"),
    }
}

fn pooled(pooling: Pooling) -> &'static str {
    match pooling {
        Pooling::First => "the first token's hidden state",
        Pooling::Last => "the last token's hidden state",
        Pooling::Mean => "the mean of all hidden states",
    }
}

fn head_tensors(head: &HeadFacts) -> Vec<String> {
    let rows: Vec<_> =
        head.tensors.iter().map(|tensor| (&tensor.name, format!("{:?}", tensor.shape), tensor.new)).collect();
    let names = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
    let shapes = rows.iter().map(|(_, shape, _)| shape.len()).max().unwrap_or_default();
    let line = |(name, shape, new): &(&String, String, bool)| {
        format!("{name:<names$}  {shape:<shapes$}  {}", if *new { "new" } else { "from the file" })
    };
    rows.iter().map(line).collect()
}

/// The first names, and how many more there are.
fn list(names: &[String]) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", "))
}

fn count(number: usize) -> String {
    thousands(number as u64)
}
