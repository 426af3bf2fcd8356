//! The process of the `train` stage.

fn main() -> std::process::ExitCode {
    firebrand_model::keep_freed_memory();
    firebrand_pipeline::main::<firebrand_train::Train>()
}
