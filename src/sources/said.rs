//! What a record of another program's log says, whatever its format.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::event::Histogram;

/// The most different tags that are kept; values of others are counted as not shown.
const MOST_TAGS: usize = 16_384;

/// The name of something measured, as its place in [`Tags`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(pub u32);

/// A tag as it was found: its name, and whether its values are histograms.
pub(super) type Found = (Box<str>, bool);

/// The names of what is measured, in order of first appearance.
#[derive(Clone, Debug, Default)]
pub struct Tags {
    names: Vec<Box<str>>,
    places: HashMap<Box<str>, Tag>,
    /// The tag that was asked for last: records tend to come in the same order in every step.
    last: usize,
}

impl Tags {
    /// The tags of these names, in this order.
    pub fn of<'a>(names: impl Iterator<Item = &'a str>) -> Tags {
        let mut tags = Tags::default();
        for name in names {
            tags.intern(name);
        }
        tags
    }

    /// The tag of a name; none if there are too many.
    pub fn intern(&mut self, name: &str) -> Option<Tag> {
        let likely = self.last + 1;
        let likely = if likely < self.names.len() { likely } else { 0 };
        if self.names.get(likely).is_some_and(|next| **next == *name) {
            self.last = likely;
            return Some(Tag(likely as u32));
        }
        let tag = match self.places.get(name) {
            Some(tag) => *tag,
            None if self.names.len() >= MOST_TAGS => return None,
            None => {
                let tag = Tag(self.names.len() as u32);
                self.names.push(name.into());
                self.places.insert(name.into(), tag);
                tag
            }
        };
        self.last = tag.0 as usize;
        Some(tag)
    }

    /// The names.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }
}

/// What a record says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The step that it is about; none where it names none.
    pub step: Option<i64>,
    /// Whether it is beside the steps, as what is measured of a machine is: then it is of the last step there is.
    pub is_beside: bool,
    /// When it was written, in seconds of Unix time.
    pub at: Option<f64>,
    /// What was measured; each tag once.
    pub values: Vec<(Tag, Measured)>,
    /// What else it says.
    pub other: Vec<Other>,
}

impl Said {
    /// Forgets everything.
    pub fn clear(&mut self) {
        (self.step, self.is_beside, self.at) = (None, false, None);
        self.values.clear();
        self.other.clear();
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// A number, finite or not.
    Number(f64),
    /// A histogram in the bins of this program, with what is known of the values that it counts; NaN where nothing is.
    Histogram {
        /// The counts.
        counts: Box<Histogram>,
        /// The mean of the values.
        mean: f64,
        /// Their standard deviation.
        std: f64,
    },
}

/// Something else that a log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Other {
    /// What was written of this step and later ones is void: the writer has been restarted there.
    Purge(i64),
    /// The values of a tag are the steps of others.
    Axis(Axis),
    /// Settings of the run, keys dotted, values as they are written.
    Config(Vec<(String, String)>),
    /// The name of the run.
    Name(String),
    /// The run has ended, with this code.
    Ended(i32),
    /// Something that is not shown, by its kind: `text`, `image`.
    Unshown(String),
}

/// A tag whose values are the steps of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// The tag.
    pub tag: String,
    /// Whether it is that for all others.
    pub is_of_all: bool,
}
