//! Which jobs a run works on where several share a store, and in which order.
//!
//! A share is a preference, not a border: a run begins with its own jobs, and when none of them can be worked on it takes one
//! that nobody works on. So no machine stands still because another one is slow, late or dead, a plan is finished by whatever
//! number of processes is there, and the shares need not even agree. What keeps two from doing the same work is the lease on
//! each job.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::Key;
use crate::leases::Patience;

/// What a run works on, and how long it waits for others on the store; everything by default.
#[derive(Clone, Debug, Default)]
pub struct Sharing {
    /// Which jobs it works on.
    pub role: Role,
    /// How long it waits.
    pub patience: Patience,
}

/// Which jobs a run works on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// All that nobody else works on; it waits for the others' and ends with the whole report.
    #[default]
    Everything,
    /// Its own share first, then whatever nobody works on. It ends when all that is left is in the hands of others, so the
    /// last one has the whole report.
    Shard(Shard),
    /// These alone, each with its inputs at hand; they are waited for if somebody else works on them.
    Jobs(BTreeSet<Key>),
    /// None: the report of what is there.
    Gather,
}

/// One of several runs of a plan, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// Shard `index` of `count`; none unless 1 <= index <= count.
    pub fn new(index: usize, count: usize) -> Option<Self> {
        (1..=count).contains(&index).then_some(Self { index, count })
    }

    /// This shard's own jobs, of trainings with the passes that they take and of others.
    ///
    /// Trainings, which may differ a hundredfold, go one by one, longest first, to the shard that has least so far; the others are
    /// dealt in the order of their keys, which is as good as shuffled. Every shard of one plan finds the same shares.
    pub fn own(
        self,
        trainings: &BTreeMap<Key, u64>,
        others: impl Iterator<Item = Key>,
    ) -> BTreeSet<Key> {
        let mut longest: Vec<(&Key, u64)> = trainings.iter().map(|(key, &p)| (key, p)).collect();
        longest.sort_by_key(|&(key, passes)| (std::cmp::Reverse(passes), key));
        let mut loads = vec![0_u64; self.count];
        let mut own = BTreeSet::new();
        for (key, passes) in longest {
            let least = loads.iter().enumerate().min_by_key(|&(_, load)| *load);
            let least = least.map_or(0, |(place, _)| place);
            loads[least] = loads[least].saturating_add(passes.max(1));
            if least + 1 == self.index {
                own.insert(key.clone());
            }
        }
        let others: BTreeSet<Key> = others.filter(|key| !trainings.contains_key(key)).collect();
        let dealt = others.into_iter().enumerate();
        own.extend(dealt.filter(|(place, _)| place % self.count + 1 == self.index).map(|(_, k)| k));
        own
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/');
        let numbers = numbers.and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        numbers.and_then(|(index, count)| Self::new(index, count)).ok_or_else(|| {
            format!("`{text}` is no shard; the second of three is `2/3`, they are counted from 1")
        })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.count)
    }
}
