//! Figures of runs as short text: of a lane, over the lanes of a run, and over the runs of a group.

use ratatui::style::Style;

use crate::experiment::Lane;
use crate::printable::{percent, printable};
use crate::runlog::State;
use crate::runs_list::{Figures, Group, Run};
use crate::theme::{Glyph, Theme};
use crate::widgets::short;

/// A state's mark and style; `lost` are the records that the logs lack.
pub(super) fn state(state: Option<State>, lost: u64, theme: &Theme) -> (char, &'static str, Style) {
    let Some(state) = state else { return (theme.glyph(Glyph::Error), "unreadable", theme.error()) };
    let (glyph, style) = match state {
        // A finished run whose log is incomplete is worth a warning.
        State::Finished | State::Stopped if lost > 0 => (Glyph::Warning, theme.warning()),
        State::Finished => (Glyph::Check, theme.good()),
        State::Stopped => (Glyph::Stopped, theme.muted()),
        State::Diverged => (Glyph::NonFinite, theme.error()),
        State::Crashed | State::Failed => (Glyph::Error, theme.error()),
        State::Paused => (Glyph::Paused, theme.warning()),
        State::Running => (Glyph::Running, theme.accent()),
    };
    (theme.glyph(glyph), state.name(), style)
}

/// The kind of a figure, which determines its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A loss.
    Plain,
    /// A share, in percent.
    Percent,
}

impl Unit {
    /// One figure.
    pub(super) fn exact(self, value: f64) -> String {
        match self {
            Unit::Plain => short(value),
            Unit::Percent => percent(value as f32),
        }
    }

    /// One figure in few characters.
    fn brief(self, value: f64) -> String {
        match self {
            Unit::Plain if value.abs() < 100.0 => format!("{value:.2}"),
            Unit::Percent if value.abs() < 1_000.0 => format!("{:.0}", 100.0 * value),
            Unit::Plain => short(value),
            Unit::Percent => short(100.0 * value),
        }
    }

    /// The least and the greatest over a run's lanes; NaN counts as greater than any number.
    pub(super) fn range(self, values: impl Iterator<Item = f32>, theme: &Theme) -> String {
        let mut values: Vec<f64> = values.map(f64::from).collect();
        values.sort_by(|a, b| a.is_nan().cmp(&b.is_nan()).then(a.total_cmp(b)));
        match values.as_slice() {
            [] => dash(),
            [one] => self.exact(*one),
            [least, .., greatest] => {
                let (least, greatest) = (self.brief(*least), self.brief(*greatest));
                let unit = if self == Unit::Percent { "%" } else { "" };
                if least == greatest {
                    format!("{least}{unit}")
                } else {
                    format!("{least}{}{greatest}{unit}", theme.glyph(Glyph::Dash))
                }
            }
        }
    }

    /// Mean and standard deviation over seeds.
    pub(super) fn spread(self, figures: &Figures, theme: &Theme) -> String {
        match figures.count {
            0 if figures.non_finite > 0 => "NaN".to_owned(),
            0 => dash(),
            1 => self.exact(figures.mean),
            _ => {
                let sign = if theme.is_ascii() { "+-" } else { "±" };
                format!("{}{sign}{}", self.brief(figures.mean), self.brief(figures.deviation))
            }
        }
    }
}

/// The seeds of a group, and the runs besides the newest of each: `3 seeds, 2 repeats`.
pub(super) fn seeds(group: &Group) -> String {
    let seeds = group.seeds.len();
    match group.repeats() {
        0 => format!("{seeds} seeds"),
        1 => format!("{seeds} seeds, 1 repeat"),
        repeats => format!("{seeds} seeds, {repeats} repeats"),
    }
}

/// The placeholder for a missing figure.
pub(super) fn dash() -> String {
    "-".to_owned()
}

/// The networks of a run's lanes in short form: `56x8 none·identity`.
pub(super) fn networks(run: &Run, theme: &Theme) -> String {
    let settings: Vec<_> = (0..run.lanes().len()).filter_map(|lane| run.lane_setting(lane)).collect();
    if settings.is_empty() {
        return dash();
    }
    let separator = theme.glyph(Glyph::Separator).to_string();
    let distinct = |texts: Vec<String>| {
        let mut seen: Vec<String> = Vec::new();
        texts.into_iter().for_each(|text| {
            if !seen.contains(&text) {
                seen.push(text);
            }
        });
        seen.join(&separator)
    };
    let sizes = distinct(settings.iter().filter_map(|lane| size(lane)).collect());
    let shortcuts = distinct(settings.iter().filter_map(|lane| shortcut(lane)).collect());
    match (sizes.as_str(), shortcuts.as_str()) {
        ("", "") => distinct(settings.iter().map(|lane| printable(&lane.architecture)).collect()),
        (one, "") | ("", one) => one.to_owned(),
        (sizes, shortcuts) => format!("{sizes} {shortcuts}"),
    }
}

/// A lane's network: `56x8 identity resnet`.
pub(super) fn network(run: &Run, lane: usize) -> String {
    run.lane_setting(lane).map_or_else(dash, |lane| {
        let parts = [size(lane), shortcut(lane), Some(printable(&lane.architecture))];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    })
}

/// A lane's depth and width, as far as it has them.
fn size(lane: &Lane) -> Option<String> {
    match (lane.settings.whole("depth"), lane.settings.whole("width")) {
        (Some(depth), Some(width)) => Some(format!("{depth}x{width}")),
        (Some(depth), None) => Some(depth.to_string()),
        (None, width) => width.map(|width| format!("x{width}")),
    }
}

fn shortcut(lane: &Lane) -> Option<String> {
    lane.settings.word("shortcut").map(printable)
}

/// A time in UTC, with its year or without: `2026-11-23 14:05`.
pub(super) fn time(unix_ms: Option<i64>, with_year: bool) -> String {
    let time = unix_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let format = if with_year { "%Y-%m-%d %H:%M" } else { "%m-%d %H:%M" };
    time.map_or_else(dash, |time| time.strftime(format).to_string())
}
