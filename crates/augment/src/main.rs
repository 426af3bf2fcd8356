//! The `augment` stage as a process: `firebrand-augment check|run REQUEST.json`.

fn main() -> std::process::ExitCode {
    firebrand_pipeline::main::<firebrand_augment::Augment>()
}
