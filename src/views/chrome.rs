//! The chrome around every view: tabs and the run's name above, the run's timeline and the status line below.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{
    Command, Dialog, Drawn, Hits, Key, Keymap, Scene, View, curves, dialogs, help, lanes, orders, shown, tour,
};
use crate::app::health::Severity;
use crate::app::{Action, Alignment, App, Lane, LaneState, ViewKind};
use crate::printable::{percent, printable};
use crate::theme::{Glyph, Theme};
use crate::widgets::{self, clip, clip_start, put, put_centered, put_right};

/// The smallest terminal on which a view is drawn.
pub const LEAST_SIZE: (u16, u16) = (36, 10);
/// The least height at which the timeline has a row.
const TIMELINE_HEIGHT: u16 = 18;

/// What the frame shows besides the state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status<'a> {
    /// A notice from outside the state: a requested checkpoint, an error.
    pub notice: Option<&'a str>,
    /// The cost of drawing.
    pub cost: Option<&'a str>,
    /// How far training has come, where that is more than its lanes show.
    pub progress: Option<&'a str>,
    /// The open dialogs, the one on top last.
    pub dialogs: &'a [Dialog],
    /// The keys in force, if they are not those of the table.
    pub keymap: Option<&'a Keymap>,
}

/// The frame's areas.
#[derive(Clone, Copy)]
struct Areas {
    tabs: Rect,
    body: Rect,
    timeline: Option<Rect>,
    status: Rect,
}

fn areas(area: Rect) -> Option<Areas> {
    if area.width < LEAST_SIZE.0 || area.height < LEAST_SIZE.1 {
        return None;
    }
    let row = |y| Rect { y, height: 1, ..area };
    let timeline = (area.height >= TIMELINE_HEIGHT).then(|| row(area.bottom() - 2));
    let below = 1 + u16::from(timeline.is_some());
    let body = Rect { y: area.y + 1, height: area.height - 1 - below, ..area };
    Some(Areas { tabs: row(area.y), body, timeline, status: row(area.bottom() - 1) })
}

/// Draws the whole screen, and returns what the mouse does where.
pub fn draw(app: &App, status: &Status<'_>, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Hits {
    draw_scene(app, status, area, buffer, theme).hits
}

/// As [`draw`], and returns the pictures, too.
pub fn draw_scene(app: &App, status: &Status<'_>, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Drawn {
    let area = area.intersection(buffer.area);
    let mut scene = Scene::new(buffer);
    let Some(areas) = areas(area) else {
        draw_too_small(area, scene.buffer, theme);
        return scene.drawn();
    };
    let keymap = &status.keymap.cloned().unwrap_or_default();
    draw_tabs(app, status, areas.tabs, &mut scene, theme);
    tour::draw(app, keymap, areas.body, scene.buffer, theme);
    if let Some(view) = shown(app) {
        let (note, body) = note_and_body(app, view, areas.body);
        if let Some(note) = note {
            draw_note(app, &view.lanes_in(app, body), keymap, note, &mut scene, theme);
        }
        match view.empty(app) {
            Some(empty) => empty.render(keymap, body, scene.buffer, theme),
            None => view.render(app, body, &mut scene, theme),
        }
        draw_status(app, view, status, keymap, areas.status, &mut scene, theme);
    }
    match tour::pointed_at(app) {
        Some(tour::Place::Headline) => {
            tour::point(Rect { height: areas.body.height.min(1), ..areas.body }, scene.buffer)
        }
        Some(tour::Place::Tabs) => tour::point(areas.tabs, scene.buffer),
        Some(tour::Place::Status) => tour::point(areas.status, scene.buffer),
        None => {}
    }
    if let Some(timeline) = areas.timeline {
        draw_timeline(app, timeline, &mut scene, theme);
    }
    if app.options().help {
        let key = |command| keymap.label(command, theme.is_ascii());
        let closes = key(Command::Act(Action::ToggleHelp)).unwrap_or_else(|| "Esc".to_owned());
        let explains = key(Command::Explain).map(|key| format!("{key} explains words, ")).unwrap_or_default();
        let (rows, scroll) = (keymap.rows(theme), app.options().scroll);
        let ways = format!("{explains}{closes} closes");
        scene.hits.does(area, vec![Command::Act(Action::Dismiss)]);
        let rows = help::draw(&rows, &ways, Vec::new(), scroll, areas.body, scene.buffer, theme);
        scene.hits.covers(rows.area);
    }
    if let Some(digits) = &app.options().go_to {
        dialogs::draw_go_to(app, digits, area, &mut scene, theme);
    }
    for dialog in status.dialogs {
        dialogs::draw(app, dialog, keymap, area, &mut scene, theme);
    }
    scene.drawn()
}

/// If a view does not show all lanes, a row for saying so, and the remaining area for the view.
fn note_and_body(app: &App, view: &dyn View, area: Rect) -> (Option<Rect>, Rect) {
    let area = tour::above(app, area);
    if view.lanes_in(app, area).len() == app.visible_lanes().count() || area.height == 0 {
        return (None, area);
    }
    (Some(Rect { height: 1, ..area }), Rect { y: area.y + 1, height: area.height - 1, ..area })
}

/// Says how many lanes are shown, which ones, and how to reach the others.
fn draw_note(
    app: &App,
    shown: &[&Lane],
    keymap: &Keymap,
    area: Rect,
    Scene { buffer, hits, .. }: &mut Scene<'_>,
    theme: &Theme,
) {
    let names: Vec<String> = shown.iter().map(|lane| lanes::name(app, lane)).collect();
    let keys = keymap.hint(Key::Char('l'), theme).map(|(label, ..)| label).unwrap_or_default();
    let others = if keys.is_empty() { "" } else { " the others" };
    let text = format!("{} of {} lanes: {}", shown.len(), app.visible_lanes().count(), names.join(", "));
    let room = usize::from(area.width).saturating_sub(widgets::width(&keys) + others.len() + 3);
    let end = put(buffer, area, area.x, area.y, &clip(&text, room, theme), theme.text());
    let end = put(buffer, area, end + 3, area.y, &keys, theme.accent());
    put(buffer, area, end, area.y, others, theme.muted());
    hits.does(area, vec![Command::Act(Action::SelectNextLane)]);
}

fn draw_too_small(area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let lines = [
        "too small".to_owned(),
        format!("needs {}x{}", LEAST_SIZE.0, LEAST_SIZE.1),
        format!("this is {}x{}", area.width, area.height),
    ];
    let top = area.height.saturating_sub(lines.len() as u16) / 2;
    for (row, line) in lines.iter().enumerate() {
        let style = if row == 0 { theme.heading() } else { theme.muted() };
        put_centered(buffer, area, top + row as u16, line, style);
    }
}

/// A tab: its view, its text and the columns it takes.
struct Tab {
    view: ViewKind,
    is_open: bool,
    text: String,
    columns: std::ops::Range<u16>,
}

/// The tabs: with as many names as fit, from the first on, and that of the open one.
fn tabs(app: &App, width: u16) -> Vec<Tab> {
    let open = shown(app).map(|view| view.kind());
    let lay = |named: usize| {
        let mut x = 0;
        let mut tabs: Vec<Tab> = Vec::new();
        for (at, view) in super::ALL.iter().enumerate() {
            let is_open = Some(view.kind()) == open;
            if !is_open && !view.fits(app) {
                continue;
            }
            let view = view.kind();
            let key = super::key_of(at).unwrap_or(' ');
            let text =
                if tabs.len() < named || is_open { format!(" {key} {view} ") } else { format!(" {key} ") };
            let end = x + widgets::width(&text) as u16;
            tabs.push(Tab { view, is_open, text, columns: x..end });
            x = end;
        }
        (tabs, x)
    };
    let all = super::ALL.len();
    let fitting = (0..=all).rev().map(lay).find(|(_, end)| *end <= width);
    fitting.map_or_else(|| lay(0).0, |(tabs, _)| tabs)
}

fn draw_tabs(
    app: &App,
    status: &Status<'_>,
    area: Rect,
    Scene { buffer, hits, .. }: &mut Scene<'_>,
    theme: &Theme,
) {
    let mut end = area.x;
    for tab in tabs(app, area.width) {
        let style = if tab.is_open { theme.selected_tab() } else { theme.muted() };
        let x = area.x + tab.columns.start;
        end = put(buffer, area, x, area.y, &tab.text, style);
        hits.does(Rect { x, width: end - x, ..area }, vec![Command::Act(Action::SelectView(tab.view))]);
    }
    let room = usize::from(area.right().saturating_sub(end)).saturating_sub(2);
    if let Some(progress) = status.progress.filter(|_| room >= 6) {
        put_right(buffer, area, 0, &clip_start(progress, room, theme), theme.accent());
        return;
    }
    let mut runs: Vec<&str> = app.lanes().iter().map(|lane| lane.label().run.as_str()).collect();
    runs.dedup();
    let others = match runs.len() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    if let Some(first) = runs.first().filter(|_| room >= 6) {
        // The time at the beginning of an id says less than the name after it.
        let first = clip_start(&printable(first), room.saturating_sub(others.len()), theme);
        put_right(buffer, area, 0, &clip(&(first + &others), room, theme), theme.muted());
    }
}

/// Draws the run from its start to its planned end: progress, what charts show of it, findings, orders and notes, and
/// the cursor.
fn draw_timeline(app: &App, area: Rect, Scene { buffer, hits, .. }: &mut Scene<'_>, theme: &Theme) {
    let (start, end) = curves::run_range(app);
    let column = |x: f64| {
        let share = if end > start { (x - start) / (end - start) } else { 0.0 };
        area.x + ((share.clamp(0.0, 1.0) * f64::from(area.width)) as u16).min(area.width - 1)
    };
    let done = app.visible_lanes().map(|lane| column(curves::x_of(app, lane, lane.last_step()))).max();
    let shown = curves::shown_range(app).map(|(from, to)| column(from)..=column(to));
    for x in area.left()..area.right() {
        let is_done = app.last_step().0 > 0 && done.is_some_and(|done| x <= done);
        let glyph = theme.glyph(if is_done { Glyph::Done } else { Glyph::Ahead });
        let is_shown = shown.as_ref().is_some_and(|shown| shown.contains(&x));
        let style = if is_shown { theme.text() } else { theme.axis() };
        put(buffer, area, x, area.y, &glyph.to_string(), style);
    }
    let mut findings = app.findings();
    findings.sort_by_key(|finding| finding.severity);
    for finding in findings {
        let Some(lane) = app.lane(finding.lane) else { continue };
        let x = column(curves::x_of(app, lane, finding.step));
        let (glyph, style) = severity(finding.severity, theme);
        put(buffer, area, x, area.y, &glyph.to_string(), style);
    }
    for x in app.visible_lanes().flat_map(|lane| orders::places(app, lane)) {
        put(buffer, area, column(x), area.y, &theme.glyph(Glyph::Order).to_string(), theme.accent());
    }
    if let Some(x) = curves::cursor_x(app) {
        put(buffer, area, column(x), area.y, &theme.glyph(Glyph::Here).to_string(), theme.accent());
    }
    hits.timeline(area, move |app, position| {
        let share = (f64::from(position.x - area.x) + 0.5) / f64::from(area.width);
        let (start, end) = curves::run_range(app);
        vec![Command::Act(Action::SelectStep(curves::step_at(app, start + share * (end - start))))]
    });
}

/// The mark of a finding.
pub(super) fn severity(severity: Severity, theme: &Theme) -> (char, Style) {
    match severity {
        Severity::Note => (theme.glyph(Glyph::Separator), theme.muted()),
        Severity::Warning => (theme.glyph(Glyph::Warning), theme.warning()),
        Severity::Critical => (theme.glyph(Glyph::Error), theme.error()),
    }
}

/// The status line: cursor and options at the left, the cost of drawing at the right, key hints in between as far as
/// they fit.
fn draw_status(
    app: &App,
    view: &dyn View,
    status: &Status<'_>,
    keymap: &Keymap,
    area: Rect,
    Scene { buffer, hits, .. }: &mut Scene<'_>,
    theme: &Theme,
) {
    let hint = |key: &Key| {
        let (label, binding, command) = keymap.hint(*key, theme)?;
        Some((label, hint_of(app, view, *key).unwrap_or(binding.hint), command))
    };
    let width =
        |(label, hint, _): &(String, &str, _)| (widgets::width(label) + widgets::width(hint) + 3) as u16;
    // The hints for help and leaving have priority.
    let last: Vec<_> = [Key::Char('?'), Key::Char('q')].iter().filter_map(hint).collect();
    let last_width: u16 = last.iter().map(width).sum();
    let mut spans = cursor_spans(app, theme);
    let place: usize = spans.iter().map(Span::width).sum();
    let room = usize::from(area.width.saturating_sub(last_width)).saturating_sub(place + 2);
    if let Some(notice) = status.notice {
        spans.push(Span::styled(format!("  {}", printable(notice)), theme.warning()));
    } else if let Some((at, finding)) = app.visited_finding().filter(|_| !view.shows_finding()) {
        let (mark, style) = severity(finding.severity, theme);
        let lane = app.lane(finding.lane).map(|lane| lanes::name(app, lane)).unwrap_or_default();
        let (rule, all) = (finding.rule.replace('_', " "), app.findings().len());
        let text = format!("  {mark} {rule} in {lane} ({} of {all})", at + 1);
        spans.push(Span::styled(clip(&text, room, theme), style));
    } else if area.width >= 60 {
        spans.push(Span::styled(clip(&format!("  {}", choices(app)), room, theme), theme.muted()));
    }
    let mut x = widgets::put_line(buffer, area, 0, &Line::from(spans)) + 2;
    hits.does(Rect { width: area.width.min(place as u16), ..area }, vec![Command::Act(Action::OpenGoTo)]);
    let mut room = area.right().saturating_sub(x).saturating_sub(last_width);
    let mut shown = Vec::new();
    for hint in view.hints().iter().chain(&[Key::Char(' ')]).filter_map(hint) {
        if width(&hint) <= room {
            room -= width(&hint);
            shown.push(hint);
        }
    }
    for (label, hint, command) in shown.into_iter().chain(last) {
        let start = x;
        x = put(buffer, area, x, area.y, &label, theme.accent());
        x = put(buffer, area, x, area.y, &format!(" {hint}  "), theme.muted());
        hits.does(Rect { x: start, width: x.saturating_sub(start + 2), ..area }, vec![command]);
    }
    if let Some(cost) = status.cost.filter(|cost| widgets::width(cost) <= usize::from(room)) {
        put_right(buffer, area, 0, cost, theme.axis());
    }
}

/// The current effect of a key, if it differs from the text of its binding.
fn hint_of(app: &App, view: &dyn View, key: Key) -> Option<&'static str> {
    match key {
        Key::Up => Some(view.vertical_name()),
        Key::Char(' ') if app.lanes().iter().all(|lane| lane.state().is_over()) => {
            Some(if app.options().playback.playing { "pause" } else { "play" })
        }
        _ => None,
    }
}

/// The cursor's place, whether playback is running, and the range of steps that charts show.
fn cursor_spans(app: &App, theme: &Theme) -> Vec<Span<'static>> {
    let playback = app.options().playback;
    let state = if playback.playing {
        format!("{} {}/s", theme.glyph(Glyph::Running), playback.steps_per_second)
    } else if app.follows() {
        latest(app).to_owned()
    } else {
        String::new()
    };
    let place = if app.follows() || playback.playing { "step " } else { "at step " };
    let range = app.range().map(|(first, last)| {
        let (first, last) = (widgets::grouped(first.0), widgets::grouped(last.0));
        Span::styled(format!("  {first} to {last}"), theme.accent())
    });
    let part = app.part().map(|part| {
        let (low, high) = part.ends();
        let of = if low == 0.0 {
            "lower "
        } else if high == 1.0 {
            "upper "
        } else {
            ""
        };
        Span::styled(format!("  {of}{} of the axes", percent((high - low) as f32)), theme.accent())
    });
    let mut spans = vec![
        Span::styled(place, theme.muted()),
        Span::styled(widgets::grouped(app.step().0), theme.heading()),
        Span::styled(format!("/{}", widgets::grouped(app.planned_steps().0)), theme.muted()),
    ];
    spans.extend((!state.is_empty()).then(|| Span::styled(format!(" {state}"), theme.cursor())));
    spans.extend(range.into_iter().chain(part));
    spans
}

/// The state of the lanes, if none makes steps: whether the run is paused or over, and how it ended.
fn latest(app: &App) -> &'static str {
    let mut states =
        app.lanes().iter().map(|lane| lane.state()).filter(|state| **state != LaneState::Waiting);
    let Some(first) = states.next().filter(|_| app.is_idle()) else { return "following" };
    if states.clone().all(|state| state.name() == first.name()) {
        first.name()
    } else if states.chain([first]).all(LaneState::is_over) {
        "over"
    } else {
        LaneState::Paused.name()
    }
}

/// The display options.
fn choices(app: &App) -> String {
    let options = app.options();
    let smoothing = if options.smoothing.is_on() {
        format!("smoothing {}", options.smoothing.decay())
    } else {
        "raw".to_owned()
    };
    let scale = match options.scale {
        crate::app::options::ScaleChoice::Natural => "",
        crate::app::options::ScaleChoice::Linear => ", linear scale",
        crate::app::options::ScaleChoice::Log => ", log scale",
    };
    let aligned = match options.alignment {
        Alignment::Depth => String::new(),
        other => format!(", layers by {}", other.name()),
    };
    let layers = options.layers.as_ref();
    let layers =
        layers.map(|filter| format!(", layers /{}", printable(filter.pattern()))).unwrap_or_default();
    let metrics = options.metrics.as_ref();
    let metrics =
        metrics.map(|filter| format!(", metrics /{}", printable(filter.pattern()))).unwrap_or_default();
    let outliers = if options.whole_axis { ", with outliers" } else { "" };
    format!("{smoothing}{scale}{outliers}{aligned}{layers}{metrics}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen::{self, Specimen};
    use crate::event::{Kind, RunEvent};
    use crate::units::{LaneIdx, Step};
    use crate::views::{Format, snapshot};

    fn status_line(app: &App) -> String {
        let frame = snapshot(app, (120, 40), &Theme::default(), Format::Text);
        frame.lines().last().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_status_line_names_the_finding_that_was_gone_to() {
        let mut app = specimen::one_diverged();
        app.act(Action::SelectFinding(0));
        assert!(status_line(&app).contains("✗ non finite in plain (1 of 1)"), "{}", status_line(&app));
        app.act(Action::MoveStep(1));
        assert!(!status_line(&app).contains("non finite"), "{}", status_line(&app));
    }

    #[test]
    fn the_status_line_says_that_a_run_is_paused_or_over_and_how_it_ended() {
        let alone = Specimen { breaks_off_at: Some(100), ..Specimen::new("plain", 8, "none") };
        let mut app = specimen::app_of(std::slice::from_ref(&alone));
        assert!(status_line(&app).starts_with("step 100/300 following"), "{}", status_line(&app));
        app.apply(LaneIdx(0), &RunEvent::new(Step(100), 0.0, Kind::Paused));
        assert!(status_line(&app).starts_with("step 100/300 paused"), "{}", status_line(&app));
        app.source_ended(LaneIdx(0));
        assert!(status_line(&app).starts_with("step 100/300 crashed"), "{}", status_line(&app));
        // One lane diverged, the other finished.
        assert!(status_line(&specimen::one_diverged()).starts_with("step 300/300 over"));
    }
}
