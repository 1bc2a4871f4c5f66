//! What the machine must have for the tests, and its installation on Debian.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Context, Error, Result};
use crate::process;
use crate::servers::{self, Kind};
use crate::workspace::program;

/// Asked by Debian's packages before they start a service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Something the tests need, and the Debian package that has it.
struct Need {
    package: &'static str,
    what: &'static str,
    /// The server it is for; `None`: every build needs it.
    server: Option<Kind>,
    present: fn() -> bool,
}

const NEEDS: &[Need] = &[
    Need {
        package: "gcc",
        what: "a C compiler and linker",
        server: None,
        present: || program("cc", &[]).is_some(),
    },
    Need {
        package: "libc6-dev",
        what: "the C library's headers",
        server: None,
        present: || Path::new("/usr/include/stdio.h").is_file(),
    },
    Need {
        package: "pkg-config",
        what: "finds the client libraries",
        server: None,
        present: || program("pkg-config", &[]).is_some(),
    },
    Need {
        package: "libpq-dev",
        what: "PostgreSQL's client library",
        server: None,
        present: || has_library(&["libpq"]),
    },
    Need {
        package: "libmariadb-dev",
        what: "MariaDB's client library",
        server: None,
        present: || has_library(&["libmariadb", "mysqlclient"]),
    },
    Need {
        package: "postgresql",
        what: "the PostgreSQL server",
        server: Some(Kind::Postgres),
        present: || servers::installed(Kind::Postgres),
    },
    Need {
        package: "mariadb-server",
        what: "the MariaDB server",
        server: Some(Kind::Mariadb),
        present: || servers::installed(Kind::Mariadb),
    },
    Need {
        package: "redis-server",
        what: "the Redis server",
        server: Some(Kind::Redis),
        present: || servers::installed(Kind::Redis),
    },
    Need {
        // The sentinels are this very program: Debian's `redis-sentinel` adds only a service.
        package: "redis-server",
        what: "the Redis server, built with TLS",
        server: Some(Kind::Stores),
        present: || servers::installed(Kind::Stores),
    },
    Need {
        package: "memcached",
        what: "the memcached server",
        server: Some(Kind::Stores),
        present: servers::has_memcached,
    },
    Need {
        // It brings the browser.
        package: "chromium-driver",
        what: "Chromium, and what drives it",
        server: Some(Kind::Browser),
        present: || servers::installed(Kind::Browser),
    },
];

/// Makes sure that everything the tests need with these servers is there:
/// says what is missing, and as root installs it.
///
/// # Errors
///
/// Lists the missing packages when they cannot be installed.
pub(crate) fn ensure(kinds: &[Kind]) -> Result<()> {
    let needs = || NEEDS.iter().filter(|need| wanted(need, kinds));
    let mut names: Vec<_> = needs().map(|need| need.package).collect();
    names.dedup();
    eprintln!("setup: the tests need {}", names.join(", "));
    let missing: Vec<_> = needs().filter(|need| !(need.present)()).collect();
    if missing.is_empty() {
        eprintln!("setup: all of it is there");
        return Ok(());
    }
    for need in &missing {
        eprintln!("setup: missing: {} ({})", need.package, need.what);
    }
    let mut packages: Vec<_> = missing.iter().map(|need| need.package).collect();
    packages.dedup();
    if !is_root() || program("apt-get", &[]).is_none() {
        return Err(Error::new(format!(
            "missing packages: {0}\nInstall them, on Debian as root:\n    \
             apt-get update && apt-get install --no-install-recommends {0}",
            packages.join(" ")
        )));
    }
    eprintln!(
        "setup: installing {}; their system services are not started now",
        packages.join(" ")
    );
    install(&packages)?;
    match needs().find(|need| !(need.present)()) {
        Some(need) => Err(Error::new(format!(
            "{} is installed, but {} is still not found",
            need.package, need.what
        ))),
        None => Ok(()),
    }
}

/// Whether this program runs as root.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn wanted(need: &Need, kinds: &[Kind]) -> bool {
    need.server.is_none_or(|server| kinds.contains(&server))
}

fn has_library(names: &[&str]) -> bool {
    names.iter().any(|name| {
        Command::new("pkg-config")
            .args(["--exists", name])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

fn install(packages: &[&str]) -> Result<()> {
    let _no_services = NoServices::new()?;
    apt(&["update"])?;
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments)
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        .arg("--quiet")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // For init systems without policy-rc.d: as if in single-user mode.
        .env("RUNLEVEL", "1");
    let ended = process::run(command)?;
    if ended.success() {
        return Ok(());
    }
    Err(Error::new(format!(
        "apt-get {} failed: {ended}",
        arguments.join(" ")
    )))
}

/// While it lives, packages do not start services.
#[derive(Debug)]
struct NoServices {
    ours: Option<PathBuf>,
}

impl NoServices {
    fn new() -> Result<Self> {
        let policy = PathBuf::from(POLICY);
        if policy.exists() {
            // The machine has a policy already: a container's, usually this very one.
            return Ok(Self { ours: None });
        }
        let guard = Self {
            ours: Some(policy.clone()),
        };
        let script = "#!/bin/sh\n# By `cargo xtask setup`, while it runs.\nexit 101\n";
        fs::write(&policy, script).context(format_args!("writing {POLICY}"))?;
        fs::set_permissions(&policy, fs::Permissions::from_mode(0o755))
            .context(format_args!("making {POLICY} executable"))?;
        Ok(guard)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = &self.ours {
            let _ = fs::remove_file(policy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_needed_only_when_asked_for() {
        let packages = |kinds: &[Kind]| -> Vec<_> {
            let needs = NEEDS.iter().filter(|need| wanted(need, kinds));
            needs.map(|need| need.package).collect()
        };
        assert!(!packages(&[Kind::Redis]).contains(&"postgresql"));
        assert!(packages(&[Kind::Redis]).contains(&"libpq-dev"));
        assert_eq!(packages(Kind::ALL).len(), NEEDS.len());
    }
}
