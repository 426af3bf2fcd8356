//! Where work that has many parallel parts runs.

/// Runs `work` on a thread of the pool that the kernels share their parts out over.
///
/// From any other thread, each of a step's some hundred parallel parts puts that thread to sleep, wakes one of the pool and is
/// woken by it, which costs as much as a small part itself.
pub fn within_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}
