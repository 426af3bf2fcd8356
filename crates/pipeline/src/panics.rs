//! Turns panics into errors.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static SILENCED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` and returns the message of a panic as an error, without printing it.
///
/// Decoders of columnar files trust a file's metadata and may panic on damage. `f` must stay on this thread:
/// a panic elsewhere is neither caught nor silenced.
///
/// # Errors
/// When `f` panics: the panic's message.
pub fn catch_panic<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            if !SILENCED.get() {
                usual(info);
            }
        }));
    });
    SILENCED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(f));
    SILENCED.set(false);
    outcome.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("the reader panicked").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_message() {
        assert_eq!(catch_panic(|| 3), Ok(3));
        assert_eq!(catch_panic(|| -> u32 { panic!("bad {}", "page") }), Err("bad page".to_owned()));
        assert_eq!(catch_panic(|| -> u32 { panic!("static") }), Err("static".to_owned()));
        assert!(!SILENCED.get());
    }
}
