//! `report.json`: lengths, truncation, and unknown tokens.

use std::collections::BTreeMap;

use firebrand_dataset::{LabelMap, TokenRow};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::ambiguity::Ambiguity;

/// Figures of one split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PartReport {
    pub(crate) rows: usize,
    /// Tokens after truncation, special tokens included.
    pub(crate) tokens: u64,
    pub(crate) mean_length: f64,
    pub(crate) median_length: usize,
    /// 95th percentile of the lengths.
    pub(crate) p95_length: usize,
    pub(crate) longest: usize,
    /// Number of truncated rows.
    pub(crate) rows_cut: usize,
    pub(crate) tokens_cut: u64,
    /// Share of unknown tokens; `None` if the tokenizer has no unknown token.
    pub(crate) unknown_share: Option<f64>,
    /// The same for the rows of each label, by its name.
    pub(crate) unknown_share_by_label: Option<Map<String, Value>>,
}

/// The whole report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    /// Maximum length in tokens.
    pub(crate) max_length: usize,
    /// Whether rows are pairs of texts.
    pub(crate) pairs: bool,
    /// The padding token.
    pub(crate) pad_token: Option<String>,
    pub(crate) pad_token_id: Option<u32>,
    /// Whether the padding token is the end-of-text token, as the tokenizer has none of its own: the id then has to become
    /// `pad_token_id` in the model's `config.json`.
    pub(crate) pads_with_end: bool,
    /// Rows with equal tokens.
    pub(crate) ambiguity: Ambiguity,
    pub(crate) train: PartReport,
    pub(crate) validation: PartReport,
    pub(crate) test: PartReport,
}

impl PartReport {
    /// `labels` are the labels' names.
    pub(crate) fn new(rows: &[TokenRow], unknown_id: Option<u32>, labels: &Labels) -> Self {
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
            unknown_share_by_label: unknown_id.map(|unknown| by_label(rows, unknown, labels)),
        }
    }

    /// Labels with many unknown tokens and their shares, the largest first.
    fn unknown_labels(&self) -> Vec<(&str, f64)> {
        let shares = self.unknown_share_by_label.iter().flatten();
        let mut labels: Vec<(&str, f64)> = shares
            .filter_map(|(label, share)| Some((label.as_str(), share.as_f64()?)))
            .filter(|(_, share)| *share > MAX_UNKNOWN_SHARE)
            .collect();
        labels.sort_by(|a, b| b.1.total_cmp(&a.1));
        labels
    }
}

/// The names of labels, if they are known.
#[derive(Debug, Default)]
pub(crate) struct Labels(pub(crate) Option<LabelMap>);

impl Labels {
    /// A label's name, or its number.
    pub(crate) fn name(&self, label: u32) -> String {
        let name = self.0.as_ref().and_then(|labels| labels.name(label));
        name.map_or_else(|| label.to_string(), str::to_owned)
    }
}

/// A larger share of unknown tokens causes a warning.
const MAX_UNKNOWN_SHARE: f64 = 0.05;

/// The share of unknown tokens in the rows of each label.
fn by_label(rows: &[TokenRow], unknown: u32, labels: &Labels) -> Map<String, Value> {
    let mut counts: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
    for row in rows {
        let found = row.ids.iter().filter(|&&id| id == unknown).count();
        for &label in &row.labels {
            let (part, whole) = counts.entry(label).or_default();
            *part += found;
            *whole += row.ids.len();
        }
    }
    counts.into_iter().map(|(label, (part, whole))| (labels.name(label), share(part, whole).into())).collect()
}

impl Report {
    /// Lines for the log.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let parts = self.parts();
        let rows: usize = parts.iter().map(|part| part.rows).sum();
        let cut: usize = parts.iter().map(|part| part.rows_cut).sum();
        let mut remarks = vec![format!(
            "{rows} rows with {:.0} tokens on average, {} at the 95th percentile, {} at most; {cut} rows were truncated to {} tokens",
            self.train.mean_length, self.train.p95_length, self.train.longest, self.max_length
        )];
        if let (true, Some(token), Some(id)) = (self.pads_with_end, &self.pad_token, self.pad_token_id) {
            remarks
                .push(format!("the tokenizer has no padding token: using the end-of-text token {token:?} (id {id})"));
        }
        if !self.ambiguity.is_notable() {
            remarks.extend(self.ambiguity.about_labels());
        }
        remarks.extend(self.ambiguity.about_test_rows());
        remarks
    }

    /// Warnings about data that may lower the quality of the model.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let parts = self.parts();
        let rows: usize = parts.iter().map(|part| part.rows).sum();
        let cut: usize = parts.iter().map(|part| part.rows_cut).sum();
        let lost: u64 = parts.iter().map(|part| part.tokens_cut).sum();
        let mut warnings = Vec::new();
        if cut * 5 > rows {
            let left: u64 = parts.iter().map(|part| part.tokens).sum();
            warnings.push(format!(
                "{:.0} % of the rows are longer than {} tokens, and {:.0} % of all tokens are truncated: raise \
                 `tokenize.max_length` if the ends of texts matter",
                100.0 * share(cut, rows),
                self.max_length,
                100.0 * lost as f64 / (lost + left) as f64,
            ));
        }
        if let Some(unknown) = self.train.unknown_share.filter(|&unknown| unknown > MAX_UNKNOWN_SHARE) {
            warnings.push(format!(
                "{:.0} % of the tokens are unknown to the vocabulary: is the model for this language?",
                100.0 * unknown
            ));
        } else if let [(label, unknown), others @ ..] = self.train.unknown_labels().as_slice() {
            let others =
                if others.is_empty() { String::new() } else { format!(", and much for {} more labels", others.len()) };
            warnings.push(format!(
                "{:.0} % of the tokens of `{label}` are unknown to the vocabulary{others}: what tells it from other labels \
                 may be lost",
                100.0 * unknown
            ));
        }
        if self.ambiguity.is_notable() {
            warnings.extend(self.ambiguity.about_labels());
        }
        warnings
    }

    fn parts(&self) -> [&PartReport; 3] {
        [&self.train, &self.validation, &self.test]
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The nearest-rank quantile of sorted values.
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
        let part = PartReport::new(rows, Some(1), &Labels::default());
        Report {
            max_length: 4,
            pairs: false,
            pad_token: Some("<|end|>".to_owned()),
            pad_token_id: Some(9),
            pads_with_end: false,
            ambiguity: Ambiguity::default(),
            train: part.clone(),
            validation: part.clone(),
            test: part,
        }
    }

    #[test]
    fn figures_of_a_split() {
        let part = PartReport::new(&[row(2, 0), row(4, 6), row(3, 0), row(1, 0)], Some(1), &Labels::default());
        assert_eq!((part.rows, part.tokens, part.median_length, part.p95_length, part.longest), (4, 10, 2, 4, 4));
        assert_eq!((part.rows_cut, part.tokens_cut, part.mean_length), (1, 6, 2.5));
        assert_eq!(part.unknown_share, Some(0.3));
        assert_eq!(PartReport::new(&[], None, &Labels::default()).unknown_share, None);
    }

    #[test]
    fn heavy_truncation_is_a_warning() {
        let two = report(&[row(3, 0), row(2, 0)]);
        assert_eq!((two.remarks().len(), two.warnings().len()), (1, 1), "a third of the tokens is unknown");
        let padded = Report { pads_with_end: true, ..report(&[row(4, 0)]) }.remarks();
        assert!(padded[1].contains("\"<|end|>\"") && padded[1].contains("(id 9)"), "{}", padded[1]);
        let warnings = report(&[row(4, 12), row(4, 0)]).warnings();
        assert!(
            warnings[0].contains("50 % of the rows") && warnings[0].contains("60 % of all tokens"),
            "{}",
            warnings[0]
        );
    }

    /// The overall share hides a single label whose tokens are mostly unknown.
    #[test]
    fn unknown_tokens_are_counted_by_label() {
        let known = TokenRow { ids: vec![2; 50], type_ids: vec![0; 50], ..row(0, 0) };
        let unknown = TokenRow { ids: vec![2, 1, 1, 3], type_ids: vec![0; 4], labels: vec![1], ..row(0, 0) };
        let names = LabelMap::new(vec!["good".to_owned(), "bad".to_owned()]).unwrap();
        let part = PartReport::new(&[known, unknown], Some(1), &Labels(Some(names)));
        assert!(part.unknown_share.unwrap() < 0.05);
        assert_eq!(part.unknown_share_by_label.as_ref().unwrap()["bad"], 0.5);
        let warnings = Report { train: part, ..report(&[row(1, 0)]) }.warnings();
        assert!(warnings[0].starts_with("50 % of the tokens of `bad` are unknown"), "{}", warnings[0]);
    }
}
