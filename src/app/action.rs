//! Everything a user can ask of the dashboard's state, as one closed enum. Which key asks for what is the
//! street's business; what concerns the training itself (pause, stop) never comes here.

use super::options::ViewKind;
use super::rows::LayerKey;
use crate::metric::Metric;
use crate::units::{LaneIdx, Step};

/// An order to [`super::App::act`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Shows a view.
    SelectView(ViewKind),
    /// Shows the view after the current one, around the end.
    SelectNextView,
    /// Shows the view before the current one, around the start.
    SelectPreviousView,

    /// Moves the cursor by steps, negative toward the start. Moved onto the last step it follows again.
    MoveStep(i64),
    /// Moves the cursor by pages of a twentieth of what was recorded.
    MovePage(i64),
    /// Puts the cursor on a step.
    SelectStep(Step),
    /// Puts the cursor on the first recorded step.
    SelectFirstStep,
    /// Lets the cursor follow the last step.
    FollowLastStep,

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
    /// Selects the next visible lane, around the end.
    SelectNextLane,
    /// Selects the previous visible lane, around the start.
    SelectPreviousLane,
    /// Hides or shows a lane; the last visible one stays.
    ToggleLane(LaneIdx),
    /// Shows all lanes.
    ShowAllLanes,

    /// Chooses a statistic.
    SelectStatistic(Metric),
    /// Chooses the next statistic of the kind that the current view shows.
    SelectNextStatistic,
    /// Chooses the previous one.
    SelectPreviousStatistic,
    /// Chooses what the histograms are of: activations, weight gradients, weights.
    SelectNextHistogram,
    /// Goes from the natural scale to linear, to logarithmic and back.
    CycleScale,
    /// Goes to the next level of smoothing, around the end.
    CycleSmoothing,
    /// Goes from steps to epochs, to time and back along the x axis.
    CycleAxis,

    /// Starts or halts playback; from the last step it starts over.
    TogglePlayback,
    /// Doubles the speed of playback.
    SpeedUp,
    /// Halves the speed of playback.
    SlowDown,
    /// Moves the cursor on by steps while playing; halts at the end. The event loop issues it.
    Advance(u64),

    /// Puts the cursor on a finding, by its place in [`super::App::findings`].
    SelectFinding(usize),
    /// Puts the cursor on the next finding, by step.
    SelectNextFinding,
    /// Puts the cursor on the previous finding, by step.
    SelectPreviousFinding,

    /// Opens the prompt for a step to go to.
    OpenGoTo,
    /// Types a digit into the prompt; anything else is passed over.
    TypeGoTo(char),
    /// Takes back the last digit.
    EraseGoTo,
    /// Goes to the step in the prompt and closes it.
    ConfirmGoTo,
    /// Opens or closes the help.
    ToggleHelp,
    /// Closes what is open on top: prompt, help.
    Dismiss,
    /// Scrolls the current view's list, negative upward.
    Scroll(i64),
}
