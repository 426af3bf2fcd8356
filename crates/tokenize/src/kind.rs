//! Whether rows are single texts or pairs: all of them are one or the other.

use std::path::Path;

use firebrand_dataset::Example;
use firebrand_pipeline::{Error, Result};
use firebrand_text::TextOptions;

/// What the rows that were seen so far are, and who says so.
#[derive(Debug, Default)]
pub(crate) struct Kind {
    seen: Option<(bool, String)>,
}

impl Kind {
    /// Begins with what `text.json` says, where the clean stage left one: whoever asks the model later goes by that.
    ///
    /// # Errors
    /// When the file is not valid.
    pub(crate) fn read(text: Option<&Path>) -> Result<Self> {
        let Some(path) = text else { return Ok(Self::default()) };
        Ok(Self { seen: Some((TextOptions::read(path)?.pairs, path.display().to_string())) })
    }

    /// Refuses rows of the other kind.
    ///
    /// # Errors
    /// A data error that names the first such row.
    pub(crate) fn check(&mut self, examples: &[Example], path: &Path) -> Result<()> {
        for example in examples {
            let here = || format!("row {} of {}", example.id, path.display());
            let pair = example.pair.is_some();
            let (expected, whence) = self.seen.get_or_insert_with(|| (pair, here()));
            if *expected != pair {
                let words = |pair: bool| if pair { "a pair of texts" } else { "a single text" };
                return Err(Error::data(format!(
                    "{} is {}, but by {whence} every row is {}",
                    here(),
                    words(pair),
                    words(*expected)
                ))
                .hint("rows are all single texts, or all pairs (column `pair`, without nulls)")
                .hint("a clean stage of your own that writes text.json says `\"pairs\": true` there for pairs"));
            }
        }
        Ok(())
    }

    /// Whether rows are pairs.
    pub(crate) fn pairs(&self) -> bool {
        self.seen.as_ref().is_some_and(|(pairs, _)| *pairs)
    }
}
