//! A stage's process: started, waited for, and what its end means.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use firebrand_pipeline::{Error, ErrorKind, RUNNER_PIPE, Result, Slot};

use crate::interrupt;
use crate::programs::Program;

/// Runs `PROGRAM VERB REQUEST` to its end.
///
/// # Errors
/// When it cannot be started or does not end well; the kind of error is the one that its exit code stands for.
pub(crate) fn call(program: &Program, slot: Slot, verb: &str, request: &Path, root: &Path) -> Result<()> {
    interrupt::check()?;
    let mut command = program.command();
    command.arg(verb).arg(request).current_dir(root);
    // What a script prints is for the user; this process's stdout is for programs.
    command.stdout(std::io::stderr());
    if program.is_command() {
        command.env_remove(RUNNER_PIPE).stdin(Stdio::null());
    } else {
        // The pipe closes when this process is gone, however it went.
        command.env(RUNNER_PIPE, "1").stdin(Stdio::piped());
    }
    own_group(&mut command);
    let status = run(&mut command).map_err(|error| not_started(program, slot, &error))?;
    ended(status, program, slot, verb)
}

fn run(command: &mut Command) -> std::io::Result<ExitStatus> {
    // Held while the child starts: a signal that comes now waits, and is then passed on.
    let mut known = interrupt::child();
    let mut child = command.spawn()?;
    *known = Some(child.id());
    drop(known);
    wait(&mut child)
}

/// Waits without giving up the process's id while a signal is being passed on to it.
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
fn own_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn own_group(_command: &mut Command) {}

fn not_started(program: &Program, slot: Slot, error: &std::io::Error) -> Error {
    let message = format!("cannot start `{}` for the `{slot}` stage", program.words());
    if program.is_command() {
        Error::config(message)
            .caused_by(error)
            .hint(format!("`{slot}.command` is run in the workspace's root: is the program installed and on the PATH?"))
    } else {
        Error::other(message).caused_by(error)
    }
}

fn ended(status: ExitStatus, program: &Program, slot: Slot, verb: &str) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    // Whoever asked: this process was, or the stage was by itself.
    if interrupt::asked() || status.code() == Some(i32::from(ErrorKind::Interrupted.exit_code())) {
        return Err(interrupt::error());
    }
    let what = if verb == "check" { "refused its configuration" } else { "failed" };
    let Some(code) = status.code() else {
        return Err(killed(status, program, slot));
    };
    let kind = [ErrorKind::Usage, ErrorKind::Config, ErrorKind::Data, ErrorKind::Gate];
    let kind = kind.into_iter().find(|kind| i32::from(kind.exit_code()) == code).unwrap_or(ErrorKind::Other);
    Err(Error::new(kind, format!("the `{slot}` stage ({}) {what} (exit code {code}): see above", program.words())))
}

#[cfg(unix)]
fn killed(status: ExitStatus, program: &Program, slot: Slot) -> Error {
    use std::os::unix::process::ExitStatusExt;

    let signal = status.signal().unwrap_or_default();
    let error =
        Error::other(format!("the `{slot}` stage ({}) was ended from outside by signal {signal}", program.words()));
    match signal {
        9 => error.hint("if you did not kill it, the system may have run out of memory: a smaller batch needs less"),
        4 => error.hint("signal 4 means that the processor lacks an instruction that the program was compiled for"),
        _ => error.hint("the same command goes on from here"),
    }
}

#[cfg(not(unix))]
fn killed(_status: ExitStatus, program: &Program, slot: Slot) -> Error {
    Error::other(format!("the `{slot}` stage ({}) was ended from outside", program.words()))
}
