//! The process of the `tokenize` stage.

fn main() -> std::process::ExitCode {
    firebrand_pipeline::main::<firebrand_tokenize::Tokenize>()
}
