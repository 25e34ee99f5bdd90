//! The store believes nothing that is damaged and loses nothing that was written.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use saddle_experiments::{AtomicDisk, Disk, Error, Key, Store, check_writable};

fn key(name: &str) -> Key {
    Key::of(&name).unwrap()
}

/// A disk that is full after so many writes.
struct FillingUp {
    left: AtomicUsize,
}

impl Disk for FillingUp {
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.left.load(Ordering::SeqCst) == 0 {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"));
        }
        self.left.fetch_sub(1, Ordering::SeqCst);
        AtomicDisk.write(path, bytes)
    }
}

#[test]
fn what_was_written_is_read_back_and_parts_give_way_to_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let key = key("job");
    assert_eq!(store.result(&key), None);
    store.put_part(&key, "chunk-00000", b"half").unwrap();
    store.put_part(&key, "chunk-00000", b"better half").unwrap();
    assert_eq!(store.part(&key, "chunk-00000").unwrap(), b"better half");
    store.finish(&key, &"what it was", b"whole").unwrap();
    assert_eq!(store.result(&key).unwrap(), b"whole");
    assert_eq!(store.part(&key, "chunk-00000"), None);
    let again = Store::open(folder.path()).unwrap();
    assert_eq!(again.result(&key).unwrap(), b"whole");
}

#[test]
fn a_full_disk_is_an_error_that_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let key = key("job");
    // Two writes open the store, one keeps the first checkpoint.
    let disk = FillingUp { left: AtomicUsize::new(3) };
    let store = Store::with_disk(folder.path(), Box::new(disk)).unwrap();
    store.put_part(&key, "checkpoint", b"first").unwrap();
    let error = store.put_part(&key, "checkpoint", b"second").unwrap_err();
    assert!(matches!(error, Error::Write { .. }));
    assert!(error.to_string().contains("no space left"), "{error}");
    assert!(store.finish(&key, &"job", b"whole").is_err());
    assert_eq!(store.part(&key, "checkpoint").unwrap(), b"first");
    assert_eq!(store.result(&key), None);
}

#[test]
fn a_store_that_cannot_be_written_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"in the way").unwrap();
    assert!(matches!(Store::open(file.join("store")), Err(Error::Write { .. })));
    assert!(matches!(check_writable(&file), Err(Error::Write { .. })));
    assert_eq!(fs::read(&file).unwrap(), b"in the way");
}

#[test]
fn only_a_store_is_ever_erased() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), b"years of work").unwrap();
    assert!(matches!(Store::erase(folder.path()), Err(Error::NotAStore { .. })));
    assert!(folder.path().join("thesis.txt").is_file());

    let root = folder.path().join("store");
    Store::open(&root).unwrap().put_part(&key("job"), "part", b"x").unwrap();
    Store::erase(&root).unwrap();
    assert!(!root.exists());
    Store::erase(&root).unwrap();
}

#[test]
fn a_folder_with_files_is_not_taken_for_a_store() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), b"years of work").unwrap();
    fs::write(folder.path().join(".gitignore"), b"*.aux\n").unwrap();
    let error = Store::open(folder.path()).err().unwrap();
    assert!(matches!(error, Error::Occupied { .. }), "{error}");
    let message = error.to_string();
    let path = folder.path().display().to_string();
    assert!(message.contains(&path) && message.contains("empty folder"), "{message}");
    assert_eq!(fs::read(folder.path().join(".gitignore")).unwrap(), b"*.aux\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn what_others_put_into_a_store_survives_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let key = key("job");
    Store::open(&root).unwrap().finish(&key, &"job", b"whole").unwrap();
    let own: [(&str, &[u8]); 3] =
        [("report.md", b"a report"), (".gitignore", b"mine\n"), ("ab", b"a file, no folder")];
    for (name, bytes) in own {
        fs::write(root.join(name), bytes).unwrap();
    }
    fs::create_dir_all(root.join("notes")).unwrap();
    assert_eq!(Store::open(&root).unwrap().result(&key).unwrap(), b"whole");
    Store::erase(&root).unwrap();
    for (name, bytes) in own {
        assert_eq!(fs::read(root.join(name)).unwrap(), bytes, "{name}");
    }
    assert!(root.join("notes").is_dir());
    assert_eq!(fs::read_dir(&root).unwrap().count(), 4);
}

#[test]
fn a_kill_while_the_store_is_made_is_no_obstacle_and_its_scraps_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let scrap = folder.path().join(".unfinished-abc");
    fs::write(&scrap, b"Results and check").unwrap();
    Store::open(folder.path()).unwrap();
    assert!(!scrap.exists());
    fs::write(&scrap, b"Results and check").unwrap();
    Store::open(folder.path()).unwrap();
    assert!(!scrap.exists());
}

#[test]
fn two_runs_on_one_store_do_not_trip_over_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let key = key("job");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let store = Store::open(folder.path()).unwrap();
                for _ in 0..150 {
                    store.put_part(&key, "chunk-00000", b"half").unwrap();
                    store.finish(&key, &"job", b"whole").unwrap();
                }
            });
        }
    });
    assert_eq!(Store::open(folder.path()).unwrap().result(&key).unwrap(), b"whole");
}

#[test]
fn a_damaged_result_is_there_and_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let key = key("job");
    assert!(!store.contains(&key));
    store.finish(&key, &"job", b"whole").unwrap();
    assert!(store.contains(&key));
    fs::write(store.result_path(&key), b"who").unwrap();
    assert!(store.contains(&key));
    assert_eq!(store.result(&key), None);
}

#[test]
fn a_writer_that_dies_leaves_the_old_file_and_a_scrap_that_is_swept_later() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let key = key("job");
    store.put_part(&key, "checkpoint", b"old").unwrap();
    // What a kill between "created" and "renamed" leaves beside its place.
    let scrap = store.result_path(&key).with_file_name(".unfinished-abc");
    fs::write(&scrap, b"half of a resu").unwrap();
    assert_eq!(store.part(&key, "checkpoint").unwrap(), b"old");
    assert_eq!(store.result(&key), None);
    store.finish(&key, &"job", b"whole").unwrap();
    assert!(!scrap.exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_file_cut_anywhere_counts_as_absent(
        payload in proptest::collection::vec(any::<u8>(), 0..200),
        place in any::<proptest::sample::Index>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = key("job");
        store.finish(&key, &"job", &payload).unwrap();
        let path = store.result_path(&key);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..place.index(whole.len())]).unwrap();
        prop_assert_eq!(store.result(&key), None);
    }

    #[test]
    fn a_flipped_bit_is_noticed(
        payload in proptest::collection::vec(any::<u8>(), 1..200),
        place in any::<proptest::sample::Index>(),
        bit in 0u8..8,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = key("job");
        store.put_part(&key, "chunk", &payload).unwrap();
        let path = store.part_path(&key, "chunk");
        let mut bytes = fs::read(&path).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        prop_assert_eq!(store.part(&key, "chunk"), None);
    }
}
