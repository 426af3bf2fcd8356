//! Running many small parallel operations on the thread pool.

use crate::Precision;

/// Runs `work` on a thread of the pool that runs the kernels.
///
/// From any other thread, each of a step's hundreds of parallel operations puts that thread to sleep, wakes one of the pool and
/// waits to be woken by it, which costs as much as a small operation. The [current precision](Precision::current) is kept.
pub fn within_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let precision = Precision::current();
    rayon::scope(|_| precision.within(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_runs_on_a_pool_thread_in_its_callers_precision() {
        assert!(rayon::current_thread_index().is_none());
        let run = || (rayon::current_thread_index().is_some(), Precision::current());
        assert_eq!(Precision::Bf16.within(|| within_pool(run)), (true, Precision::Bf16));
        assert_eq!(within_pool(run), (true, Precision::F32));
    }
}
