//! What stands in the place of a view that has nothing to show: why, what will come, and which keys help.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::bindings::Command;
use super::keymap::Keymap;
use super::wrap::wrap;
use crate::app::{Action, App, Wanted};
use crate::experiment::{Experiment, When};
use crate::metric::{Metric, known};
use crate::printable::printable;
use crate::theme::Theme;
use crate::widgets::{self, grouped};

/// The widest text, in cells.
const WIDEST: u16 = 76;

/// Why a view has nothing to show, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Empty {
    /// Why, in a few words.
    pub title: String,
    /// What will come, or where it would come from; a sentence or two.
    pub comes: String,
    /// Commands that help, each with what it does there.
    pub helps: Vec<(Command, &'static str)>,
}

impl Empty {
    pub(super) fn new(title: impl Into<String>, comes: impl Into<String>) -> Empty {
        Empty { title: title.into(), comes: comes.into(), helps: Vec::new() }
    }

    /// With a command that helps.
    pub(super) fn with(mut self, command: Command, what: &'static str) -> Empty {
        self.helps.push((command, what));
        self
    }

    /// The sentence about each command that has a key.
    pub(super) fn help_lines(&self, keymap: &Keymap, ascii: bool) -> Vec<String> {
        let line =
            |(command, what): &(Command, &str)| Some(format!("{}  {what}", keymap.label(*command, ascii)?));
        self.helps.iter().filter_map(line).collect()
    }

    /// Draws it in the middle of an area.
    pub(super) fn render(&self, keymap: &Keymap, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let area = area.intersection(buffer.area);
        let width = usize::from(area.width.min(WIDEST));
        let title = wrap(&printable(&self.title), width).into_iter().map(|line| (line, theme.heading()));
        let comes = wrap(&printable(&self.comes), width).into_iter().map(|line| (line, theme.text()));
        let helps = self.help_lines(keymap, theme.is_ascii()).into_iter().map(|line| (line, theme.accent()));
        let lines: Vec<_> = title.chain(comes).chain(helps).collect();
        let top = area.height.saturating_sub(lines.len() as u16) / 2;
        for (row, (line, style)) in lines.iter().enumerate().take(area.height.into()) {
            let line = widgets::clip(line, area.width.into(), theme);
            widgets::put_centered(buffer, area, top + row as u16, &line, *style);
        }
    }
}

/// Why no view of layers or blocks has anything to show: there is no lane, or none has started.
pub(super) fn without_lanes(app: &App) -> Option<Empty> {
    if app.lanes().is_empty() {
        let comes = "A run has a lane, a track on the screen, for each of its networks. There is none here.";
        return Some(
            Empty::new("no lanes", comes)
                .with(Command::Browse, "shows all runs")
                .with(Command::Act(Action::ToggleHelp), "shows all keys"),
        );
    }
    if app.visible_lanes().any(|lane| lane.structure().is_some()) {
        return None;
    }
    let comes = "A lane first builds its network and evaluates it as it is. What it measures is drawn here from its \
                 first step on.";
    Some(Empty::new("no lane has started yet", comes).with(Command::Explain, "explains what a lane is"))
}

/// Why there is nothing of a metric up to the cursor's step; none while it is still being read, or if some lane has it.
pub(super) fn without(app: &App, metric: Metric, wanted: &[Wanted], is_there: bool) -> Option<Empty> {
    let empty = without_lanes(app);
    if empty.is_some() || is_there || !app.needs(wanted).is_empty() {
        return empty;
    }
    let name = printable(metric.name());
    let other = |empty: Empty| {
        empty
            .with(Command::Act(Action::SelectNextStatistic), "shows another statistic")
            .with(Command::Palette, "finds one by its name")
    };
    let declared = app.visible_lanes().any(|lane| lane.declared().metrics().contains(&metric));
    if !declared {
        let comes = match recording(app, metric) {
            Some(0) => format!("The experiment does not record it: {} is 0.", key_of(metric)),
            _ => {
                "They do not measure it: it is of other networks, or their log has no such metric.".to_owned()
            }
        };
        return Some(other(Empty::new(format!("no {name} of these lanes"), comes)));
    }
    let later = app.visible_lanes().any(|lane| lane.has(metric));
    if later {
        let title = format!("no {name} up to step {}", grouped(app.step().0));
        let empty = Empty::new(title, "It was first recorded at a later step.")
            .with(Command::Act(Action::FollowLastStep), "goes to the last step");
        return Some(empty);
    }
    let comes = match recording(app, metric) {
        _ if app.lanes().iter().all(|lane| lane.state().is_over()) => {
            "These lanes have ended before any was recorded.".to_owned()
        }
        Some(0) => format!("The experiment does not record it: {} is 0.", key_of(metric)),
        Some(1) | None => "It comes with the first step.".to_owned(),
        Some(every) => format!("It is recorded every {} steps.", grouped(every)),
    };
    Some(other(Empty::new(format!("no {name} yet"), comes)))
}

/// Whether a metric is as rare as histograms.
fn is_rare(metric: Metric) -> bool {
    [known::EFFECTIVE_RANK, known::ACTIVATIONS, known::WEIGHT_GRADIENTS, known::WEIGHTS].contains(&metric)
}

/// The key of an experiment that says how often a metric is recorded.
fn key_of(metric: Metric) -> &'static str {
    if is_rare(metric) { "[statistics] histograms_every" } else { "[statistics] every" }
}

/// The steps between two records of a metric, if the lanes have an experiment.
pub(super) fn recording(app: &App, metric: Metric) -> Option<u64> {
    let recording = &app.visible_lanes().find_map(|lane| lane.experiment())?.statistics;
    Some(if is_rare(metric) { recording.histograms_every } else { recording.every })
}

/// In place of histograms that are not there.
pub(super) fn histograms(app: &App, metric: Metric) -> String {
    match recording(app, metric) {
        Some(0) => "no histograms: [statistics] histograms_every is 0".to_owned(),
        Some(every) if app.lanes().iter().any(|lane| !lane.state().is_over()) => {
            format!("no histograms yet: one every {} steps", grouped(every))
        }
        _ => "no histograms were recorded".to_owned(),
    }
}

/// Why nothing of probes is shown: there are none, or none has measured yet.
pub(super) fn without_probes(app: &App, probe: &str, is_measured: bool) -> Option<Empty> {
    let empty = without_lanes(app);
    if empty.is_some() || is_measured {
        return empty;
    }
    let title = match probe {
        "" => "no lane has probes".to_owned(),
        probe => format!("no lane has the probe {probe}"),
    };
    let Some(experiment) = app.visible_lanes().find_map(|lane| lane.experiment()) else {
        let comes = "Probes are made by skiplane's own trainer; these lanes are of another program.";
        return Some(Empty::new(title, comes));
    };
    let empty = match times(experiment, probe) {
        Some(times) => Empty::new("nothing measured up to here", format!("The probe measures {times}.")),
        None => Empty::new(
            title,
            format!(
                "An experiment has one in a table such as [probe.{}], and a lane that trains can be told to measure \
                 with one now.",
                if probe.is_empty() { "lesion" } else { probe }
            ),
        ),
    };
    Some(empty.with(Command::Type(super::Typed::Probe), "measures with a probe, while training"))
}

/// When the probe of this name, or any if it is empty, measures.
fn times(experiment: &Experiment, probe: &str) -> Option<String> {
    let (_, probe) = experiment.probes.iter().find(|(name, _)| probe.is_empty() || name.as_str() == probe)?;
    Some(match &probe.at {
        When::End => format!("after the last step, {}", grouped(experiment.training.steps)),
        When::Evaluations => {
            format!("at every evaluation, each {} steps", grouped(experiment.training.evaluate_every))
        }
        When::Steps(steps) => {
            let steps: Vec<String> = steps.iter().take(8).map(|step| grouped(*step)).collect();
            format!("after steps {}", steps.join(", "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::LaneLabel;
    use crate::app::specimen::{self, Specimen};
    use crate::event::{Kind, LaneStarted, RunEvent};
    use crate::theme::{Background, Characters, Colors};
    use crate::units::{LaneIdx, Step};
    use crate::views::{self, Format, Key, Status, snapshot};

    fn shown(app: &mut App, view: &str, size: (u16, u16)) -> String {
        app.act(Action::SelectView(views::kind_named(view).unwrap()));
        let frame = snapshot(app, size, &Theme::default(), Format::Text);
        frame.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn lanes_of_other_programs_cannot_be_probed() {
        let mut app = App::new(vec![LaneLabel { run: "run".to_owned(), lane: "lane".to_owned() }]);
        let started = Kind::LaneStarted(Box::default());
        app.apply(LaneIdx(0), &RunEvent::new(Step(0), 0.0, started));
        let empty = without_probes(&app, "lesion", false).unwrap();
        assert!(empty.comes.contains("another program") && empty.helps.is_empty(), "{empty:?}");
        assert_eq!(without_probes(&specimen::plain_beside_residual(), "", false).unwrap().helps.len(), 1);
    }

    #[test]
    fn a_screen_without_lanes_says_so_with_the_key_that_helps() {
        for kind in views::kinds() {
            for size in [(80, 24), (40, 12), (200, 50)] {
                let frame = shown(&mut App::new(Vec::new()), kind.name, size);
                assert!(frame.contains("no lanes") && frame.contains("r shows all runs"), "{kind}: {frame}");
            }
        }
    }

    #[test]
    fn before_a_lane_starts_no_view_is_blank() {
        let mut app = App::new(vec![LaneLabel { run: "r".to_owned(), lane: "plain".to_owned() }]);
        for kind in views::kinds().into_iter().filter(|kind| kind.name != "overview") {
            let frame = shown(&mut app, kind.name, (80, 24));
            let says = ["no lane has started yet", "these runs decide no claim", "nothing differs"];
            assert!(says.iter().any(|words| frame.contains(words)), "{kind}: {frame}");
        }
    }

    #[test]
    fn a_network_without_blocks_is_told_where_blocks_are_asked_for() {
        let mut app = App::new(vec![LaneLabel { run: "r".to_owned(), lane: "plain".to_owned() }]);
        let mut structure = specimen::structure(8, 8, "none");
        structure.blocks.clear();
        structure.layers.iter_mut().for_each(|layer| layer.block = None);
        let started = LaneStarted { structure, steps: Some(10), ..LaneStarted::default() };
        app.apply(LaneIdx(0), &RunEvent::new(Step(0), 0.0, Kind::LaneStarted(Box::new(started))));
        let frame = shown(&mut app, "shortcut", (80, 24));
        assert!(frame.contains("these networks have no blocks") && frame.contains("2 shows"), "{frame}");
    }

    #[test]
    fn before_the_first_step_the_first_step_is_promised_and_later_the_way_back_is_told() {
        let first = Specimen { breaks_off_at: Some(0), ..Specimen::new("plain", 8, "identity") };
        let mut app = specimen::app_of(&[first]);
        for view in ["profile", "heatmap"] {
            let frame = shown(&mut app, view, (80, 24));
            assert!(
                frame.contains("no weight_gradient_norm yet It comes with the first step."),
                "{view}: {frame}"
            );
        }
        let mut app = specimen::plain_beside_residual();
        app.act(Action::SelectFirstStep);
        let frame = shown(&mut app, "profile", (80, 24));
        assert!(
            frame.contains("no weight_gradient_norm up to step 0") && frame.contains("End goes"),
            "{frame}"
        );
    }

    #[test]
    fn the_keys_told_are_those_in_force() {
        let mut keymap = Keymap::default();
        keymap.bind(Key::Char('r'), None);
        keymap.bind(Key::Char('B'), Some(Command::Browse));
        let area = Rect::new(0, 0, 60, 14);
        let mut buffer = Buffer::empty(area);
        let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
        let status = Status { keymap: Some(&keymap), ..Status::default() };
        views::draw(&App::new(Vec::new()), &status, area, &mut buffer, &theme);
        let text: String = buffer.content().iter().map(|cell| cell.symbol()).collect();
        assert!(text.contains("B  shows all runs") && text.is_ascii(), "{text}");
    }
}
