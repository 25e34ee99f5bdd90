//! Which process this is, and whether another one of the same machine is still there.

use std::fmt;
use std::fs;

use serde::{Deserialize, Serialize};

/// A process, as far as the system tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    host: String,
    /// One start of one machine, and the numbering of processes there; none where the system does not tell.
    place: Option<String>,
    id: u32,
    /// When it was started, in the system's own measure: numbers of processes are used again.
    started: Option<u64>,
}

impl Process {
    /// The process that is running.
    pub(super) fn this() -> Self {
        let id = std::process::id();
        let text = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let boot = text("/proc/sys/kernel/random/boot_id");
        let numbering = fs::read_link("/proc/self/ns/pid").ok();
        let place = boot.zip(numbering).map(|(boot, ids)| format!("{boot} {}", ids.display()));
        let host = text("/proc/sys/kernel/hostname");
        Self {
            host: host.unwrap_or_else(|| "some machine".to_owned()),
            place,
            id,
            started: start_of(id),
        }
    }

    /// Whether it is certain that this process is no more, seen from `here`.
    pub(super) fn is_dead(&self, here: &Self) -> bool {
        let same_machine = self.place.is_some() && self.place == here.place;
        same_machine && self.started.is_some() && start_of(self.id) != self.started
    }
}

impl fmt::Display for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "process {} on {}", self.id, self.host)
    }
}

/// When a living process of this number was started; none for one that is not there or has ended and not been fetched.
fn start_of(id: u32) -> Option<u64> {
    let line = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in brackets, may hold anything; behind it come the state and then, 19 fields on, the start.
    let mut fields = line.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}
