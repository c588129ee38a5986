//! The examples with the greatest loss in the selected lane, or the first that recorded any, with what each lane takes them
//! for: all lanes have the same examples.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{absence, has, length, numbers, tiles};
use crate::app::{App, Lane};
use crate::metric::probed;
use crate::printable::short;
use crate::theme::{Glyph, HeatCell, Rgb, Theme};
use crate::views::{Scene, lanes};
use crate::widgets::{self, Picture};

/// The rows below a picture: its label, and what lanes take it for.
const CAPTION: u16 = 2;
/// The columns that a lane's prediction takes: mark, class, and whether it is right.
const PREDICTION: usize = 4;

/// What the lanes say of the same examples.
struct Said<'a> {
    lane: &'a Lane,
    predictions: Vec<f32>,
}

pub(super) fn render(app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
    let Some(lane) = shown(app) else { return };
    let body = Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area };
    let [worst, labels, losses, pixels] =
        [probed::MISTAKE_EXAMPLE, probed::EXAMPLE_LABEL, probed::EXAMPLE_LOSS, probed::MISTAKE_PICTURES]
            .map(|metric| numbers(app, lane, metric));
    let (Some(worst), Some(labels), Some(losses)) = (worst, labels, losses) else {
        let text = absence(app, probed::MISTAKE_EXAMPLE);
        widgets::put_line(scene.buffer, area, 0, &title(app, lane, None, area.width, theme));
        widgets::put_centered(scene.buffer, body, body.height / 2, text, theme.muted());
        return;
    };
    let known: Vec<usize> = worst.iter().filter(|at| **at >= 1.0).map(|at| *at as usize - 1).collect();
    let said: Vec<Said<'_>> = app
        .visible_lanes()
        .filter_map(|lane| Some(Said { lane, predictions: numbers(app, lane, probed::EXAMPLE_PREDICTION)? }))
        .collect();
    let sides = ["picture_row", "picture_column"].map(|axis| length(lane, axis));
    let channels = length(lane, probed::COLOUR);
    let size = sides[0] * sides[1] * channels;
    let caption = (PREDICTION * said.len()).clamp(9, usize::from(area.width).max(9)) as u16;
    let places = tiles(body, known.len(), sides, (caption, CAPTION), theme);
    let count = (places.len(), known.len());
    widgets::put_line(scene.buffer, area, 0, &title(app, lane, Some(count), area.width, theme));
    if known.is_empty() {
        let text = "no example has a loss that is a number";
        widgets::put_centered(scene.buffer, body, body.height / 2, text, theme.muted());
    }
    for (place, (at, example)) in places.into_iter().zip(known.iter().enumerate()) {
        let pixels = pixels.as_ref().and_then(|all| all.get(at * size..(at + 1) * size));
        let above = Rect { height: place.height - CAPTION, ..place };
        if let Some(pixels) = pixels {
            render_picture(pixels, sides, channels, above, scene, theme);
        }
        let below = Rect { y: above.bottom(), height: CAPTION, ..place };
        let label = labels.get(*example).copied().unwrap_or(f32::NAN);
        let loss = losses.get(*example).map(|loss| format!("  {}", short((*loss).into())));
        let text = format!("is {}{}", short(label.into()), loss.unwrap_or_default());
        widgets::put(scene.buffer, below, below.x, below.y, &text, theme.muted());
        widgets::put_line(scene.buffer, below, 1, &predictions(&said, *example, label, theme));
    }
}

/// The lane whose mistakes are shown.
fn shown(app: &App) -> Option<&Lane> {
    let has = |lane: &&Lane| has(lane, probed::MISTAKE_EXAMPLE);
    app.lane(app.selected_lane()).filter(has).or_else(|| app.visible_lanes().find(has))
}

/// The lane with its error on the examples, and how many of the recorded ones are shown.
fn title(app: &App, lane: &Lane, shown: Option<(usize, usize)>, width: u16, theme: &Theme) -> Line<'static> {
    let name = lanes::name_within(app, lane, usize::from(width) / 3, theme);
    let error = {
        let pair =
            [probed::EXAMPLE_LABEL, probed::EXAMPLE_PREDICTION].map(|metric| numbers(app, lane, metric));
        let known = |labels: &[f32], said: &[f32]| {
            let all: Vec<bool> =
                labels.iter().zip(said).filter(|(l, _)| l.is_finite()).map(|(l, p)| l != p).collect();
            format!("; {} of {} wrong", all.iter().filter(|wrong| **wrong).count(), all.len())
        };
        if let [Some(labels), Some(said)] = &pair { known(labels, said) } else { String::new() }
    };
    let what = match shown {
        Some((some, all)) if some < all => format!("the greatest losses, {some} of {all}, of "),
        _ => "the greatest losses of ".to_owned(),
    };
    let mut spans = vec![
        Span::styled(what, theme.heading()),
        Span::styled(format!("{} {name}", theme.lane_swatch(lane.idx().0)), lanes::style(lane, theme)),
        Span::styled(error, theme.text()),
    ];
    let others = Span::styled(", and what each lane says", theme.muted());
    let used: usize = spans.iter().map(Span::width).sum();
    spans.extend((used + others.width() <= usize::from(width)).then_some(others));
    Line::from(spans)
}

/// What each lane takes an example for, with a mark where that is right.
fn predictions(said: &[Said<'_>], example: usize, label: f32, theme: &Theme) -> Line<'static> {
    let mut spans = Vec::new();
    for Said { lane, predictions } in said {
        let Some(prediction) = predictions.get(example) else { continue };
        let is_right = *prediction == label;
        let style = lanes::style(lane, theme);
        let text = format!("{}{}", theme.lane_swatch(lane.idx().0), short((*prediction).into()));
        spans.push(Span::styled(text, style));
        let right = if is_right { theme.glyph(Glyph::Check).to_string() } else { " ".to_owned() };
        spans.push(Span::styled(format!("{right} "), theme.good()));
    }
    Line::from(spans)
}

/// Draws an image of one channel in gray, or of three in colours; numbers are from 0 to 1, channel by channel.
pub(super) fn render_picture(
    pixels: &[f32],
    [rows, columns]: [usize; 2],
    channels: usize,
    area: Rect,
    scene: &mut Scene<'_>,
    theme: &Theme,
) {
    let byte = |channel: usize, row: usize, column: usize| {
        let number = *pixels.get((channel * rows + row) * columns + column)?;
        number.is_finite().then(|| (number.clamp(0.0, 1.0) * 255.0).round() as u8)
    };
    let pixel = |row: usize, column: usize| -> Option<HeatCell> {
        let first = byte(0, row, column)?;
        let rgb = match channels {
            3 => Rgb(first, byte(1, row, column)?, byte(2, row, column)?),
            _ => Rgb(first, first, first),
        };
        Some(theme.pixel(rgb))
    };
    scene.picture(&Picture { rows, columns, pixel: &pixel }, area, theme);
}
