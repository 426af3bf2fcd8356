//! Damaged files end in errors, never in a panic.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static CALM: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`; a panic inside it comes back as its message, and nothing is printed.
///
/// Parquet's readers trust what a file says about itself, and some damage makes them panic. `f` must stay on this thread:
/// a panic elsewhere is neither caught nor silenced.
///
/// # Errors
/// When `f` panics: the panic's message.
pub fn calmly<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            if !CALM.get() {
                usual(info);
            }
        }));
    });
    CALM.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(f));
    CALM.set(false);
    outcome.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("the reader gave up").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_message() {
        assert_eq!(calmly(|| 3), Ok(3));
        assert_eq!(calmly(|| -> u32 { panic!("bad {}", "page") }), Err("bad page".to_owned()));
        assert_eq!(calmly(|| -> u32 { panic!("static") }), Err("static".to_owned()));
        assert!(!CALM.get());
    }
}
