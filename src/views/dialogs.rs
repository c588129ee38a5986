//! The dialogs over a view: the step to go to, the question before leaving, the one before stopping a lane, and typed
//! orders. Keys and the mouse reach only the one on top.

use ratatui::layout::Rect;
use ratatui::text::{Line as TextLine, Span};

use super::bindings::{Command, Key};
use super::typed_line::typed_line;
use super::{Explaining, Keymap, Palette, Scene, Typing, explain, orders, palette};
use crate::app::{App, NameFilter};
use crate::metric::Metric;
use crate::printable::printable;
use crate::runs_list::Line;
use crate::theme::Theme;
use crate::widgets::{Popup, Rows, clip};

/// A dialog that is no part of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialog {
    /// Asks whether training is to go on without the dashboard; says how it would.
    Leave(&'static str),
    /// Asks whether to stop this lane.
    StopLane(String),
    /// A line is typed for an order.
    Typing(Typing),
    /// A regular expression is typed for names.
    Filter(Filtered, Line),
    /// The palette.
    Palette(Palette),
    /// Something is explained.
    Explain(Explaining),
}

/// What a filter of names leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filtered {
    /// Layers.
    Layers,
    /// Metrics.
    Metrics,
}

impl Filtered {
    fn name(self) -> &'static str {
        match self {
            Filtered::Layers => "layers",
            Filtered::Metrics => "metrics",
        }
    }

    /// The filter in force.
    pub fn filter(self, app: &App) -> Option<&NameFilter> {
        match self {
            Filtered::Layers => app.options().layers.as_ref(),
            Filtered::Metrics => app.options().metrics.as_ref(),
        }
    }

    /// Puts a filter in force; none shows everything.
    pub fn put(self, app: &mut App, filter: Option<NameFilter>) {
        match self {
            Filtered::Layers => app.filter_layers(filter),
            Filtered::Metrics => app.filter_metrics(filter),
        }
    }

    /// The names that a filter chooses from.
    pub fn names(self, app: &App) -> Vec<&str> {
        match self {
            Filtered::Layers => {
                let structures = app.visible_lanes().filter_map(|lane| lane.structure());
                structures.flat_map(|of| of.layers.iter().map(|layer| layer.name.as_str())).collect()
            }
            Filtered::Metrics => {
                let all = [app.scalars(), app.statistics(false), app.statistics(true)];
                all.into_iter().flatten().map(Metric::name).collect()
            }
        }
    }

    fn example(self) -> &'static str {
        match self {
            Filtered::Layers => "conv2$ or ^layer3 or fc|conv1; nothing shows all",
            Filtered::Metrics => "loss or ^train or norm$|ratio; nothing shows all",
        }
    }
}

impl Dialog {
    /// Whether it asks for something that only a run that trains can do.
    pub fn is_of_training(&self) -> bool {
        matches!(self, Dialog::Leave(_) | Dialog::StopLane(_) | Dialog::Typing(_))
    }

    /// Whether the mouse wheel moves something in it, as the keys up and down do.
    pub fn scrolls(&self) -> bool {
        matches!(self, Dialog::Palette(_) | Dialog::Explain(_))
    }
}

/// Draws a dialog over an area, and takes the mouse from everything below.
pub(super) fn draw(
    app: &App,
    dialog: &Dialog,
    keymap: &Keymap,
    area: Rect,
    scene: &mut Scene<'_>,
    theme: &Theme,
) {
    scene.hits.covers(area);
    match dialog {
        Dialog::Leave(how) => draw_leaving(how, area, scene, theme),
        Dialog::StopLane(lane) => draw_stop(lane, area, scene, theme),
        Dialog::Typing(typing) => orders::draw_typing(app, typing, area, scene.buffer, theme),
        Dialog::Filter(what, line) => draw_filter(app, *what, line, area, scene, theme),
        Dialog::Palette(open) => palette::draw(open, app, keymap, area, scene, theme),
        Dialog::Explain(open) => {
            scene.hits.does(area, vec![Command::Press(Key::Escape)]);
            let choices = explain::draw(open, area, scene.buffer, theme);
            let choose = move |position| choices.at(position).map(Command::Choose);
            scene.hits.on(choices.area(), move |_, position| choose(position).into_iter().collect());
        }
    }
}

/// Asks for the step to go to; `digits` were typed so far.
pub(super) fn draw_go_to(app: &App, digits: &str, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
    let lines = [
        TextLine::from(vec![
            Span::styled("step ", theme.muted()),
            Span::styled(digits.to_owned(), theme.heading()),
            Span::styled(if theme.is_ascii() { "_" } else { "▏" }, theme.cursor()),
        ]),
        TextLine::styled(format!("0 to {}   Enter goes, Esc closes", app.last_step()), theme.muted()),
    ];
    scene.hits.does(area, vec![Command::Press(Key::Escape)]);
    let rows = Popup { title: "Go to", lines: &lines, scroll: 0 }.render(area, scene.buffer, theme);
    scene.hits.covers(rows.area);
}

/// Asks what to show by name; says how much a typed line finds, or what is wrong with it.
fn draw_filter(app: &App, what: Filtered, line: &Line, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
    let room = usize::from(area.width).saturating_sub(16).min(48);
    let mut spans = vec![Span::styled(format!("{} /", what.name()), theme.muted())];
    spans.extend(typed_line(line, room, theme));
    let names = what.names(app);
    let found = NameFilter::new(&line.text()).map(|filter| match filter {
        Some(filter) => names.iter().filter(|name| filter.shows(name)).count(),
        None => names.len(),
    });
    let says = match found {
        Ok(0) => TextLine::styled("finds nothing", theme.warning()),
        Ok(count) => {
            TextLine::styled(format!("finds {count} of {} {}", names.len(), what.name()), theme.muted())
        }
        Err(problem) => {
            let first = problem.lines().next().unwrap_or_default().to_owned();
            TextLine::styled(clip(&printable(&first), room + 8, theme), theme.warning())
        }
    };
    let lines = [
        TextLine::from(spans),
        says,
        TextLine::styled(what.example(), theme.muted()),
        TextLine::styled("Enter shows them, Up and Down choose of [filters], Esc cancels", theme.muted()),
    ];
    Popup { title: "Filter", lines: &lines, scroll: 0 }.render(area, scene.buffer, theme);
}

fn draw_leaving(how: &str, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
    let about = [TextLine::styled("Training is still running.", theme.text()), TextLine::from("")];
    let choices = [
        (Key::Char('d'), "d", how),
        (Key::Char('s'), "s", "stop training, save, and quit"),
        (Key::Escape, "Esc", "back to the dashboard"),
    ];
    ask("Quit?", &about, &choices, area, scene, theme);
}

fn draw_stop(lane: &str, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
    let name = clip(&printable(lane), 40, theme);
    let about = [
        TextLine::styled(format!("Lane {name} will stop with a checkpoint."), theme.text()),
        TextLine::styled("It stays ended while other lanes have steps left.", theme.muted()),
        TextLine::from(""),
    ];
    let choices = [(Key::Char('y'), "y", "stop this lane"), (Key::Escape, "Esc", "back to the dashboard")];
    ask("Stop one lane?", &about, &choices, area, scene, theme);
}

/// A question with its answers, each a key that may be clicked.
fn ask(
    title: &str,
    about: &[TextLine<'_>],
    choices: &[(Key, &str, &str)],
    area: Rect,
    scene: &mut Scene<'_>,
    theme: &Theme,
) {
    let choice = |(_, key, what): &(Key, &str, &str)| {
        TextLine::from(vec![
            Span::styled(format!("  {key:<5}"), theme.accent()),
            Span::styled((*what).to_owned(), theme.text()),
        ])
    };
    let lines: Vec<TextLine<'_>> = about.iter().cloned().chain(choices.iter().map(choice)).collect();
    let rows = Popup { title, lines: &lines, scroll: 0 }.render(area, scene.buffer, theme);
    let keys: Vec<Key> = choices.iter().map(|(key, ..)| *key).collect();
    let above = about.len();
    scene.hits.on(rows.area, move |_, position| pressed(rows, above, &keys, position.y));
}

/// The key of the answer in a row, of which there are others above.
fn pressed(rows: Rows, above: usize, keys: &[Key], y: u16) -> Vec<Command> {
    let key = rows.row_at(y).and_then(|row| keys.get(row.checked_sub(above)?));
    key.map(|key| Command::Press(*key)).into_iter().collect()
}
