//! `report.json`: how long the rows are, and what truncation costs.

use firebrand_dataset::TokenRow;
use serde::Serialize;

/// Figures of one part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PartReport {
    pub(crate) rows: usize,
    /// All tokens that are left, special ones included.
    pub(crate) tokens: u64,
    pub(crate) mean_length: f64,
    pub(crate) median_length: usize,
    /// 95 of 100 rows are no longer.
    pub(crate) p95_length: usize,
    pub(crate) longest: usize,
    /// Rows that lost tokens.
    pub(crate) rows_cut: usize,
    pub(crate) tokens_cut: u64,
    /// Share of tokens that stand for something the vocabulary does not have; `None` where it has everything.
    pub(crate) unknown_share: Option<f64>,
}

/// The whole report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    /// What rows were cut to, in tokens.
    pub(crate) max_length: usize,
    /// Whether rows are pairs of texts.
    pub(crate) pairs: bool,
    /// What batches are padded with.
    pub(crate) pad_token: Option<String>,
    pub(crate) pad_token_id: Option<u32>,
    /// Whether that is the end-of-text token, as the tokenizer has none for padding: the model's `config.json` must then get
    /// the id as its `pad_token_id`.
    pub(crate) pads_with_end: bool,
    pub(crate) train: PartReport,
    pub(crate) validation: PartReport,
    pub(crate) test: PartReport,
}

impl PartReport {
    pub(crate) fn new(rows: &[TokenRow], unknown_id: Option<u32>) -> Self {
        let mut lengths: Vec<usize> = rows.iter().map(|row| row.ids.len()).collect();
        lengths.sort_unstable();
        let tokens: usize = lengths.iter().sum();
        let unknown =
            unknown_id.map(|unknown| rows.iter().flat_map(|row| &row.ids).filter(|&&id| id == unknown).count());
        Self {
            rows: rows.len(),
            tokens: tokens as u64,
            mean_length: share(tokens, rows.len()),
            median_length: quantile(&lengths, 0.5),
            p95_length: quantile(&lengths, 0.95),
            longest: lengths.last().copied().unwrap_or_default(),
            rows_cut: rows.iter().filter(|row| row.cut > 0).count(),
            tokens_cut: rows.iter().map(|row| u64::from(row.cut)).sum(),
            unknown_share: unknown.map(|unknown| share(unknown, tokens)),
        }
    }
}

impl Report {
    /// A line for the user, and one more where a good part of the texts is lost.
    pub(crate) fn lines(&self) -> Vec<String> {
        let parts = [&self.train, &self.validation, &self.test];
        let rows: usize = parts.iter().map(|part| part.rows).sum();
        let cut: usize = parts.iter().map(|part| part.rows_cut).sum();
        let lost: u64 = parts.iter().map(|part| part.tokens_cut).sum();
        let mut lines = vec![format!(
            "{rows} rows of {:.0} tokens in the mean, {} at the 95th percentile, {} at most; {cut} rows were cut to {}",
            self.train.mean_length, self.train.p95_length, self.train.longest, self.max_length
        )];
        if let (true, Some(token), Some(id)) = (self.pads_with_end, &self.pad_token, self.pad_token_id) {
            lines.push(format!(
                "the tokenizer has no padding token: {token:?}, which ends a text, serves as one (id {id})"
            ));
        }
        if cut * 5 > rows {
            let left: u64 = parts.iter().map(|part| part.tokens).sum();
            lines.push(format!(
                "warning: {:.0} % of the rows are longer than {} tokens, and {:.0} % of all tokens are lost: raise \
                 `tokenize.max_length` if what decides comes late",
                100.0 * share(cut, rows),
                self.max_length,
                100.0 * lost as f64 / (lost + left) as f64,
            ));
        }
        if let Some(unknown) = self.train.unknown_share.filter(|&unknown| unknown > 0.05) {
            lines.push(format!(
                "warning: {:.0} % of the tokens are unknown to the vocabulary: is the model of this language?",
                100.0 * unknown
            ));
        }
        lines
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The smallest value that this share of the sorted values does not exceed.
fn quantile(sorted: &[usize], share: f64) -> usize {
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(length: u32, cut: u32) -> TokenRow {
        let ids: Vec<u32> = (0..length).collect();
        TokenRow { id: 0, type_ids: vec![0; ids.len()], ids, labels: vec![0], weight: 1.0, cut }
    }

    fn report(rows: &[TokenRow]) -> Report {
        let part = PartReport::new(rows, Some(1));
        Report {
            max_length: 4,
            pairs: false,
            pad_token: Some("<|end|>".to_owned()),
            pad_token_id: Some(9),
            pads_with_end: false,
            train: part.clone(),
            validation: part.clone(),
            test: part,
        }
    }

    #[test]
    fn figures_of_a_part() {
        let part = PartReport::new(&[row(2, 0), row(4, 6), row(3, 0), row(1, 0)], Some(1));
        assert_eq!((part.rows, part.tokens, part.median_length, part.p95_length, part.longest), (4, 10, 2, 4, 4));
        assert_eq!((part.rows_cut, part.tokens_cut, part.mean_length), (1, 6, 2.5));
        assert_eq!(part.unknown_share, Some(0.3));
        assert_eq!(PartReport::new(&[], None).unknown_share, None);
    }

    #[test]
    fn heavy_truncation_is_said_loudly() {
        assert_eq!(report(&[row(3, 0), row(2, 0)]).lines().len(), 2, "a third of the tokens is unknown");
        let padded = Report { pads_with_end: true, ..report(&[row(4, 0)]) }.lines();
        assert!(padded[1].contains("\"<|end|>\"") && padded[1].contains("(id 9)"), "{}", padded[1]);
        let lines = report(&[row(4, 12), row(4, 0)]).lines();
        assert!(lines[1].contains("50 % of the rows") && lines[1].contains("60 % of all tokens"), "{}", lines[1]);
    }
}
