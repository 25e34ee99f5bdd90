//! The binary version of CIFAR-10: its records, a folder of files, the archive; over a made-up network.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use saddle_data::{
    CIFAR10, Dataset, DatasetName, Error, Progress, PublishedBatches, RawFile, Silent, Source,
    Split, Transport, load_batches, records,
};
use saddle_tests::data::{cifar_records, gzipped, sha256_hex, write_small_cifar};

const RECORD: usize = 3073;

#[test]
fn a_record_is_a_label_and_three_planes() {
    let mut bytes = cifar_records(3, 7);
    // The second record: red, green and blue of the place in row 1, column 2.
    bytes[RECORD] = 9;
    for (plane, value) in [10, 20, 30].into_iter().enumerate() {
        bytes[RECORD + 1 + 1024 * plane + 32 + 2] = value;
    }
    let found = records(&bytes).unwrap();
    assert_eq!((found.labels.len(), found.labels[1]), (3, 9));
    let image = &found.pixels[3072..2 * 3072];
    assert_eq!([image[34], image[1024 + 34], image[2048 + 34]], [10, 20, 30]);
    assert_eq!(found.pixels[..3072], bytes[1..RECORD]);
}

#[test]
fn what_is_no_file_of_records_is_refused_in_words() {
    let whole = cifar_records(2, 1);
    let mut labelled = whole.clone();
    labelled[RECORD] = 10;
    for (bytes, words) in [
        (&[][..], "the file is empty"),
        (&whole[..RECORD - 1], "3072 bytes are 0 records of 3073 and 3072 bytes more"),
        (&whole[..RECORD + 1], "1 records of 3073 and 1 bytes more; the file is cut short"),
        (&labelled, "record 1 has the label 10; labels are 0 to 9"),
    ] {
        let message = records(bytes).unwrap_err().to_string();
        assert!(message.starts_with("CIFAR-10: ") && message.contains(words), "{message}");
    }
}

fn from_folder(folder: &Path, split: Split) -> Result<Dataset, Error> {
    DatasetName::Cifar10.load(&Source::Folder(folder.to_owned()), split, &mut Silent)
}

#[test]
fn a_folder_of_files_is_read_in_order_and_said_to_be_unverified() {
    let folder = tempfile::tempdir().unwrap();
    write_small_cifar(folder.path(), 2, 3);
    let train = from_folder(folder.path(), Split::Train).unwrap();
    assert_eq!((train.len(), train.shape()), (10, [3, 32, 32]));
    assert_eq!(train.name, "cifar10-train (not verified)");
    let third = records(&cifar_records(2, 20)).unwrap();
    assert_eq!(train.labels[4..6], third.labels);
    assert_eq!(train.image(5), &third.pixels[3072..]);
    assert_eq!(from_folder(folder.path(), Split::Test).unwrap().len(), 3);

    // The folder of the archive's name inside another one.
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("cifar-10-batches-bin");
    fs::create_dir(&inner).unwrap();
    write_small_cifar(&inner, 2, 3);
    assert_eq!(from_folder(outer.path(), Split::Train).unwrap(), train);
}

#[test]
fn a_folder_that_lacks_a_file_or_holds_a_damaged_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_small_cifar(folder.path(), 2, 3);
    let path = folder.path().join("data_batch_3.bin");
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..100]).unwrap();
    let words = from_folder(folder.path(), Split::Train).unwrap_err().to_string();
    assert!(words.contains("data_batch_3.bin is not the file it should be"), "{words}");
    assert!(words.contains("cut short") && words.contains("left as it is"), "{words}");
    assert!(from_folder(folder.path(), Split::Test).is_ok(), "the other split is not looked at");

    fs::remove_file(&path).unwrap();
    let words = from_folder(folder.path(), Split::Train).unwrap_err().to_string();
    assert!(words.contains("data_batch_3.bin"), "{words}");
}

/// Archives by address; remembers what it was asked.
#[derive(Default)]
struct Fake {
    archive: Option<Vec<u8>>,
    asked: RefCell<Vec<String>>,
}

impl Transport for Fake {
    fn get(&self, address: &str, _: u64, progress: Progress<'_>) -> Result<Vec<u8>, String> {
        self.asked.borrow_mut().push(address.to_owned());
        let body = match &self.archive {
            Some(archive) if address.starts_with("https://second.test/") => archive.clone(),
            _ => return Err("no route to host".to_owned()),
        };
        progress(body.len() as u64, None);
        Ok(body)
    }

    fn npm_pack(&self, _: &str, _: &Path) -> Result<PathBuf, String> {
        Err("no package holds it".to_owned())
    }

    fn debian_pack(&self, _: &str, _: &Path) -> Result<PathBuf, String> {
        Err("no package holds it".to_owned())
    }
}

/// An archive like the published one, with two records in each file; the files of `without` are left out.
fn archive(without: &[&str]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let names = [&["batches.meta.txt"][..], CIFAR10.train, &[CIFAR10.test.name]].concat();
    for (index, name) in names.iter().enumerate().filter(|(_, name)| !without.contains(name)) {
        let bytes = cifar_records(2, 10 * index as u64);
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        let path = format!("cifar-10-batches-bin/{name}");
        builder.append_data(&mut header, path, &bytes[..]).unwrap();
    }
    gzipped(&builder.into_inner().unwrap())
}

fn published(archive: &[u8], records: usize) -> PublishedBatches {
    PublishedBatches {
        archive: RawFile {
            name: "small.tar.gz",
            size: archive.len() as u64,
            // Leaked: a published file names its hash for the life of the program.
            sha256: sha256_hex(archive).leak(),
        },
        mirrors: &["https://first.test/", "https://second.test/"],
        records,
        ..CIFAR10
    }
}

fn load(
    published: &PublishedBatches,
    source: &Source,
    split: Split,
    transport: &Fake,
) -> Result<Dataset, Error> {
    load_batches(published, source, split, transport, &mut Silent)
}

#[test]
fn the_archive_is_fetched_once_verified_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("cifar10");
    let bytes = archive(&[]);
    let published = published(&bytes, 2);
    let source = Source::Cache(cache.clone());
    let fake = Fake { archive: Some(bytes.clone()), ..Fake::default() };
    let train = load(&published, &source, Split::Train, &fake).unwrap();
    assert_eq!((train.len(), train.name.as_str()), (10, "cifar10-train"));
    // The archive's first entry is another file: training files are hashed from 10 on.
    assert_eq!(train.labels[..2], records(&cifar_records(2, 10)).unwrap().labels);
    let addresses = ["https://first.test/small.tar.gz", "https://second.test/small.tar.gz"];
    assert_eq!(*fake.asked.borrow(), addresses);

    let offline = Fake::default();
    let test = load(&published, &source, Split::Test, &offline).unwrap();
    assert_eq!(test.labels, records(&cifar_records(2, 60)).unwrap().labels);
    assert!(offline.asked.borrow().is_empty());

    // A damaged archive in the cache is fetched again; offline that is an error with a way out.
    let path = cache.join("small.tar.gz");
    fs::write(&path, &bytes[..100]).unwrap();
    let words = load(&published, &source, Split::Test, &offline).unwrap_err().to_string();
    assert!(words.contains("could not get small.tar.gz") && words.contains("--data"), "{words}");
    assert_eq!(load(&published, &source, Split::Test, &fake).unwrap(), test);
    assert_eq!(fs::read(&path).unwrap(), bytes);

    // A folder of the user may hold the archive; it is never written.
    let folder = Source::Folder(cache);
    assert_eq!(load(&published, &folder, Split::Test, &offline).unwrap(), test);
    fs::write(&path, b"something else").unwrap();
    let words = load(&published, &folder, Split::Test, &fake).unwrap_err().to_string();
    assert!(words.contains("small.tar.gz is not the file it should be"), "{words}");
}

#[test]
fn an_archive_of_another_hash_never_reaches_the_cache() {
    let cache = tempfile::tempdir().unwrap();
    let bytes = archive(&[]);
    let published = published(&bytes, 2);
    let mut other = bytes;
    let last = other.len() - 1;
    other[last] ^= 1;
    let fake = Fake { archive: Some(other), ..Fake::default() };
    let source = Source::Cache(cache.path().to_owned());
    let words = load(&published, &source, Split::Train, &fake).unwrap_err().to_string();
    assert!(words.contains("its SHA-256 is"), "{words}");
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
}

#[test]
fn a_verified_archive_of_another_form_is_refused_in_words() {
    let cache = tempfile::tempdir().unwrap();
    let source = Source::Cache(cache.path().to_owned());
    for (bytes, records, words) in [
        (archive(&["data_batch_4.bin"]), 2, "it holds no cifar-10-batches-bin/data_batch_4.bin"),
        (archive(&[]), 3, "its file data_batch_1.bin has not the 9219 bytes it should"),
        (b"no archive at all".to_vec(), 2, "it cannot be unpacked"),
    ] {
        let fake = Fake { archive: Some(bytes.clone()), ..Fake::default() };
        let published = published(&bytes, records);
        let message = load(&published, &source, Split::Train, &fake).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn the_published_files_have_the_sizes_of_their_form() {
    assert_eq!(CIFAR10.test.size, (CIFAR10.records * RECORD) as u64);
    assert_eq!(CIFAR10.train.len() * CIFAR10.records, 50_000);
    for file in [CIFAR10.archive, CIFAR10.test] {
        assert!(file.sha256.len() == 64 && file.sha256.bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
