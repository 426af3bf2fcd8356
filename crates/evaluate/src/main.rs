//! The `evaluate` stage as a process: `firebrand-evaluate check|run REQUEST.json`.

fn main() -> std::process::ExitCode {
    firebrand_model::keep_freed_memory();
    firebrand_pipeline::main::<firebrand_evaluate::Evaluate>()
}
