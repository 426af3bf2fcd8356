//! Checks that all rows are single texts, or that all are pairs of texts.

use std::path::Path;

use firebrand_dataset::Example;
use firebrand_pipeline::{Error, Result};
use firebrand_text::TextOptions;

/// Whether rows are pairs of texts, once that is known.
#[derive(Debug, Default)]
pub(crate) struct Kind {
    /// Whether rows are pairs, and the file or row that determined it.
    known: Option<(bool, String)>,
}

impl Kind {
    /// Reads it from `text.json`, if the clean stage wrote one: prediction follows that file.
    ///
    /// # Errors
    /// If the file is not valid.
    pub(crate) fn read(text: Option<&Path>) -> Result<Self> {
        let Some(path) = text else { return Ok(Self::default()) };
        Ok(Self { known: Some((TextOptions::read(path)?.pairs, path.display().to_string())) })
    }

    /// Checks a split's rows.
    ///
    /// # Errors
    /// A data error that names the first row that differs.
    pub(crate) fn check(&mut self, examples: &[Example], path: &Path) -> Result<()> {
        for example in examples {
            let here = || format!("row {} of {}", example.id, path.display());
            let pair = example.pair.is_some();
            let (expected, source) = self.known.get_or_insert_with(|| (pair, here()));
            if *expected != pair {
                let words = |pair: bool| if pair { "a pair of texts" } else { "a single text" };
                return Err(Error::data(format!(
                    "{} is {}, but according to {source} every row is {}",
                    here(),
                    words(pair),
                    words(*expected)
                ))
                .hint("use single texts for all rows, or pairs for all (column `pair`, without nulls)")
                .hint("a custom clean stage that writes text.json has to set `\"pairs\": true` for pairs"));
            }
        }
        Ok(())
    }

    /// Whether rows are pairs.
    pub(crate) fn pairs(&self) -> bool {
        self.known.as_ref().is_some_and(|(pairs, _)| *pairs)
    }
}
