//! Scoring rules for probabilities: log loss and Brier score.

use crate::MetricsError;

/// Tolerance of a row's sum; float32 softmax over many classes stays well within.
const SUM_TOLERANCE: f64 = 1e-3;

/// Rejects rows that are not a distribution over `classes`.
///
/// # Errors
/// When there are no rows, the lists differ in length, a true class is beyond `classes`, or a row of probabilities has
/// another number of classes, a value outside 0 to 1 (NaN included), or a sum that is not one.
pub fn check_probabilities<R: AsRef<[f32]>>(
    truth: &[u32],
    probabilities: &[R],
    classes: usize,
) -> Result<(), MetricsError> {
    if truth.is_empty() {
        return Err(MetricsError::NoRows);
    }
    one_per_row(truth.len(), probabilities.len())?;
    for (row, (&index, probabilities)) in truth.iter().zip(probabilities).enumerate() {
        let probabilities = probabilities.as_ref();
        if index as usize >= classes {
            return Err(MetricsError::Class { row, index, classes });
        }
        if probabilities.len() != classes {
            let problem = format!("{} probabilities for {classes} classes", probabilities.len());
            return Err(MetricsError::Probabilities { row, problem });
        }
        if let Some(value) = probabilities.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            return Err(MetricsError::Probabilities { row, problem: format!("{value} is not a probability") });
        }
        let sum: f64 = probabilities.iter().copied().map(f64::from).sum();
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            let problem = format!("the probabilities add up to {sum}, not to 1");
            return Err(MetricsError::Probabilities { row, problem });
        }
    }
    Ok(())
}

/// Refuses another number of rows of probabilities than there are rows.
pub(crate) fn one_per_row(expected: usize, found: usize) -> Result<(), MetricsError> {
    let what = "rows of probabilities";
    if expected == found { Ok(()) } else { Err(MetricsError::Lengths { what, expected, found }) }
}

/// `-ln p` of the true outcome, with `p` clipped to `f32::EPSILON` from 0 and 1.
pub(crate) fn decision_loss(probability: f32) -> f64 {
    let bound = f64::from(f32::EPSILON);
    -f64::from(probability).clamp(bound, 1.0 - bound).ln()
}

/// Mean of `-ln p(true class)`, in nats. Probabilities are first kept `f32::EPSILON` away from 0 and 1, so that one sure
/// mistake does not make it infinite; scikit-learn does the same to float32 input.
///
/// # Errors
/// Those of [`check_probabilities`].
pub fn log_loss<R: AsRef<[f32]>>(truth: &[u32], probabilities: &[R], classes: usize) -> Result<f64, MetricsError> {
    check_probabilities(truth, probabilities, classes)?;
    let losses = truth.iter().zip(probabilities).map(|(&class, row)| decision_loss(row.as_ref()[class as usize]));
    let sum: f64 = losses.sum();
    Ok(sum / truth.len() as f64)
}

/// Mean squared distance between the probabilities and the truth as ones and zeros (Brier 1950), summed over the classes
/// and, for two classes, halved, as scikit-learn does: there it is the mean of `(p(1) − y)²`.
///
/// # Errors
/// Those of [`check_probabilities`].
pub fn brier_score<R: AsRef<[f32]>>(truth: &[u32], probabilities: &[R], classes: usize) -> Result<f64, MetricsError> {
    check_probabilities(truth, probabilities, classes)?;
    let distance = |(&truth, row): (&u32, &R)| -> f64 {
        let target = |class: u32| if class == truth { 1.0 } else { 0.0 };
        (0_u32..).zip(row.as_ref()).map(|(class, &value)| (f64::from(value) - target(class)).powi(2)).sum()
    };
    let sum: f64 = truth.iter().zip(probabilities).map(distance).sum();
    let mean = sum / truth.len() as f64;
    Ok(if classes == 2 { mean / 2.0 } else { mean })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{CLASSES, PROBABILITIES, TRUTH};

    /// The reference sums in float32.
    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "found {found}, expected {expected}");
    }

    #[test]
    fn equal_to_scikit_learn_on_three_classes() {
        assert_near(log_loss(&TRUTH, &PROBABILITIES, CLASSES).unwrap(), 0.670_504_33);
        assert_near(brier_score(&TRUTH, &PROBABILITIES, CLASSES).unwrap(), 0.367_000_01);
    }

    /// `p = np.array([[.9, .1], [.4, .6], [.3, .7], [1, 0]], dtype=np.float32)`, `t = [0, 1, 0, 1]`
    #[test]
    fn equal_to_scikit_learn_on_two_classes_with_a_sure_mistake() {
        let probabilities = [[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [1.0, 0.0]];
        assert_near(log_loss(&[0, 1, 0, 1], &probabilities, 2).unwrap(), 4.440_635_7);
        assert_near(brier_score(&[0, 1, 0, 1], &probabilities, 2).unwrap(), 0.415);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        let refused = |row: [f32; 2]| log_loss(&[0], &[row], 2).unwrap_err().to_string();
        assert_eq!(refused([f32::NAN, 0.5]), "row 0: NaN is not a probability");
        assert_eq!(refused([1.5, -0.5]), "row 0: 1.5 is not a probability");
        assert_eq!(refused([0.5, 0.25]), "row 0: the probabilities add up to 0.75, not to 1");
        assert!(log_loss(&[0], &[[0.5_f32; 2]], 3).is_err());
        assert!(log_loss(&[2], &[[0.5_f32; 2]], 2).is_err());
        assert!(log_loss(&[0, 1], &[[0.5_f32; 2]], 2).is_err());
        assert!(log_loss::<[f32; 2]>(&[], &[], 2).is_err());
    }
}
