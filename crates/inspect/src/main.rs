//! `firebrand-inspect MODEL`: what a pretrained model is, from a directory or the hub.

fn main() -> std::process::ExitCode {
    firebrand_inspect::main()
}
