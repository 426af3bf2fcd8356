//! `--help` of every command, as it is printed. `SNAPSHOTS=overwrite cargo test -p xtask --test runner help` rewrites the
//! snapshots.

use std::process::Command;

use snapbox::{Assert, Data};

#[test]
fn every_command_has_help() {
    let assert = Assert::new().action_env("SNAPSHOTS");
    let commands: [&[&str]; 10] = [
        &[],
        &["pipeline"],
        &["stage"],
        &["status"],
        &["clean-run"],
        &["new-stage"],
        &["predict"],
        &["model"],
        &["model", "inspect"],
        &["bench"],
    ];
    for command in commands {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(command)
            .arg("--help")
            .env_remove("COLUMNS")
            .output()
            .unwrap();
        assert!(output.status.success());
        let name = if command.is_empty() { "xtask".to_owned() } else { command.join("-") };
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/help/{name}.txt"));
        assert.eq(String::from_utf8(output.stdout).unwrap(), Data::read_from(&path, None));
    }
}

#[test]
fn nothing_asked_is_a_usage_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}
