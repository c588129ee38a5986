//! Parts of a lane that are kept outside and read when a view first wants them. Knows neither what keeps them
//! nor what they hold.

use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;

/// What keeps the parts of a lane that was saved: an index beside its log.
pub trait Parts: Send + Sync + fmt::Debug {
    /// The bytes of a part; none where it is not there or damaged.
    fn read(&self, name: &str) -> Option<Vec<u8>>;

    /// A part that should be there was not, or not what it should be: the lane is to be folded anew from its log.
    fn report(&self, name: &str);
}

/// What can be kept as bytes.
pub(super) trait Kept: Default {
    /// Its bytes.
    fn to_bytes(&self) -> Vec<u8>;

    /// From its bytes; none where these are not such.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// A value that is here, or kept elsewhere until it is wanted.
#[derive(Clone, Default)]
pub(super) struct Part<T> {
    value: OnceCell<T>,
    kept: Option<(Arc<dyn Parts>, String)>,
}

impl<T: Kept> Part<T> {
    /// A value that is kept under a name.
    pub(super) fn kept(parts: &Arc<dyn Parts>, name: String) -> Part<T> {
        Part { value: OnceCell::new(), kept: Some((Arc::clone(parts), name)) }
    }

    /// The value, read where it is not here yet. One that cannot be read is empty, and reported.
    pub(super) fn get(&self) -> &T {
        self.value.get_or_init(|| {
            let Some((parts, name)) = &self.kept else { return T::default() };
            parts.read(name).and_then(|bytes| T::from_bytes(&bytes)).unwrap_or_else(|| {
                parts.report(name);
                T::default()
            })
        })
    }

    /// Whether the value need not be read any more.
    pub(super) fn is_here(&self) -> bool {
        self.kept.is_none() || self.value.get().is_some()
    }

    /// Gives the value up where it can be read again.
    pub(super) fn release(&mut self) {
        if self.kept.is_some() {
            self.value = OnceCell::new();
        }
    }

    /// The value, to be changed: from then on it is kept here alone.
    pub(super) fn get_mut(&mut self) -> &mut T {
        if self.value.get().is_none() {
            self.get();
        }
        self.kept = None;
        match self.value.get_mut() {
            Some(value) => value,
            None => unreachable!("it was got above"),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Part<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value.get() {
            Some(value) => value.fmt(f),
            None => f.write_str("kept"),
        }
    }
}
