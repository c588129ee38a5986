//! All statistics of the cursor's layer at the cursor's step, the two lanes side by side.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::lanes;
use crate::app::comparison::between;
use crate::app::{App, Lane};
use crate::metric::{Metric, Scale, known};
use crate::theme::Theme;
use crate::widgets::{Column, Table, short};

/// Draws the table, with the chosen statistic marked and visible.
pub(super) fn render(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    if area.height < 2 {
        return;
    }
    let shown: Vec<&Lane> = match app.pair() {
        Some((a, b)) => vec![a, b],
        None => app.visible_lanes().take(1).collect(),
    };
    let names: Vec<String> = shown.iter().map(|lane| lanes::name(app, lane)).collect();
    // Counts of non-finite values have the longest names, and are usually zero.
    let says_something = |s: Metric| {
        let counts = [known::ACTIVATION_NON_FINITE, known::WEIGHT_GRADIENT_NON_FINITE].contains(&s);
        let zero = || shown.iter().all(|lane| value(app, lane, s).is_none_or(|count| count == 0.0));
        s == app.statistic() || !counts || !zero()
    };
    let of_layers = app.statistics(false).into_iter().filter(|metric| metric.is_of_layers());
    let statistics: Vec<Metric> = of_layers.filter(|s| says_something(*s)).collect();
    let selected = statistics.iter().position(|s| *s == app.statistic());
    let rows: Vec<Vec<(String, Style)>> = statistics.iter().map(|s| row(app, &shown, *s, theme)).collect();
    let mut columns = vec![Column { title: "statistic", right: false, dispensable: 0 }];
    columns.extend(names.iter().map(|name| Column { title: name, right: true, dispensable: 0 }));
    if shown.len() == 2 {
        columns.push(Column { title: "ratio", right: false, dispensable: 1 });
    }
    Table { columns: &columns, rows: &rows, selected }.render(area, buffer, theme);
}

fn row(app: &App, shown: &[&Lane], statistic: Metric, theme: &Theme) -> Vec<(String, Style)> {
    let values: Vec<Option<f32>> = shown.iter().map(|lane| value(app, lane, statistic)).collect();
    let mut cells = vec![(statistic.to_string(), theme.text())];
    for (lane, value) in shown.iter().zip(&values) {
        let style = match value {
            Some(value) if !value.is_finite() => theme.error(),
            _ => lanes::style(lane, theme),
        };
        cells.push((value.map_or("-".to_owned(), |value| short(f64::from(value))), style));
    }
    if let [Some(a), Some(b)] = values.as_slice() {
        let text = match (statistic.scale(), between(statistic.scale(), *a, *b)) {
            (_, None) => "-".to_owned(),
            (Scale::Log, Some(decades)) => format!("x {}", short(10f64.powf(f64::from(decades)))),
            (_, Some(0.0)) => "=".to_owned(),
            (_, Some(difference)) if difference > 0.0 => format!("+ {}", short(f64::from(difference))),
            (_, Some(difference)) => format!("- {}", short(f64::from(-difference))),
        };
        cells.push((text, theme.accent()));
    } else if shown.len() == 2 {
        cells.push(("-".to_owned(), theme.muted()));
    }
    cells
}

fn value(app: &App, lane: &Lane, statistic: Metric) -> Option<f32> {
    lane.layer_value(statistic, app.step(), app.layer_in(lane)?)
}
