//! The `split` stage as a process: `firebrand-split check|run REQUEST.json`.

fn main() -> std::process::ExitCode {
    firebrand_pipeline::main::<firebrand_split::Split>()
}
