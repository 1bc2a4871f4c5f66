//! What happens to the files.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::backend::{Ask, CacheBackend, Databases, Put, Writer};
use crate::database::TagSpace;
use crate::entry::{Entry, Payload};
use crate::key::{Key, ValueParts};
use crate::protocol::{Judgement, Lift, judge};
use crate::tag::Tag;
use crate::token::{Opening, ProcessId, WriterId};

fn space() -> TagSpace {
    TagSpace::of(b"files")
}

fn tags() -> Arc<[Tag]> {
    Arc::from([Tag::label("a"), Tag::label("b")])
}

fn key(name: &str) -> Key {
    Key::of_value(&ValueParts {
        name,
        ..ValueParts::default()
    })
}

fn options() -> FileOptions {
    FileOptions {
        io_timeout: Duration::from_secs(5),
        ..FileOptions::default()
    }
}

fn open(folder: &TempDir) -> FileBackend {
    FileBackend::open(folder.path(), options()).unwrap()
}

/// A store whose gate is open.
fn opened(folder: &TempDir) -> FileBackend {
    let store = open(folder);
    let epoch = store.beat(ProcessId::of(1), &[space()]).unwrap().epoch;
    store.open(epoch, space(), Opening::fresh()).unwrap();
    store
}

fn is_open(store: &FileBackend) -> bool {
    let standing = store.beat(ProcessId::of(1), &[space()]).unwrap();
    standing.opening(space()).is_some()
}

fn look(store: &FileBackend, name: &str) -> Judgement {
    let ask = key(name);
    let tags = tags();
    let ask = Ask::entry(&ask, &tags, Databases::One(space()));
    judge(store.fetch(&ask).unwrap(), &tags)
}

fn hits(store: &FileBackend, name: &str) -> bool {
    matches!(look(store, name), Judgement::Hit(_))
}

fn try_fill(store: &FileBackend, name: &str, bytes: usize) -> Put {
    let tags = tags();
    let ask = Ask::tokens(&tags, Databases::One(space()));
    let Judgement::Miss(vector) = judge(store.fetch(&ask).unwrap(), &tags) else {
        panic!("nothing to capture");
    };
    let now = Instant::now();
    let noise: Vec<u8> = (0..bytes).map(|_| rand::random()).collect();
    let entry = Entry {
        tags,
        vector,
        payload: Payload::Bytes(noise.into()),
        weight: bytes,
        expires_at: now + Duration::from_secs(60),
        lifetime: Duration::from_secs(60),
        stale_until: now,
        not_after: None,
        removed_with: Arc::from([]),
    };
    store.put(key(name), entry, None).unwrap()
}

fn fill(store: &FileBackend, name: &str) {
    assert_eq!(try_fill(store, name, 10), Put::Stored);
    assert!(hits(store, name));
}

fn quarantine(store: &FileBackend) -> WriterId {
    let id = WriterId::fresh();
    let writer = Writer {
        id,
        process: ProcessId::of(1),
        space: Some(space()),
        session: None,
    };
    store.quarantine(&writer, &tags()).unwrap();
    id
}

fn root(folder: &TempDir) -> PathBuf {
    folder.path().join("diesel-cache-")
}

fn journal(folder: &TempDir) -> PathBuf {
    root(folder).join("journal")
}

/// All files beneath a folder.
fn files(path: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(path).into_iter().flatten().flatten();
    found
        .flat_map(|found| match found.path().is_dir() {
            true => files(&found.path()),
            false => vec![found.path()],
        })
        .collect()
}

#[test]
fn what_one_process_stores_the_next_finds() {
    let folder = tempfile::tempdir().unwrap();
    let first = opened(&folder);
    fill(&first, "k");
    let second = open(&folder);
    assert!(hits(&second, "k"));
    drop(first);
    let third = open(&folder);
    assert!(hits(&third, "k") && is_open(&third));
    third.renew(&tags()[..1]).unwrap();
    assert!(!hits(&second, "k") && !hits(&third, "k"));
}

#[test]
fn a_frame_that_was_cut_off_never_happened() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    fill(&store, "k");
    let whole = fs::read(journal(&folder)).unwrap();
    // As a process leaves it that was killed while it wrote.
    let writer = quarantine(&store);
    let with = fs::read(journal(&folder)).unwrap();
    store.lift(writer, &[], Lift::Restore).unwrap();
    for left in [1, 4, 7, 8, 12, with.len() - whole.len() - 1] {
        let before = fs::read(journal(&folder)).unwrap();
        let mut torn = before.clone();
        torn.extend(&with[whole.len()..whole.len() + left]);
        // In place: it stays the same file.
        fs::write(journal(&folder), torn).unwrap();
        assert!(hits(&store, "k"), "{left}");
        let other = open(&folder);
        assert!(hits(&other, "k") && is_open(&other), "{left}");
        // Whoever writes next cuts it off.
        fill(&other, "l");
        assert!(hits(&store, "k") && hits(&store, "l"), "{left}");
    }
}

#[test]
fn a_quarantine_that_was_written_stands_when_its_process_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    fill(&store, "k");
    quarantine(&store);
    drop(store);
    let next = open(&folder);
    assert!(matches!(look(&next, "k"), Judgement::Quarantined));
    assert_eq!(next.holders(&[]).unwrap().len(), 1);
}

#[test]
fn a_damaged_journal_is_a_lost_store() {
    let damages: [fn(&mut Vec<u8>); 6] = [
        |bytes| bytes[60] ^= 1,
        |bytes| bytes[10] ^= 1,
        |bytes| {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        },
        |bytes| bytes.truncate(20),
        |bytes| bytes.clear(),
        |bytes| bytes.extend([7; 100]),
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let old = opened(&folder);
        fill(&old, "k");
        let mut bytes = fs::read(journal(&folder)).unwrap();
        damage(&mut bytes);
        fs::write(journal(&folder), &bytes).unwrap();
        let store = open(&folder);
        assert!(matches!(look(&store, "k"), Judgement::Closed), "{number}");
        assert!(!is_open(&store) && !is_open(&old), "{number}");
        assert!(matches!(look(&old, "k"), Judgement::Closed), "{number}");
        let epoch = old.beat(ProcessId::of(1), &[]).unwrap().epoch;
        old.open(epoch, space(), Opening::fresh()).unwrap();
        assert!(!hits(&store, "k"), "{number}: an entry of before");
        fill(&store, "k");
        assert!(hits(&old, "k"), "{number}");
    }
}

#[test]
fn a_shorter_journal_of_before_is_a_lost_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    fill(&store, "k");
    let before = fs::read(journal(&folder)).unwrap();
    let id = fs::metadata(journal(&folder)).unwrap().ino();
    quarantine(&store);
    // Somebody restores a backup in place.
    fs::write(journal(&folder), before).unwrap();
    assert_eq!(fs::metadata(journal(&folder)).unwrap().ino(), id);
    assert!(!hits(&store, "k"));
    assert!(!is_open(&store));
}

#[test]
fn a_copy_of_a_journal_is_a_lost_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    fill(&store, "k");
    let copy = root(&folder).join("copy");
    fs::copy(journal(&folder), &copy).unwrap();
    store.renew(&tags()).unwrap();
    fs::rename(copy, journal(&folder)).unwrap();
    assert!(!hits(&store, "k") && !hits(&open(&folder), "k"));
    assert!(!is_open(&store));
}

#[test]
fn another_boot_is_a_lost_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    fill(&store, "k");
    drop(store);
    let mut store = open(&folder);
    store.journal = Journal::new(&root(&folder), [7; 16], Duration::from_secs(5));
    assert!(!hits(&store, "k"));
    assert!(!is_open(&store));
    assert!(!is_open(&open(&folder)), "nor is it for those of before");
}

#[test]
fn an_emptied_folder_is_a_lost_store() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (opened(&folder), open(&folder));
    fill(&one, "k");
    assert!(hits(&two, "k"));
    fs::remove_dir_all(root(&folder)).unwrap();
    assert!(matches!(look(&one, "k"), Judgement::Closed));
    assert!(matches!(look(&two, "k"), Judgement::Closed));
    assert!(!is_open(&one) && root(&folder).is_dir());
    let three = opened(&folder);
    fill(&three, "k");
    assert!(hits(&one, "k") && hits(&two, "k"));
    fill(&one, "l");
    assert!(hits(&three, "l"));
}

#[test]
fn foreign_garbage_is_no_entry() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    fill(&store, "k");
    let entries = files(&root(&folder).join("entries"));
    let [path] = entries.as_slice() else {
        panic!("{entries:?}");
    };
    let whole = fs::read(path).unwrap();
    for garbage in [
        Vec::new(),
        b"garbage".to_vec(),
        vec![0; 100_000],
        vec![0; 8 << 20],
        whole[..whole.len() - 1].to_vec(),
    ] {
        fs::write(path, garbage).unwrap();
        assert!(!hits(&store, "k"));
        fill(&store, "k");
    }
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
    fs::write(path.join("more"), "garbage").unwrap();
    assert!(!hits(&store, "k"));
    fill(&store, "k");
    // A pipe, which nobody writes to.
    fs::remove_file(path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
    assert!(!hits(&store, "k"));
    fill(&store, "k");
    // And what lies elsewhere.
    fs::write(root(&folder).join("entries/garbage"), "garbage").unwrap();
    fs::write(root(&folder).join("garbage"), "garbage").unwrap();
    fs::create_dir_all(root(&folder).join("at-work/garbage")).unwrap();
    assert!(hits(&open(&folder), "k"));
}

#[test]
fn what_a_process_left_behind_is_gone_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    let (mine, _file) = store.place.temporary().unwrap();
    // As those are that a killed process leaves: nobody holds the lock.
    let left = root(&folder).join("at-work/1-dead");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("alive"), "").unwrap();
    fs::write(left.join("half"), "half an entry").unwrap();
    let waste = root(&folder).join("waste-1");
    fs::create_dir_all(waste.join("ab")).unwrap();
    let other = open(&folder);
    assert!(!left.exists() && !waste.exists());
    assert!(mine.exists(), "its process lives");
    drop(other);
    drop(store);
    assert!(files(&root(&folder).join("at-work")).is_empty());
}

#[test]
fn a_temporary_file_is_made_after_the_folder_was_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    fill(&store, "k");
    fs::remove_dir_all(root(&folder).join("at-work")).unwrap();
    fill(&store, "l");
}

#[test]
fn entries_are_evicted_before_there_are_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let options = FileOptions {
        capacity: 20 * 8192,
        ..options()
    };
    let store = FileBackend::open(folder.path(), options).unwrap();
    let epoch = store.beat(ProcessId::of(1), &[space()]).unwrap().epoch;
    store.open(epoch, space(), Opening::fresh()).unwrap();
    for number in 0..100 {
        assert_eq!(try_fill(&store, &number.to_string(), 6000), Put::Stored);
        // One is always in use.
        assert!(hits(&store, "0"), "{number}");
        let taken: u64 = files(&root(&folder).join("entries"))
            .iter()
            .map(|path| fs::metadata(path).unwrap().blocks() * 512)
            .sum();
        assert!(taken <= 20 * 8192, "{number}: {taken}");
        assert!(store.usage().bytes <= 20 * 8192);
    }
    assert_eq!(store.usage().entries, 20);
    assert_eq!(store.usage().evictions, 80);
    assert_eq!(try_fill(&store, "large", 170_000), Put::TooLarge);
}

#[test]
fn a_journal_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (store, other) = (opened(&folder), open(&folder));
    fill(&store, "k");
    let held = quarantine(&store);
    let mut longest = 0;
    for number in 0..20_000 {
        let tag = [Tag::label(&(number % 50).to_string())];
        store.renew(&tag).unwrap();
        if number % 500 == 0 {
            longest = longest.max(fs::metadata(journal(&folder)).unwrap().len());
            assert!(matches!(look(&other, "k"), Judgement::Quarantined));
        }
    }
    assert!(longest < 300 << 10, "{longest}");
    // It has forgotten nothing that counts.
    other.lift(held, &[], Lift::Restore).unwrap();
    assert!(hits(&store, "k") && hits(&other, "k"));
    assert!(is_open(&open(&folder)));
}

#[test]
fn files_are_their_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    fill(&store, "k");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in files(&root(&folder)) {
        assert_eq!(mode(&path), 0o600, "{path:?}");
        assert_eq!(mode(path.parent().unwrap()), 0o700, "{path:?}");
    }
}

#[test]
fn a_lock_that_is_held_holds_up_nobody_for_long() {
    use fs4::fs_std::FileExt;
    let folder = tempfile::tempdir().unwrap();
    let options = FileOptions {
        io_timeout: Duration::from_millis(50),
        ..options()
    };
    let store = FileBackend::open(folder.path(), options).unwrap();
    let epoch = store.beat(ProcessId::of(1), &[space()]).unwrap().epoch;
    store.open(epoch, space(), Opening::fresh()).unwrap();
    fill(&store, "k");
    let lock = fs::File::open(root(&folder).join("lock")).unwrap();
    assert!(lock.try_lock_exclusive().unwrap());
    assert!(store.renew(&tags()).is_err());
    // Readers do not need it.
    assert!(hits(&store, "k"));
    lock.unlock().unwrap();
    store.renew(&tags()).unwrap();
    assert!(!hits(&store, "k"));
}

#[test]
fn a_lock_file_that_was_deleted_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    fs::remove_file(root(&folder).join("lock")).unwrap();
    fill(&store, "k");
    assert!(root(&folder).join("lock").exists());
}

#[test]
fn namespaces_are_folders_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let named = |namespace: &str| {
        let options = FileOptions {
            namespace: namespace.to_owned(),
            ..options()
        };
        FileBackend::open(folder.path(), options).unwrap()
    };
    let names = ["", "a", "A", "a/b", "../a", "a b", "ä"];
    let _stores: Vec<FileBackend> = names.into_iter().map(named).collect();
    let found: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(found.len(), names.len(), "{found:?}");
}

#[test]
fn a_folder_that_cannot_be_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = FileBackend::open(folder.path().join("file"), options()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the store in the folder cannot be used"),
        "{error}"
    );
}

#[test]
#[cfg(feature = "conformance")]
fn a_store_in_files_conforms() {
    let folder = tempfile::tempdir().unwrap();
    crate::backend::conformance::run(|namespace| {
        let options = FileOptions {
            namespace: namespace.to_owned(),
            max_entry_bytes: 16 << 20,
            ..options()
        };
        FileBackend::open(folder.path(), options).unwrap()
    });
}

#[test]
fn who_lost_the_lock_acknowledges_nothing() {
    use super::change::{Change, Record};
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (opened(&folder), open(&folder));
    fill(&one, "k");
    assert!(hits(&two, "k"));
    let turn = one.journal.turn(&one.place).unwrap();
    // As those do who remove what was not changed for long: the lock never is.
    fs::remove_file(root(&folder).join("lock")).unwrap();
    quarantine(&two);
    // One goes on, with a frame that is as long.
    let id = WriterId::fresh();
    let writer = Record {
        writer: id.to_bytes(),
        process: ProcessId::of(1).number(),
        space: Some(space().0),
        session: None,
    };
    let tags = tags().iter().map(|tag| tag.to_bytes()).collect();
    let told = turn.commit(&[Change::Quarantine { writer, tags }]);
    drop(turn);
    let three = open(&folder);
    let seen = look(&three, "k");
    assert!(matches!(seen, Judgement::Quarantined | Judgement::Closed));
    if told.is_ok() {
        one.lift(id, &[], Lift::Restore).unwrap();
    }
    assert!(
        !hits(&three, "k") && !hits(&open(&folder), "k"),
        "two is at work"
    );
}
