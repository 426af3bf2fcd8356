//! Loss and accuracy over the validation part.

use firebrand_model::{Classifier, Tokens};
use firebrand_pipeline::{Error, Result, ResultExt};
use serde::{Deserialize, Serialize};

use crate::Rows;

/// What a validation found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Validation {
    /// Mean of `-ln p(label)`, in nats.
    pub(crate) loss: f64,
    /// Share of rows labelled right.
    pub(crate) accuracy: f64,
}

/// Runs the model, without dropout, over all rows; `progress` is told how many more are done.
pub(crate) fn validate(
    classifier: &Classifier,
    rows: &Rows,
    batch_size: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<Validation> {
    let tokens: Vec<Tokens<'_>> = (0..rows.len()).map(|row| rows.tokens(row)).collect();
    let logits = classifier.logits(&tokens, batch_size, progress).or_data(|| "cannot validate".to_owned())?;
    let mut loss = 0.0;
    let mut right = 0;
    for (row, logits) in logits.iter().enumerate() {
        let target = rows.target(row) as usize;
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
        loss += sum.ln() - f64::from(logits[target] - largest);
        // The first of equal scores is the answer, as everywhere.
        right += usize::from(logits.iter().position(|&logit| logit == largest) == Some(target));
    }
    if !loss.is_finite() {
        return Err(Error::other("the model's answers on the validation part are not finite numbers")
            .hint("lower `train.learning_rate`: training broke down"));
    }
    let count = rows.len() as f64;
    Ok(Validation { loss: loss / count, accuracy: right as f64 / count })
}
