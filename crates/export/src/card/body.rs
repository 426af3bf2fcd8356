//! The card's body: for people.

use firebrand_model::ProblemType;
use firebrand_text::{TextOptions, Unicode};

use super::{Card, percent};

impl Card<'_> {
    /// Markdown, with a final newline.
    pub(super) fn body(&self) -> String {
        let parts = [
            self.introduction(),
            self.labels(),
            self.figures(),
            self.per_label(),
            self.usage(),
            self.limits(),
            self.files(),
        ];
        parts.join("\n")
    }

    fn introduction(&self) -> String {
        let config = self.classifier.config();
        let unknown = || "a source that is not on record".to_owned();
        format!(
            "# {}\n\nA text classifier with {} labels: a {} encoder (`{}`) of {:.1} million parameters, fine-tuned with \
             [Firebrand](https://github.com/firebrand-rs/firebrand).\n\n\
             - Pretrained weights: {}.\n- Labelled texts: {}.\n\n\
             The licences of both apply to what was made of them.\n",
            line(self.name),
            self.classifier.labels().len(),
            config.model_type,
            config.architecture,
            self.classifier.parameters() as f64 / 1e6,
            self.sources.model.words.clone().unwrap_or_else(unknown),
            self.sources.data.data_words().unwrap_or_else(unknown),
        )
    }

    fn labels(&self) -> String {
        let rows = self
            .classifier
            .labels()
            .iter()
            .enumerate()
            .map(|(index, label)| format!("| {index} | {} |\n", cell(label)));
        format!(
            "## Labels\n\nEvery {} has {}.\n\n| index | label |\n| ---: | --- |\n{}",
            if self.pairs() { "pair of texts" } else { "text" },
            if self.several() { "any number of them, or none" } else { "exactly one" },
            rows.collect::<String>()
        )
    }

    /// Whether a text has any number of labels.
    fn several(&self) -> bool {
        self.classifier.config().problem == ProblemType::MultiLabelClassification
    }

    fn figures(&self) -> String {
        let interval = self.figures.accuracy_interval_95;
        let several = self.several();
        let mut table = String::from(if several {
            "| | micro F1 | macro F1 | all labels right |\n| --- | ---: | ---: | ---: |\n"
        } else {
            "| | accuracy | macro F1 |\n| --- | ---: | ---: |\n"
        });
        let mut row = |name: &str, accuracy: f64, macro_f1: Option<f64>, micro_f1: Option<f64>| {
            let [macro_f1, micro_f1] =
                [macro_f1, micro_f1].map(|f1| f1.map_or_else(|| "–".to_owned(), |f1| format!("{f1:.4}")));
            let accuracy = percent(accuracy);
            table.push_str(&if several {
                format!("| {name} | {micro_f1} | {macro_f1} | {accuracy} |\n")
            } else {
                format!("| {name} | {accuracy} | {macro_f1} |\n")
            });
        };
        let fp32 = &self.parity.fp32;
        row("**this model**", self.figures.accuracy, Some(self.figures.macro_f1), fp32.micro_f1);
        if let Some(int8) = &self.parity.int8 {
            row("this model, int8 weights", int8.accuracy, Some(int8.macro_f1), int8.micro_f1);
        }
        for baseline in self.baselines {
            let name = format!("baseline: {}", cell(&baseline.name));
            row(&name, baseline.accuracy, baseline.macro_f1, baseline.micro_f1);
        }
        let what = if several { "share of texts with all labels right has the" } else { "accuracy's" };
        let (is, half) = if several {
            (", for so many texts,", " A label is given from a probability of one half on.")
        } else {
            (", for so many texts, is", "")
        };
        format!(
            "## Measured\n\nOn the {} texts of the test part, which neither training nor the choice of the weights saw. The \
             {what} 95 % interval{is} {:.1} to {:.1} %.{half}\n\n{table}",
            self.figures.rows,
            interval.low * 100.0,
            interval.high * 100.0,
        )
    }

    fn per_label(&self) -> String {
        let rows = self.classifier.labels().iter().zip(&self.figures.classes).map(|(label, class)| {
            format!(
                "| {} | {:.4} | {:.4} | {:.4} | {} |\n",
                cell(label),
                class.precision,
                class.recall,
                class.f1,
                class.support
            )
        });
        format!(
            "| label | precision | recall | F1 | texts |\n| --- | ---: | ---: | ---: | ---: |\n{}",
            rows.collect::<String>()
        )
    }

    /// Whether the model takes pairs of texts.
    fn pairs(&self) -> bool {
        self.cleaning.is_some_and(|options| options.pairs)
    }

    fn usage(&self) -> String {
        let sigmoid = if self.several() {
            "Each score is by itself between 0 and 1: `transformers` reads in `config.json` that there may be several labels.\n\n"
        } else {
            ""
        };
        let (python, arguments) = if self.pairs() {
            ("{\"text\": \"some text\", \"text_pair\": \"another\"}", "\"some text\" --pair \"another\"")
        } else {
            ("\"some text\"", "\"some text\"")
        };
        format!(
            "## How to use it\n\nFrom Python, with this directory's path:\n\n\
             ```python\nfrom transformers import pipeline\n\n\
             classifier = pipeline(\"text-classification\", model=\"path/to/bundle\", truncation=True)\n\
             print(classifier({python}, top_k=None))\n```\n\n\
             {sigmoid}With Firebrand, which cleans the text as in training:\n\n\
             ```sh\ncargo xtask predict path/to/bundle {arguments}\n```\n"
        )
    }

    fn limits(&self) -> String {
        let cleaning = match self.cleaning {
            None => "- How the training texts were cleaned is not on record.\n".to_owned(),
            Some(options) => match cleaning(options).as_slice() {
                [] => "- The training texts were taken as they came.\n".to_owned(),
                steps => format!(
                    "- Before training, texts were cleaned: {}. `text.json` has the options; `transformers` does not apply \
                     them, so do it before asking.\n",
                    steps.join(", ")
                ),
            },
        };
        format!(
            "## Intended use and limits\n\n\
             - It sorts texts like those it was trained on into the labels above. On texts of another kind, source or \
             language, nothing was measured, and no bias was looked for.\n\
             - A text is cut after {} tokens, special tokens included; of the test texts, {} of {} ({}) were longer.\n\
             {cleaning}",
            self.max_length,
            self.cut_rows,
            self.figures.rows,
            percent(self.cut_rows as f64 / self.figures.rows as f64),
        )
    }

    fn files(&self) -> String {
        let fp32 = &self.parity.fp32;
        let other = if self.several() { "other labels" } else { "another label" };
        let mut text = format!("## Weights\n\n- `{}`: float32, {}.\n", fp32.file, megabytes(fp32.bytes));
        if let Some(int8) = &self.parity.int8 {
            text.push_str(&format!(
                "- `{}`: int8, {}, for Firebrand only (`transformers` must not load it). Each linear layer's weight, and the \
                 token table, is int8 with one float32 scale per row in `NAME_scale` (`weight[i][j] = int8[i][j] * scale[i]`); the rest, and the output layer, is \
                 float32. It gives {} of the {} test texts {other}, and no score differs by more than {:.3}.\n",
                int8.file,
                megabytes(int8.bytes),
                int8.labels_changed,
                self.parity.rows,
                int8.largest_logit_difference,
            ));
        }
        text
    }
}

/// The steps of cleaning, in the order in which they are done.
fn cleaning(options: &TextOptions) -> Vec<&'static str> {
    let unicode = match options.unicode {
        Unicode::Nfc => Some("Unicode brought into form NFC"),
        Unicode::Nfkc => Some("Unicode brought into form NFKC"),
        Unicode::None => None,
    };
    [
        options.strip_html.then_some("HTML tags removed and entities resolved"),
        unicode,
        options.strip_control.then_some("control characters removed"),
        options.collapse_whitespace.then_some("runs of white space made one space"),
        options.lowercase.then_some("upper case made lower case"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn megabytes(bytes: u64) -> String {
    if bytes < 1_000_000 { format!("{:.1} kB", bytes as f64 / 1e3) } else { format!("{:.1} MB", bytes as f64 / 1e6) }
}

/// A text on one line.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    line(text).replace('|', "\\|")
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
    fn a_label_cannot_break_the_table() {
        assert_eq!(cell("a|b\n c"), "a\\|b c");
    }
}
