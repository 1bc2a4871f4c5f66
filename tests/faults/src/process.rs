//! A child process that does not outlive its parent.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::TICK;

/// How long a process may take to end when asked to.
const GRACE: Duration = Duration::from_secs(10);

/// A running process; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Kills the child when this process ends without having done so: it waits for the end of
    /// its input, which comes with our end, whatever the reason.
    guard: Child,
}

impl Process {
    /// Starts `command` in a process group of its own.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = command.process_group(0).stdin(Stdio::null()).spawn()?;
        let guard = Command::new("sh")
            .args(["-c", "read -r _; kill -9 \"$1\"", "sh"])
            .arg(child.id().to_string())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match guard {
            Ok(guard) => Ok(Self { child, guard }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Kills it, stopped or not, and waits for its end.
    pub(crate) fn kill(&mut self) {
        // The guard first: it must not meet another process under the old id.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and kills it if it does not.
    pub(crate) fn terminate(&mut self) {
        signal("TERM", self.child.id());
        let deadline = Instant::now() + GRACE;
        while self.ended().is_none() && Instant::now() < deadline {
            std::thread::sleep(TICK);
        }
        self.kill();
    }

    /// Stops it, and returns when it stands still.
    pub(crate) fn pause(&self) -> io::Result<()> {
        signal("STOP", self.id());
        let id = self.id();
        crate::wait_until("the process does not stop", || state(id) == Some('T'))
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        signal("CONT", self.id());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// By way of the shell's own `kill`: std has no signals, and `unsafe` is forbidden.
fn signal(name: &str, id: u32) {
    let _ = Command::new("sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &id.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// A letter for what the process does, as `/proc` knows it.
fn state(id: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in parentheses, and may hold any others.
    stat.rsplit_once(") ")?.1.chars().next()
}
