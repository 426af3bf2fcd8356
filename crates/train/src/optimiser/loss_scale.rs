//! Loss scaling: so that small gradients are not lost in half precision, whose smallest number is 6e-8
//! ([arXiv 1710.03740](https://arxiv.org/abs/1710.03740)).

use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

/// What the loss is multiplied with before its gradients are taken, which are divided by it again: `torch.amp.GradScaler`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossScale {
    /// The factor.
    pub scale: f64,
    /// Steps since it last changed, all of them with finite gradients.
    pub good_steps: u64,
}

impl Default for LossScale {
    fn default() -> Self {
        Self { scale: 65_536.0, good_steps: 0 }
    }
}

impl LossScale {
    /// Steps with finite gradients after which the scale is doubled.
    pub const GROWTH_STEPS: u64 = 2_000;

    /// Takes in whether a step's gradients were finite, and so whether the step is taken.
    ///
    /// # Errors
    /// When they are not even without any scale.
    pub(crate) fn add(&mut self, finite: bool) -> Result<()> {
        self.good_steps = if finite { self.good_steps + 1 } else { 0 };
        if !finite {
            if self.scale <= 1.0 {
                return Err(Error::other("the gradients are not finite, and the loss is not scaled up any more"));
            }
            self.scale /= 2.0;
        } else if self.good_steps == Self::GROWTH_STEPS {
            // The scaled loss is a single-precision number.
            self.scale = if self.scale < 1e38 { self.scale * 2.0 } else { self.scale };
            self.good_steps = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_moves_as_that_of_torch() {
        let mut scale = LossScale::default();
        for _ in 0..1_999 {
            scale.add(true).unwrap();
        }
        assert_eq!(scale, LossScale { scale: 65_536.0, good_steps: 1_999 });
        scale.add(true).unwrap();
        assert_eq!(scale, LossScale { scale: 131_072.0, good_steps: 0 });
        scale.add(true).unwrap();
        scale.add(false).unwrap();
        assert_eq!(scale, LossScale { scale: 65_536.0, good_steps: 0 });
        for _ in 0..16 {
            scale.add(false).unwrap();
        }
        assert_eq!(scale.scale, 1.0);
        assert!(scale.add(false).unwrap_err().message().contains("not finite"));
    }
}
