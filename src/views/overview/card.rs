//! A lane's card: its network, progress, figures at the cursor, and problems.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::lanes;
use crate::app::health::Finding;
use crate::app::{App, Lane, LaneState, health};
use crate::history::History;
use crate::metric::{Metric, known};
use crate::printable::{percent, printable};
use crate::theme::{Glyph, Theme};
use crate::units::Step;
use crate::views::{chrome, orders, told};
use crate::widgets;
use crate::widgets::{duration, grouped, short};

/// The rows of a card in an area of a given height.
pub(super) fn height(of_area: u16) -> u16 {
    match of_area {
        0..12 => 2,
        12..18 => 4,
        18..24 => 5,
        _ => 6,
    }
}

/// Draws title, progress, figures and the worst open finding, as far as there is room.
pub(super) fn render(app: &App, lane: &Lane, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    if area.height <= 3 {
        return render_small(app, lane, area, buffer, theme);
    }
    lanes::title(buffer, area, title(app, lane, area.width, theme), theme);
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    render_progress(lane, Rect { height: 1, ..body }, buffer, theme);
    let figures = Rect { y: body.y + 1, height: body.height.saturating_sub(2), ..body };
    render_figures(app, lane, figures, buffer, theme);
    let last = Rect { y: body.bottom() - 1, height: 1, ..body };
    render_last(app, lane, last, buffer, theme);
}

/// The lane's problem, and at the right its last order or note up to the cursor.
fn render_last(app: &App, lane: &Lane, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    // It takes at most half of the row.
    let brief = orders::brief(lane, app.step(), theme).map_or(0, |text| widgets::width(&text) as u16 + 2);
    let kept = if brief <= area.width / 2 { brief } else { 0 };
    let end = widgets::put_line(buffer, area, 0, &finding_line(app, lane, area.width - kept, theme));
    let room = usize::from(area.right().saturating_sub(end + 2));
    if let Some(text) = orders::last_text(lane, app.step(), room, theme) {
        widgets::put_right(buffer, area, 0, &text, theme.accent());
    }
}

/// Two or three rows: name and progress, figures, finding.
fn render_small(app: &App, lane: &Lane, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let name = lanes::name_within(app, lane, usize::from(area.width / 3), theme);
    let spans = vec![
        Span::styled(format!("{} ", theme.lane_swatch(lane.idx().0)), lanes::style(lane, theme)),
        Span::styled(name, name_style(app, lane, theme)),
        Span::raw(" "),
    ];
    let end = widgets::put_line(buffer, area, 0, &Line::from(spans));
    let progress =
        Rect { x: end, width: area.right().saturating_sub(end), height: 1.min(area.height), ..area };
    render_progress(lane, progress, buffer, theme);
    let rows = Rect { y: area.y + 1, height: area.height.saturating_sub(1).min(1), ..area };
    render_figures(app, lane, rows, buffer, theme);
    if area.height == 3 {
        render_last(app, lane, Rect { y: area.y + 2, height: 1, ..area }, buffer, theme);
    }
}

/// A lane's state, figures and findings in words.
pub(super) fn said(app: &App, lane: &Lane) -> Vec<String> {
    let name = lanes::name(app, lane);
    let figures = figures(app, lane, Some(u16::MAX)).into_iter();
    let figures: Vec<String> = figures.map(|(figure, value, _)| format!("{figure} {value}")).collect();
    let state = format!("{name}: {}", told::state(lane));
    let numbers = format!("{name}: {}", figures.join(", "));
    let mut open: Vec<&Finding> = lane.health().open_at(app.step()).collect();
    open.sort_by_key(|finding| std::cmp::Reverse((finding.severity, finding.step)));
    let lost = (lane.lost_records() > 0)
        .then(|| format!("{name}: the log lacks {} records", grouped(lane.lost_records())));
    let mut findings: Vec<String> = open.into_iter().map(|found| told::finding(app, found)).collect();
    if findings.is_empty() && is_sound(lane) {
        findings.push(format!("{name}: healthy"));
    }
    [state, numbers].into_iter().chain(lost).chain(findings).collect()
}

/// Whether a lane without findings is healthy: one that has not started, that has failed, or that no health rule can judge,
/// is not.
fn is_sound(lane: &Lane) -> bool {
    lane.started().is_some()
        && !matches!(lane.state(), LaneState::Failed(_) | LaneState::Diverged)
        && health::RULES.iter().any(|rule| rule.lacks(lane).is_none())
}

fn name_style(app: &App, lane: &Lane, theme: &Theme) -> Style {
    let style = lanes::style(lane, theme).patch(theme.heading());
    let selected = app.selected_lane() == lane.idx() && app.visible_lanes().count() > 1;
    if selected { style.add_modifier(Modifier::UNDERLINED) } else { style }
}

/// Name and network: `■ plain  resnet-56 without shortcuts, 214,546 parameters`.
fn title<'a>(app: &App, lane: &Lane, width: u16, theme: &Theme) -> Vec<Span<'a>> {
    let name = lanes::name_within(app, lane, usize::from(width).saturating_sub(2), theme);
    let room = usize::from(width).saturating_sub(widgets::width(&name) + 5);
    let parameters = lane.structure().and_then(|all| all.parameters());
    let parameters = parameters.map(|count| format!("{} parameters", grouped(count)));
    let network = lane.configuration().map(|lane| {
        let depth = lane.settings.whole("depth").map(|depth| format!("-{depth}")).unwrap_or_default();
        let shortcut = match lane.settings.word("shortcut") {
            None => String::new(),
            Some("none") => ", no shortcuts".to_owned(),
            Some(kind) => format!(", {} shortcuts", printable(kind)),
        };
        format!("{}{depth}{shortcut}", printable(&lane.architecture))
    });
    // A lane of another program may have no architecture.
    let whole = network.iter().cloned().chain(parameters).collect::<Vec<String>>().join(", ");
    let fits = widgets::width(&whole) <= room;
    let text = if fits { whole } else { widgets::clip(&network.unwrap_or_default(), room, theme) };
    let text = if text.is_empty() { " ".to_owned() } else { format!("  {text} ") };
    vec![
        Span::styled(format!("{} ", theme.lane_swatch(lane.idx().0)), lanes::style(lane, theme)),
        Span::styled(name, name_style(app, lane, theme)),
        Span::styled(text, theme.muted()),
    ]
}

/// State, steps, a bar, and the remaining or total time.
fn render_progress(lane: &Lane, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let (mark, style) = lanes::state(lane.state(), theme);
    let reason = match lane.state() {
        LaneState::Failed(reason) => format!(": {}", printable(reason)),
        _ => String::new(),
    };
    let time = match lane.remaining_ms() {
        Some(ms) => format!(" {} left", duration(ms)),
        None if *lane.state() == LaneState::Waiting => String::new(),
        None => format!(" {}", duration(lane.elapsed_ms())),
    };
    let state = format!("{mark} {}{reason}", lane.state().name());
    let state = widgets::clip(&state, area.width.into(), theme) + " ";
    let mut x = widgets::put(buffer, area, area.x, area.y, &state, style);
    let planned = lane.planned_steps().map(|planned| format!("/{planned}")).unwrap_or_default();
    let steps = format!("{}{planned} ", lane.last_step());
    let room = area.right().saturating_sub(x);
    if usize::from(room) < steps.len() + time.len() {
        widgets::put(buffer, area, x, area.y, &steps, theme.text());
        return;
    }
    x = widgets::put(buffer, area, x, area.y, &steps, theme.text());
    let end = widgets::put_right(buffer, area, 0, &time, theme.muted());
    let cells = end.saturating_sub(x);
    let done = (lane.progress() * f64::from(cells)).round() as u16;
    let full = if theme.is_ascii() { '=' } else { '━' };
    for at in 0..cells {
        let (glyph, style) = if at < done {
            (full, lanes::style(lane, theme))
        } else {
            (theme.glyph(Glyph::Horizontal), theme.axis())
        };
        widgets::put(buffer, area, x + at, area.y, &glyph.to_string(), style);
    }
}

/// Figures in columns, label and value, the most important first.
fn render_figures(app: &App, lane: &Lane, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let long = area.width >= 57;
    let mut figures = figures(app, lane, if long { Some(area.width) } else { None });
    // If there is room for only one row, it has the most important figures.
    let place_of = |names: &[&str]| figures.iter().position(|(name, ..)| names.contains(&name.as_str()));
    if let (1, Some(rate), Some(test)) =
        (area.height, place_of(&["rate", "learning rate"]), place_of(&["test"]))
    {
        figures.swap(rate, test);
    }
    let places = columns(&figures, long, area);
    for (at, (name, value, style)) in figures.iter().enumerate() {
        let (row, column) = (at / places.len(), at % places.len());
        if row >= usize::from(area.height) {
            break;
        }
        let place = Rect { y: area.y + row as u16, height: 1, ..places[column] };
        let x = widgets::put(buffer, place, place.x, place.y, name, theme.muted());
        let room = usize::from(place.right().saturating_sub(x + 1));
        let value = widgets::clip(value, room, theme);
        widgets::put(buffer, place, x + 1, place.y, &value, style.unwrap_or(theme.text()));
    }
}

type Figure = (String, String, Option<Style>);

/// The cells that a figure's value has, whatever it is, so that nothing moves while it changes.
const VALUE: u16 = 7;
/// The least width of a column of short names.
const LEAST_COLUMN: u16 = 13;
/// The least width at which the rate has its long name.
const LEAST_WITH_LONG_RATE: u16 = 65;

/// The columns of the figures, at least one: of long names as many as fit, of short ones as many of the same width.
fn columns(figures: &[Figure], long: bool, area: Rect) -> Vec<Rect> {
    let most = if area.height >= 3 { 3 } else { figures.len() as u16 };
    let fitting = (1..=most).rev().filter(|_| long).find_map(|count| fitting(figures, count, area));
    fitting.unwrap_or_else(|| {
        let count = (area.width / LEAST_COLUMN).max(1);
        let width = area.width / count;
        (0..count).map(|at| Rect { x: area.x + at * width, width, ..area }).collect()
    })
}

/// This many columns, as wide as the names in them ask for; none if they do not fit.
fn fitting(figures: &[Figure], count: u16, area: Rect) -> Option<Vec<Rect>> {
    let asked = |column: u16| {
        let of_column = figures.iter().skip(column.into()).step_by(count.into());
        of_column.map(|(name, ..)| widgets::width(name) as u16 + 1 + VALUE).max().unwrap_or(0)
    };
    let asked: Vec<u16> = (0..count).map(asked).collect();
    let spare = area.width.checked_sub(asked.iter().sum::<u16>() + count - 1)?;
    let mut x = area.x;
    let place = |(at, width): (usize, &u16)| {
        // The last one has what remains.
        let is_last = at + 1 == asked.len();
        let width = if is_last { area.right() - x } else { *width + spare / count };
        let place = Rect { x, width, ..area };
        x += width + 1;
        place
    };
    Some(asked.iter().enumerate().map(place).collect())
}

/// A lane's figures, as far as its log can have them; with long names if there is that much room for them.
fn figures(app: &App, lane: &Lane, room: Option<u16>) -> Vec<Figure> {
    let long = room.is_some();
    let has = |metric: Metric| lane.declared().metrics().contains(&metric);
    if !has(known::LOSS) {
        return declared_figures(app, lane, &[]).collect();
    }
    // Only a batch and a data set that are known can be counted in examples and epochs.
    let counts = lane.provenance().is_some();
    let step = app.step();
    let bold = Some(Style::new().add_modifier(Modifier::BOLD));
    let evaluated = |metric: Metric| at(lane.scalar(metric), step);
    let percent = |share: Option<f32>| share.map_or("-".to_owned(), percent);
    let of = |value: Option<f64>| value.map_or("-".to_owned(), short);
    // There is no room for more next to the long name.
    let rate = of(at(lane.learning_rate(), step).map(f64::from));
    let is_roomy = room.is_some_and(|room| room >= LEAST_WITH_LONG_RATE);
    let rate_name = if is_roomy && rate.len() <= usize::from(VALUE) { "learning rate" } else { "rate" };
    let throughput = lane.throughput().map_or("-".to_owned(), |rate| grouped(rate.round() as u64));
    let [counted, in_short] = lane.provenance().map_or(["examples", "ex"], |lane| lane.input.counted().1);
    let per_second = format!("{}/s", if is_roomy { counted } else { in_short });
    let statistics = lane.pace().statistics_share().map(|share| share as f32);
    let mut figures = vec![
        (true, "loss", of(at(lane.loss(), step).map(f64::from)), bold),
        (has(known::ERROR), if long { "this batch" } else { "batch" }, percent(at(lane.error(), step)), bold),
        (has(known::LEARNING_RATE), rate_name, rate, None),
        (has(known::TRAIN_ERROR), "train", percent(evaluated(known::TRAIN_ERROR)), None),
        (has(known::TEST_ERROR), "test", percent(evaluated(known::TEST_ERROR)), None),
        (counts, per_second.as_str(), throughput, None),
    ];
    if long {
        let epoch = lane.epoch_of(step.min(lane.last_step())).map(|epoch| (epoch * 10.0).round() / 10.0);
        let of_batches = percent(evaluated(known::TRAIN_BATCH_ERROR));
        figures.push((has(known::TRAIN_BATCH_ERROR), "train (batch BN)", of_batches, None));
        figures.push((counts || statistics.is_some(), "statistics", percent(statistics), None));
        figures.push((counts, "epoch", of(epoch), None));
    }
    let figures = figures.into_iter().filter(|(is_there, ..)| *is_there);
    let mut figures: Vec<Figure> =
        figures.map(|(_, name, value, style)| (name.to_owned(), value, style)).collect();
    if !counts {
        // Another program has figures of its own.
        let room = MOST_FIGURES.saturating_sub(figures.len());
        figures.extend(declared_figures(app, lane, TOLD).take(room));
    }
    figures
}

/// The most figures of a lane of another program beside those that are known.
const MOST_FIGURES: usize = 9;

/// What has a figure by its meaning.
const TOLD: &[Metric] = &[
    known::LOSS,
    known::ERROR,
    known::LEARNING_RATE,
    known::TRAIN_ERROR,
    known::TEST_ERROR,
    known::TRAIN_BATCH_ERROR,
];

/// The single numbers of a lane, but for these.
fn declared_figures(app: &App, lane: &Lane, but: &[Metric]) -> impl Iterator<Item = Figure> {
    let is_own = |metric: &Metric| lane.declared().metrics().contains(metric) && !but.contains(metric);
    let value =
        |metric: Metric| at(lane.scalar(metric), app.step()).map_or("-".to_owned(), |x| short(x.into()));
    app.scalars().into_iter().filter(is_own).map(move |metric| (metric.to_string(), value(metric), None))
}

/// The values recorded at a step, or last before it.
pub(super) fn at(scalar: &History, step: Step) -> Option<f32> {
    scalar.at(step)?.last(0)
}

/// The records that the log lacks, else the worst finding open at the cursor, the newest of several.
fn finding_line<'a>(app: &App, lane: &Lane, width: u16, theme: &Theme) -> Line<'a> {
    if lane.lost_records() > 0 {
        let text =
            format!("{} the log lacks {} records", theme.glyph(Glyph::Warning), grouped(lane.lost_records()));
        return Line::styled(text, theme.warning());
    }
    let open: Vec<&Finding> = lane.health().open_at(app.step()).collect();
    let Some(worst) = open.iter().max_by_key(|finding| (finding.severity, finding.step)) else {
        let text =
            if is_sound(lane) { format!("{} healthy", theme.glyph(Glyph::Check)) } else { String::new() };
        return Line::styled(text, theme.muted());
    };
    let (glyph, style) = chrome::severity(worst.severity, theme);
    let more = if open.len() > 1 { format!(" (+{})", open.len() - 1) } else { String::new() };
    let text = format!("{} {}: {}", glyph, worst.rule.replace('_', " "), worst.message);
    let room = usize::from(width).saturating_sub(more.len());
    Line::from(vec![
        Span::styled(widgets::clip(&text, room, theme), style),
        Span::styled(more, theme.muted()),
    ])
}

#[cfg(test)]
mod tests {
    use crate::app::Action;
    use crate::app::specimen::{self, Specimen};
    use crate::event::{Kind, LaneFinished, Outcome, RecordsLost, RunEvent, Time};
    use crate::metric::known;
    use crate::theme::Theme;
    use crate::units::{LaneIdx, Step};
    use crate::views::{Format, snapshot, told};

    #[test]
    fn what_the_log_lacks_is_told() {
        let mut app = specimen::plain_beside_residual();
        let frame = |app: &_| snapshot(app, (120, 40), &Theme::default(), Format::Text);
        assert!(!frame(&app).contains("lacks"));
        let kind = Kind::RecordsLost(RecordsLost { records: 1_234, first: Step(20) });
        app.apply(LaneIdx(0), &RunEvent { step: Step(90), time: Time::at(1e4), kind });
        assert!(frame(&app).contains("the log lacks 1,234 records"), "{}", frame(&app));
    }

    #[test]
    fn a_lane_that_failed_is_not_healthy() {
        let lane = Specimen { breaks_off_at: Some(20), ..Specimen::new("residual", 8, "identity") };
        let mut app = specimen::app_of(&[lane]);
        let is_healthy = |app: &_| {
            let frame = snapshot(app, (120, 40), &Theme::default(), Format::Text);
            (frame.contains("healthy"), told(app).iter().any(|line| line.contains("healthy")))
        };
        assert_eq!(is_healthy(&app), (true, true));
        let kind =
            Kind::LaneFinished(LaneFinished { outcome: Outcome::Failed { reason: "no memory".to_owned() } });
        app.apply(LaneIdx(0), &RunEvent { step: Step(20), time: Time::at(1e4), kind });
        assert_eq!(is_healthy(&app), (false, false));
    }

    #[test]
    fn a_lane_without_an_experiment_shows_what_its_log_can_have() {
        let mut app = specimen::app_with(&[Specimen::new("gpt", 8, "identity")], |event| {
            if let Kind::LaneStarted(started) = &mut event.kind {
                started.provenance = None;
                let kept = [known::LOSS, known::LEARNING_RATE, known::TEST_ERROR];
                started.declared.metrics.retain(|metric| kept.contains(metric));
            }
        });
        app.act(Action::FollowLastStep);
        let frame = snapshot(&app, (120, 40), &Theme::default(), Format::Text);
        let found = |text: &str| frame.contains(text);
        assert!(found("gpt  ") && found(" parameters") && !found("gpt  ,"), "{frame}");
        assert!(found("loss") && found("learning rate") && found("test"), "{frame}");
        for text in ["/s", "epoch", "this batch", "batch BN", "train"] {
            let card: Vec<&str> = frame.lines().take(7).collect();
            assert!(!card.iter().skip(2).any(|line| line.contains(text)), "{text}: {frame}");
        }
    }
}
