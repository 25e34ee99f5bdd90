//! Dependencies run one way: who may use whom, held against `cargo metadata`.

use std::collections::BTreeMap;

use anyhow::bail;

use crate::workspace::Workspace;

/// Every package of the workspace and those of ours it may use; `ARCHITECTURE.md` has the same table in words.
const ROOMS: [(&str, &[&str]); 12] = [
    ("saddle-ops", &[]),
    ("saddle-model", &["saddle-ops"]),
    ("saddle-attacks", &["saddle-ops", "saddle-model"]),
    ("saddle-defenses", &["saddle-ops", "saddle-model", "saddle-attacks"]),
    ("saddle-data", &[]),
    ("saddle-report", &[]),
    ("saddle-experiments", &LIBRARIES),
    (
        "saddle",
        &[
            "saddle-ops",
            "saddle-model",
            "saddle-attacks",
            "saddle-defenses",
            "saddle-data",
            "saddle-report",
            "saddle-experiments",
        ],
    ),
    ("saddle-web", &["saddle-ops", "saddle-model", "saddle-attacks", "saddle-report"]),
    ("xtask", &[]),
    (
        "saddle-tests",
        &[
            "saddle-ops",
            "saddle-model",
            "saddle-attacks",
            "saddle-defenses",
            "saddle-data",
            "saddle-report",
            "saddle-experiments",
            "saddle",
        ],
    ),
    (
        "saddle-benches",
        &[
            "saddle-ops",
            "saddle-model",
            "saddle-attacks",
            "saddle-defenses",
            "saddle-data",
            "saddle-report",
            "saddle-experiments",
            "saddle",
        ],
    ),
];

const LIBRARIES: [&str; 6] = [
    "saddle-ops",
    "saddle-model",
    "saddle-attacks",
    "saddle-defenses",
    "saddle-data",
    "saddle-report",
];

/// Packages that must stay free of tensors: they decode bytes, and they draw conclusions from numbers.
const WITHOUT_CANDLE: [&str; 3] = ["saddle-data", "saddle-report", "xtask"];

/// Fails on an edge that the table does not allow, and on a package that the table does not know.
pub(super) fn check(workspace: &Workspace) -> anyhow::Result<String> {
    let allowed: BTreeMap<&str, &[&str]> = ROOMS.into_iter().collect();
    let ours = |name: &str| allowed.contains_key(name);
    let mut wrong = Vec::new();
    let mut edges = 0;
    for package in workspace.metadata.workspace_packages() {
        let name = package.name.as_str();
        let Some(may_use) = allowed.get(name) else {
            wrong.push(format!("`{name}` has no place in the table of rooms"));
            continue;
        };
        for dependency in package.dependencies.iter().map(|dependency| dependency.name.as_str()) {
            edges += usize::from(ours(dependency));
            if ours(dependency) && !may_use.contains(&dependency) {
                wrong.push(format!("`{name}` must not use `{dependency}`"));
            }
            if dependency.starts_with("candle") && WITHOUT_CANDLE.contains(&name) {
                wrong.push(format!("`{name}` must not know tensors, but uses `{dependency}`"));
            }
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("; "));
    }
    Ok(format!("{edges} edges between {} packages, all upward", ROOMS.len()))
}
