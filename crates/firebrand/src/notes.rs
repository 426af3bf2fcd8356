//! What stderr says about texts that are empty, truncated, or could not be classified.

use firebrand_pipeline::{Error, Result};

use crate::predictor::Answer;
use firebrand_infer::Refusal;

/// Refused texts that stderr lists; the rest is only counted. JSON output has them all.
const LISTED: usize = 100;

/// Collected while texts are answered.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    texts: usize,
    empty: Ranges,
    warned_about_truncation: bool,
    refused: usize,
    /// What to do about the refused texts, each advice once.
    hints: Vec<&'static str>,
}

impl Notes {
    /// Takes note of the next text's answer.
    pub(crate) fn add(&mut self, answer: &Result<Answer, Refusal>, max_length: usize) {
        self.texts += 1;
        match answer {
            Ok(answer) => self.add_answer(answer, max_length),
            Err(refusal) => self.add_refusal(refusal),
        }
    }

    fn add_answer(&mut self, answer: &Answer, max_length: usize) {
        if answer.empty {
            self.empty.push(self.texts);
        }
        // The first one only: a file of long texts would be a flood of warnings.
        if answer.truncated_tokens > 0 && !self.warned_about_truncation {
            self.warned_about_truncation = true;
            tracing::warn!(
                "text {} is longer than the {max_length} tokens that the model takes: {} were cut off (further \
                 truncated texts are not reported)",
                self.texts,
                answer.truncated_tokens
            );
        }
    }

    fn add_refusal(&mut self, refusal: &Refusal) {
        self.refused += 1;
        if self.refused <= LISTED {
            tracing::error!("text {} {refusal}", self.texts);
        } else if self.refused == LISTED + 1 {
            tracing::error!("further such texts are only counted");
        }
        if !self.hints.contains(&refusal.hint()) {
            self.hints.push(refusal.hint());
        }
    }

    /// What is left to be said after the last text.
    ///
    /// # Errors
    /// When texts were refused.
    pub(crate) fn finish(self) -> Result<()> {
        if let Some(warning) = self.empty_warning() {
            tracing::warn!("{warning}");
        }
        if self.refused == 0 {
            return Ok(());
        }
        let error = Error::data(format!("{} of {} texts could not be classified", self.refused, self.texts));
        Err(self.hints.into_iter().fold(error, Error::hint))
    }

    fn empty_warning(&self) -> Option<String> {
        let (are, whose) = match self.empty.count {
            0 => return None,
            1 => (format!("text {} is", self.empty), "its label means"),
            _ => (format!("texts {} are", self.empty), "their labels mean"),
        };
        Some(format!("{are} empty after cleaning, so {whose} nothing"))
    }
}

/// Ascending numbers, kept and shown as ranges.
#[derive(Debug, Default)]
struct Ranges {
    /// First and last of each.
    ranges: Vec<(usize, usize)>,
    /// How many numbers there are, those that are no longer kept included.
    count: usize,
}

impl Ranges {
    /// Ranges that are kept and shown.
    const MOST: usize = 20;

    fn push(&mut self, number: usize) {
        self.count += 1;
        let kept = self.ranges.len();
        match self.ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ if kept < Self::MOST => self.ranges.push((number, number)),
            _ => (),
        }
    }
}

impl std::fmt::Display for Ranges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, &(first, last)) in self.ranges.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                _ => write!(f, "{comma}{first} to {last}")?,
            }
        }
        let shown: usize = self.ranges.iter().map(|(first, last)| last - first + 1).sum();
        match self.count - shown {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(numbers: impl IntoIterator<Item = usize>) -> Ranges {
        let mut ranges = Ranges::default();
        numbers.into_iter().for_each(|number| ranges.push(number));
        ranges
    }

    #[test]
    fn numbers_are_shown_as_ranges_and_the_many_are_counted() {
        assert_eq!(ranges([1, 2, 3, 5, 8, 9]).to_string(), "1 to 3, 5, 8 to 9");
        assert_eq!(ranges([4]).to_string(), "4");
        let every_other = ranges((0..100).step_by(2)).to_string();
        assert!(every_other.ends_with("36, 38 and 30 more"), "{every_other}");
        // The last range that is kept may still grow.
        assert!(ranges((0..40).step_by(2).chain([39, 41])).to_string().ends_with("38 to 39 and 1 more"));
    }

    #[test]
    fn empty_texts_are_told_in_one_line() {
        let warning =
            |numbers: &[usize]| Notes { empty: ranges(numbers.iter().copied()), ..Notes::default() }.empty_warning();
        assert_eq!(warning(&[]), None);
        assert!(warning(&[3]).unwrap().starts_with("text 3 is empty after cleaning, so its label"));
        assert!(warning(&[1, 2, 3, 7]).unwrap().starts_with("texts 1 to 3, 7 are empty after cleaning, so their"));
    }

    #[test]
    fn refused_texts_make_an_error_with_each_hint_once() {
        let mut notes = Notes::default();
        for refusal in [Refusal::NotUtf8(1), Refusal::NotUtf8(9), Refusal::NotFinite] {
            notes.add(&Err(refusal), 24);
        }
        let answer = Answer { scores: Vec::new(), assigned: None, truncated_tokens: 0, empty: false };
        notes.add(&Ok(answer), 24);
        let error = notes.finish().unwrap_err();
        assert_eq!(error.message(), "3 of 4 texts could not be classified");
        assert_eq!(error.kind().exit_code(), 4);
        assert_eq!(error.render().matches("hint: ").count(), 2, "{}", error.render());
    }
}
