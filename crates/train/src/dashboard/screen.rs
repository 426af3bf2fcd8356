//! Control of the terminal, taken from the runner while a dashboard is shown.
//!
//! A stage is a process group of its own, in the background of its terminal, where a process that changes the terminal's
//! settings or reads keys is stopped. So the group is brought to the foreground, and the runner's back in the end.

#[cfg(unix)]
pub(super) use unix::{Screen, give_back};

#[cfg(not(unix))]
pub(super) use elsewhere::{Screen, give_back};

#[cfg(unix)]
mod unix {
    use std::io::{Write, stdout};
    use std::sync::{Mutex, PoisonError};
    use std::time::Duration;

    use nix::sys::signal::{SigSet, Signal};
    use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
    use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

    /// The terminal's original state, while it is taken over.
    static BEFORE: Mutex<Option<(Termios, Pid)>> = Mutex::new(None);

    /// Leaves the alternate screen, and restores mouse and cursor.
    const PLAIN: &[u8] = b"\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1049l\x1b[?25h";

    /// Restores the terminal when dropped.
    pub(in super::super) struct Screen(());

    impl Screen {
        /// Takes over the terminal of stdout; `None` if that is not possible.
        pub(in super::super) fn take() -> Option<Self> {
            let before = (tcgetattr(stdout()).ok()?, tcgetpgrp(stdout()).ok()?);
            to_front(getpgrp()).ok()?;
            *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
            Some(Self(()))
        }

        /// Once the dashboard has the terminal in its mode, makes Ctrl-C a signal again, as it is without a dashboard.
        pub(in super::super) fn keep_interrupts(&self) {
            for _ in 0..100 {
                if let Ok(mut now) = tcgetattr(stdout())
                    && !now.local_flags.contains(LocalFlags::ICANON)
                {
                    now.local_flags.insert(LocalFlags::ISIG);
                    let _ = tcsetattr(stdout(), SetArg::TCSANOW, &now);
                    return;
                }
                // Its own thread does it.
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    impl Drop for Screen {
        fn drop(&mut self) {
            // The dashboard has already left the alternate screen.
            restore(b"");
        }
    }

    /// Restores the terminal with the dashboard still on it, if it was taken over.
    pub(in super::super) fn give_back() {
        restore(PLAIN);
    }

    fn restore(codes: &[u8]) {
        if let Some((settings, group)) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A terminal that is gone needs nothing.
            let _ = stdout().write_all(codes).and_then(|()| stdout().flush());
            let _ = tcsetattr(stdout(), SetArg::TCSADRAIN, &settings);
            let _ = to_front(group);
        }
    }

    fn to_front(group: Pid) -> nix::Result<()> {
        // A background process that does this is stopped by SIGTTOU, unless it is blocked.
        let mut held = SigSet::empty();
        held.add(Signal::SIGTTOU);
        held.thread_block()?;
        let moved = tcsetpgrp(stdout(), group);
        held.thread_unblock()?;
        moved
    }
}

#[cfg(not(unix))]
mod elsewhere {
    /// Consoles have no foreground group.
    pub(in super::super) struct Screen(());

    impl Screen {
        pub(in super::super) fn take() -> Option<Self> {
            Some(Self(()))
        }

        pub(in super::super) fn keep_interrupts(&self) {}
    }

    pub(in super::super) fn give_back() {}
}
