//! Thread-local values that are set for the duration of a call.

use std::cell::RefCell;
use std::thread::LocalKey;

/// Runs with another value of a thread-local variable, and restores the previous one afterwards, also when `run` panics.
pub fn with_value<T, R>(key: &'static LocalKey<RefCell<T>>, value: T, run: impl FnOnce() -> R) -> R {
    struct Restore<T: 'static> {
        key: &'static LocalKey<RefCell<T>>,
        previous: Option<T>,
    }
    impl<T> Drop for Restore<T> {
        fn drop(&mut self) {
            if let Some(previous) = self.previous.take() {
                self.key.set(previous);
            }
        }
    }
    let _restore = Restore { key, previous: Some(key.replace(value)) };
    run()
}
