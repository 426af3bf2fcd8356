//! TF-IDF over unigrams and bigrams.
//!
//! The same weights as scikit-learn's `TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)`, so that the
//! baseline is the usual one.

use std::collections::HashMap;

use rayon::prelude::*;

use super::sparse::SparseRows;
use super::words::words;

/// A unigram or bigram, as word ids in order of first occurrence. Maps keyed by it are never iterated in map order: output is
/// sorted, so it is deterministic.
type Term = u64;

/// The second half of a [`Term`] that is one word.
const NO_SECOND: u32 = u32::MAX;

fn term(first: u32, second: u32) -> Term {
    u64::from(first) << 32 | u64::from(second)
}

/// The vocabulary of unigrams and bigrams with their inverse document frequencies.
#[derive(Debug, Clone)]
pub(crate) struct TfIdf {
    words: HashMap<String, u32>,
    features: HashMap<Term, u32>,
    /// `ln((1 + rows) / (1 + rows with the term)) + 1`, by feature.
    idf: Vec<f64>,
}

/// Document frequency of a term, and the last row counted.
#[derive(Debug, Clone, Copy)]
struct Seen {
    rows: u32,
    last: u32,
}

impl Seen {
    const NEVER: Self = Self { rows: 0, last: u32::MAX };

    fn count(&mut self, row: u32) {
        if self.last != row {
            *self = Self { rows: self.rows + 1, last: row };
        }
    }
}

impl TfIdf {
    /// Minimum document frequency: a term in only one row does not help to classify other rows.
    pub(crate) const MIN_ROWS: u32 = 2;

    /// Learns the terms of these texts, at most `limit`: those with the highest document frequency, ties by first occurrence.
    pub(crate) fn fit<T: AsRef<str>>(texts: &[T], limit: usize) -> Self {
        let mut vocabulary: HashMap<String, u32> = HashMap::new();
        let mut seen_words: Vec<Seen> = Vec::new();
        let mut rows: Vec<Vec<u32>> = Vec::new();
        for (row, text) in (0..).zip(texts) {
            let text = text.as_ref().to_lowercase();
            let ids = words(&text).map(|word| {
                let id = vocabulary.get(word).copied().unwrap_or_else(|| {
                    let id = seen_words.len() as u32;
                    seen_words.push(Seen::NEVER);
                    vocabulary.insert(word.to_owned(), id);
                    id
                });
                seen_words[id as usize].count(row);
                id
            });
            rows.push(ids.collect());
        }

        let common = |word: u32| seen_words[word as usize].rows >= Self::MIN_ROWS;
        let mut pairs: HashMap<Term, Seen> = HashMap::new();
        for (row, ids) in (0..).zip(&rows) {
            for pair in ids.windows(2).filter(|pair| common(pair[0]) && common(pair[1])) {
                pairs.entry(term(pair[0], pair[1])).or_insert(Seen::NEVER).count(row);
            }
        }

        let single = (0..).zip(&seen_words).map(|(word, seen)| (seen.rows, term(word, NO_SECOND)));
        let double = pairs.into_iter().map(|(pair, seen)| (seen.rows, pair));
        let mut terms: Vec<(u32, Term)> = single.chain(double).filter(|(rows, _)| *rows >= Self::MIN_ROWS).collect();
        terms.sort_unstable_by_key(|&(rows, term)| (std::cmp::Reverse(rows), term));
        terms.truncate(limit);
        let idf = |in_rows: u32| ((1.0 + rows.len() as f64) / (1.0 + f64::from(in_rows))).ln() + 1.0;
        Self {
            words: vocabulary,
            idf: terms.iter().map(|&(rows, _)| idf(rows)).collect(),
            features: terms.into_iter().zip(0..).map(|((_, term), feature)| (term, feature)).collect(),
        }
    }

    /// Number of terms.
    pub(crate) fn features(&self) -> usize {
        self.idf.len()
    }

    /// Weights of the texts' terms: `(1 + ln count) · idf`, each row scaled to length one. Unknown terms are left out.
    pub(crate) fn transform<T: AsRef<str> + Sync>(&self, texts: &[T]) -> SparseRows {
        let rows: Vec<Vec<(u32, f32)>> = texts.par_iter().map(|text| self.row(text.as_ref())).collect();
        let mut matrix = SparseRows::new(self.features());
        rows.into_iter().for_each(|row| matrix.push(row));
        matrix
    }

    fn row(&self, text: &str) -> Vec<(u32, f32)> {
        let text = text.to_lowercase();
        // An unknown word still separates its neighbours.
        let ids: Vec<Option<u32>> = words(&text).map(|word| self.words.get(word).copied()).collect();
        let single = ids.iter().flatten().map(|&word| term(word, NO_SECOND));
        let double = ids.windows(2).filter_map(|pair| Some(term(pair[0]?, pair[1]?)));
        let mut found: Vec<u32> = single.chain(double).filter_map(|term| self.features.get(&term).copied()).collect();
        found.sort_unstable();
        let weights: Vec<(u32, f64)> = found
            .chunk_by(|a, b| a == b)
            .map(|same| (same[0], (1.0 + (same.len() as f64).ln()) * self.idf[same[0] as usize]))
            .collect();
        let length = weights.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
        weights.into_iter().map(|(feature, weight)| (feature, (weight / length) as f32)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 4] =
        ["A fine film, a fine film!", "not a fine film", "not fine", "dull dull dull film; not fine film"];

    fn rows(limit: usize, texts: &[&str]) -> Vec<Vec<f64>> {
        let tfidf = TfIdf::fit(&TEXTS, limit);
        let matrix = tfidf.transform(texts);
        (0..matrix.len()).map(|row| matrix.row(row).map(|(_, value)| value).collect()).collect()
    }

    /// `TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2).fit_transform(TEXTS)`, scikit-learn 1.9.1.
    /// The features, in this file's order: fine, fine film, film, not fine, not.
    #[test]
    fn weights_are_those_of_scikit_learn() {
        let found = rows(100, &TEXTS);
        let expected: [&[f64]; 4] = [
            &[0.500_490_70, 0.612_171_98, 0.612_171_98],
            &[0.378_388_49, 0.462_823_44, 0.462_823_44, 0.462_823_44, 0.462_823_44],
            &[0.500_490_70, 0.612_171_98, 0.612_171_98],
            &[0.319_811_76, 0.391_175_69, 0.662_318_02, 0.391_175_69, 0.391_175_69],
        ];
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
            }
        }
    }

    #[test]
    fn the_limit_keeps_the_most_frequent_terms() {
        let tfidf = TfIdf::fit(&TEXTS, 1);
        assert_eq!(tfidf.features(), 1);
        assert_eq!(rows(1, &["fine", "film"]), [vec![1.0], vec![]]);
    }

    #[test]
    fn unknown_and_empty_texts_are_empty_rows() {
        assert_eq!(rows(100, &["", "zebra a ?"]), [Vec::<f64>::new(), Vec::new()]);
        assert_eq!(TfIdf::fit::<&str>(&[], 100).features(), 0);
    }

    #[test]
    fn equal_texts_give_equal_matrices_however_often() {
        let fit = || TfIdf::fit(&TEXTS, 100).transform(&TEXTS);
        assert_eq!(fit(), fit());
    }
}
