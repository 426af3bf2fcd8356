//! The `export` stage as a process: `firebrand-export check|run REQUEST.json`.

fn main() -> std::process::ExitCode {
    firebrand_model::keep_freed_memory();
    firebrand_pipeline::main::<firebrand_export::Export>()
}
