//! Loss scaling, which keeps small gradients from underflowing in half precision, whose smallest number is 6e-8
//! ([arXiv 1710.03740](https://arxiv.org/abs/1710.03740)).

use serde::{Deserialize, Serialize};

/// Dynamic loss scaling, as in `torch.amp.GradScaler`: the loss is multiplied by `scale`, and its gradients are divided by it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossScale {
    /// The factor.
    pub scale: f64,
    /// Steps with finite gradients since it last changed.
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

    /// Updates the scale after a step, given whether its gradients were finite.
    ///
    /// # Errors
    /// When gradients are not finite although the loss is no longer scaled up.
    pub(crate) fn add(&mut self, finite: bool) -> Result<(), String> {
        self.good_steps = if finite { self.good_steps + 1 } else { 0 };
        if !finite {
            if self.scale <= 1.0 {
                return Err("the gradients are not finite, and the loss is not scaled up any more".to_owned());
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
        assert!(scale.add(false).unwrap_err().contains("not finite"));
    }
}
