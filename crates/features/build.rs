//! Cargo resolves build dependencies only for packages that have a build script.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
