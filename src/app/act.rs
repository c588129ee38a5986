//! Carries out the actions of [`super::action`]. Every action is possible at any time; one that has nothing to act on
//! does nothing.

use super::options::{Axis, Chosen, Options, Playback, ViewKind};
use super::undo::{self, Shown};
use super::viewport::Viewport;
use super::{Action, Alignment, App, LayerKey, NameFilter, rows};
use crate::metric::Metric;
use crate::units::{BlockIdx, LaneIdx, Step};

/// The most digits the prompt for a step takes.
const PROMPT_DIGITS: usize = 12;

pub(super) fn act(app: &mut App, action: Action) {
    match action {
        Action::Undo => undo::undo(app),
        Action::Redo => undo::redo(app),
        // Playback issues it at each frame, and it changes nothing that is shown but the cursor.
        Action::Advance(steps) => advance(app, steps),
        action => act_together(app, &[action]),
    }
}

/// Carries out actions that are one change. Those that take back changes do nothing here.
pub(super) fn act_together(app: &mut App, actions: &[Action]) {
    let before = Shown::of(app);
    actions.iter().for_each(|action| carry_out(app, *action));
    let now = Shown::of(app);
    app.changes.note(before, &now);
}

fn carry_out(app: &mut App, action: Action) {
    match action {
        Action::Undo | Action::Redo | Action::Advance(_) => {}

        Action::SelectView(view) => select_view(app, view),

        Action::MoveStep(by) => move_by_hand(app, by),
        Action::MovePage(pages) => move_by_hand(app, pages.saturating_mul(page(app))),
        Action::SelectStep(step) => select_step(app, step),
        Action::SelectFirstStep => select_step(app, Step(0)),
        Action::FollowLastStep => follow(app),

        Action::SetMark(mark) => app.options.mark = mark.map(|step| step.min(app.last_step())),
        Action::ToggleMark => {
            let here = Some(app.step());
            app.options.mark = here.filter(|_| app.options.mark != here);
        }
        Action::Zoom(by) => zoom(app, by, app.step()),
        Action::ZoomAround(by, step) => zoom(app, by, step),
        Action::PanQuarters(by) => {
            let length = app.range().map_or(0, |(first, last)| last.0 - first.0);
            pan(app, by.saturating_mul(i64::try_from(length.div_ceil(4)).unwrap_or(i64::MAX)));
        }
        Action::Pan(by) => pan(app, by),
        Action::ShowRange(first, last) => {
            let end = app.last_step();
            let part = app.part();
            app.options.viewports.show(Viewport::new(first, last, end), part);
        }
        Action::ZoomValues(by, percent) => app.options.viewports.zoom_values(by, f64::from(percent) / 100.0),
        Action::PanValues(percent) => app.options.viewports.pan_values(percent),
        Action::ShowPart(part) => {
            let viewport = app.options.viewports.shown();
            app.options.viewports.show(viewport, Some(part));
        }
        Action::ShowWholeRun => app.options.viewports.show(None, None),
        Action::ShowRangeBefore => app.options.viewports.back(),

        Action::MoveLayer(by) => move_layer(app, by),
        Action::MoveBlock(by) => move_block(app, by),
        Action::SelectLayer(key) => app.row = app.rows().contains(&key).then_some(key).or(app.row),
        Action::SelectFirstLayer => app.row = app.rows().first().copied(),
        Action::SelectLastLayer => app.row = app.rows().last().copied(),

        Action::SelectLane(idx) => select_lane(app, idx),
        Action::SelectNextLane => turn_lane(app, 1),
        Action::SelectPreviousLane => turn_lane(app, -1),
        Action::ToggleLane(idx) => toggle_lane(app, idx),
        Action::ShowAllLanes => app.hidden.fill(false),

        Action::SelectStatistic(statistic) => select_statistic(app, statistic),
        Action::SelectScalar(scalar) => app.options.scalar = scalar,
        Action::SelectNextStatistic => turn_statistic(app, 1),
        Action::SelectPreviousStatistic => turn_statistic(app, -1),
        Action::SelectNextHistogram => turn_histogram(app),
        Action::CycleHistogramForm => app.options.histogram_form = app.options.histogram_form.next(),
        Action::MoveChart(by) => move_chart(app, by),
        Action::SelectChart(at) => app.options.chart = app.charts().into_iter().nth(at),
        Action::TogglePin => toggle_pin(app),
        Action::ForgetPins => app.options.pins.clear(),
        Action::CycleScale => {
            let Options { view, scale, .. } = app.options;
            let draws_losses = view.is_none_or(|view| view.draws_losses);
            let natural = match chosen(app) {
                Chosen::Scalars => app.scalar(),
                Chosen::Charts => app.chart().map_or(app.scalar(), |(_, chart)| chart.metric),
                Chosen::OfLayers | Chosen::OfBlocks => app.statistic(),
            };
            app.options.scale = scale.next(draws_losses, natural.scale());
            app.options.viewports.forget_part();
        }
        Action::ToggleWholeAxis => app.options.whole_axis = !app.options.whole_axis,
        Action::CycleSmoothing => app.options.smoothing = app.options.smoothing.next(),
        Action::CycleAxis if chosen(app) == Chosen::Scalars => {
            app.options.key = app.options.key.wrapping_add(1);
            app.options.split = 0;
        }
        Action::CycleSplit => app.options.split = app.options.split.wrapping_add(1),
        Action::CycleAlignment => align(app, app.options.alignment.next()),
        Action::CycleArrangement => app.options.arrangement = app.options.arrangement.next(),
        Action::CycleAxis => {
            let next = Axis::next(app.options.axis);
            app.options.axis = if next == Axis::Clock && !app.has_clock() { next.next() } else { next };
        }

        Action::TogglePlayback => toggle_playback(app),
        Action::SpeedUp => scale_speed(app, |speed| speed.saturating_mul(2)),
        Action::SlowDown => scale_speed(app, |speed| speed / 2),

        Action::SelectFinding(at) => select_finding(app, at),
        Action::SelectNextFinding => turn_finding(app, true),
        Action::SelectPreviousFinding => turn_finding(app, false),

        Action::OpenGoTo => app.options.go_to = Some(String::new()),
        Action::TypeGoTo(digit) => type_go_to(app, digit),
        Action::EraseGoTo => drop(app.options.go_to.as_mut().map(String::pop)),
        Action::ConfirmGoTo => confirm_go_to(app),
        Action::ToggleHelp => app.options.help = !app.options.help,
        Action::SetTour(stop) => app.options.tour = stop,
        Action::Dismiss => dismiss(app),
        Action::Scroll(by) => app.options.scroll = moved(app.options.scroll, by, usize::MAX),
    }
}

fn moved(from: usize, by: i64, last: usize) -> usize {
    let by = isize::try_from(by).unwrap_or(if by < 0 { isize::MIN } else { isize::MAX });
    from.saturating_add_signed(by).min(last)
}

fn turned(from: usize, by: i64, len: usize) -> usize {
    let len = i64::try_from(len.max(1)).unwrap_or(i64::MAX);
    usize::try_from((from as i64 + by).rem_euclid(len)).unwrap_or(0)
}

fn select_view(app: &mut App, view: ViewKind) {
    if app.options.view != Some(view) {
        app.options.view = Some(view);
        app.options.scroll = 0;
        app.options.viewports.forget_part();
    }
}

fn page(app: &App) -> i64 {
    i64::try_from((app.last_step().0 / 20).max(1)).unwrap_or(i64::MAX)
}

fn zoom(app: &mut App, by: i32, around: Step) {
    let (end, planned) = (app.last_step(), app.planned_steps());
    app.options.viewports.zoom(by, around, end, planned);
}

fn pan(app: &mut App, by: i64) {
    let end = app.last_step();
    app.options.viewports.pan(by, end);
}

/// Moves the range that charts show so that the cursor is in it.
fn reveal(app: &mut App) {
    let (step, end) = (app.step(), app.last_step());
    app.options.viewports.reveal(step, end);
}

/// Moves the cursor for the user, which stops playback.
fn move_by_hand(app: &mut App, by: i64) {
    app.options.playback.playing = false;
    move_step(app, by);
}

fn move_step(app: &mut App, by: i64) {
    let last = app.last_step();
    let to = Step(app.step().0.saturating_add_signed(by)).min(last);
    app.step = (to < last).then_some(to);
    reveal(app);
}

fn select_step(app: &mut App, step: Step) {
    app.options.playback.playing = false;
    app.step = (step < app.last_step()).then_some(step);
    reveal(app);
}

fn follow(app: &mut App) {
    app.options.playback.playing = false;
    app.step = None;
    reveal(app);
}

fn move_layer(app: &mut App, by: i64) {
    let at = app.row().and_then(|row| app.rows().iter().position(|other| *other == row));
    if let (Some(at), Some(last)) = (at, app.rows().len().checked_sub(1)) {
        app.row = app.rows().get(moved(at, by, last)).copied();
    }
}

/// Moves by the blocks of the selected lane, or of the first visible one that has the cursor's row.
fn move_block(app: &mut App, by: i64) {
    let selected = app.lane(app.lane).into_iter();
    let target = selected.chain(app.visible_lanes()).find_map(|lane| {
        let structure = lane.structure()?;
        let block = app.block_in(lane)?;
        let last = structure.blocks.len().checked_sub(1)?;
        let layer = rows::layer_of_block(structure, BlockIdx(moved(block.0, by, last)))?;
        app.row_of(lane, layer)
    });
    app.row = target.or(app.row);
}

/// Aligns lanes by something else; the cursor stays on the layer of the selected lane, or goes to the row nearest to it.
fn align(app: &mut App, alignment: Alignment) {
    let row = app.row();
    let layer = app.lane(app.lane).and_then(|lane| app.layer_in(lane));
    app.options.alignment = alignment;
    app.find_rows();
    let of_layer = layer.and_then(|layer| app.row_of(app.lane(app.lane)?, layer));
    app.row =
        of_layer.filter(|of| app.rows().contains(of)).or_else(|| row.and_then(|row| nearest_row(app, row)));
}

/// A row if it is shown, else the one nearest to it.
fn nearest_row(app: &App, row: LayerKey) -> Option<LayerKey> {
    let nearest = || app.rows().iter().min_by_key(|other| other.depth.abs_diff(row.depth)).copied();
    app.rows().contains(&row).then_some(row).or_else(nearest)
}

/// Shows only some layers; the cursor goes to the nearest one of them.
pub(super) fn filter_layers(app: &mut App, filter: Option<NameFilter>) {
    let before = Shown::of(app);
    let row = app.row();
    app.options.layers = filter;
    app.find_rows();
    app.row = row.and_then(|row| nearest_row(app, row));
    let now = Shown::of(app);
    app.changes.note(before, &now);
}

/// Shows only some metrics where they can be chosen.
pub(super) fn filter_metrics(app: &mut App, filter: Option<NameFilter>) {
    let before = Shown::of(app);
    app.options.metrics = filter;
    let now = Shown::of(app);
    app.changes.note(before, &now);
}

fn move_chart(app: &mut App, by: i64) {
    let all = app.charts();
    let at = app.chart().map_or(0, |(at, _)| at);
    app.options.chart = all.get(moved(at, by, all.len().saturating_sub(1))).cloned();
}

/// The most charts that can be pinned; a screen has room for few.
const MOST_PINS: usize = 32;

fn toggle_pin(app: &mut App) {
    let Some(here) = app.charted_here() else { return };
    let pins = &mut app.options.pins;
    match pins.iter().position(|pin| *pin == here) {
        Some(at) => drop(pins.remove(at)),
        None if pins.len() < MOST_PINS => pins.push(here.clone()),
        None => {}
    }
    // It moves to another place, and stays selected.
    app.options.chart = Some(here);
    keep_shown(app);
}

fn select_lane(app: &mut App, idx: LaneIdx) {
    if app.is_visible(idx) {
        app.lane = idx;
    }
}

fn turn_lane(app: &mut App, by: i64) {
    let visible: Vec<LaneIdx> = app.visible_lanes().map(|lane| lane.idx()).collect();
    let at = visible.iter().position(|idx| *idx == app.lane).unwrap_or(0);
    if let Some(idx) = visible.get(turned(at, by, visible.len())) {
        app.lane = *idx;
    }
}

fn toggle_lane(app: &mut App, idx: LaneIdx) {
    let visible = app.visible_lanes().count();
    let Some(hidden) = app.hidden.get_mut(idx.0) else { return };
    if *hidden || visible > 1 {
        *hidden = !*hidden;
    }
    select_visible_lane(app);
}

fn select_visible_lane(app: &mut App) {
    if !app.is_visible(app.lane) {
        let first = app.visible_lanes().next().map(|lane| lane.idx());
        app.lane = first.unwrap_or(app.lane);
    }
}

/// After options and hidden lanes were put back: selects a lane that is visible, and keeps the histories that are shown.
pub(super) fn settle(app: &mut App) {
    if app.visible_lanes().next().is_none() {
        app.hidden.fill(false);
    }
    select_visible_lane(app);
    align(app, app.options.alignment);
    keep_shown(app);
}

/// The most metrics whose histories stay in memory; one over 107 layers takes at most 1.8 MB.
const MOST_SHOWN: usize = 24;

fn select_statistic(app: &mut App, statistic: Metric) {
    if ![app.statistic(), app.block_statistic()].contains(&statistic) {
        app.options.viewports.forget_part();
    }
    if statistic.is_of_blocks() {
        app.options.block_statistic = statistic;
    } else {
        app.options.statistic = statistic;
    }
    keep_shown(app);
}

/// Keeps the histories of the metrics shown last.
fn keep_shown(app: &mut App) {
    let mut shown = vec![app.statistic(), app.block_statistic()];
    shown.extend(app.options.pins.iter().map(|pin| pin.metric));
    app.shown.retain(|metric| !shown.contains(metric));
    app.shown.splice(0..0, shown);
    app.shown.truncate(MOST_SHOWN);
    app.lanes.iter_mut().for_each(|lane| lane.release(&app.shown));
}

/// What is chosen in the current view.
fn chosen(app: &App) -> Chosen {
    app.options.view.map_or(Chosen::OfLayers, |view| view.chooses)
}

/// The metrics that the filter finds, and the current one.
fn choices(app: &App, all: Vec<Metric>, current: Metric) -> Vec<Metric> {
    all.into_iter().filter(|metric| *metric == current || app.shows_metric(*metric)).collect()
}

/// Chooses the next metric of which there are histograms.
fn turn_histogram(app: &mut App) {
    let all = app.histograms();
    let at = all.iter().position(|metric| *metric == app.histogram()).map_or(0, |at| at + 1);
    if let Some(next) = all.get(at % all.len().max(1)) {
        app.options.histogram = *next;
    }
}

fn turn_statistic(app: &mut App, by: i64) {
    if chosen(app) == Chosen::Charts {
        let (count, at) = (app.charts().len(), app.chart().map_or(0, |(at, _)| at));
        return carry_out(app, Action::SelectChart(turned(at, by, count)));
    }
    if chosen(app) == Chosen::Scalars {
        let choices = choices(app, app.scalars(), app.scalar());
        let at = choices.iter().position(|metric| *metric == app.scalar()).unwrap_or(0);
        if let Some(next) = choices.get(turned(at, by, choices.len())) {
            app.options.scalar = *next;
        }
        return;
    }
    let of_blocks = chosen(app) == Chosen::OfBlocks;
    let current = if of_blocks { app.block_statistic() } else { app.statistic() };
    let choices = choices(app, app.statistics(of_blocks), current);
    let at = choices.iter().position(|s| *s == current).unwrap_or(0);
    if let Some(next) = choices.get(turned(at, by, choices.len())) {
        select_statistic(app, *next);
    }
}

fn toggle_playback(app: &mut App) {
    let playing = !app.options.playback.playing;
    if playing && app.follows() {
        app.step = Some(Step(0));
    }
    app.options.playback.playing = playing;
}

fn scale_speed(app: &mut App, scale: impl Fn(u32) -> u32) {
    let (slowest, fastest) = (*Playback::SPEEDS.start(), *Playback::SPEEDS.end());
    let playback = &mut app.options.playback;
    playback.steps_per_second = scale(playback.steps_per_second).clamp(slowest, fastest);
}

fn advance(app: &mut App, steps: u64) {
    if app.options.playback.playing {
        move_step(app, i64::try_from(steps).unwrap_or(i64::MAX));
        app.options.playback.playing = !app.follows();
    }
}

/// Selects the finding before or after the one at the cursor.
fn turn_finding(app: &mut App, forward: bool) {
    let selected = app.selected_finding();
    let on_it = app.finding_here().is_some();
    let target = match (selected, forward) {
        (Some(at), true) => Some(at + 1),
        (None, true) => Some(0),
        // Between two findings, the previous one is the selected one itself.
        (Some(at), false) if !on_it => Some(at),
        (Some(at), false) => at.checked_sub(1),
        (None, false) => None,
    };
    if let Some(at) = target {
        select_finding(app, at);
    }
}

/// Moves step, lane and layer to those of a finding.
fn select_finding(app: &mut App, at: usize) {
    let findings = app.findings();
    let Some(found) = findings.get(at).copied() else { return };
    let (key, layer) = (super::key_of(found), found.layer);
    let (step, lane, _) = key;
    let row = layer.and_then(|layer| app.row_of(app.lane(lane)?, layer));
    app.row = row.or(app.row);
    app.lane = lane;
    select_step(app, step);
    app.finding = Some(key);
}

fn type_go_to(app: &mut App, digit: char) {
    if let Some(digits) = app.options.go_to.as_mut().filter(|digits| digits.len() < PROMPT_DIGITS)
        && digit.is_ascii_digit()
    {
        digits.push(digit);
    }
}

fn confirm_go_to(app: &mut App) {
    if let Some(digits) = app.options.go_to.take()
        && let Ok(step) = digits.parse()
    {
        select_step(app, Step(step));
    }
}

fn dismiss(app: &mut App) {
    if app.options.go_to.take().is_none() && !std::mem::take(&mut app.options.help) {
        app.options.tour = None;
    }
}
