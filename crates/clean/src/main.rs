//! The `clean` stage as a process: `firebrand-clean check|run REQUEST.json`.

fn main() -> std::process::ExitCode {
    firebrand_pipeline::main::<firebrand_clean::Clean>()
}
