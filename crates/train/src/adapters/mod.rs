//! What changes which parameters are trained, and how: freezing, LoRA, new top layers, the moving average.

pub(crate) mod ema;
pub(crate) mod freeze;
pub(crate) mod lora;
pub(crate) mod reinit;
