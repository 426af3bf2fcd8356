//! The `evaluate` stage as a process: `firebrand-evaluate check|run REQUEST.json`.

fn main() -> std::process::ExitCode {
    firebrand_pipeline::main::<firebrand_evaluate::Evaluate>()
}
