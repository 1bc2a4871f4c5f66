//! A server's own folder, log and account.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::error::{Context, Error, Result};
use crate::process::Group;
use crate::setup;
use crate::workspace::program;

/// How many lines of a log an error shows.
const TAIL: usize = 30;

/// Where one server lives, and as whom.
#[derive(Debug, Clone)]
pub(super) struct Site {
    folder: PathBuf,
    account: Option<Account>,
}

/// An account to drop root's privileges to.
#[derive(Debug, Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

/// A fresh folder that every account can enter; removed when dropped.
pub(super) fn folder() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("diesel-cache-")
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir()
        .context("creating a temporary folder")
}

/// A loopback port that was free a moment ago.
pub(super) fn free_port() -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .context("looking for a free port")
}

impl Site {
    /// Creates the folder `name` in `parent`; when we are root, for the first
    /// of `accounts` that exists.
    pub(super) fn new(parent: &Path, name: &str, accounts: &[&str]) -> Result<Self> {
        let folder = parent.join(name);
        fs::create_dir(&folder).context(format_args!("creating {}", folder.display()))?;
        let mut account = None;
        if setup::is_root() {
            let found = accounts.iter().find_map(|name| Account::named(name));
            let found = found.ok_or_else(|| {
                Error::new(format!(
                    "{name} must not run as root, and there is no account {}",
                    accounts.join(" or ")
                ))
            })?;
            chown(&folder, Some(found.user), Some(found.group))
                .context(format_args!("giving away {}", folder.display()))?;
            account = Some(found);
        }
        Ok(Self { folder, account })
    }

    /// A file or folder of this server.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file that the server's account can read.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text).context(format_args!("writing {}", path.display()))?;
        Ok(path)
    }

    /// A command under the server's account.
    pub(super) fn command(&self, program: &Path) -> Command {
        self.prepare_command(program, None)
    }

    /// A command under the server's account that gets `signal` should this
    /// program be killed before it can stop it.
    ///
    /// To be started from the main thread: the kernel looks at the thread.
    pub(super) fn daemon(&self, program: &Path, signal: &str) -> Command {
        self.prepare_command(program, Some(signal))
    }

    /// Runs `command` to its end, its output going to the log.
    pub(super) fn run(&self, mut command: Command) -> Result<()> {
        let name = command.get_args().find(|arg| is_program(arg.to_str()));
        let name = name.unwrap_or(command.get_program()).display().to_string();
        let log = self.log()?;
        let second = log.try_clone().context("opening a log")?;
        command.stdin(Stdio::null()).stdout(log).stderr(second);
        let ended = Group::spawn(&mut command)?.wait(None)?;
        if ended.success() {
            return Ok(());
        }
        let tail = self.log_tail();
        Err(Error::new(format!(
            "{name} failed ({ended}); the end of its log:\n{tail}"
        )))
    }

    /// The log, to append to.
    pub(super) fn log(&self) -> Result<File> {
        let path = self.path("log");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .context(format_args!("opening {}", path.display()))
    }

    /// The log's last lines.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read(self.path("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        let from = lines.len().saturating_sub(TAIL);
        lines[from..].join("\n")
    }

    fn prepare_command(&self, path: &Path, death_signal: Option<&str>) -> Command {
        let mut wrapper = Vec::new();
        if let Some(Account { user, group }) = self.account {
            wrapper.push(format!("--reuid={user}"));
            wrapper.push(format!("--regid={group}"));
            wrapper.push("--clear-groups".to_owned());
        }
        if let Some(signal) = death_signal {
            wrapper.push(format!("--pdeathsig={signal}"));
        }
        let needed = self.account.is_some() || program("setpriv", &[]).is_some();
        let mut command = if needed && !wrapper.is_empty() {
            // It replaces itself by the program, so the process id is the server's.
            let mut command = Command::new("setpriv");
            command.args(wrapper).arg("--").arg(path);
            command
        } else {
            Command::new(path)
        };
        command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .env("HOME", &self.folder)
            .env("LC_ALL", "C.UTF-8");
        command
    }
}

impl Account {
    fn named(name: &str) -> Option<Self> {
        // root itself is no account to drop to.
        let account = Self {
            user: id("-u", name)?,
            group: id("-g", name)?,
        };
        (account.user != 0).then_some(account)
    }
}

fn id(which: &str, name: &str) -> Option<u32> {
    let output = Command::new("id")
        .args([which, name])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    String::from_utf8(output.ok()?.stdout)
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn is_program(argument: Option<&str>) -> bool {
    argument.is_some_and(|argument| argument.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_shows_its_log() {
        let parent = folder().unwrap();
        let site = Site::new(parent.path(), "server", &["nobody"]).unwrap();
        let mut command = site.command(Path::new("/bin/sh"));
        command.args(["-c", "echo first; echo reason >&2; exit 1"]);
        let error = site.run(command).unwrap_err().to_string();
        assert!(error.contains("/bin/sh failed"), "{error}");
        assert!(error.ends_with("first\nreason"), "{error}");
    }

    #[test]
    fn root_never_stays_root() {
        assert!(Account::named("root").is_none());
        let parent = folder().unwrap();
        let site = Site::new(parent.path(), "server", &["nobody"]).unwrap();
        let mut command = site.command(Path::new("/bin/sh"));
        command.args(["-c", "test \"$(id -u)\" != 0"]);
        site.run(command).unwrap();
    }
}
