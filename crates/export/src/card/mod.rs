//! `README.md`: the model card. Everything in it was measured or read in this run.

mod body;
pub(crate) mod front_matter;
mod usage;

use firebrand_metrics::Figures;
use firebrand_model::Classifier;
use firebrand_pipeline::{Result, ResultExt};
use firebrand_text::TextOptions;

use crate::baselines::Baseline;
use crate::parity::Parity;
use crate::source::Sources;

/// The content of the card.
#[derive(Debug)]
pub(crate) struct Card<'a> {
    /// The run's name.
    pub(crate) name: &'a str,
    pub(crate) classifier: &'a Classifier,
    /// Maximum number of tokens per row, special tokens included.
    pub(crate) max_length: usize,
    pub(crate) sources: &'a Sources,
    /// How the texts were cleaned; `None` if it was not recorded.
    pub(crate) cleaning: Option<&'a TextOptions>,
    /// Figures of the float32 model on the test split.
    pub(crate) figures: &'a Figures,
    pub(crate) baselines: &'a [Baseline],
    pub(crate) parity: &'a Parity,
    /// Number of test rows that were longer than `max_length`.
    pub(crate) cut_rows: usize,
}

impl Card<'_> {
    /// The front matter followed by the body.
    ///
    /// # Errors
    /// When the front matter cannot be written as YAML.
    pub(crate) fn render(&self) -> Result<String> {
        let front_matter =
            self.front_matter().or_other(|| "cannot write the model card's front matter as YAML".to_owned())?;
        Ok(format!("{front_matter}\n{}", self.body()))
    }
}

/// A share as percent with one decimal: `83.5 %`.
fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_to_a_tenth_of_a_percent() {
        assert_eq!(percent(0.83456), "83.5 %");
        assert_eq!(percent(1.0), "100.0 %");
    }
}
