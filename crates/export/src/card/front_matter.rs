//! The front matter of the card: YAML for the hub.

use serde::Serialize;
use serde_saphyr::{SerializeError, ser_options};

use super::Card;

/// The hub's [model card metadata](https://huggingface.co/docs/hub/model-cards#model-card-metadata).
#[derive(Debug, Serialize)]
struct FrontMatter<'a> {
    /// The library whose usage example the hub shows. transformers has no class for mean pooling.
    library_name: &'static str,
    pipeline_tag: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    datasets: Option<[&'a str; 1]>,
    tags: [&'static str; 2],
    metrics: [&'static str; 2],
    #[serde(rename = "model-index")]
    model_index: [Model<'a>; 1],
}

#[derive(Debug, Serialize)]
struct Model<'a> {
    name: &'a str,
    results: [Evaluation<'a>; 1],
}

#[derive(Debug, Serialize)]
struct Evaluation<'a> {
    task: Task,
    dataset: Dataset<'a>,
    metrics: Vec<Metric>,
}

#[derive(Debug, Serialize)]
struct Task {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
}

/// The hub requires a name and a type even for data that is not on the hub.
#[derive(Debug, Serialize)]
struct Dataset<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    name: &'a str,
    split: &'static str,
}

#[derive(Debug, Serialize)]
struct Metric {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Arguments>,
}

#[derive(Debug, Serialize)]
struct Arguments {
    average: &'static str,
}

impl Metric {
    fn accuracy(name: &'static str, value: f64) -> Self {
        Self { kind: "accuracy", name, value, args: None }
    }

    fn f1(name: &'static str, average: &'static str, value: f64) -> Self {
        Self { kind: "f1", name, value, args: Some(Arguments { average }) }
    }
}

impl Card<'_> {
    /// YAML between two lines of three dashes, with a final newline.
    ///
    /// # Errors
    /// When the YAML emitter fails.
    pub(super) fn front_matter(&self) -> Result<String, SerializeError> {
        let hub = self.sources.data.hub.as_deref();
        let fp32 = &self.parity.fp32;
        let mut metrics =
            vec![Metric::accuracy("Accuracy", fp32.accuracy), Metric::f1("Macro F1", "macro", fp32.macro_f1)];
        metrics.extend(fp32.micro_f1.map(|value| Metric::f1("Micro F1", "micro", value)));
        metrics.extend(
            self.parity
                .int8
                .iter()
                .map(|int8| Metric::accuracy("Accuracy of the int8 weights", int8.measured.accuracy)),
        );
        let evaluation = Evaluation {
            task: Task { kind: "text-classification", name: "Text Classification" },
            dataset: Dataset { kind: hub.unwrap_or("custom"), name: hub.unwrap_or(self.name), split: "test" },
            metrics,
        };
        let front_matter = FrontMatter {
            library_name: if self.mean_pooling() { "firebrand" } else { "transformers" },
            pipeline_tag: "text-classification",
            base_model: self.sources.model.hub.as_deref(),
            datasets: hub.map(|hub| [hub]),
            tags: ["text-classification", "firebrand"],
            metrics: ["accuracy", "f1"],
            model_index: [Model { name: self.name, results: [evaluation] }],
        };
        Ok(format!("---\n{}---\n", yaml(&front_matter)?))
    }
}

/// YAML with one line for each value.
fn yaml(value: &impl Serialize) -> Result<String, SerializeError> {
    serde_saphyr::to_string_with_options(value, ser_options! { prefer_block_scalars: false })
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Map, Number, Value};
    use yaml_rust2::{Yaml, YamlLoader};

    use super::*;
    use crate::markdown::tests::HOSTILE;

    /// Parses YAML with an independent parser.
    pub(crate) fn read(yaml: &str) -> Value {
        fn json(yaml: &Yaml) -> Value {
            match yaml {
                Yaml::Real(text) => Number::from_f64(text.parse().unwrap()).unwrap().into(),
                Yaml::Integer(integer) => (*integer).into(),
                Yaml::String(text) => text.as_str().into(),
                Yaml::Boolean(boolean) => (*boolean).into(),
                Yaml::Array(items) => items.iter().map(json).collect(),
                Yaml::Hash(entries) => {
                    let entry = |(key, value): (&Yaml, &Yaml)| (key.as_str().unwrap().to_owned(), json(value));
                    entries.iter().map(entry).collect::<Map<_, _>>().into()
                }
                other => panic!("{other:?}"),
            }
        }
        let documents = YamlLoader::load_from_str(yaml).unwrap();
        assert_eq!(documents.len(), 1, "{yaml}");
        json(&documents[0])
    }

    /// Texts that YAML parsers may misread as other types or as syntax.
    const MISREAD: [&str; 24] = [
        "yes",
        "No",
        "on",
        "null",
        "~",
        "true",
        "1.0",
        "1e3",
        "0x1f",
        "1_000",
        "12:30",
        "2026-01-31",
        ".inf",
        "",
        " x ",
        "two\nlines\n",
        "a\tb",
        "---",
        "no: \"yes\" # x\n",
        "- a",
        "key: value",
        "%TAG",
        "\u{1b}[0m",
        "long ",
    ];

    #[test]
    fn hostile_names_survive() {
        for text in MISREAD.into_iter().chain(HOSTILE) {
            let model = Model {
                name: text,
                results: [Evaluation {
                    task: Task { kind: "text-classification", name: "Text Classification" },
                    dataset: Dataset { kind: "custom", name: text, split: "test" },
                    metrics: vec![Metric::f1("Macro F1", "macro", 0.5)],
                }],
            };
            let yaml = yaml(&model).unwrap();
            assert_eq!(read(&yaml), serde_json::to_value(&model).unwrap(), "{yaml}");
            assert!(yaml.lines().all(|line| line != "---" && line.len() < 120), "{yaml}");
        }
    }
}
