//! A store in files, and how it is broken.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::chance::Chance;
use crate::coordinator::store::pause;
use crate::fault::Kind;
use crate::options::Options;

/// How large the file system is that may become full.
const SIZE: &str = "size=24m";

/// A folder; on a file system of its own, if that is to become full.
#[derive(Debug)]
pub(super) struct Files {
    folder: TempDir,
    is_mounted: bool,
}

impl Files {
    pub(super) fn start(options: &Options) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let is_mounted = options.faults.contains(&Kind::DiskFull);
        if is_mounted {
            let mounted = Command::new("mount")
                .args(["-t", "tmpfs", "-o", SIZE, "diesel-cache-soak"])
                .arg(folder.path())
                .status();
            if !mounted.is_ok_and(|status| status.success()) {
                return Err(
                    "`disk-full` needs the right to mount a file system: leave it out".to_owned(),
                );
            }
        }
        Ok(Self { folder, is_mounted })
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// The folder of the cache's namespace.
    fn root(&self) -> Option<PathBuf> {
        let found = fs::read_dir(self.folder()).ok()?;
        found.flatten().map(|found| found.path()).next()
    }

    pub(super) fn suffer(&self, kind: Kind, chance: &mut Chance) -> io::Result<()> {
        match kind {
            Kind::StoreKill => gone(fs::remove_dir_all(self.folder()))?,
            Kind::FlushAll => {
                for _ in 0..chance.between(1, 4) {
                    if let Some(root) = self.root() {
                        gone(fs::remove_file(root.join("journal")))?;
                    }
                    pause(chance, 20, 400);
                }
            }
            Kind::StoreRestore => {
                let Some(root) = self.root() else {
                    return Ok(());
                };
                let backup = self.folder.path().join("backup");
                gone(fs::remove_dir_all(&backup))?;
                copy(&root, &backup)?;
                pause(chance, 200, 2000);
                let journal = root.join("journal");
                if chance.percent(50) {
                    // In place: it stays the same file.
                    gone(fs::copy(backup.join("journal"), &journal).map(drop))?;
                } else {
                    let old = self.folder.path().join("old");
                    gone(fs::remove_dir_all(&old))?;
                    gone(fs::rename(&root, &old))?;
                    gone(fs::rename(&backup, &root))?;
                }
            }
            Kind::DiskFull => {
                self.fill()?;
                pause(chance, 300, 2500);
                self.heal()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Leaves no room at all.
    fn fill(&self) -> io::Result<()> {
        let mut filler = File::create(self.filler())?;
        for size in [1 << 20, 1 << 12, 1] {
            let bytes = vec![0; size];
            loop {
                match filler.write_all(&bytes) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }

    pub(super) fn lose(&self, chance: &mut Chance) -> io::Result<()> {
        let kind = if chance.percent(70) {
            Kind::FlushAll
        } else {
            Kind::StoreKill
        };
        self.suffer(kind, chance)
    }

    pub(super) fn heal(&self) -> io::Result<()> {
        gone(fs::remove_file(self.filler()))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if self.is_mounted {
            let _ = Command::new("umount")
                .arg("--lazy")
                .arg(self.folder.path())
                .status();
        }
    }
}

/// What is not there need not be taken away; and what somebody writes to meanwhile stays.
fn gone(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty | ErrorKind::StorageFull => Ok(()),
        _ => Err(error),
    })
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for found in fs::read_dir(from)?.flatten() {
        let (from, to) = (found.path(), to.join(found.file_name()));
        if from.is_dir() {
            gone(copy(&from, &to))?;
        } else {
            gone(fs::copy(from, to).map(drop))?;
        }
    }
    Ok(())
}
