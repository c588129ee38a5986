//! What charts show of their axes: the range of steps of those over time, and the part of the vertical axis. Both are
//! zoomed, moved, and returned to what was shown before. Knows no lanes, only how many steps there are.

use crate::units::Step;

mod part;

pub use part::Part;

/// The fewest steps from the first to the last of a range.
const LEAST: u64 = 4;
/// The most earlier ranges that are kept.
const MOST_EARLIER: usize = 32;

/// A range of steps, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewport {
    first: u64,
    last: u64,
    /// Whether it moves on with the last step of the run.
    follows: bool,
}

impl Viewport {
    /// The range from one step to another, in a run with this last step; none where it would be the whole run. A range
    /// that ends at the last step follows it. Ends beyond the run are moved into it, and a range that is too short is
    /// extended.
    pub fn new(first: Step, last: Step, end: Step) -> Option<Viewport> {
        let length = last.0.saturating_sub(first.0).max(LEAST);
        Viewport::placed(first.0, length, end.0)
    }

    /// A range of a length, moved as little as necessary to lie within the run.
    fn placed(first: u64, length: u64, end: u64) -> Option<Viewport> {
        if length >= end {
            return None;
        }
        let first = first.min(end - length);
        Some(Viewport { first, last: first + length, follows: first + length == end })
    }

    /// Its ends in a run with this last step.
    pub fn ends(self, end: Step) -> (Step, Step) {
        if self.follows {
            (Step(end.0.saturating_sub(self.last - self.first)), end)
        } else {
            (Step(self.first), Step(self.last))
        }
    }

    /// Whether it moves on with the last step of the run.
    pub fn follows(self) -> bool {
        self.follows
    }
}

/// What is shown, and what was before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Viewports {
    /// None for the whole run.
    shown: Option<Viewport>,
    /// None for the whole axis.
    part: Option<Part>,
    earlier: Vec<(Option<Viewport>, Option<Part>)>,
}

impl Viewports {
    /// The range shown; none for the whole run.
    pub fn shown(&self) -> Option<Viewport> {
        self.shown
    }

    /// The part of the vertical axis shown; none for all of it.
    pub fn part(&self) -> Option<Part> {
        self.part
    }

    /// Shows another range and another part, and keeps these to return to.
    pub(super) fn show(&mut self, viewport: Option<Viewport>, part: Option<Part>) {
        if (viewport, part) != (self.shown, self.part) {
            if self.earlier.len() == MOST_EARLIER {
                self.earlier.remove(0);
            }
            self.earlier.push((self.shown, self.part));
            (self.shown, self.part) = (viewport, part);
        }
    }

    /// Returns to what was shown before; without that, to the whole run and axis.
    pub(super) fn back(&mut self) {
        (self.shown, self.part) = self.earlier.pop().unwrap_or_default();
    }

    /// Zooms the vertical axis in, or out by a negative number, around a place of what is shown of it.
    pub(super) fn zoom_values(&mut self, by: i32, around: f64) {
        self.show(self.shown, Part::zoomed(self.part, by, around));
    }

    /// Moves the part of the vertical axis by percent of its height, negative downward.
    pub(super) fn pan_values(&mut self, percent: i64) {
        self.part = self.part.and_then(|part| part.moved(percent));
    }

    /// Shows the whole vertical axis, since its values are others from now on.
    pub(super) fn forget_part(&mut self) {
        self.part = None;
        self.earlier.iter_mut().for_each(|(_, part)| *part = None);
        self.earlier.dedup();
    }

    /// Zooms in, or out by a negative number: every two halve the range. The step `around` stays in its place on screen;
    /// one that is out of sight is brought to the middle. `planned` is the end of the axis while the whole run is shown, and
    /// `end` the last step that was made.
    pub(super) fn zoom(&mut self, by: i32, around: Step, end: Step, planned: Step) {
        let (first, last) = self.shown.map_or((Step(0), planned.max(end)), |shown| shown.ends(end));
        let length = (last.0 - first.0) as f64;
        let zoomed = (length * 2f64.powf(-f64::from(by.clamp(-64, 64)) / 2.0)).round() as u64;
        let share = (around.0 as f64 - first.0 as f64) / length.max(1.0);
        let share = if (0.0..=1.0).contains(&share) { share } else { 0.5 };
        // Nothing is recorded beyond the last step, so the first zoom of a run that trains shows what there is.
        let zoomed = if by > 0 && planned > end { zoomed.min(end.0.saturating_sub(1)) } else { zoomed };
        let zoomed = zoomed.max(LEAST);
        let before = (share * zoomed as f64).round() as u64;
        let viewport = Viewport::placed(around.0.min(end.0).saturating_sub(before), zoomed, end.0);
        self.show(viewport, self.part);
    }

    /// Moves the range by steps, negative toward the start; it stops at the ends of the run. This can be undone together
    /// with the zoom before it.
    pub(super) fn pan(&mut self, by: i64, end: Step) {
        if let Some(shown) = self.shown {
            let (first, last) = shown.ends(end);
            self.shown =
                Viewport::placed(first.0.saturating_add_signed(by), last.0 - first.0, end.0).or(self.shown);
        }
    }

    /// Moves the range as little as necessary to show a step.
    pub(super) fn reveal(&mut self, step: Step, end: Step) {
        let Some((first, last)) = self.shown.map(|shown| shown.ends(end)) else { return };
        let by = match step {
            step if step < first => -((first.0 - step.0) as i64),
            step if step > last => (step.0 - last.0) as i64,
            _ => return,
        };
        self.pan(by, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ends(viewports: &Viewports, end: u64) -> Option<(u64, u64)> {
        viewports.shown().map(|shown| shown.ends(Step(end))).map(|(first, last)| (first.0, last.0))
    }

    fn zoomed(by: i32, around: u64, end: u64) -> Viewports {
        let mut viewports = Viewports::default();
        viewports.zoom(by, Step(around), Step(end), Step(end));
        viewports
    }

    #[test]
    fn zooming_halves_around_a_step_that_stays_in_its_place() {
        assert_eq!(ends(&zoomed(2, 250, 1000), 1000), Some((125, 625)));
        assert_eq!(ends(&zoomed(4, 500, 1000), 1000), Some((375, 625)));
        assert_eq!(ends(&zoomed(2, 0, 1000), 1000), Some((0, 500)));
        assert_eq!(ends(&zoomed(60, 500, 1000), 1000), Some((498, 502)));
        assert_eq!(ends(&zoomed(2, 2, 4), 4), None, "too short to zoom");
    }

    #[test]
    fn a_range_at_the_last_step_moves_on_with_it_and_another_stays() {
        let at_end = zoomed(2, 1000, 1000);
        assert_eq!(ends(&at_end, 1000), Some((500, 1000)));
        assert_eq!(ends(&at_end, 1300), Some((800, 1300)));
        let mut before = at_end;
        before.pan(-1, Step(1300));
        assert_eq!(ends(&before, 1400), Some((799, 1299)));
        before.pan(i64::MAX, Step(1400));
        assert_eq!(ends(&before, 1500), Some((1000, 1500)));
    }

    #[test]
    fn while_most_is_still_to_come_the_first_zoom_shows_what_there_is() {
        let mut viewports = Viewports::default();
        viewports.zoom(2, Step(200), Step(200), Step(1000));
        assert_eq!(ends(&viewports, 200), Some((1, 200)));
    }

    #[test]
    fn one_returns_the_way_one_came() {
        let mut viewports = zoomed(2, 300, 1000);
        let first = viewports.shown();
        viewports.zoom(2, Step(300), Step(1000), Step(1000));
        viewports.show(None, None);
        viewports.back();
        assert_eq!(ends(&viewports, 1000), Some((225, 475)));
        viewports.back();
        assert_eq!(viewports.shown(), first);
        viewports.back();
        viewports.back();
        assert_eq!(viewports.shown(), None);
    }

    #[test]
    fn both_axes_have_one_way_back() {
        let mut viewports = zoomed(2, 300, 1000);
        viewports.zoom_values(2, 0.5);
        viewports.zoom(2, Step(300), Step(1000), Step(1000));
        assert_eq!(viewports.part().map(Part::ends), Some((0.25, 0.75)), "it stays");
        viewports.back();
        viewports.back();
        assert_eq!((viewports.part(), ends(&viewports, 1000).is_some()), (None, true));
        viewports.zoom_values(2, 0.5);
        viewports.forget_part();
        viewports.back();
        assert_eq!((viewports.part(), ends(&viewports, 1000).is_some()), (None, true), "of another axis");
    }

    #[test]
    fn the_cursor_takes_the_range_along() {
        let mut viewports = zoomed(4, 500, 1000);
        viewports.reveal(Step(400), Step(1000));
        assert_eq!(ends(&viewports, 1000), Some((375, 625)), "it was in sight");
        viewports.reveal(Step(630), Step(1000));
        assert_eq!(ends(&viewports, 1000), Some((380, 630)));
        viewports.reveal(Step(10), Step(1000));
        assert_eq!(ends(&viewports, 1000), Some((10, 260)));
    }

    proptest! {
        #[test]
        fn whatever_is_done_a_range_lies_within_the_run(
            end in 0u64..100_000,
            more in 0u64..1000,
            deeds in prop::collection::vec((0usize..5, -70i32..70, 0u64..120_000), 0..40),
        ) {
            let (mut viewports, mut end, planned) = (Viewports::default(), end, end + 2 * more);
            for (deed, by, step) in deeds {
                let (end_now, step) = (Step(end), Step(step));
                match deed {
                    0 | 1 => viewports.zoom(by, step, end_now, Step(planned.max(end))),
                    2 => viewports.pan(i64::from(by) * 1000, end_now),
                    3 => viewports.reveal(step.min(end_now), end_now),
                    _ => {
                        end += more / 10;
                        viewports.back();
                    }
                }
                if let Some((first, last)) = ends(&viewports, end) {
                    prop_assert!(first + LEAST <= last && last <= end, "{first}..{last} of {end}");
                }
            }
        }

        #[test]
        fn zooming_in_and_out_again_returns(end in 64u64..100_000, around in 0u64..100_000) {
            let mut viewports = zoomed(2, around.min(end), end);
            viewports.zoom(-2, Step(around.min(end)), Step(end), Step(end));
            let length = ends(&viewports, end).map_or(end, |(first, last)| last - first);
            prop_assert!(length.abs_diff(end) <= 1);
        }
    }
}
