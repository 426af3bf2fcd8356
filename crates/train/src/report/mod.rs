//! What a run reports: metrics, TensorBoard events, the summary, and the step in which training broke down.

pub(crate) mod anomaly;
pub(crate) mod finding;
pub(crate) mod log;
pub(crate) mod speed;
pub(crate) mod summary;
pub(crate) mod tensorboard;
