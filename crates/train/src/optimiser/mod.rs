//! From gradients to updated parameters: AdamW, clipping, the learning-rate schedule, loss scaling.

pub(crate) mod adamw;
pub(crate) mod gradients;
pub(crate) mod loss_scale;
pub(crate) mod schedule;
