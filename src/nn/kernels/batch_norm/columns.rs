//! How channels fall on lanes: 16 numbers that follow each other hold 16 channels, or fewer channels several
//! times over.

/// Numbers that are worked on together wherever the data allow it.
pub(super) const LANES: usize = 16;

/// Whether channels and numbers fall on [`LANES`] without a rest, as those of all networks do; otherwise a group
/// has one lane.
pub(super) fn fall_on_lanes(channels: usize, length: usize) -> bool {
    (LANES.is_multiple_of(channels) || channels.is_multiple_of(LANES)) && length.is_multiple_of(LANES)
}

/// The layout of `[pixels][channels]` in groups of `L` lanes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns<const L: usize> {
    /// Channels of the data.
    channels: usize,
    /// Numbers in all.
    length: usize,
}

impl<const L: usize> Columns<L> {
    /// The layout of this many channels and numbers.
    pub(super) fn of(channels: usize, length: usize) -> Columns<L> {
        assert!(
            length > 0 && length.is_multiple_of(channels),
            "batch norm of {channels} channels works on whole pixels, not on {length} numbers"
        );
        assert!(L == 1 || fall_on_lanes(channels, length), "{length} numbers fall on {L} lanes");
        Columns { channels, length }
    }

    /// Groups of lanes that follow each other before the channels begin anew.
    pub(super) fn groups(self) -> usize {
        (self.channels / L).max(1)
    }

    /// Pixels, over the whole batch.
    pub(super) fn pixels(self) -> usize {
        self.length / self.channels
    }

    /// A value a channel as a value a lane of a group.
    #[inline(always)]
    pub(super) fn expand(self, of_channels: &[f32], group: usize) -> [f32; L] {
        std::array::from_fn(|lane| of_channels[(group * L + lane) % self.channels])
    }

    /// Adds a value a lane of a group to a value a channel.
    #[inline(always)]
    pub(super) fn fold<T: Copy + std::ops::AddAssign>(self, of_lanes: [T; L], group: usize, to: &mut [T]) {
        for (lane, value) in of_lanes.into_iter().enumerate() {
            to[(group * L + lane) % self.channels] += value;
        }
    }
}

/// A slice in groups of lanes; [`Columns::of`] has made sure that nothing is left over.
pub(super) fn lanes<const L: usize>(slice: &[f32]) -> &[[f32; L]] {
    slice.as_chunks().0
}

/// As [`lanes`].
pub(super) fn lanes_mut<const L: usize>(slice: &mut [f32]) -> &mut [[f32; L]] {
    slice.as_chunks_mut().0
}
