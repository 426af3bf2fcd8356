//! The result of training, and the files that it is written to.

use firebrand_model::Classifier;
use firebrand_pipeline::{Result, ResultExt, StageIo};

use crate::Summary;
use crate::checkpoint::{Checkpoints, remove_dir};

/// The result of training.
#[derive(Debug)]
pub struct Outcome {
    /// The classifier with the best parameters, or with the last ones (`restore_best = false`).
    pub classifier: Classifier,
    /// The summary.
    pub summary: Summary,
    /// Steps of the best validations whose models are saved too (`keep_best`), best first.
    pub best: Vec<u64>,
}

impl Outcome {
    /// Writes `model/`, `best/step-STEP/` and `summary.json`, and removes the checkpoints, which are not needed any more.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, io: &StageIo) -> Result<()> {
        let checkpoints = Checkpoints::new(io.output("checkpoints"));
        let failed = || "cannot save the model".to_owned();
        self.classifier.save(&io.output("model")).or_other(failed)?;
        let directory = io.output("best");
        remove_dir(&directory)?;
        for &step in &self.best {
            let network = checkpoints.validated(step, &self.classifier)?;
            let classifier = self.classifier.clone().with_network(network);
            classifier.save(&directory.join(format!("step-{step}"))).or_other(failed)?;
        }
        io.write_json("summary.json", &self.summary)?;
        checkpoints.remove()
    }
}
