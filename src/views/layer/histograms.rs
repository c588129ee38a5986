//! The histograms of the cursor's layer over time, and the one at the cursor as bars if there is room; or only those at the
//! cursor, two lanes mirrored about one axis; or all as ridges. The bins are the same for all lanes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Command, NOT_RECORDED, Scene, charts, curves, lanes, ridges};
use crate::app::options::HistogramForm;
use crate::app::{Action, App, Lane, Wanted};
use crate::event::Histogram;
use crate::history::Row;
use crate::metric::{Metric, known};
use crate::printable::{percent, printable};
use crate::theme::Theme;
use crate::views::empty;
use crate::widgets::{self, HistogramHistory, Mirrored, Side};

/// The least height at which the histogram at the cursor has its own rows.
const LEAST_HEIGHT_OF_BARS: u16 = 16;

/// Draws a column for each lane.
pub(super) fn render(app: &App, columns: &[(&Lane, Rect)], scene: &mut Scene<'_>, theme: &Theme) {
    let histories: Vec<Vec<(f64, &Histogram)>> = columns.iter().map(|(lane, _)| history(app, lane)).collect();
    let bins = HistogramHistory::used_bins(histories.iter().flatten().map(|(_, histogram)| *histogram));
    match app.options().histogram_form {
        HistogramForm::Mirrored => return render_mirrored(app, columns, bins, scene.buffer, theme),
        HistogramForm::Ridge => return ridges::render(app, columns, bins, scene, theme),
        HistogramForm::Strip => {}
    }
    let Scene { buffer, hits, .. } = scene;
    for ((lane, area), histograms) in columns.iter().zip(&histories) {
        if area.height < 3 {
            continue;
        }
        let kind = words(app.histogram());
        let long = format!("{kind} over time, in bins 2^k");
        let fits = widgets::width(&long) <= usize::from(area.width);
        let title = if fits { long } else { format!("{kind} over time") };
        widgets::put(buffer, *area, area.x, area.y, &title, theme.heading());
        let body = Rect { y: area.y + 1, height: area.height - 1, ..*area };
        if histograms.is_empty() {
            absence(app, lane, body, buffer, theme);
            continue;
        }
        let bars = if body.height >= LEAST_HEIGHT_OF_BARS { body.height / 3 } else { 0 };
        let (above, below) = super::split(body, body.height - bars);
        let (x, x_name) = (curves::x_range(app), app.options().axis.name());
        let cursor_x = charts::cursor(app);
        let cells = HistogramHistory { histograms, x, x_name, bins, cursor_x }.render(above, buffer, theme);
        if let Some(cells) = cells {
            let lane = Action::SelectLane(lane.idx());
            hits.on(cells.area, move |app, position| {
                let step = cells.at(position).map(|(_, x)| Action::SelectStep(curves::step_at(app, x)));
                [lane].into_iter().chain(step).map(Command::Act).collect()
            });
        }
        render_bars(app, &[*lane], below, bins, buffer, theme);
    }
}

/// The name of a metric in a title; that of another program stays as it is.
pub(super) fn words(metric: Metric) -> String {
    if known::ALL.contains(&metric) { metric.name().replace('_', " ") } else { printable(metric.name()) }
}

/// Says why a lane has no histograms.
pub(super) fn absence(app: &App, lane: &Lane, body: Rect, buffer: &mut Buffer, theme: &Theme) {
    let is_recorded = app.layer_in(lane).is_none_or(|layer| lane.records(layer));
    let metric = app.histogram();
    let none = empty::histograms(app, metric);
    let text = match is_recorded {
        true => curves::absence(app, Wanted::Histograms(metric), &none),
        false => NOT_RECORDED,
    };
    let text = widgets::clip(text, body.width.into(), theme);
    widgets::put_centered(buffer, body, body.height / 2, &text, theme.muted());
}

/// Each two lanes about one axis, in columns across the whole width.
fn render_mirrored(
    app: &App,
    columns: &[(&Lane, Rect)],
    bins: (usize, usize),
    buffer: &mut Buffer,
    theme: &Theme,
) {
    for pair in columns.chunks(2) {
        let whole = pair.iter().map(|(_, area)| *area).reduce(Rect::union).unwrap_or_default();
        let lanes: Vec<&Lane> = pair.iter().map(|(lane, _)| *lane).collect();
        render_bars(app, &lanes, whole, bins, buffer, theme);
    }
}

/// The histograms of one or two lanes at the cursor.
fn render_bars(
    app: &App,
    shown: &[&Lane],
    area: Rect,
    bins: (usize, usize),
    buffer: &mut Buffer,
    theme: &Theme,
) {
    if area.height < 3 {
        return;
    }
    let name = |lane: &&Lane| format!("{} {}", theme.lane_swatch(lane.idx().0), lanes::name(app, lane));
    let names: Vec<String> = shown.iter().map(name).collect();
    let taken: Vec<Option<Row<'_>>> = shown.iter().map(|lane| at_cursor(app, lane)).collect();
    let side = |at: usize| {
        let histogram = taken.get(at)?.as_ref()?.histogram(0)?;
        Some(Side { name: &names[at], histogram, style: lanes::style(shown[at], theme) })
    };
    let kind = words(app.histogram());
    let Some(step) = taken.iter().flatten().map(|row| row.span.last_step).max() else {
        let is_recorded = |lane: &Lane| app.layer_in(lane).is_none_or(|layer| lane.records(layer));
        let text =
            if shown.iter().any(|lane| is_recorded(lane)) { "no histograms yet" } else { NOT_RECORDED };
        widgets::put_centered(buffer, area, area.height / 2, text, theme.muted());
        return;
    };
    let bars = Mirrored { upper: side(0), lower: side(1), bins };
    let most = percent(bars.most() as f32);
    let texts = [
        format!("{kind} at step {step}, in signed powers of two, bars up to {most}"),
        format!("{kind} at step {step}, bars up to {most}"),
        format!("{kind} at step {step}"),
    ];
    let fits = |text: &&String| widgets::width(text) <= usize::from(area.width);
    let title = texts.iter().find(fits).unwrap_or(&texts[2]);
    widgets::put(buffer, area, area.x, area.y, title, theme.heading());
    bars.render(Rect { y: area.y + 1, height: area.height - 1, ..area }, buffer, theme);
}

/// The histogram of the cursor's layer at the cursor.
pub(super) fn at_cursor<'a>(app: &App, lane: &'a Lane) -> Option<Row<'a>> {
    let layer = app.layer_in(lane)?;
    lane.histograms(app.histogram(), layer)?.at(app.step())
}

/// Ends the last histogram, so that it is not drawn beyond the steps it covers.
static NOTHING: Histogram = Histogram { first: 0, counts: Vec::new(), non_finite: 0 };

/// All histograms of the cursor's layer.
pub(super) fn rows<'a>(app: &App, lane: &'a Lane) -> impl Iterator<Item = Row<'a>> + use<'a> {
    let taken = app.layer_in(lane).and_then(|layer| lane.histograms(app.histogram(), layer));
    taken.map(|taken| taken.rows()).into_iter().flatten()
}

fn history<'a>(app: &App, lane: &'a Lane) -> Vec<(f64, &'a Histogram)> {
    let one = |row: Row<'a>| Some((curves::x_of(app, lane, row.span.first_step), row.histogram(0)?));
    let rows = rows(app, lane);
    let mut all: Vec<(f64, &Histogram)> = rows.filter_map(one).collect();
    if let Some((last, _)) = all.last().copied() {
        // The last one extends as far as the one before it; a single one covers only its step.
        let stands = all.len().checked_sub(2).map_or(0.0, |before| last - all[before].0);
        all.push(((last + stands).min(curves::x_of(app, lane, lane.last_step())).max(last), &NOTHING));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::{Scene, View as _};
    use crate::app::{Action, App, specimen};
    use crate::theme::{Background, Characters, Colors, Theme};
    use crate::units::Step;
    use crate::views::{Format, kind_named, snapshot};
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;

    fn frame(app: &App, size: (u16, u16)) -> String {
        let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
        snapshot(app, size, &theme, Format::Text)
    }

    #[test]
    fn mirrored_histograms_take_the_place_of_those_over_time_on_screens_of_any_width() {
        let mut app = specimen::plain_beside_residual();
        app.act(Action::SelectView(kind_named("layer").unwrap()));
        for size in [(100, 40), (200, 50)] {
            assert_eq!(frame(&app, size).matches("activations over time").count(), 2);
        }
        app.act(Action::CycleHistogramForm);
        for size in [(100, 40), (200, 50)] {
            let text = frame(&app, size);
            assert!(!text.contains("over time"), "{text}");
            assert_eq!(text.matches("in signed powers of two, bars up to").count(), 1, "{text}");
            assert!(text.contains("A plain zero") && text.contains("B residual zero"), "{text}");
        }
        app.act(Action::Undo);
        assert!(frame(&app, (100, 40)).contains("activations over time"));
    }

    #[test]
    fn ridges_are_clicked_where_they_are_seen() {
        let mut app = specimen::plain_beside_residual();
        app.act(Action::SelectView(kind_named("layer").unwrap()));
        app.act(Action::CycleHistogramForm);
        app.act(Action::CycleHistogramForm);
        app.act(Action::SelectStep(Step(120)));
        for size in [(80, 24), (120, 40), (200, 50)] {
            let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
            let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
            let mut scene = Scene::new(&mut buffer);
            super::super::Layer.render(&app, Rect::new(0, 0, size.0, size.1), &mut scene, &theme);
            let Scene { buffer, hits, .. } = scene;
            let row = |y| (0..size.0).map(|x| buffer[(x, y)].symbol()).collect::<String>();
            let lines: Vec<String> = (0..size.1).map(row).collect();
            let marked = lines.iter().position(|line| line.contains("> 120")).expect("the cursor's");
            let x = lines[marked].find("> 120").unwrap() as u16 + 3;
            let step = |y: usize| hits.step(&app, (x, y as u16).into());
            assert_eq!(step(marked), Some(Step(120)), "{lines:#?}");
            assert!(step(marked - 1) < step(marked) && step(marked) < step(marked + 1), "{lines:#?}");
        }
    }
}
