//! Ranking quality: area under the ROC curve.

use rayon::prelude::*;

/// Classes whose scores are gathered together: a cache line of float32.
const BLOCK: usize = 16;

/// Area under the ROC curve: how often a positive row has a higher score than a negative one, ties counting half
/// (Mann and Whitney 1947; Hanley and McNeil 1982). `None` where there are no positive or no negative rows, or a score is
/// NaN. Rows beyond the shorter list are ignored.
pub fn roc_auc(positive: &[bool], scores: &[f32]) -> Option<f64> {
    let mut rows: Vec<(f32, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    if rows.iter().any(|(score, _)| score.is_nan()) {
        return None;
    }
    // -0 and +0 are one score. Rows with one score are counted together, so their order does not matter.
    rows.sort_unstable_by(|a, b| (a.0 + 0.0).total_cmp(&(b.0 + 0.0)));
    let positives = rows.iter().filter(|(_, positive)| *positive).count() as f64;
    let negatives = rows.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let (mut below, mut wins) = (0.0, 0.0);
    for tied in rows.chunk_by(|a, b| a.0 == b.0) {
        let positive = tied.iter().filter(|(_, positive)| *positive).count() as f64;
        let negative = tied.len() as f64 - positive;
        wins += positive * (below + negative / 2.0);
        below += negative;
    }
    Some(wins / (positives * negatives))
}

/// The area for a classifier: of the second class where there are two, else the plain mean over all classes, each against
/// the rest. `None` where a class has no rows or all of them.
pub fn roc_auc_of_classes<R: AsRef<[f32]> + Sync>(truth: &[u32], probabilities: &[R], classes: usize) -> Option<f64> {
    if probabilities.iter().any(|row| row.as_ref().len() < classes) {
        return None;
    }
    let one_against_rest = |class: usize, scores: &[f32]| {
        let positive: Vec<bool> = truth.iter().map(|&truth| truth as usize == class).collect();
        roc_auc(&positive, scores)
    };
    if classes == 2 {
        let scores: Vec<f32> = probabilities.iter().map(|row| row.as_ref()[1]).collect();
        return one_against_rest(1, &scores);
    }
    let areas = by_class(probabilities, classes, one_against_rest);
    let areas: Option<Vec<f64>> = areas.into_iter().collect();
    areas.filter(|areas| !areas.is_empty()).map(|areas| areas.iter().sum::<f64>() / areas.len() as f64)
}

/// Calls `figure` with each class and its probabilities over all rows, in parallel. Every row must have `classes`
/// probabilities.
pub(crate) fn by_class<R: AsRef<[f32]> + Sync, T: Send>(
    probabilities: &[R],
    classes: usize,
    figure: impl Fn(usize, &[f32]) -> T + Sync,
) -> Vec<T> {
    // Rows lie one after the other: a class at a time would read every row's memory once per class.
    let blocks: Vec<usize> = (0..classes).step_by(BLOCK).collect();
    let of_block = |&start: &usize| {
        let end = (start + BLOCK).min(classes);
        let mut scores = vec![Vec::with_capacity(probabilities.len()); end - start];
        for row in probabilities {
            for (scores, &score) in scores.iter_mut().zip(&row.as_ref()[start..end]) {
                scores.push(score);
            }
        }
        (start..end).zip(&scores).map(|(class, scores)| figure(class, scores)).collect::<Vec<T>>()
    };
    blocks.par_iter().flat_map_iter(of_block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{CLASSES, PROBABILITIES, TRUTH, assert_close};

    /// `roc_auc_score([0, 0, 1, 1], [.1, .4, .35, .8])` and `roc_auc_score([0, 1, 0, 1, 1], [.5, .5, .2, .5, .9])`
    #[test]
    fn equal_to_scikit_learn() {
        let area = |truth: &[u8], scores: &[f32]| {
            let positive: Vec<bool> = truth.iter().map(|&truth| truth == 1).collect();
            roc_auc(&positive, scores)
        };
        assert_close(area(&[0, 0, 1, 1], &[0.1, 0.4, 0.35, 0.8]).unwrap(), 0.75);
        assert_close(area(&[0, 1, 0, 1, 1], &[0.5, 0.5, 0.2, 0.5, 0.9]).unwrap(), 0.833_333_333_3);
        assert_eq!(area(&[1, 1], &[0.5, 0.2]), None);
        assert_eq!(area(&[1, 0], &[0.5, f32::NAN]), None);
        assert_close(roc_auc_of_classes(&TRUTH, &PROBABILITIES, CLASSES).unwrap(), 0.857_638_888_9);
    }

    #[test]
    fn of_two_classes_it_is_that_of_the_second() {
        let probabilities = [[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]];
        assert_close(roc_auc_of_classes(&[0, 0, 1, 1], &probabilities, 2).unwrap(), 0.75);
        assert_eq!(roc_auc_of_classes(&[0, 0, 1, 1], &probabilities, 3), None);
    }

    #[test]
    fn scores_are_gathered_for_each_class_in_order() {
        let rows: Vec<Vec<f32>> = (0..3).map(|row| (0..40).map(|class| (row * 100 + class) as f32).collect()).collect();
        let gathered = by_class(&rows, 40, |class, scores| (class, scores.to_vec()));
        assert_eq!(gathered.len(), 40);
        assert!(gathered.iter().enumerate().all(|(place, (class, _))| place == *class));
        assert_eq!(gathered[33].1, [33.0, 133.0, 233.0]);
    }
}
