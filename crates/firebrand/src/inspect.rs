//! `inspect`: what a bundle is, from its files alone. No weights are read, only what their headers say.

use std::fs;
use std::io::{Write, stdout};
use std::path::Path;

use firebrand_arch::{ModelError, ModelFacts, ParameterFacts, Pooling, SizeFacts};
use firebrand_pipeline::{Error, Hidden, Result, files_below, thousands, to_json};
use firebrand_text::{TextOptions, TextTokenizer, Unicode};
use serde::Serialize;

use crate::cli;

/// Files with the weights, relative to the bundle, and the precisions that they allow.
const WEIGHTS: [(&str, &str); 2] = [("model.safetensors", "fp32"), ("int8/model.safetensors", "int8")];

/// A bundle, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Inspection {
    directory: String,
    family: &'static str,
    /// The class that transformers loads.
    architecture: &'static str,
    sizes: SizeFacts,
    /// `head` counts the head for the labels.
    parameters: ParameterFacts,
    pooling: Pooling,
    /// The labels, in the model's order; `null` if none are named.
    labels: Option<Vec<String>>,
    /// Whether the weights have a head for them.
    has_head: bool,
    multi_label: bool,
    /// Whether the model takes pairs of texts; `null` if the bundle does not say.
    pairs: Option<bool>,
    /// Most tokens of a text, special tokens included.
    max_length: Option<usize>,
    tokenizer: Option<Tokenizer>,
    /// Why the tokenizer cannot be used.
    tokenizer_problem: Option<String>,
    /// How texts are cleaned; `null` if the bundle does not say, and texts are not cleaned.
    cleaning: Option<TextOptions>,
    /// The weights that are there.
    precisions: Vec<&'static str>,
    files: Vec<FileSize>,
    provenance: Provenance,
}

#[derive(Debug, Serialize)]
struct Tokenizer {
    algorithm: &'static str,
    vocabulary: usize,
}

#[derive(Debug, Serialize)]
struct FileSize {
    name: String,
    bytes: u64,
}

/// What the model card says about where the model is from.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Provenance {
    base_model: Option<String>,
    dataset: Option<String>,
}

/// Prints what a directory holds.
///
/// # Errors
/// When it holds no model, or a file of it is damaged.
pub(crate) fn inspect(arguments: &cli::Inspect) -> Result<()> {
    let inspection = Inspection::of(&arguments.directory)?;
    let text = if arguments.json { to_json(&inspection)? } else { inspection.text() };
    match stdout().write_all(text.as_bytes()) {
        // The reader has closed the pipe: it has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Error::other("cannot write to stdout").caused_by(&error)),
    }
}

impl Inspection {
    fn of(directory: &Path) -> Result<Self> {
        let shown = directory.display();
        if !directory.is_dir() {
            let what = if directory.exists() { "is a file" } else { "does not exist" };
            return Err(Error::data(format!("{shown} {what}"))
                .hint("a bundle is the directory `data/runs/RUN/export/bundle` that `cargo xtask pipeline` makes"));
        }
        let model = facts(directory)?;
        let options = directory.join("text.json");
        let cleaning = options.exists().then(|| TextOptions::read(&options)).transpose()?;
        let (tokenizer, tokenizer_problem) = match tokenizer(directory, &model) {
            Ok(tokenizer) => (Some(tokenizer), None),
            Err(error) => (None, Some(error.message().to_owned())),
        };
        let own = TextTokenizer::own_max_length(directory).unwrap_or_default();
        let max_length = [own, model.sizes.max_length].into_iter().flatten().min();
        let card = fs::read_to_string(directory.join("README.md")).unwrap_or_default();
        let precisions = WEIGHTS.into_iter().filter(|(file, _)| directory.join(file).is_file());
        Ok(Self {
            directory: shown.to_string(),
            family: model.family,
            architecture: model.architecture,
            pooling: model.head.pooling,
            has_head: model.head.stored,
            multi_label: model.problem.as_deref() == Some("multi_label_classification"),
            pairs: cleaning.as_ref().map(|cleaning| cleaning.pairs),
            max_length,
            tokenizer,
            tokenizer_problem,
            cleaning,
            precisions: precisions.map(|(_, precision)| precision).collect(),
            files: files(directory)?,
            provenance: Provenance {
                base_model: in_front_matter(&card, "base_model"),
                dataset: in_front_matter(&card, "datasets"),
            },
            sizes: model.sizes,
            parameters: model.parameters,
            labels: model.labels,
        })
    }

    fn text(&self) -> String {
        let sizes = &self.sizes;
        let mut lines = vec![
            ("model", format!("{} ({})", self.family, self.architecture)),
            ("layers", format!("{}, width {}, {} attention heads", sizes.layers, count(sizes.hidden), sizes.heads)),
            (
                "parameters",
                format!("{} and {} in the head", thousands(self.parameters.encoder), thousands(self.parameters.head)),
            ),
            ("labels", self.labels_text()),
            ("takes", self.takes()),
            ("cleaning", self.cleaning.as_ref().map_or("none: there is no text.json".to_owned(), cleaning)),
            (
                "tokenizer",
                match (&self.tokenizer, &self.tokenizer_problem) {
                    (Some(tokenizer), _) => {
                        format!("{} of {} tokens", tokenizer.algorithm, count(tokenizer.vocabulary))
                    }
                    (None, problem) => format!("cannot be used: {}", problem.as_deref().unwrap_or_default()),
                },
            ),
            ("precisions", if self.precisions.is_empty() { "none".to_owned() } else { self.precisions.join(", ") }),
        ];
        let Provenance { base_model, dataset } = &self.provenance;
        lines.extend(base_model.iter().map(|base| ("base model", base.clone())));
        lines.extend(dataset.iter().map(|dataset| ("data", dataset.clone())));
        let width = self.files.iter().map(|file| thousands(file.bytes).len()).max().unwrap_or_default();
        for (place, file) in self.files.iter().enumerate() {
            let key = if place == 0 { "files" } else { "" };
            lines.push((key, format!("{:>width$} bytes  {}", thousands(file.bytes), file.name)));
        }
        lines.iter().map(|(key, text)| format!("{key:<10}  {}\n", firebrand_pipeline::escape(text))).collect()
    }

    fn labels_text(&self) -> String {
        const SHOWN: usize = 12;
        let Some(labels) = &self.labels else { return "none are named".to_owned() };
        let more = match labels.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {} more", count(more)),
        };
        let kind = if self.multi_label { "any number of" } else { "one of" };
        let missing = if self.has_head { "" } else { " (the weights have no head for them)" };
        let shown: Vec<&str> = labels.iter().take(SHOWN).map(String::as_str).collect();
        format!("{kind} {}: {}{more}{missing}", count(labels.len()), shown.join(", "))
    }

    fn takes(&self) -> String {
        let what = match self.pairs {
            Some(true) => "pairs of texts",
            Some(false) => "single texts",
            None => "texts",
        };
        match self.max_length {
            Some(length) => format!("{what} of up to {} tokens", count(length)),
            None => format!("{what} of any length"),
        }
    }
}

fn facts(directory: &Path) -> Result<ModelFacts> {
    let explain = |error: ModelError| {
        Error::data(format!("{} is not a bundle that can be read", directory.display()))
            .caused_by(&error)
            .hint("`cargo xtask stage export --force` makes a bundle again")
    };
    let facts = firebrand_arch::inspect(directory, 2).map_err(explain)?;
    match facts.labels.as_ref().map(Vec::len) {
        Some(labels) if labels > 2 => firebrand_arch::inspect(directory, labels).map_err(explain),
        _ => Ok(facts),
    }
}

fn tokenizer(directory: &Path, model: &ModelFacts) -> Result<Tokenizer> {
    // Any length will do if neither states one: nothing is truncated here.
    const ANY: usize = 512;
    let own = TextTokenizer::own_max_length(directory)?;
    let read = TextTokenizer::read(directory, Some(own.or(model.sizes.max_length).unwrap_or(ANY)))?;
    if read.vocab_size() > model.sizes.vocabulary {
        let (tokens, rows) = (count(read.vocab_size()), count(model.sizes.vocabulary));
        return Err(Error::data(format!("it has {tokens} tokens, but the model has {rows}")));
    }
    Ok(Tokenizer { algorithm: read.algorithm(), vocabulary: read.vocab_size() })
}

fn files(directory: &Path) -> Result<Vec<FileSize>> {
    let size = |name: &String| fs::metadata(directory.join(name)).map_or(0, |metadata| metadata.len());
    let names = files_below(directory, Hidden::Skip)?;
    Ok(names.into_iter().map(|name| FileSize { bytes: size(&name), name }).collect())
}

fn cleaning(options: &TextOptions) -> String {
    let mut steps = Vec::new();
    let mut add = |is_set: bool, step: &'static str| steps.extend(is_set.then_some(step));
    add(options.strip_html, "HTML removed");
    add(options.strip_control, "control characters removed");
    add(options.unicode == Unicode::Nfc, "NFC");
    add(options.unicode == Unicode::Nfkc, "NFKC");
    add(options.lowercase, "lower case");
    add(options.collapse_whitespace, "white space collapsed");
    add(!options.replace.is_empty(), "replacements");
    if steps.is_empty() { "none".to_owned() } else { steps.join(", ") }
}

/// A value of the model card's front matter, or the first of a list.
fn in_front_matter(card: &str, key: &str) -> Option<String> {
    let mut lines = card.lines();
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let mut lines = lines.take_while(|line| line.trim_end() != "---");
    let own = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?.trim();
    let text = if own.is_empty() { lines.next()?.trim_start().strip_prefix("- ")? } else { own };
    let text = text.trim().trim_matches(['[', ']']).trim_matches(['"', '\'']);
    (!text.is_empty()).then(|| text.to_owned())
}

fn count(number: usize) -> String {
    thousands(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cards_front_matter_says_where_a_model_is_from() {
        let card = "---\nlibrary_name: x\nbase_model: org/name\ndatasets:\n- \"data\"\n---\nbase_model: no\n";
        assert_eq!(in_front_matter(card, "base_model").as_deref(), Some("org/name"));
        assert_eq!(in_front_matter(card, "datasets").as_deref(), Some("data"));
        for (card, key) in [(card, "license"), ("", "base_model"), ("# x\nbase_model: y", "base_model")] {
            assert_eq!(in_front_matter(card, key), None);
        }
    }
}
