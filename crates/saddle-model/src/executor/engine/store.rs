//! Memory that comes back: fresh pages cost as much as the arithmetic on them.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Values that were lent and came back, ready to be lent again.
pub(super) struct Store<V>(Arc<Mutex<Vec<V>>>);

/// A value of a [`Store`]; dropping it gives it back.
pub(crate) struct Lent<V> {
    /// `None` only while it is being dropped.
    value: Option<V>,
    home: Arc<Mutex<Vec<V>>>,
}

/// Most values that wait in a store; more than any caller has at once.
const LARGEST: usize = 8;

impl<V> Default for Store<V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<V: Default> Store<V> {
    /// A value that came back and `fits`, else a new one.
    pub(super) fn take(&self, fits: impl Fn(&V) -> bool) -> Lent<V> {
        // Nobody panics while holding the lock, and no order of pushes and removals leaves the list in a bad state.
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = waiting.iter().rposition(fits).map(|index| waiting.remove(index));
        Lent { value: Some(found.unwrap_or_default()), home: Arc::clone(&self.0) }
    }
}

impl<V> Drop for Lent<V> {
    fn drop(&mut self) {
        let Some(value) = self.value.take() else { return };
        let mut waiting = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= LARGEST {
            waiting.remove(0);
        }
        waiting.push(value);
    }
}

impl<V> Deref for Lent<V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.value.as_ref().expect("a lent value is taken only by its drop")
    }
}

impl<V> DerefMut for Lent<V> {
    fn deref_mut(&mut self) -> &mut V {
        self.value.as_mut().expect("a lent value is taken only by its drop")
    }
}
