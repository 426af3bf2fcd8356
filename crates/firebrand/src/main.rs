//! `firebrand predict BUNDLE [TEXT…]`: labels for texts, from an exported bundle.

fn main() -> std::process::ExitCode {
    firebrand_model::keep_freed_memory();
    firebrand::main()
}
