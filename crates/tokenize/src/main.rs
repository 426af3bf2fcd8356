//! The `tokenize` stage as a process: `firebrand-tokenize check|run REQUEST.json`.

fn main() -> std::process::ExitCode {
    firebrand_pipeline::main::<firebrand_tokenize::Tokenize>()
}
