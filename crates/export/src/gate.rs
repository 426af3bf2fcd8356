//! The quality gates of the export: the largest loss by int8, and the lowest accuracy of the model.

use firebrand_pipeline::{Error, Result};
use serde::Serialize;

use crate::Config;
use crate::parity::{Int8, Matrix, Measured};

/// A drop of exactly the limit passes despite rounding.
const ROUNDING: f64 = 1e-9;

/// The limits in the configuration and the measured values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Gate {
    pub(crate) max_accuracy_drop: f64,
    /// Drop of the accuracy (of micro F1 for a multi-label model) from float32 to int8; `null` without int8.
    pub(crate) accuracy_drop: Option<f64>,
    pub(crate) max_macro_f1_drop: f64,
    /// Drop of macro F1, likewise.
    pub(crate) macro_f1_drop: Option<f64>,
    pub(crate) min_accuracy: f64,
    /// False if the export was refused.
    pub(crate) passed: bool,
}

impl Gate {
    /// Compares the figures with the limits. The verdict is a gate error with both numbers if the export is refused.
    pub(crate) fn check(config: &Config, fp32: &Measured, int8: Option<&Int8>) -> (Self, Result<()>) {
        let drop = |figure: fn(&Measured) -> f64| int8.map(|int8| figure(fp32) - figure(&int8.measured));
        let mut gate = Self {
            max_accuracy_drop: config.max_accuracy_drop,
            accuracy_drop: drop(Measured::score),
            max_macro_f1_drop: config.max_macro_f1_drop(),
            macro_f1_drop: drop(|measured| measured.macro_f1),
            min_accuracy: config.min_accuracy,
            passed: false,
        };
        let verdict = gate.verdict(fp32, int8);
        gate.passed = verdict.is_ok();
        (gate, verdict)
    }

    fn verdict(&self, fp32: &Measured, int8: Option<&Int8>) -> Result<()> {
        self.check_minimum("float32", fp32)
            .map_err(|error| error.hint("improve the training, or lower `export.min_accuracy`"))?;
        let Some(int8) = int8 else { return Ok(()) };
        let too_low = |name: &str, from: f64, to: f64, drop: Option<f64>, key: &str, most: f64| {
            match drop {
            Some(drop) if drop > most + ROUNDING => Err(Error::gate(format!(
                "int8 lowers the test {name} from {from:.4} to {to:.4}: a drop of {drop:.4}, but `export.{key}` allows {most}"
            ))
            .hint(format!("the weights that change most are {}", worst(&int8.matrices)))
            .hint(format!("raise `export.{key}`, or set `export.int8 = false` to export float32 only"))),
            _ => Ok(()),
        }
        };
        let (name, measured) = (fp32.score_name(), &int8.measured);
        let (drop, most) = (self.accuracy_drop, self.max_accuracy_drop);
        too_low(name, fp32.score(), measured.score(), drop, "max_accuracy_drop", most)?;
        let (drop, most) = (self.macro_f1_drop, self.max_macro_f1_drop);
        too_low("macro F1", fp32.macro_f1, measured.macro_f1, drop, "max_macro_f1_drop", most)?;
        self.check_minimum("int8", measured).map_err(|error| {
            error.hint("lower `export.min_accuracy`, or set `export.int8 = false` to export float32 only")
        })
    }

    fn check_minimum(&self, weights: &str, measured: &Measured) -> Result<()> {
        let (score, minimum) = (measured.score(), self.min_accuracy);
        if score >= minimum {
            return Ok(());
        }
        let name = measured.score_name();
        Err(Error::gate(format!(
            "the {weights} model's test {name} is {score:.4}, below `export.min_accuracy` = {minimum}"
        )))
    }
}

/// The first few matrices with their errors, for a message.
fn worst(matrices: &[Matrix]) -> String {
    let few = matrices.iter().take(3).map(|matrix| format!("{} ({:.1} %)", matrix.name, matrix.relative_error * 100.0));
    few.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use firebrand_arch::INT8_FILE;
    use firebrand_pipeline::{ErrorKind, Slot, config::default_section};

    use super::*;

    fn measured(file: &'static str, accuracy: f64, macro_f1: f64) -> Measured {
        Measured { file, bytes: 4, accuracy, macro_f1, micro_f1: None }
    }

    /// Checks models with these accuracies and macro F1 values.
    fn check(change: impl FnOnce(&mut Config), fp32: (f64, f64), int8: Option<(f64, f64)>) -> (Gate, Result<()>) {
        let mut config: Config = default_section(Slot::Export).unwrap();
        change(&mut config);
        let fp32 = measured("model.safetensors", fp32.0, fp32.1);
        let matrix = Matrix { name: "a.weight".to_owned(), shape: vec![2, 2], relative_error: 0.25 };
        let int8 = int8.map(|(accuracy, macro_f1)| Int8 {
            measured: measured(INT8_FILE, accuracy, macro_f1),
            largest_logit_difference: 0.5,
            labels_changed: 1,
            matrices: vec![matrix],
        });
        Gate::check(&config, &fp32, int8.as_ref())
    }

    fn passed(change: impl FnOnce(&mut Config), fp32: f64, int8: Option<f64>) -> Gate {
        let (gate, verdict) = check(change, (fp32, fp32), int8.map(|int8| (int8, int8)));
        verdict.unwrap();
        assert!(gate.passed);
        gate
    }

    fn refused(change: impl FnOnce(&mut Config), fp32: (f64, f64), int8: Option<(f64, f64)>) -> String {
        let (gate, verdict) = check(change, fp32, int8);
        let error = verdict.unwrap_err();
        assert!(!gate.passed);
        assert_eq!(error.kind(), ErrorKind::Gate);
        error.render()
    }

    #[test]
    fn a_drop_within_the_limit_passes() {
        let gate = passed(|_| (), 0.83, Some(0.82));
        assert!((gate.accuracy_drop.unwrap() - 0.01).abs() < 1e-12);
        assert!(passed(|_| (), 0.83, Some(0.84)).accuracy_drop.unwrap() < 0.0);
        assert_eq!(passed(|_| (), 0.83, None).accuracy_drop, None);
    }

    #[test]
    fn a_larger_drop_is_refused_with_both_numbers_and_the_worst_weights() {
        let text = refused(|_| (), (0.83, 0.83), Some((0.66, 0.83)));
        assert!(text.contains("accuracy from 0.8300 to 0.6600") && text.contains("a drop of 0.1700"), "{text}");
        assert!(text.contains("a.weight (25.0 %)") && text.contains("export.int8 = false"), "{text}");
        refused(|config| config.max_accuracy_drop = -1.0, (0.83, 0.83), Some((0.83, 0.83)));
    }

    #[test]
    fn macro_f1_has_a_limit_of_its_own() {
        // A rare label that int8 no longer finds costs hardly any accuracy.
        let text = refused(|_| (), (0.95, 0.80), Some((0.945, 0.70)));
        assert!(text.contains("macro F1 from 0.8000 to 0.7000"), "{text}");
        assert!(text.contains("`export.max_macro_f1_drop` allows 0.02"), "{text}");
        let (gate, verdict) = check(|config| config.max_macro_f1_drop = 0.1, (0.95, 0.80), Some((0.945, 0.70)));
        verdict.unwrap();
        assert!((gate.macro_f1_drop.unwrap() - 0.1).abs() < 1e-12);
        // The limit for macro F1 follows from the limit for accuracy.
        check(|config| config.max_accuracy_drop = 1.0, (0.95, 0.80), Some((0.5, 0.1))).1.unwrap();
    }

    #[test]
    fn a_low_accuracy_is_refused_and_names_the_weights() {
        let text = refused(|config| config.min_accuracy = 0.9, (0.83, 0.83), None);
        assert!(text.contains("the float32 model's test accuracy is 0.8300"), "{text}");
        let text = refused(|config| config.min_accuracy = 0.83, (0.83, 0.83), Some((0.825, 0.83)));
        assert!(text.contains("the int8 model's test accuracy is 0.8250"), "{text}");
    }
}
