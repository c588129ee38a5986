//! The commands that a key can have, by the names that `config.toml` and the palette use. The names are stable: a file
//! written for one version is good for the next.

use super::bindings::Command;
use super::orders::Typed;
use crate::app::Action;

/// A command with its name.
#[derive(Clone, Copy, Debug)]
pub struct Named<C: 'static = Command> {
    /// Its name in `config.toml`: words in lower case, joined by `_`.
    pub name: &'static str,
    /// The command.
    pub command: C,
    /// What it does.
    pub what: &'static str,
}

/// The name by which `config.toml` takes a key's command away.
pub const NO_OP: &str = "no_op";

/// A command with its name and what it does.
pub(super) const fn of<C>(name: &'static str, command: C, what: &'static str) -> Named<C> {
    Named { name, command, what }
}

const fn act(name: &'static str, action: Action, what: &'static str) -> Named {
    of(name, Command::Act(action), what)
}

/// All commands, in the order of the help.
pub const COMMANDS: &[Named] = &[
    of("view_overview", Command::View(0), "view: overview"),
    of("view_profile", Command::View(1), "view: profile"),
    of("view_heatmap", Command::View(2), "view: heatmap"),
    of("view_layer", Command::View(3), "view: layer"),
    of("view_shortcut", Command::View(4), "view: shortcut"),
    of("view_findings", Command::View(5), "view: findings"),
    of("view_sweep", Command::View(6), "view: sweep"),
    of("view_probes", Command::View(7), "view: probes"),
    of("view_surface", Command::View(8), "view: surface"),
    of("view_verdict", Command::View(9), "view: verdict"),
    of("view_network", Command::View(10), "view: network"),
    of("view_pictures", Command::View(11), "view: pictures"),
    of("view_charts", Command::View(12), "view: charts"),
    of("next_view", Command::TurnView(1), "next view"),
    of("previous_view", Command::TurnView(-1), "previous view"),
    act("step_back", Action::MoveStep(-1), "one step back"),
    act("step_forward", Action::MoveStep(1), "one step forward"),
    act("ten_steps_back", Action::MoveStep(-10), "ten steps back"),
    act("ten_steps_forward", Action::MoveStep(10), "ten steps forward"),
    act("page_back", Action::MovePage(-1), "a twentieth of the run back"),
    act("page_forward", Action::MovePage(1), "a twentieth of the run forward"),
    act("first_step", Action::SelectFirstStep, "the first step"),
    act("last_step", Action::FollowLastStep, "the last step, and follow it"),
    act("go_to_step", Action::OpenGoTo, "go to a step"),
    act("mark", Action::ToggleMark, "mark this step, or remove the mark"),
    of("up", Command::Vertical(-1), "the layer (block, finding) above"),
    of("down", Command::Vertical(1), "the layer (block, finding) below"),
    act("block_toward_input", Action::MoveBlock(-1), "the block toward the input"),
    act("block_toward_head", Action::MoveBlock(1), "the block toward the head"),
    act("first_layer", Action::SelectFirstLayer, "the first layer (stem)"),
    act("last_layer", Action::SelectLastLayer, "the last layer (head)"),
    act("next_lane", Action::SelectNextLane, "next lane"),
    act("previous_lane", Action::SelectPreviousLane, "previous lane"),
    act("next_finding", Action::SelectNextFinding, "next finding"),
    act("previous_finding", Action::SelectPreviousFinding, "previous finding"),
    act("next_statistic", Action::SelectNextStatistic, "next statistic"),
    act("previous_statistic", Action::SelectPreviousStatistic, "previous statistic"),
    act("scale", Action::CycleScale, "scale of values: linear or logarithmic"),
    act("smoothing", Action::CycleSmoothing, "strength of smoothing"),
    act("x_axis", Action::CycleAxis, "x axis: steps, epochs, seconds or the clock; in a sweep the next key"),
    act("split", Action::CycleSplit, "in a sweep: a chart for each value of the next key, or one"),
    act("zoom_in", Action::Zoom(2), "zoom into the charts around the cursor"),
    act("zoom_out", Action::Zoom(-2), "zoom out of the charts"),
    act("pan_back", Action::PanQuarters(-1), "move what the charts show toward the start"),
    act("pan_forward", Action::PanQuarters(1), "move what the charts show toward the end"),
    act("zoom_values_in", Action::ZoomValues(2, 50), "zoom into the vertical axes of the charts"),
    act("zoom_values_out", Action::ZoomValues(-2, 50), "zoom out of the vertical axes"),
    act("pan_down", Action::PanValues(-25), "show what is below on the vertical axes"),
    act("pan_up", Action::PanValues(25), "show what is above on the vertical axes"),
    act("whole_run", Action::ShowWholeRun, "show the whole run, and vertical axes as a whole"),
    act("range_before", Action::ShowRangeBefore, "show what the charts showed before"),
    act(
        "outliers",
        Action::ToggleWholeAxis,
        "axes for all values, or without the few that flatten the others",
    ),
    act(
        "overlay",
        Action::CycleArrangement,
        "in the overview: a chart for each lane, one for all, or one with the mean and range of seeds",
    ),
    act(
        "align",
        Action::CycleAlignment,
        "layers of lanes correspond by depth, relative depth, stage or name",
    ),
    of("layers", Command::FilterLayers, "show only the layers whose name a regular expression finds"),
    of(
        "metrics",
        Command::FilterMetrics,
        "choose and draw only the metrics whose name a regular expression finds",
    ),
    act("pin", Action::TogglePin, "pin what the cursor is on, so that it is drawn over time, or take it off"),
    act("histogram", Action::SelectNextHistogram, "histograms of activations, weight gradients, weights"),
    act(
        "histogram_form",
        Action::CycleHistogramForm,
        "histograms over time in colours, at the cursor with two lanes mirrored, or over time as ridges",
    ),
    of("hide_lane", Command::HideLane, "hide the selected lane"),
    act("show_all_lanes", Action::ShowAllLanes, "show all lanes"),
    act("undo", Action::Undo, "take back the last change of what is shown"),
    act("redo", Action::Redo, "make the change again that was taken back"),
    of("pause", Command::Pause, "pause or resume training while it runs, otherwise playback"),
    act("play", Action::TogglePlayback, "play back the recorded steps, or stop"),
    act("faster", Action::SpeedUp, "playback faster"),
    act("slower", Action::SlowDown, "playback slower"),
    of("checkpoint", Command::Checkpoint, "write a checkpoint now; training continues"),
    of("one_step", Command::MakeStep, "while paused, make one step and pause again"),
    of("learning_rate", Command::Type(Typed::LearningRate), "change the learning rate"),
    of("note", Command::Type(Typed::Note), "write a note into the log at this step"),
    of("probe", Command::Type(Typed::Probe), "measure with a probe before the next step"),
    of("stop_lane", Command::StopLane, "stop the selected lane; asks first"),
    of("detach", Command::Detach, "back to the shell; training continues"),
    of("runs", Command::Browse, "the list of all runs"),
    of("count", Command::Count, "a count for the next key, beginning with the digit of this one"),
    of("repeat", Command::Repeat, "do again what the last key did, as many times"),
    act("help", Action::ToggleHelp, "all keys"),
    of("explain", Command::Explain, "explain any number or word: what it measures, what is normal"),
    act("tour", Action::SetTour(Some(0)), "tour: three stops that show how to find one's way"),
    of("palette", Command::Palette, "find and do anything by typing a part of its name"),
    of("copy_value", Command::CopyValue, "copy the value at the cursor"),
    of("copy_view", Command::CopyFrame, "copy the view as text"),
    of("save_view", Command::SaveView, "save the view as SVG, text and CSV in the working folder"),
    of("keep_layout", Command::KeepLayout, "open runs of this experiment as it is shown now"),
    of("forget_layout", Command::ForgetLayout, "open runs of this experiment as at first"),
    act("close", Action::Dismiss, "close what is open"),
    of("redraw", Command::Redraw, "redraw the screen"),
    of("mouse", Command::ToggleMouse, "let the mouse select text, or take it back"),
    of("graphics", Command::ToggleGraphics, "let the terminal draw pictures in its own pixels, or not"),
    of("quit", Command::Quit, "quit; while training, asks whether to stop or detach"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::browser;
    use crate::views::{ALL, Bound, command_named, named};

    fn is_complete<C: Bound>() {
        for (at, named) in C::COMMANDS.iter().enumerate() {
            let others = || C::COMMANDS[at + 1..].iter();
            assert!(others().all(|other| other.name != named.name && other.command != named.command));
            assert!(named.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", named.name);
            let mut keys = C::BINDINGS.iter().flat_map(|binding| binding.keys);
            assert!(keys.any(|(_, command)| *command == named.command), "{}", named.name);
        }
        let mut keys = Vec::new();
        for (key, command) in C::BINDINGS.iter().flat_map(|binding| binding.keys) {
            assert!(named(*command).is_some(), "{command:?} has no name");
            assert!(!keys.contains(key), "{key:?} is bound twice");
            keys.push(*key);
        }
        assert_eq!(command_named::<C>(NO_OP), None);
    }

    #[test]
    fn every_command_of_a_key_has_one_name_and_every_name_a_key() {
        is_complete::<Command>();
        is_complete::<browser::Command>();
    }

    #[test]
    fn views_are_named_as_on_screen() {
        for (at, view) in ALL.iter().enumerate() {
            assert_eq!(command_named(&format!("view_{}", view.kind().name)), Some(Command::View(at)));
        }
    }
}
