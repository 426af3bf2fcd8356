//! The `fetch` stage as a process: `firebrand-fetch check|run REQUEST.json`.

fn main() -> std::process::ExitCode {
    firebrand_pipeline::main::<firebrand_fetch::Fetch>()
}
