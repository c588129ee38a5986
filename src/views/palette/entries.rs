//! What the palette finds: every command with a name, and what can be chosen of the runs that are shown: metrics, lanes,
//! layers, findings, runs and steps.

use crate::app::{Action, App, Chosen, LayerKey};
use crate::metric::{Metric, known};
use crate::printable::{grouped, printable};
use crate::units::{LayerIdx, Step};
use crate::views::commands::COMMANDS;
use crate::views::keymap::{Keymap, group_of};
use crate::views::{ALL, Command, Key, Topic, kind_named, lanes, shown, topics};

/// The most entries of a kind.
const MOST: usize = 4_096;

/// Something that can be done or chosen.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its kind, with which the text begins.
    pub(super) kind: &'static str,
    /// What is searched: kind and name, with a blank between.
    pub(super) text: String,
    /// One line about it; may be empty.
    pub(super) about: String,
    /// What it does, in order.
    pub(super) does: Vec<Command>,
    /// Its keys.
    keys: Vec<Key>,
}

impl Entry {
    fn new(kind: &'static str, name: &str, about: &str, does: Vec<Command>) -> Entry {
        let (text, about) = (format!("{kind} {}", printable(name)), printable(about));
        Entry { kind, text, about, does, keys: Vec::new() }
    }

    /// Its keys, as they are called on screen.
    pub(super) fn keys(&self, ascii: bool) -> String {
        let labels: Vec<String> = self.keys.iter().map(|key| key.label(ascii)).collect();
        labels.join(" ")
    }
}

/// All entries, in the order in which they are listed where nothing is typed.
pub(super) fn entries(app: &App, keymap: &Keymap) -> Vec<Entry> {
    let mut all: Vec<Entry> = commands(app, keymap).collect();
    all.extend(metrics(app).take(MOST));
    all.extend(lanes(app).take(MOST));
    all.extend(runs(app).take(MOST));
    all.extend(layers(app).take(MOST));
    all.extend(findings(app).take(MOST));
    all.extend(explanations(app));
    all
}

/// The entry for a step: a number, or one with a sign for that many steps from the cursor.
pub(super) fn step(app: &App, typed: &str) -> Option<Entry> {
    let digits: String = typed.chars().filter(|c| !matches!(c, ',' | '_')).collect();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = digits.trim_start_matches(['+', '-']);
    if !is_number(unsigned) || digits.len() > unsigned.len() + 1 {
        return None;
    }
    let last = app.last_step();
    let number = unsigned.parse::<u64>().unwrap_or(u64::MAX);
    let to = match digits.as_bytes().first() {
        Some(b'+') => Step(app.step().0.saturating_add(number)),
        Some(b'-') => Step(app.step().0.saturating_sub(number)),
        _ => Step(number),
    };
    let to = to.min(last);
    let about = format!("goes to step {} of {}", grouped(to.0), grouped(last.0));
    Some(Entry::new("step", &grouped(to.0), &about, vec![Command::Act(Action::SelectStep(to))]))
}

/// The commands that have names, except for the palette's own, and for views that have nothing to show.
fn commands<'a>(app: &'a App, keymap: &'a Keymap) -> impl Iterator<Item = Entry> + 'a {
    let is_offered = |command: Command| match command {
        Command::Palette | Command::Act(Action::Dismiss) => false,
        Command::View(place) => ALL.get(place).is_some_and(|view| view.fits(app)),
        _ => true,
    };
    COMMANDS.iter().filter(move |named| is_offered(named.command)).map(move |named| {
        let (kind, name) = match named.what.split_once(": ") {
            Some(("view", name)) => ("view", name),
            _ => (group_of(named.command).map_or("", |group| group.title()), named.what),
        };
        let about = match named.command {
            Command::View(place) => ALL.get(place).map_or("", |view| view.title()).to_owned(),
            _ => format!("{} in config.toml", named.name),
        };
        let keys = keymap.keys(named.command).collect();
        Entry { keys, ..Entry::new(kind, name, &about, vec![named.command]) }
    })
}

/// What can be chosen to be shown, with a view that shows it where the current one does not.
fn metrics(app: &App) -> impl Iterator<Item = Entry> + '_ {
    let of = |metric: &Metric, chosen: Chosen, action: Action| {
        let is_shown = shown(app)
            .is_some_and(|view| view.kind().chooses == chosen && view.hints().contains(&Key::Char('s')));
        let view = match chosen {
            Chosen::OfLayers => "profile",
            Chosen::OfBlocks => "shortcut",
            Chosen::Scalars => "sweep",
            Chosen::Charts => "charts",
        };
        let view = kind_named(view).filter(|_| !is_shown).map(Action::SelectView);
        let does = view.into_iter().chain([action]).map(Command::Act).collect();
        Entry::new("metric", metric.name(), metric.about(), does)
    };
    let of_layers = app.statistics(false).into_iter();
    let of_blocks = app.statistics(true).into_iter();
    let scalars = app.scalars().into_iter();
    of_layers
        .map(move |metric| of(&metric, Chosen::OfLayers, Action::SelectStatistic(metric)))
        .chain(of_blocks.map(move |metric| of(&metric, Chosen::OfBlocks, Action::SelectStatistic(metric))))
        .chain(scalars.map(move |metric| of(&metric, Chosen::Scalars, Action::SelectScalar(metric))))
}

/// Every lane; one that is hidden is shown again.
fn lanes(app: &App) -> impl Iterator<Item = Entry> + '_ {
    app.lanes().iter().map(|lane| {
        let idx = lane.idx();
        let (about, show) = match app.is_visible(idx) {
            true => ("selects this lane", None),
            false => ("shows this lane again, and selects it", Some(Action::ToggleLane(idx))),
        };
        let does = show.into_iter().chain([Action::SelectLane(idx)]).map(Command::Act).collect();
        Entry::new("lane", &lanes::name(app, lane), about, does)
    })
}

/// The runs, if several are shown.
fn runs(app: &App) -> impl Iterator<Item = Entry> + '_ {
    let mut firsts: Vec<_> = app.visible_lanes().collect();
    firsts.dedup_by_key(|lane| &lane.label().run);
    let firsts = if firsts.len() > 1 { firsts } else { Vec::new() };
    firsts.into_iter().map(|lane| {
        let does = vec![Command::Act(Action::SelectLane(lane.idx()))];
        Entry::new("run", &lane.label().run, "selects the first lane of this run", does)
    })
}

/// The layers of the selected lane, then those that only others have.
fn layers(app: &App) -> impl Iterator<Item = Entry> + '_ {
    let selected = app.lane(app.selected_lane()).into_iter();
    let structures: Vec<_> =
        selected.chain(app.visible_lanes()).filter_map(|lane| Some((lane, lane.structure()?))).collect();
    let mut seen: Vec<(&str, LayerKey)> = Vec::new();
    for (lane, structure) in structures {
        for (at, layer) in structure.layers.iter().enumerate().take(MOST) {
            let Some(key) = app.row_of(lane, LayerIdx(at)) else { continue };
            if seen.len() < MOST && !seen.iter().any(|(name, other)| *other == key && *name == layer.name) {
                seen.push((&layer.name, key));
            }
        }
    }
    seen.into_iter().map(|(name, key)| {
        let about = format!("moves the cursor to depth {}", key.depth);
        Entry::new("layer", name, &about, vec![Command::Act(Action::SelectLayer(key))])
    })
}

fn findings(app: &App) -> impl Iterator<Item = Entry> + '_ {
    app.findings().into_iter().enumerate().map(|(at, finding)| {
        let lane = app.lane(finding.lane).map(|lane| lanes::name(app, lane)).unwrap_or_default();
        let name = format!("{} in {lane} at {}", finding.rule.replace('_', " "), grouped(finding.step.0));
        let does = vec![Command::Act(Action::SelectFinding(at))];
        Entry::new("finding", &name, "goes to its step, lane and layer", does)
    })
}

/// Everything that can be explained: what this program knows, and what only the logs of these lanes declare.
fn explanations(app: &App) -> impl Iterator<Item = Entry> + '_ {
    let shown = [app.statistics(false), app.statistics(true), app.scalars()].into_iter().flatten();
    let foreign =
        shown.filter(|metric| known::by_name(metric.name()) != Some(*metric)).take(MOST).map(Topic::Metric);
    let of = |topic: Topic| {
        let does = vec![Command::ExplainTopic(topic)];
        Entry::new("explain", &topic.name(), &topic.summary(), does)
    };
    let foreign: Vec<Topic> = foreign.filter(|topic| !topics().any(|other| other == *topic)).collect();
    topics().chain(foreign).map(of)
}
