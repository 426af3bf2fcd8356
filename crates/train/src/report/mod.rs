//! What a run writes down: metrics, TensorBoard events, the summary, and where training broke down.

pub(crate) mod anomaly;
pub(crate) mod log;
pub(crate) mod speed;
pub(crate) mod summary;
pub(crate) mod tensorboard;
