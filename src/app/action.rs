//! Everything a user can do to the dashboard's state, as one closed enum. `tui` maps keys to actions; what concerns the
//! training itself (pause, stop) is not among them.

use super::options::ViewKind;
use super::rows::LayerKey;
use super::viewport::Part;
use crate::metric::Metric;
use crate::units::{LaneIdx, Step};

/// The most times that something is done which cannot be done at once.
const MOST_TIMES: u32 = 1_000;

/// An action for [`super::App::act`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Shows a view.
    SelectView(ViewKind),

    /// Moves the cursor by steps, negative toward the start. On the last step it follows again.
    MoveStep(i64),
    /// Moves the cursor by pages of a twentieth of what was recorded.
    MovePage(i64),
    /// Puts the cursor on a step.
    SelectStep(Step),
    /// Puts the cursor on the first recorded step.
    SelectFirstStep,
    /// Lets the cursor follow the last step.
    FollowLastStep,

    /// Sets the mark, which charts over time compare with the cursor, to a step; none removes it.
    SetMark(Option<Step>),
    /// Sets the mark at the cursor, or removes it from there.
    ToggleMark,
    /// Zooms charts over time in, or out by a negative number, around the cursor: every two halve the range.
    Zoom(i32),
    /// As [`Action::Zoom`], around a step.
    ZoomAround(i32, Step),
    /// Moves the range that charts over time show by quarters of its length, negative toward the start.
    PanQuarters(i64),
    /// Moves the range by steps.
    Pan(i64),
    /// Shows the steps from one to another.
    ShowRange(Step, Step),
    /// Zooms the vertical axes of charts in, or out by a negative number: every two halve what is shown. The place in the
    /// middle stays, or one given in percent of the height.
    ZoomValues(i32, u8),
    /// Moves what is shown of the vertical axes by percent of it, negative downward.
    PanValues(i64),
    /// Shows a part of the vertical axes.
    ShowPart(Part),
    /// Shows the whole run, and vertical axes as a whole.
    ShowWholeRun,
    /// Returns to what charts showed before.
    ShowRangeBefore,

    /// Moves the cursor by layers, negative toward the input.
    MoveLayer(i64),
    /// Moves the cursor by blocks, negative toward the input.
    MoveBlock(i64),
    /// Puts the cursor on a layer.
    SelectLayer(LayerKey),
    /// Puts the cursor on the stem.
    SelectFirstLayer,
    /// Puts the cursor on the head.
    SelectLastLayer,

    /// Selects a lane.
    SelectLane(LaneIdx),
    /// Selects the next visible lane, wrapping around.
    SelectNextLane,
    /// Selects the previous visible lane, wrapping around.
    SelectPreviousLane,
    /// Hides or shows a lane; the last visible one cannot be hidden.
    ToggleLane(LaneIdx),
    /// Shows all lanes.
    ShowAllLanes,

    /// Chooses a statistic.
    SelectStatistic(Metric),
    /// Chooses the single number that the sweep view compares.
    SelectScalar(Metric),
    /// Chooses the next statistic of the current view's kind.
    SelectNextStatistic,
    /// Chooses the previous one.
    SelectPreviousStatistic,
    /// Chooses what the histograms show: activations, weight gradients, weights.
    SelectNextHistogram,
    /// Draws histograms as colours over time, as mirrored bars at the cursor, or as outlines over time.
    CycleHistogramForm,
    /// Selects the chart this many after the selected one.
    MoveChart(i64),
    /// Selects the chart in a place of [`super::App::charts`].
    SelectChart(usize),
    /// Pins what the cursor is on, so that it is drawn over time before all else, or takes it off.
    TogglePin,
    /// Takes off all that is pinned.
    ForgetPins,
    /// Cycles through the natural, the linear and the logarithmic scale.
    CycleScale,
    /// Lets vertical axes include every value, or only the bulk of them.
    ToggleWholeAxis,
    /// Goes to the next level of smoothing, wrapping around.
    CycleSmoothing,
    /// Cycles the x axis through steps, epochs, time and, where runs started at different times, the clock.
    CycleAxis,
    /// Arranges the lanes' curves apart, together, or with seeds as one.
    CycleArrangement,
    /// Aligns the layers of lanes by the next of depth, share of the depth, stage and name.
    CycleAlignment,
    /// Splits the sweep view by the next of the keys that differ, or by none.
    CycleSplit,

    /// Starts or stops playback; from the last step it starts over.
    TogglePlayback,
    /// Doubles the speed of playback.
    SpeedUp,
    /// Halves the speed of playback.
    SlowDown,
    /// Moves the cursor on by steps during playback; stops at the end. Issued by the event loop.
    Advance(u64),

    /// Puts the cursor on a finding, by its index in [`super::App::findings`].
    SelectFinding(usize),
    /// Puts the cursor on the next finding, by step.
    SelectNextFinding,
    /// Puts the cursor on the previous finding, by step.
    SelectPreviousFinding,

    /// Takes back the last change of what is shown; the cursor stays.
    Undo,
    /// Makes the change again that was taken back last.
    Redo,

    /// Opens the prompt for a step to go to.
    OpenGoTo,
    /// Types a digit into the prompt; anything else is ignored.
    TypeGoTo(char),
    /// Deletes the last digit.
    EraseGoTo,
    /// Goes to the step in the prompt and closes it.
    ConfirmGoTo,
    /// Opens the tour at a stop; none closes it.
    SetTour(Option<usize>),
    /// Opens or closes the help.
    ToggleHelp,
    /// Closes the prompt, else the help.
    Dismiss,
    /// Scrolls the current view's list, negative upward.
    Scroll(i64),
}

impl Action {
    /// What carries it out a number of times; none for one of which once is all there is. To go to a step takes the number
    /// for the step.
    pub fn times(self, times: u32) -> Option<Vec<Action>> {
        let moved = |by: i64| by.saturating_mul(times.into());
        let zoomed = |by: i32| by.saturating_mul(i32::try_from(times).unwrap_or(i32::MAX));
        let once = match self {
            Action::MoveStep(by) => Action::MoveStep(moved(by)),
            Action::MovePage(by) => Action::MovePage(moved(by)),
            Action::MoveLayer(by) => Action::MoveLayer(moved(by)),
            Action::MoveBlock(by) => Action::MoveBlock(moved(by)),
            Action::MoveChart(by) => Action::MoveChart(moved(by)),
            Action::PanQuarters(by) => Action::PanQuarters(moved(by)),
            Action::Pan(by) => Action::Pan(moved(by)),
            Action::PanValues(by) => Action::PanValues(moved(by)),
            Action::Scroll(by) => Action::Scroll(moved(by)),
            Action::Zoom(by) => Action::Zoom(zoomed(by)),
            Action::ZoomValues(by, around) => Action::ZoomValues(zoomed(by), around),
            Action::OpenGoTo if times > 1 => Action::SelectStep(Step(times.into())),
            Action::SelectNextLane
            | Action::SelectPreviousLane
            | Action::SelectNextStatistic
            | Action::SelectPreviousStatistic
            | Action::SelectNextHistogram
            | Action::SelectNextFinding
            | Action::SelectPreviousFinding
            | Action::CycleHistogramForm
            | Action::CycleScale
            | Action::CycleSmoothing
            | Action::CycleAxis
            | Action::CycleArrangement
            | Action::CycleAlignment
            | Action::CycleSplit
            | Action::ShowRangeBefore
            | Action::SpeedUp
            | Action::SlowDown
            | Action::Undo
            | Action::Redo => return Some(vec![self; times.min(MOST_TIMES) as usize]),
            _ => return None,
        };
        Some(vec![once])
    }
}
