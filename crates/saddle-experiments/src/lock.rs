//! What a lock file says of one package and of everything that it is built from.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

#[derive(Deserialize)]
struct LockFile {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    /// Of the archive; none for packages of the workspace, whose sources no lock file describes.
    checksum: Option<String>,
    /// Each `name`, or `name version` or `name version (source)` where the shorter form fits several.
    #[serde(default)]
    dependencies: Vec<String>,
}

/// One line `name version checksum` for `root` and each package that it needs on any platform, in the order of their
/// names; the whole text when it cannot be read as a lock file that knows `root`, so that a doubt never joins two programs.
pub fn locked(text: &str, root: &str) -> String {
    lines(text, root).unwrap_or_else(|| text.to_owned())
}

fn lines(text: &str, root: &str) -> Option<String> {
    let file: LockFile = toml::from_str(text).ok()?;
    let mut versions: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in &file.package {
        versions.entry(&package.name).or_default().push(package);
    }
    let mut left = vec![root];
    let mut seen = BTreeSet::new();
    let mut lines = BTreeSet::new();
    while let Some(needed) = left.pop() {
        if !seen.insert(needed) {
            continue;
        }
        let mut words = needed.split(' ');
        let (name, version) = (words.next()?, words.next());
        let fits = |package: &&&Package| version.is_none_or(|version| package.version == version);
        let found: Vec<&&Package> = versions.get(name)?.iter().filter(fits).collect();
        if found.is_empty() {
            return None;
        }
        // Several of one version come from different sources; all of them count.
        for package in found {
            let Package { name, version, checksum, dependencies } = package;
            let checksum = checksum.as_deref().unwrap_or("-");
            lines.insert(format!("{name} {version} {checksum}\n"));
            left.extend(dependencies.iter().map(String::as_str));
        }
    }
    Some(lines.into_iter().collect())
}
