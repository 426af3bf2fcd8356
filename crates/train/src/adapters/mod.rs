//! Which parameters are trained and kept: freezing, LoRA, re-initialised layers, the moving average.

pub(crate) mod ema;
pub(crate) mod freeze;
pub(crate) mod lora;
pub(crate) mod reinit;
