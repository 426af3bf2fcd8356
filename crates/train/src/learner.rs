//! One step: forward, loss, backward, clipping, update.

use burn::tensor::{Device, Int, Tensor, TensorData};
use firebrand_model::{Batch, Classifier, DropoutRng, ProblemType, Tokens, binary_cross_entropy, cross_entropy};
use firebrand_pipeline::{Error, Result, ResultExt};

use crate::{AdamW, Gradients};

/// A classifier with what moves it.
#[derive(Debug)]
pub struct Learner {
    /// What is trained; its device records gradients.
    pub classifier: Classifier,
    pub(crate) optimizer: AdamW,
    device: Device,
    dropout: DropoutRng,
    /// 0: no clipping.
    max_grad_norm: f64,
}

/// What a step found on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepFigures {
    /// Mean loss over the step's rows before the update, in nats.
    pub loss: f64,
    /// Norm of all gradients together, before clipping.
    pub grad_norm: f64,
}

impl Learner {
    /// Trains with dropout drawn from `seed`, and gradients clipped to the norm `max_grad_norm` (0: not clipped).
    pub fn new(classifier: Classifier, optimizer: AdamW, max_grad_norm: f64, seed: u64) -> Self {
        let device = classifier.device();
        Self { classifier, optimizer, device, dropout: DropoutRng::new(seed), max_grad_norm }
    }

    /// Takes a step, counted from 0. `labels` has those of each row: one, where the classifier gives one; any number, where
    /// it gives several. Their loss is the cross-entropy, or the binary one of all labels. By value, so that each parameter has one owner and is changed in place.
    ///
    /// # Errors
    /// When the rows cannot be batched, their labels are not such, or the loss or a gradient is not finite: the parameters are then lost, as one
    /// more update would have lost them.
    pub fn step(
        mut self,
        step: u64,
        rows: &[Tokens<'_>],
        labels: &[impl AsRef<[u32]>],
        learning_rate: f64,
    ) -> Result<(Self, StepFigures)> {
        self.dropout.begin_step(step);
        let batch = Batch::new(rows, self.classifier.pad_token_id(), &self.device)
            .or_data(|| format!("cannot make the batch of step {}", step + 1))?;
        let targets = Targets::new(labels, &self.classifier, &self.device)?;

        let logits = self.classifier.network.forward(&batch, Some(&mut self.dropout));
        let loss = targets.loss(logits);
        let value = loss.clone().into_data().iter::<f64>().sum::<f64>();
        if !value.is_finite() {
            return Err(broke_down(step, learning_rate, &format!("the loss is {value}")));
        }
        let gradients = Gradients::of(&self.classifier.network, loss.backward());
        let grad_norm = gradients.norm();
        if !grad_norm.is_finite() {
            return Err(broke_down(step, learning_rate, &format!("the norm of the gradients is {grad_norm}")));
        }
        let gradients = if self.max_grad_norm > 0.0 { gradients.clipped(self.max_grad_norm) } else { gradients };
        let optimizer = &mut self.optimizer;
        self.classifier = self.classifier.map_network(|network| optimizer.step(network, gradients, learning_rate));
        Ok((self, StepFigures { loss: value, grad_norm }))
    }
}

/// What the scores of a batch are held against.
enum Targets {
    /// `[rows]`: the index of each row's label.
    One(Tensor<1, Int>),
    /// `[rows, labels]`: 1 for each label of a row, else 0.
    Several(Tensor<2>),
}

impl Targets {
    fn new(labels: &[impl AsRef<[u32]>], classifier: &Classifier, device: &Device) -> Result<Self> {
        let (rows, classes) = (labels.len(), classifier.labels().len());
        let fits =
            |row: &&[u32], one: bool| (!one || row.len() == 1) && row.iter().all(|&label| (label as usize) < classes);
        let one = classifier.config().problem == ProblemType::SingleLabelClassification;
        let labels: Vec<&[u32]> = labels.iter().map(AsRef::as_ref).collect();
        if let Some(odd) = labels.iter().find(|row| !fits(row, one)) {
            let wanted = if one { "one label" } else { "labels" };
            return Err(Error::data(format!("a row has the labels {odd:?}: expected {wanted} below {classes}")));
        }
        if one {
            let indices: Vec<i64> = labels.into_iter().flatten().map(|&label| i64::from(label)).collect();
            return Ok(Self::One(Tensor::from_data(TensorData::new(indices, [rows]), device)));
        }
        let mut flags = vec![0_f32; rows * classes];
        for (row, labels) in labels.into_iter().enumerate() {
            labels.iter().for_each(|&label| flags[row * classes + label as usize] = 1.0);
        }
        Ok(Self::Several(Tensor::from_data(TensorData::new(flags, [rows, classes]), device)))
    }

    /// `logits`: `[rows, labels]`; output: `[1]`.
    fn loss(self, logits: Tensor<2>) -> Tensor<1> {
        match self {
            Self::One(targets) => cross_entropy(logits, targets),
            Self::Several(targets) => binary_cross_entropy(logits, targets),
        }
    }
}

fn broke_down(step: u64, learning_rate: f64, what: &str) -> Error {
    Error::other(format!("training broke down in step {}: {what} (learning rate {learning_rate:.3e})", step + 1))
        .hint("lower `train.learning_rate`, or raise `train.warmup_ratio`, and keep `train.max_grad_norm` at 1")
        .hint("if it happens in the first steps whatever the rate, look at the pretrained weights: fetch them again")
}
