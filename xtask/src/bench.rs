//! `cargo xtask bench`: the workspace's benchmarks.

use std::process::ExitCode;

use firebrand_pipeline::{Result, ResultExt};

use crate::cargo;
use crate::cli::Bench;
use crate::workspace::Workspace;

/// Runs the benchmarks of the workspace or of a suite, optionally only those whose names contain the filter.
///
/// # Errors
/// When cargo cannot be started.
pub(crate) fn bench(arguments: &Bench, workspace: &Workspace) -> Result<ExitCode> {
    let mut command = cargo::command();
    // In the profile of the stages, so that nothing is compiled twice and what is measured is what users run. For the same
    // reason a suite is selected by its targets and not by its package, whose dependencies would have fewer features.
    command.args(["bench", "--profile", "dev", "--workspace", "--manifest-path"]);
    command.arg(workspace.root().join("Cargo.toml"));
    for target in arguments.suite.map_or(&["*"][..], |suite| suite.targets()) {
        command.arg("--bench").arg(target);
    }
    if let Some(filter) = &arguments.filter {
        command.arg("--").arg(filter);
    }
    let status = command.status().or_other(|| "cannot start cargo, which runs the benchmarks".to_owned())?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use clap::ValueEnum;

    use crate::cli::Suite;

    /// Benchmarks of the same name would run in each other's suite; one without a suite would only run with all of them.
    #[test]
    fn every_benchmark_is_in_one_suite() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("crates");
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in std::fs::read_dir(crates).unwrap() {
            let directory = entry.unwrap().path();
            let Ok(text) = std::fs::read_to_string(directory.join("Cargo.toml")) else { continue };
            let manifest: toml::Table = text.parse().unwrap();
            for bench in manifest.get("bench").and_then(toml::Value::as_array).into_iter().flatten() {
                let name = bench["name"].as_str().unwrap().to_owned();
                let owner = directory.file_name().unwrap().to_str().unwrap().to_owned();
                found.entry(name).or_default().push(owner);
            }
        }
        let suites: BTreeMap<String, Vec<String>> = Suite::value_variants()
            .iter()
            .flat_map(|suite| {
                let crate_name = suite.to_possible_value().unwrap().get_name().to_owned();
                suite.targets().iter().map(move |target| ((*target).to_owned(), vec![crate_name.clone()]))
            })
            .collect();
        assert_eq!(found, suites);
    }
}
