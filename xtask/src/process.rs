//! Running children so that none of them outlives this program.
//!
//! Every wait here is a loop that also looks at a deadline and at the flag set
//! by Ctrl-C or SIGTERM; so errors travel the ordinary way and `Drop` cleans up.

use std::io::{self, BufRead, BufReader, PipeReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};

/// How often a wait looks up.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// How long a child may take to end when asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(10);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Turns Ctrl-C, SIGTERM and SIGHUP into a flag that every wait looks at.
pub(crate) fn catch_signals() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst)).context("catching signals")
}

/// Whether a signal asked this program to stop.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Fails once a signal asked this program to stop.
pub(crate) fn check_interrupted() -> Result<()> {
    if interrupted() {
        Err(Error::new("interrupted"))
    } else {
        Ok(())
    }
}

/// How a child ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// It was killed at its deadline.
    TimedOut,
}

impl Ended {
    /// Whether it ended by itself and well.
    pub(crate) fn success(self) -> bool {
        matches!(self, Self::Exited(status) if status.success())
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => status.fmt(f),
            Self::TimedOut => f.write_str("timed out"),
        }
    }
}

/// A child and everything it started, in a process group of their own.
///
/// Dropping it kills the group.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Group {
    /// Starts `command` as the leader of a new group.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        command.process_group(0);
        let child = command
            .spawn()
            .context(format_args!("starting {}", command.get_program().display()))?;
        Ok(Self { child, ended: None })
    }

    /// The leader's exit, if it has ended.
    pub(crate) fn poll(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().context("waiting for a child")?;
        }
        Ok(self.ended)
    }

    /// Sends `name` (`TERM`, `KILL`, …) to the group, unless the leader has ended.
    pub(crate) fn signal(&mut self, name: &str) {
        if matches!(self.poll(), Ok(None)) {
            signal(name, &format!("-{}", self.child.id()));
        }
    }

    /// Asks the group to end with `name`, and kills what does not.
    pub(crate) fn stop(&mut self, name: &str) {
        if !matches!(self.poll(), Ok(None)) {
            return;
        }
        self.signal(name);
        let patience = Instant::now() + GRACE;
        while matches!(self.poll(), Ok(None)) {
            if Instant::now() >= patience {
                self.kill();
                return;
            }
            thread::sleep(TICK);
        }
        // The leader has ended; what it started may be slower.
        signal("KILL", &format!("-{}", self.child.id()));
    }

    /// Ends the group at once.
    pub(crate) fn kill(&mut self) {
        self.signal("KILL");
        if self.ended.is_none() {
            // Also when `kill` could not be run: the leader at least.
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }

    /// Waits for the leader, at most until `deadline`.
    pub(crate) fn wait(&mut self, deadline: Option<Instant>) -> Result<Ended> {
        loop {
            if let Some(status) = self.poll()? {
                return Ok(Ended::Exited(status));
            }
            if interrupted() {
                self.stop("TERM");
                check_interrupted()?;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.kill();
                return Ok(Ended::TimedOut);
            }
            thread::sleep(TICK);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs `command` with its output going where ours goes.
pub(crate) fn run(mut command: Command) -> Result<Ended> {
    check_interrupted()?;
    Group::spawn(command.stdin(Stdio::null()))?.wait(None)
}

/// Runs `command`, at most for `limit`, and hands each line of its output,
/// standard error included, to `each` in the order it was written.
pub(crate) fn stream(
    mut command: Command,
    limit: Option<Duration>,
    mut each: impl FnMut(&str),
) -> Result<Ended> {
    check_interrupted()?;
    let (reader, writer) = io::pipe().context("opening a pipe")?;
    let second = writer.try_clone().context("opening a pipe")?;
    command.stdin(Stdio::null()).stdout(writer).stderr(second);
    let mut group = Group::spawn(&mut command)?;
    // Only the children may hold the writing end, or it would never close.
    drop(command);
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || read_lines(reader, &sender));
    let deadline = limit.map(|limit| Instant::now() + limit);
    let mut silent_since = Instant::now();
    loop {
        match lines.recv_timeout(TICK) {
            Ok(line) => {
                silent_since = Instant::now();
                each(&line);
            }
            Err(RecvTimeoutError::Disconnected) => return group.wait(deadline),
            Err(RecvTimeoutError::Timeout) => {
                // A grandchild left behind may hold the pipe open for ever.
                if group.poll()?.is_some() && silent_since.elapsed() > GRACE {
                    return group.wait(deadline);
                }
            }
        }
        let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if interrupted() || late {
            return group.wait(deadline);
        }
    }
}

fn read_lines(pipe: PipeReader, lines: &mpsc::Sender<String>) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    while matches!(pipe.read_until(b'\n', &mut line), Ok(1..)) {
        let text = String::from_utf8_lossy(&line);
        if lines.send(text.trim_end_matches('\n').to_owned()).is_err() {
            return;
        }
        line.clear();
    }
}

/// Sends a signal to a process, or to a group when `target` starts with `-`.
///
/// By way of the shell's own `kill`: std has no signals, and `unsafe` is forbidden.
pub(crate) fn signal(name: &str, target: &str) {
    let _ = Command::new("sh")
        .args(["-c", "kill -s \"$1\" -- \"$2\"", "sh", name, target])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_outputs_arrive_in_order() {
        let mut lines = Vec::new();
        let script = "echo a; echo b >&2; echo c; printf d; exit 3";
        let ended = stream(sh(script), None, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["a", "b", "c", "d"]);
        assert!(matches!(ended, Ended::Exited(status) if status.code() == Some(3)));
    }

    #[test]
    fn a_deadline_kills_the_grandchildren_too() {
        let mut pid = String::new();
        let limit = Some(Duration::from_millis(300));
        let ended = stream(sh("sleep 600 & echo $!; wait"), limit, |line| {
            line.clone_into(&mut pid);
        });
        assert!(matches!(ended.unwrap(), Ended::TimedOut));
        let patience = Instant::now() + Duration::from_secs(5);
        while is_running(&pid) && Instant::now() < patience {
            thread::sleep(TICK);
        }
        assert!(!is_running(&pid), "process {pid} is still there");
    }

    fn is_running(pid: &str) -> bool {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            // A killed orphan may stay a zombie where nothing reaps.
            Ok(stat) => !stat.contains(") Z "),
            Err(_) => false,
        }
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(Command::new("no-such-program")).unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
