//! Properties of figures of any predictions.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::{ConfusionMatrix, Figures, most_likely};

/// Classes, and rows of truth and raw scores.
fn rows() -> impl Strategy<Value = (usize, Vec<(u32, Vec<f32>)>)> {
    (2_usize..8).prop_flat_map(|classes| {
        let row = (0..classes as u32, vec(0.01_f32..1.0, classes));
        (Just(classes), vec(row, 1..60))
    })
}

/// Truth, predictions and probabilities of these rows.
fn predictions(rows: &[(u32, Vec<f32>)]) -> (Vec<u32>, Vec<u32>, Vec<Vec<f32>>) {
    let probabilities: Vec<Vec<f32>> = rows
        .iter()
        .map(|(_, scores)| {
            let sum: f32 = scores.iter().sum();
            scores.iter().map(|score| score / sum).collect()
        })
        .collect();
    let predicted = probabilities.iter().map(|row| most_likely(row).unwrap()).collect();
    (rows.iter().map(|(truth, _)| *truth).collect(), predicted, probabilities)
}

fn figures(classes: usize, rows: &[(u32, Vec<f32>)]) -> Figures {
    let (truth, predicted, probabilities) = predictions(rows);
    Figures::new(&truth, &predicted, Some(&probabilities), classes).unwrap()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

proptest! {
    #[test]
    fn micro_averages_equal_the_accuracy((classes, rows) in rows()) {
        let figures = figures(classes, &rows);
        let micro = figures.averages.micro;
        prop_assert!(close(micro.f1.unwrap(), figures.accuracy));
        prop_assert!(close(micro.precision.unwrap(), figures.accuracy) && close(micro.recall.unwrap(), figures.accuracy));
        prop_assert!(close(figures.averages.weighted.recall.unwrap(), figures.accuracy));
    }

    #[test]
    fn the_order_of_rows_does_not_matter((classes, rows) in rows(), turn in 0_usize..60) {
        let before = figures(classes, &rows);
        let mut turned = rows.clone();
        turned.rotate_left(turn % rows.len());
        turned.reverse();
        let after = figures(classes, &turned);
        prop_assert_eq!(&before.confusion, &after.confusion);
        prop_assert_eq!(&before.classes, &after.classes);
        let (b, a) = (before.calibration.unwrap(), after.calibration.unwrap());
        prop_assert!(close(b.expected_error, a.expected_error));
        prop_assert!(close(before.log_loss.unwrap(), after.log_loss.unwrap()));
        prop_assert!(close(before.brier_score.unwrap(), after.brier_score.unwrap()));
        prop_assert_eq!(before.roc_auc, after.roc_auc);
    }

    #[test]
    fn renaming_the_classes_keeps_what_is_averaged((classes, rows) in rows()) {
        let (truth, predicted, _) = predictions(&rows);
        let rename = |indices: &[u32]| indices.iter().map(|&index| (index + 1) % classes as u32).collect::<Vec<_>>();
        let before = ConfusionMatrix::new(&truth, &predicted, classes).unwrap();
        let after = ConfusionMatrix::new(&rename(&truth), &rename(&predicted), classes).unwrap();
        prop_assert!(close(before.averages().macro_.f1.unwrap(), after.averages().macro_.f1.unwrap()));
        let (b, a) = (before.matthews_correlation(), after.matthews_correlation());
        prop_assert!(b.zip(a).map_or(b == a, |(b, a)| close(b, a)));
        prop_assert_eq!(before.class_figures(0), after.class_figures(1));
    }

    #[test]
    fn rows_sum_to_support_and_everything_to_the_rows((classes, rows) in rows()) {
        let figures = figures(classes, &rows);
        let (truth, predicted, _) = predictions(&rows);
        for class in 0..classes {
            let of = |indices: &[u32]| indices.iter().filter(|&&index| index as usize == class).count() as u64;
            prop_assert_eq!(figures.confusion.as_ref().unwrap().support(class), of(&truth));
            prop_assert_eq!(figures.confusion.as_ref().unwrap().predicted(class), of(&predicted));
        }
        prop_assert_eq!(figures.rows, rows.len() as u64);
        prop_assert_eq!(figures.calibration.unwrap().bins.iter().map(|bin| bin.rows).sum::<u64>(), figures.rows);
    }

    #[test]
    fn every_figure_stays_within_its_range((classes, rows) in rows()) {
        let figures = figures(classes, &rows);
        let share = 0.0..=1.0;
        prop_assert!(share.contains(&figures.accuracy) && share.contains(&figures.macro_f1));
        prop_assert!(figures.matthews_correlation.is_none_or(|mcc| (-1.0 - 1e-9..=1.0 + 1e-9).contains(&mcc)));
        prop_assert!(figures.log_loss.unwrap() >= 0.0 && (0.0..=2.0).contains(&figures.brier_score.unwrap()));
        prop_assert!(figures.roc_auc.is_none_or(|area| share.contains(&area)));
        let interval = figures.accuracy_interval_95;
        prop_assert!(0.0 <= interval.low && interval.low <= figures.accuracy);
        prop_assert!(figures.accuracy <= interval.high && interval.high <= 1.0);
        let calibration = figures.calibration.unwrap();
        prop_assert!(calibration.expected_error <= calibration.largest_error + 1e-9);
        for class in &figures.classes {
            let (Some(precision), Some(recall)) = (class.precision, class.recall) else { continue };
            prop_assert!(class.f1.unwrap() <= precision.max(recall) + 1e-9);
            prop_assert!(class.f1.unwrap() >= precision.min(recall) - 1e-9);
        }
    }
}
