//! Runs a stage's process and turns its exit status into a result.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use firebrand_pipeline::{Error, ErrorKind, RUNNER_PIPE, Result, Slot};

use crate::interrupt;
use crate::programs::Program;

/// Runs `PROGRAM VERB REQUEST` and waits for it.
///
/// # Errors
/// When it cannot be started or fails; its exit code decides the kind of error.
pub(crate) fn call(program: &Program, slot: Slot, verb: &str, request: &Path, root: &Path) -> Result<()> {
    interrupt::check()?;
    let mut command = program.command();
    command.arg(verb).arg(request).current_dir(root);
    // What a script prints is meant for the user; our own stdout is for data.
    command.stdout(std::io::stderr());
    if program.is_command() {
        command.env_remove(RUNNER_PIPE).stdin(Stdio::null());
    } else {
        // The pipe closes when this process ends, for whatever reason.
        command.env(RUNNER_PIPE, "1").stdin(Stdio::piped());
    }
    new_process_group(&mut command);
    let status = run(&mut command).map_err(|error| start_error(program, slot, &error))?;
    check_exit(status, program, slot, verb)
}

fn run(command: &mut Command) -> std::io::Result<ExitStatus> {
    // Held while the child starts: a signal that arrives now waits and is then forwarded.
    let mut known = interrupt::child();
    let mut child = command.spawn()?;
    *known = Some(child.id());
    drop(known);
    wait(&mut child)
}

/// Waits without reaping the process while a signal is being forwarded to it: its id could be reused.
fn wait(child: &mut Child) -> std::io::Result<ExitStatus> {
    let mut pause = Duration::from_millis(1);
    loop {
        let mut known = interrupt::child();
        if let Some(status) = child.try_wait()? {
            *known = None;
            return Ok(status);
        }
        drop(known);
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

#[cfg(unix)]
fn new_process_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn new_process_group(_command: &mut Command) {}

fn start_error(program: &Program, slot: Slot, error: &std::io::Error) -> Error {
    let message = format!("cannot start `{}` for the `{slot}` stage", program.words());
    if program.is_command() {
        Error::config(message)
            .caused_by(error)
            .hint(format!("`{slot}.command` is run in the workspace's root: is the program installed and on the PATH?"))
    } else {
        Error::other(message).caused_by(error)
    }
}

fn check_exit(status: ExitStatus, program: &Program, slot: Slot, verb: &str) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    // Either this process was interrupted, or the stage alone.
    if interrupt::requested() || status.code() == Some(i32::from(ErrorKind::Interrupted.exit_code())) {
        return Err(interrupt::error());
    }
    let what = if verb == "check" { "refused its configuration" } else { "failed" };
    let Some(code) = status.code() else {
        return Err(signal_error(status, program, slot));
    };
    let kind = [ErrorKind::Usage, ErrorKind::Config, ErrorKind::Data, ErrorKind::Gate];
    let kind = kind.into_iter().find(|kind| i32::from(kind.exit_code()) == code).unwrap_or(ErrorKind::Other);
    Err(Error::new(kind, format!("the `{slot}` stage ({}) {what} (exit code {code}): see above", program.words())))
}

#[cfg(unix)]
fn signal_error(status: ExitStatus, program: &Program, slot: Slot) -> Error {
    use std::os::unix::process::ExitStatusExt;

    let signal = status.signal().unwrap_or_default();
    let error = Error::other(format!("the `{slot}` stage ({}) was killed by signal {signal}", program.words()));
    match signal {
        9 => error.hint("if you did not kill it, the system may have run out of memory: try a smaller batch"),
        4 => error.hint("signal 4 means that the processor lacks an instruction that the program uses"),
        _ => error.hint("the same command continues from here"),
    }
}

#[cfg(not(unix))]
fn signal_error(_status: ExitStatus, program: &Program, slot: Slot) -> Error {
    Error::other(format!("the `{slot}` stage ({}) was killed", program.words()))
}
