//! A figure of a comparison as SVG: the median of each group along the key, with a bar from the least to the greatest.

use std::fmt::Write;

use super::html::escaped;
use crate::claims::Compared;
use crate::metric::{Metric, Scale};
use crate::printable::{percent, short};

const WIDTH: f64 = 720.0;
/// The height without the legend.
const HEIGHT: f64 = 300.0;
/// The room at the left, right, top and bottom of the plot, the legend not counted.
const MARGINS: [f64; 4] = [64.0, 16.0, 14.0, 44.0];
/// The height of a row of the legend.
const ROW: f64 = 20.0;
/// Colours of groups in the page's style.
const COLOURS: usize = 8;
/// About as many marks on the vertical axis.
const TICKS: f64 = 5.0;

/// The figure; empty if there is nothing to draw.
pub(super) fn figure(metric: Metric, compared: &Compared) -> String {
    let is_log = metric.scale() == Scale::Log && compared.numbers().all(|x| x > 0.0);
    let scaled = |x: f32| if is_log { f64::from(x).log10() } else { f64::from(x) };
    let low = compared.numbers().map(scaled).fold(f64::INFINITY, f64::min);
    let high = compared.numbers().map(scaled).fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return String::new();
    }
    // Errors and losses are seen against zero.
    let low = if is_log || low < 0.0 { low } else { 0.0 };
    let high = if high > low { high + 0.05 * (high - low) } else { low + 1.0 };
    let [left, right, top, bottom] = MARGINS;
    let (legend, rows) = legend(&compared.grid.groups);
    let (top, height) = (top + rows * ROW, HEIGHT + rows * ROW);
    let y = |x: f32| top + (height - top - bottom) * (1.0 - (scaled(x) - low) / (high - low));
    let places = places(compared);
    let x = |at: usize| left + 20.0 + (WIDTH - left - right - 40.0) * places[at];
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n<title>{}</title>\n",
        escaped(metric.name())
    );
    for tick in ticks(low, high) {
        let value = if is_log { 10f64.powf(tick) } else { tick };
        let text = if metric.unit() == "share" { percent(value as f32) } else { short(value) };
        let at = top + (height - top - bottom) * (1.0 - (tick - low) / (high - low));
        let end = WIDTH - right;
        let _ =
            writeln!(svg, "<line class=\"grid\" x1=\"{left}\" x2=\"{end}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>");
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            left - 8.0,
            at + 4.0
        );
    }
    for (at, value) in compared.grid.values.iter().enumerate() {
        let (x, y) = (x(at), height - bottom + 18.0);
        let _ =
            writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>", escaped(value));
    }
    let name = escaped(compared.grid.name());
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{name}</text>",
        WIDTH / 2.0,
        height - 6.0
    );
    svg.push_str(&legend);
    let is_ordered = compared.grid.numbers().is_some();
    for (group, cells) in compared.cells.iter().enumerate() {
        let colour = format!("var(--c{})", group % COLOURS);
        // Bars of groups at one place must not cover each other.
        let aside = (group as f64 - (compared.cells.len() as f64 - 1.0) / 2.0) * 4.0;
        let mut line = String::new();
        for (at, cell) in cells.iter().enumerate() {
            let ends = cell.finite().next().zip(cell.finite().next_back());
            let Some((median, (least, greatest))) = cell.median().filter(|x| x.is_finite()).zip(ends) else {
                continue;
            };
            let x = x(at) + aside;
            let _ = write!(line, "{x:.1},{:.1} ", y(median));
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                y(least),
                y(greatest)
            );
            let _ =
                writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/>", y(median));
        }
        if is_ordered {
            let line = line.trim_end();
            let _ = writeln!(
                svg,
                "<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// The names of the groups with their colours, and how many rows they take; nothing for a single group.
fn legend(groups: &[String]) -> (String, f64) {
    let (mut svg, mut x, mut row) = (String::new(), MARGINS[0], 1.0);
    if groups.len() < 2 {
        return (svg, 0.0);
    }
    for (group, name) in groups.iter().enumerate() {
        let width = 34.0 + 7.5 * name.chars().count() as f64;
        if x + width > WIDTH && x > MARGINS[0] {
            (x, row) = (MARGINS[0], row + 1.0);
        }
        let y = row * ROW;
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"5\" fill=\"var(--c{})\"/>",
            x + 5.0,
            y - 4.0,
            group % COLOURS
        );
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>", x + 14.0, escaped(name));
        x += width;
    }
    (svg, row)
}

/// The places of the values of the key along the axis, 0 to 1: in proportion if they are numbers.
fn places(compared: &Compared) -> Vec<f64> {
    let count = compared.grid.values.len();
    let evenly = || (0..count).map(|at| (at as f64 + 0.5) / count as f64).collect();
    match compared.grid.numbers() {
        Some(numbers) if count > 1 => {
            let (first, last) = (numbers[0], numbers[count - 1]);
            numbers.iter().map(|x| (x - first) / (last - first)).collect()
        }
        _ => evenly(),
    }
}

/// Round numbers between two others.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let raw = (high - low) / TICKS;
    let power = 10f64.powf(raw.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= raw).unwrap_or(raw);
    let first = (low / step).ceil() as i64;
    (first..).map(|at| at as f64 * step).take_while(|tick| *tick <= high).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(0.0, 1.05), [0.0, 0.5, 1.0]);
        assert_eq!(ticks(0.0, 9.0), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(ticks(-2.0, 0.5), [-2.0, -1.5, -1.0, -0.5, 0.0, 0.5]);
    }
}
