//! Checks that the bundle tokenizes texts as in training.
//!
//! The cleaning options and the tokenizer are read from the bundle and encode the texts of the data again; the ids must equal
//! those in the token files. Training rows are skipped, because the augment stage may have changed them.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use firebrand_dataset::{Example, TokenRow, read_examples};
use firebrand_pipeline::progress::Progress;
use firebrand_pipeline::{Error, Result};
use firebrand_text::{Encoded, TextOptions, TextTokenizer};
use serde::Serialize;

/// The result, for `parity.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Tokenization {
    /// Number of validation and test texts that were encoded again. Rows whose id is not among the examples have no text.
    pub(crate) texts: usize,
    /// Number of texts with different tokens; 0 if the stage succeeded.
    pub(crate) different: usize,
}

/// Encodes texts with the files of the bundle.
#[derive(Debug)]
pub(crate) struct Encoder {
    tokenizer: TextTokenizer,
    cleaning: TextOptions,
}

impl Encoder {
    /// Reads the files of the bundle.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn read(bundle: &Path) -> Result<Self> {
        let options = bundle.join("text.json");
        let cleaning = if options.exists() { TextOptions::read(&options)? } else { TextOptions::UNTOUCHED };
        // The texts are already cleaned, and rules may change their own result (`(\d)(\d)` with `$1 $2`).
        let cleaning = if cleaning.replace.is_empty() { cleaning } else { TextOptions::UNTOUCHED };
        Ok(Self { tokenizer: TextTokenizer::read(bundle, None)?, cleaning })
    }

    /// Cleans a text again, which changes nothing unless the clean stage did not follow its options.
    fn clean(&self, text: &str) -> String {
        self.cleaning.clean(text)
    }

    fn encode(&self, example: &Example) -> Result<Encoded> {
        let text = self.clean(&example.text);
        let encoded = match &example.pair {
            Some(pair) => self.tokenizer.encode_pair(&text, &self.clean(pair)),
            None => self.tokenizer.encode(&text),
        };
        encoded.map_err(|error| error.context(format!("the bundle cannot tokenize row {}", example.id)))
    }

    /// Encodes the examples of these token rows and compares.
    ///
    /// # Errors
    /// When a text has other tokens than its row; the message shows the first difference.
    pub(crate) fn compare(&self, examples: &Path, rows: &[&TokenRow], progress: &Progress) -> Result<Tokenization> {
        let mut rows_by_id: HashMap<u64, &TokenRow> = rows.iter().map(|row| (row.id, *row)).collect();
        let examples = read_examples(examples)?;
        let pairs: Vec<(Example, &TokenRow)> = examples
            .into_iter()
            .filter_map(|example| rows_by_id.remove(&example.id).map(|row| (example, row)))
            .collect();
        let differences = self.differences(&pairs, progress)?;
        if let Some(first) = differences.first() {
            return Err(Error::data(format!(
                "the bundle tokenizes {} of {} texts differently from training; the first is {first}",
                differences.len(),
                pairs.len()
            ))
            .hint("if stages were run separately, run them together: `cargo xtask pipeline --from clean --force`")
            .hint("a custom clean or tokenize stage must do what its `text.json` and `tokenizer/` say"));
        }
        Ok(Tokenization { texts: pairs.len(), different: 0 })
    }

    /// The differences, in the order of the examples. Encodes on all cores.
    fn differences(&self, pairs: &[(Example, &TokenRow)], progress: &Progress) -> Result<Vec<String>> {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let share = pairs.len().div_ceil(threads).max(1);
        let check = |(example, row): &(Example, &TokenRow)| -> Result<Option<String>> {
            let encoded = self.encode(example)?;
            progress.inc(1);
            Ok(difference(&encoded, row).map(|what| format!("row {} ({}): {what}", row.id, excerpt(&example.text))))
        };
        let parts: Vec<Result<Vec<String>>> = thread::scope(|scope| {
            let threads: Vec<_> = pairs
                .chunks(share)
                .map(|pairs| scope.spawn(move || pairs.iter().filter_map(|pair| check(pair).transpose()).collect()))
                .collect();
            // Propagates the panic of a worker thread with its message.
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        Ok(parts.into_iter().collect::<Result<Vec<_>>>()?.concat())
    }
}

/// The first difference between two tokenizations of a text.
fn difference(bundle: &Encoded, training: &TokenRow) -> Option<String> {
    for (what, ours, theirs) in
        [("token", &bundle.ids, &training.ids), ("the segment of token", &bundle.type_ids, &training.type_ids)]
    {
        if let Some(place) = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs) {
            let (ours, theirs) = (ours[place], theirs[place]);
            return Some(format!("{what} {} is {ours} in the bundle and {theirs} in training", place + 1));
        }
    }
    let (ours, theirs) = (bundle.ids.len(), training.ids.len());
    (ours != theirs).then(|| format!("{ours} tokens in the bundle and {theirs} in training"))
}

/// The start of a text, quoted.
fn excerpt(text: &str) -> String {
    const SHOWN: usize = 60;
    let start: String = text.chars().take(SHOWN).collect();
    if start.len() < text.len() { format!("{start:?}…") } else { format!("{start:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ids: &[u32], type_ids: &[u32]) -> TokenRow {
        TokenRow { id: 7, ids: ids.to_vec(), type_ids: type_ids.to_vec(), labels: vec![0], weight: 1.0, cut: 0 }
    }

    #[test]
    fn the_first_difference_is_described() {
        let encoded = Encoded { ids: vec![1, 5, 9], type_ids: vec![0, 0, 1], cut: 0 };
        let found = |ids: &[u32], type_ids: &[u32]| difference(&encoded, &row(ids, type_ids));
        assert_eq!(found(&[1, 5, 9], &[0, 0, 1]), None);
        assert_eq!(found(&[1, 6, 9], &[0, 0, 1]).unwrap(), "token 2 is 5 in the bundle and 6 in training");
        assert_eq!(
            found(&[1, 5, 9], &[0, 0, 0]).unwrap(),
            "the segment of token 3 is 1 in the bundle and 0 in training"
        );
        assert_eq!(found(&[1, 5], &[0, 0]).unwrap(), "3 tokens in the bundle and 2 in training");
    }

    #[test]
    fn long_texts_are_shortened() {
        assert_eq!(excerpt("a \"b\""), r#""a \"b\"""#);
        assert_eq!(excerpt(&"é".repeat(61)), format!("\"{}\"…", "é".repeat(60)));
    }
}
