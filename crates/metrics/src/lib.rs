//! Figures over predictions: class indices and probabilities in, numbers out.
//!
//! [`Figures`] is everything at once, as `metrics.json` has it; each part is also there by itself. Definitions follow
//! scikit-learn where it has the figure, and the tests hold numbers computed with it; a figure that is zero divided by zero
//! is `None`. [`Task`] says which labels probabilities assign, [`resample`] how figures would vary on other rows, and
//! [`Comparison`] whether one system is better than another.
//!
//! Invariants: this crate knows neither files nor label names.

mod bootstrap;
mod calibration;
mod comparison;
mod confusion;
mod error;
mod figures;
mod interval;
mod label_sets;
mod paired;
mod per_class;
mod probability;
#[cfg(test)]
mod properties;
mod ranking;
mod task;
mod units;

pub use bootstrap::{Predictions, RESAMPLES, Sample, percentile_95, resample};
pub use calibration::{Bin, Calibration, ClassCalibration};
pub use comparison::{Compared, Comparison, Difference, LEVEL, Verdict};
pub use confusion::{ConfusedPair, ConfusionMatrix};
pub use error::MetricsError;
pub use figures::Figures;
pub use interval::{Interval, wilson_95};
pub use paired::{Test, mcnemar};
pub use per_class::{Average, Averages, ClassFigures};
pub use probability::{brier_score, check_probabilities, log_loss};
pub use ranking::{roc_auc, roc_auc_of_classes};
pub use task::{THRESHOLD, Task, likely, most_likely};
pub use units::Units;

/// What the tests of several files measure: ten rows of three classes, also known to scikit-learn.
///
/// The reference values were computed with scikit-learn 1.9.1:
///
/// ```python
/// import numpy as np
/// from sklearn import metrics as m
/// t = [0, 0, 0, 1, 1, 1, 1, 2, 2, 0]
/// p = np.array([[.7, .2, .1], [.6, .3, .1], [.2, .5, .3], [.1, .8, .1], [.25, .5, .25], [.3, .3, .4], [.05, .9, .05],
///               [.2, .2, .6], [.4, .35, .25], [.9, .05, .05]], dtype=np.float32)
/// y = p.argmax(1)
/// m.precision_recall_fscore_support(t, y), m.matthews_corrcoef(t, y), m.log_loss(t, p), m.brier_score_loss(t, p)
/// [m.precision_recall_fscore_support(t, y, average=a) for a in ("macro", "micro", "weighted")]
/// m.roc_auc_score(t, p, multi_class="ovr", average="macro")
/// ```
#[cfg(test)]
pub(crate) mod sample {
    pub(crate) const CLASSES: usize = 3;
    pub(crate) const TRUTH: [u32; 10] = [0, 0, 0, 1, 1, 1, 1, 2, 2, 0];
    pub(crate) const PREDICTED: [u32; 10] = [0, 0, 1, 1, 1, 2, 1, 2, 0, 0];
    pub(crate) const PROBABILITIES: [[f32; 3]; 10] = [
        [0.7, 0.2, 0.1],
        [0.6, 0.3, 0.1],
        [0.2, 0.5, 0.3],
        [0.1, 0.8, 0.1],
        [0.25, 0.5, 0.25],
        [0.3, 0.3, 0.4],
        [0.05, 0.9, 0.05],
        [0.2, 0.2, 0.6],
        [0.4, 0.35, 0.25],
        [0.9, 0.05, 0.05],
    ];

    /// Close enough for a figure that was computed in another order.
    pub(crate) fn assert_close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-7, "found {found}, expected {expected}");
    }
}
