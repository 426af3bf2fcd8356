//! The body of the card, for people.

use firebrand_arch::ProblemType;
use firebrand_metrics::ClassFigures;
use firebrand_text::{TextOptions, Unicode};

use super::{Card, percent};
use crate::markdown::{Markdown, Table};

/// Shown for figures that are undefined or were not measured.
const UNDEFINED: &str = "–";

impl Card<'_> {
    /// Markdown, with a final newline.
    pub(super) fn body(&self) -> String {
        let sections = [
            self.introduction(),
            self.labels(),
            self.figures(),
            self.per_label(),
            super::usage::section(self),
            self.limits(),
            self.files(),
        ];
        sections.join("\n")
    }

    fn introduction(&self) -> String {
        let config = self.classifier.config();
        let unknown = || Markdown::text("an unrecorded source");
        let head = if self.mean_pooling() {
            " with a head over the mean of its hidden states".to_owned()
        } else {
            format!(" ({})", Markdown::code(config.architecture))
        };
        format!(
            "# {}\n\nA text classifier with {} labels: a {} encoder{head}, {:.1} million parameters, fine-tuned with \
             [Firebrand](https://github.com/firebrand-rs/firebrand).\n\n\
             - Pretrained weights: {}.\n- Labelled texts: {}.\n\n\
             The licences of both apply to this model.\n",
            Markdown::text(self.name),
            self.classifier.labels().len(),
            config.model_type,
            self.classifier.parameters() as f64 / 1e6,
            self.sources.model.words.clone().unwrap_or_else(unknown),
            self.sources.data.words.clone().unwrap_or_else(unknown),
        )
    }

    fn labels(&self) -> String {
        let mut table = Table::new("label", &["index"]);
        for (index, label) in self.classifier.labels().iter().enumerate() {
            table.row([Markdown::text(label), Markdown::text(&index.to_string())]);
        }
        format!(
            "## Labels\n\nEvery {} has {}.\n\n{table}",
            if self.pairs() { "pair of texts" } else { "text" },
            if self.multi_label() { "any number of them, or none" } else { "exactly one" },
        )
    }

    /// Whether the model is multi-label.
    pub(super) fn multi_label(&self) -> bool {
        self.classifier.config().problem == ProblemType::MultiLabelClassification
    }

    /// Whether the head classifies the mean of the hidden states, for which transformers has no class.
    pub(super) fn mean_pooling(&self) -> bool {
        self.classifier.config().mean_pooling
    }

    /// Whether the model takes pairs of texts.
    pub(super) fn pairs(&self) -> bool {
        self.cleaning.is_some_and(|options| options.pairs)
    }

    fn figures(&self) -> String {
        let interval = self.figures.accuracy_interval_95;
        let multi_label = self.multi_label();
        let columns: &[&str] =
            if multi_label { &["micro F1", "macro F1", "all labels correct"] } else { &["accuracy", "macro F1"] };
        let mut table = Table::new("", columns);
        let mut row = |name: Markdown, accuracy: f64, macro_f1: Option<f64>, micro_f1: Option<f64>| {
            let accuracy = Markdown::text(&percent(accuracy));
            if multi_label {
                table.row([name, score(micro_f1), score(macro_f1), accuracy]);
            } else {
                table.row([name, accuracy, score(macro_f1)]);
            }
        };
        let fp32 = &self.parity.fp32;
        row(Markdown::strong("this model"), fp32.accuracy, Some(fp32.macro_f1), fp32.micro_f1);
        if let Some(int8) = &self.parity.int8 {
            let name = Markdown::text("this model, int8 weights");
            let int8 = &int8.measured;
            row(name, int8.accuracy, Some(int8.macro_f1), int8.micro_f1);
        }
        for baseline in self.baselines {
            let name = Markdown::concat([Markdown::own("baseline: "), Markdown::text(&baseline.name)]);
            row(name, baseline.accuracy, baseline.macro_f1, baseline.micro_f1);
        }
        let (share, threshold) = if multi_label {
            ("share of texts with all labels correct", " A label is assigned if its probability is at least 0.5.")
        } else {
            ("accuracy", "")
        };
        format!(
            "## Evaluation\n\nOn the {} texts of the test split, which were used neither for training nor for choosing the \
             weights. The 95 % confidence interval of the {share} is {:.1} to {:.1} %.{threshold}\n\n{table}",
            self.figures.rows,
            interval.low * 100.0,
            interval.high * 100.0,
        )
    }

    fn per_label(&self) -> String {
        let mut table = Table::new("label", &["precision", "recall", "F1", "texts"]);
        for (label, class) in self.classifier.labels().iter().zip(&self.figures.classes) {
            table.row([
                Markdown::text(label),
                score(class.precision),
                score(class.recall),
                score(class.f1),
                Markdown::text(&class.support.to_string()),
            ]);
        }
        let undefined = |class: &ClassFigures| class.precision.is_none() || class.recall.is_none();
        let note = if self.figures.classes.iter().any(undefined) {
            format!(
                "\n{UNDEFINED}: undefined, because no test text has the label or was assigned it; counts as 0 in macro F1.\n"
            )
        } else {
            String::new()
        };
        format!("{table}{note}")
    }

    fn limits(&self) -> String {
        let cleaning = match self.cleaning {
            None => "- How the training texts were cleaned was not recorded.\n".to_owned(),
            Some(options) => match cleaning(options).as_slice() {
                [] => "- The training texts were not cleaned.\n".to_owned(),
                steps => format!(
                    "- The training texts were cleaned: {}. `text.json` has the options. Firebrand applies them; for \
                     `transformers`, clean your texts the same way first.\n",
                    steps.join(", ")
                ),
            },
        };
        format!(
            "## Intended use and limits\n\n\
             - It assigns the labels above to texts like those it was trained on. It was not evaluated on texts of another kind, \
             source or language, and not checked for bias.\n\
             - Texts are truncated to {} tokens, special tokens included; {} of the {} test texts ({}) were longer.\n\
             {cleaning}",
            self.max_length,
            self.cut_rows,
            self.figures.rows,
            percent(self.cut_rows as f64 / self.figures.rows as f64),
        )
    }

    fn files(&self) -> String {
        let fp32 = &self.parity.fp32;
        let other = if self.multi_label() { "other labels" } else { "another label" };
        let mut text = format!("## Weights\n\n- `{}`: float32, {}.\n", fp32.file, megabytes(fp32.bytes));
        if let Some(int8) = &self.parity.int8 {
            text.push_str(&format!(
                "- `{}`: int8, {}, for Firebrand only (do not load it with `transformers`). The weights of linear layers and the \
                 token embeddings are int8 with one float32 scale per row in `NAME_scale` (`weight[i][j] = int8[i][j] * \
                 scale[i]`); everything else, and the output layer, is float32. It gives {} of the {} test texts {other}, and \
                 no score differs by more than {:.3}.\n",
                int8.measured.file,
                megabytes(int8.measured.bytes),
                int8.labels_changed,
                self.parity.rows,
                int8.largest_logit_difference,
            ));
        }
        text
    }
}

fn score(value: Option<f64>) -> Markdown {
    Markdown::text(&value.map_or_else(|| UNDEFINED.to_owned(), |value| format!("{value:.4}")))
}

/// The steps of cleaning, in the order in which they are applied.
fn cleaning(options: &TextOptions) -> Vec<&'static str> {
    let unicode = match options.unicode {
        Unicode::Nfc => Some("Unicode normalized to NFC"),
        Unicode::Nfkc => Some("Unicode normalized to NFKC"),
        Unicode::None => None,
    };
    [
        options.strip_html.then_some("HTML tags removed and entities decoded"),
        unicode,
        options.strip_control.then_some("control characters removed"),
        options.collapse_whitespace.then_some("white space collapsed"),
        options.lowercase.then_some("letters lower-cased"),
        (!options.replace.is_empty()).then_some("matches of the regular expressions in `text.json` replaced"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn megabytes(bytes: u64) -> String {
    if bytes < 1_000_000 { format!("{:.1} kB", bytes as f64 / 1e3) } else { format!("{:.1} MB", bytes as f64 / 1e6) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit() {
        assert_eq!(megabytes(90_900_000), "90.9 MB");
        assert_eq!(megabytes(12_345), "12.3 kB");
    }

    #[test]
    fn undefined_figures_are_not_zeros() {
        assert_eq!(score(None).to_string(), "–");
        assert_eq!(score(Some(0.0)).to_string(), "0.0000");
    }
}
