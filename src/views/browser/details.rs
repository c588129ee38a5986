//! Details of the run or group under the cursor.

use std::collections::BTreeSet;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::figures::{self, Unit, dash};
use super::names::beside;
use crate::experiment::Experiment;
use crate::printable::printable;
use crate::runlog::Known;
use crate::runs_list::run::{optimizer_name, schedule_name};
use crate::runs_list::{Figures, Group, Run, RunsList};
use crate::theme::{Glyph, Theme};
use crate::widgets::{self, block_title, clip, pad_left, pad_right, put_line};

/// The width of the names of facts in cells.
const NAMES: usize = 9;

/// Draws it.
pub(super) fn draw(list: &RunsList, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let room = usize::from(area.width);
    let (title, lines) = match (list.current(), list.current_group()) {
        (Some(run), _) => (printable(run.id()), of_run(run, room, theme)),
        (None, Some(group)) => of_group(list, group, theme),
        (None, None) => return,
    };
    let inner = block_title(buffer, area, &title, theme.heading(), theme);
    for (row, line) in lines.iter().take(usize::from(inner.height)).enumerate() {
        put_line(buffer, inner, row as u16, line);
    }
}

/// Facts of a run, wrapped to the width, the most important first.
fn of_run(run: &Run, room: usize, theme: &Theme) -> Vec<Line<'static>> {
    let Some(known) = run.known() else {
        return fact(
            "cannot be",
            &format!("read: {}", run.problem().unwrap_or_default()),
            theme.error(),
            room,
            theme,
        );
    };
    let mut lines = lanes(run, theme);
    for lane in &known.summary.lanes {
        if let Some(reason) = &lane.reason {
            lines.extend(fact(&lane.name, reason, theme.error(), room, theme));
        }
        if lane.lost_records > 0 {
            let lacks = format!("its log lacks {} records", widgets::grouped(lane.lost_records));
            lines.extend(fact(&lane.name, &lacks, theme.warning(), room, theme));
        }
    }
    if let Some(problem) = &known.notes_problem {
        lines.extend(fact("notes", problem, theme.error(), room, theme));
    }
    let facts = facts(run, known);
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        let style = if matches!(*name, "note" | "tags") { theme.cursor() } else { theme.text() };
        lines.extend(fact(name, value, style, room, theme));
    }
    lines
}

fn facts(run: &Run, known: &Known) -> Vec<(&'static str, String)> {
    let manifest = &known.summary.manifest;
    vec![
        ("note", known.notes.note().to_owned()),
        ("tags", known.notes.tags().join(" ")),
        ("question", manifest.question.clone()),
        ("seed", manifest.seed.to_string()),
        (
            "training",
            known
                .experiment
                .as_ref()
                .map(training)
                .unwrap_or_else(|| "its experiment cannot be read".to_owned()),
        ),
        (
            "data",
            known.experiment.as_ref().map(|experiment| experiment.data.name.clone()).unwrap_or_default(),
        ),
        ("started", format!("{} UTC", figures::time(Some(manifest.started_unix_ms), true))),
        ("took", run.duration_ms().map_or_else(dash, widgets::duration)),
        (
            "machine",
            format!(
                "{}, {}, {}, {} threads",
                manifest.host, manifest.os, manifest.instruction_set, manifest.threads
            ),
        ),
        ("command", run.command().to_owned()),
        ("skiplane", manifest.skiplane.clone()),
        ("folder", known.summary.path.display().to_string()),
    ]
}

fn training(experiment: &Experiment) -> String {
    let training = &experiment.training;
    format!(
        "{} steps of {}, {} at {}, {}",
        training.steps,
        training.batch,
        optimizer_name(&training.optimizer),
        training.optimizer.learning_rate(),
        schedule_name(&training.schedule),
    )
}

/// A row per lane with its figures.
fn lanes(run: &Run, theme: &Theme) -> Vec<Line<'static>> {
    let names: BTreeSet<String> = run.lanes().iter().map(|lane| printable(&lane.name)).collect();
    let name = names.iter().map(|name| widgets::width(name)).max().unwrap_or(0).clamp(4, 20);
    let heading =
        format!("{}  {}    step    loss   train    test", pad_right("lane", name), pad_right("state", 10));
    let mut lines = vec![Line::styled(heading, theme.muted())];
    let figure = |unit: Unit, value: Option<f32>| {
        pad_left(&value.map_or_else(dash, |value| unit.exact(value.into())), 6)
    };
    for (index, lane) in run.lanes().iter().enumerate() {
        let (glyph, state, style) = figures::state(Some(lane.state), lane.lost_records, theme);
        let cut = beside("", &printable(&lane.name), &names, name as u16, theme);
        lines.push(Line::from(vec![
            Span::styled(pad_right(&cut, name), theme.lane(index)),
            Span::styled(format!("  {}", pad_right(&format!("{glyph} {state}"), 10)), style),
            Span::styled(format!("  {}", pad_left(&lane.step.to_string(), 6)), theme.text()),
            Span::styled(format!("  {}", figure(Unit::Plain, lane.loss)), theme.text()),
            Span::styled(format!("  {}", figure(Unit::Percent, lane.train_error)), theme.text()),
            Span::styled(format!("  {}", figure(Unit::Percent, lane.test_error)), theme.text()),
        ]));
        let network = figures::network(run, index);
        lines.push(Line::styled(format!("{}  {network}", " ".repeat(name)), theme.muted()));
    }
    lines
}

/// A fact in as many lines as it takes.
fn fact(name: &str, value: &str, style: Style, room: usize, theme: &Theme) -> Vec<Line<'static>> {
    let name = pad_right(&clip(&printable(name), NAMES, theme), NAMES);
    let room = room.saturating_sub(NAMES + 1).max(8);
    let wrapped = wrap(&printable(value), room);
    let line = |(at, text): (usize, String)| {
        let name = if at == 0 { name.clone() } else { " ".repeat(NAMES) };
        Line::from(vec![Span::styled(format!("{name} "), theme.muted()), Span::styled(text, style)])
    };
    wrapped.into_iter().enumerate().map(line).collect()
}

/// Wraps a text into lines of a width in cells, at most eight of them.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word = word.to_owned();
        while !word.is_empty() && lines.len() <= 8 {
            let Some(line) = lines.last_mut() else { break };
            let gap = usize::from(!line.is_empty());
            if widgets::width(line) + gap + widgets::width(&word) <= room {
                line.push_str(&" ".repeat(gap));
                line.push_str(&word);
                break;
            }
            if line.is_empty() {
                // A word longer than a line is broken at its end.
                let mut used = 0;
                let fits = |c: char| {
                    used += widgets::width(c.encode_utf8(&mut [0; 4]));
                    used <= room
                };
                let end = word
                    .chars()
                    .take_while({
                        let mut fits = fits;
                        move |c| fits(*c)
                    })
                    .map(char::len_utf8)
                    .sum::<usize>();
                let rest = word.split_off(end.max(1).min(word.len()));
                line.push_str(&word);
                word = rest;
            }
            lines.push(String::new());
        }
    }
    lines.truncate(8);
    lines
}

/// The lanes of a group with mean, standard deviation, least and greatest.
fn of_group(list: &RunsList, group: &Group, theme: &Theme) -> (String, Vec<Line<'static>>) {
    let first = group.runs.first().and_then(|run| list.runs().get(*run));
    let label = first.map(|run| run.label()).unwrap_or_default();
    let mut seeds: Vec<u64> = group.seeds.iter().filter_map(|run| list.runs().get(*run)?.seed()).collect();
    seeds.sort_unstable();
    let mut seeds = seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    if group.repeats() > 0 {
        seeds += "; the newest run of each";
    }
    let mut lines = vec![
        Line::from(vec![Span::styled("seeds     ", theme.muted()), Span::styled(seeds, theme.text())]),
        Line::styled("                      n     mean   st.dev.    least  greatest", theme.muted()),
    ];
    for lane in &group.lanes {
        lines.push(Line::styled(printable(&lane.name), theme.heading()));
        let rows = [
            ("loss", Unit::Plain, &lane.loss),
            ("training error", Unit::Percent, &lane.train),
            ("test error", Unit::Percent, &lane.test),
        ];
        lines.extend(rows.iter().map(|(name, unit, figures)| spread(name, *unit, figures, theme)));
    }
    let separator = theme.glyph(Glyph::Separator);
    (format!("{label} {separator} {}", figures::seeds(group)), lines)
}

fn spread(name: &str, unit: Unit, figures: &Figures, theme: &Theme) -> Line<'static> {
    let number = |value: f64| if value.is_nan() { dash() } else { unit.exact(value) };
    let text = format!(
        "  {} {:>4}  {:>7}  {:>8}  {:>7}  {:>8}",
        pad_right(name, 15),
        figures.count,
        number(figures.mean),
        number(figures.deviation),
        number(figures.min),
        number(figures.max),
    );
    let mut spans = vec![Span::styled(text, theme.text())];
    if figures.non_finite > 0 {
        spans.push(Span::styled(format!("  {} not finite", figures.non_finite), theme.error()));
    }
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_at_blanks_and_long_words_where_the_line_ends() {
        assert_eq!(wrap("does depth hurt", 10), ["does depth", "hurt"]);
        assert_eq!(wrap("/a/very/long/path x", 8), ["/a/very/", "long/pat", "h x"]);
        assert_eq!(wrap("層層層層層", 4), ["層層", "層層", "層"]);
        assert_eq!(wrap("", 4), [""]);
        assert!(wrap(&"word ".repeat(1_000), 10).len() <= 8);
        assert!(wrap(&"x".repeat(1_000), 10).len() <= 8);
    }
}
