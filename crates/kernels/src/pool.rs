//! Where work that has many parallel parts runs.

use crate::Precision;

/// Runs `work` on a thread of the pool that the kernels share their parts out over.
///
/// From any other thread, each of a step's some hundred parallel parts puts that thread to sleep, wakes one of the pool and is
/// woken by it, which costs as much as a small part itself. The [current precision](Precision::current) stays.
pub fn within_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let precision = Precision::current();
    rayon::scope(|_| precision.within(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_runs_on_a_thread_of_the_pool_in_the_precision_of_its_caller() {
        assert!(rayon::current_thread_index().is_none());
        let run = || (rayon::current_thread_index().is_some(), Precision::current());
        assert_eq!(Precision::Bf16.within(|| within_pool(run)), (true, Precision::Bf16));
        assert_eq!(within_pool(run), (true, Precision::F32));
    }
}
