//! Property tests over all widgets: for any rectangle, any numbers and every theme, none may panic or draw outside its
//! area.

use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::*;
use crate::event::Histogram;
use crate::theme::{Background, Characters, Colors, Theme};

fn any_theme() -> impl Strategy<Value = Theme> {
    let colors = prop::sample::select(vec![Colors::None, Colors::Sixteen, Colors::TwoFiftySix, Colors::True]);
    let characters = prop::sample::select(vec![Characters::Unicode, Characters::Ascii]);
    (colors, characters).prop_map(|(colors, characters)| Theme::new(colors, Background::Dark, characters))
}

/// Any bit pattern of a float, including NaN, infinities, subnormal and huge ones.
fn any_float() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits)
}

fn any_area() -> impl Strategy<Value = Rect> {
    (0u16..20, 0u16..10, 0u16..90, 0u16..30).prop_map(|(x, y, width, height)| Rect::new(x, y, width, height))
}

/// A buffer around an area; everything outside the area must stay blank.
fn around(area: Rect) -> Buffer {
    Buffer::empty(Rect::new(0, 0, area.right() + 3, area.bottom() + 3))
}

fn only_inside(buffer: &Buffer, area: Rect) -> bool {
    let blank = ratatui::buffer::Cell::EMPTY;
    buffer
        .content()
        .iter()
        .enumerate()
        .all(|(i, cell)| area.contains(buffer.pos_of(i).into()) || *cell == blank)
}

proptest! {
    #[test]
    fn line_chart(
        area in any_area(), theme in any_theme(), values in prop::collection::vec(any_float(), 0..200),
        spacing in 0usize..3, points: bool, cursor in any_float(), whole: bool, ends in (any_float(), any_float()), natural: bool,
    ) {
        let buckets: Vec<Bucket> = values.iter().enumerate().map(|(i, v)| Bucket::of(i as f64, *v)).collect();
        let kind = if points { SeriesKind::Points } else { SeriesKind::Curve };
        let reference = natural.then_some(ends.0.into());
        let series = [Series {
            name: "層 plain", buckets: &buckets, style: Style::new(), mark: '*', kind, read_out: Some(cursor.into()),
            between: whole.then_some(Between { difference: ends.0.into(), per_step: ends.1.into(), mean: Some(cursor.into()) }),
        }];
        let x = if natural { (0.0, values.len() as f64) } else { (ends.0.into(), ends.1.into()) };
        let chart = LineChart { title: "loss", series: &series, x: x.into(), x_name: "step", y: None, spacing: [Spacing::Linear, Spacing::Log, Spacing::SymmetricLog][spacing], values: Values { whole, part: natural.then_some((0.2, 0.4)) }, cursor: Some(cursor.into()), mark: natural.then_some(Mark { x: ends.1.into(), steps: 9 }), reference };
        let mut buffer = around(area);
        let plot = chart.render(area, &mut buffer, &theme);
        prop_assert!(only_inside(&buffer, area));
        plot.x_at(area.x);
        plot.share_at(area.y);
    }

    #[test]
    fn heatmap_strip_and_legend(
        area in any_area(), theme in any_theme(), values in prop::collection::vec(any_float(), 0..200),
        columns in 0usize..20, log: bool, cursor in (0usize..300, any_float()), label_width in 0u16..8,
        ends in (any_float(), any_float()), natural: bool,
    ) {
        let rows = values.len().checked_div(columns).unwrap_or(0);
        let mut matrix = Matrix::new(rows, columns);
        for (i, value) in values.iter().enumerate().take(rows * columns) {
            matrix.merge(i / columns, i % columns, Extent::of(*value));
        }
        let scale = ColorScale::fit(matrix.cells().iter().copied(), log);
        let row_name = |row: usize| row.to_string();
        let map = Heatmap {
            matrix: &matrix, scale, row_name: &row_name, is_tick: &|row, every| row.is_multiple_of(every),
            anchor: natural.then_some(cursor.0 / 2), label_width, x: (ends.0.into(), ends.1.into()),
            x_name: "step", cursor_row: Some(cursor.0), cursor_x: Some(cursor.1.into()),
        };
        let mut buffer = around(area);
        let cells = map.render(area, &mut buffer, &theme);
        prop_assert!(only_inside(&buffer, area));
        cells.at((area.x, area.y).into());

        let extents: Vec<Extent> = values.iter().map(|v| Extent::of(*v)).collect();
        let mut buffer = around(area);
        let strip = Strip { values: &extents, scale, cursor: Some(cursor.0) };
        let spread = strip.render(area, &mut buffer, &theme);
        prop_assert!(only_inside(&buffer, area));
        spread.item_at(area.x);

        let mut buffer = around(area);
        Legend { scale, title: "activation_rms", pointer: Some(cursor.1.into()) }.render(area, &mut buffer, &theme);
        prop_assert!(only_inside(&buffer, area));
    }

    #[test]
    fn histograms(
        area in any_area(), theme in any_theme(), first: u8, counts in prop::collection::vec(any::<u32>(), 0..90),
        non_finite: u32, x in (any_float(), any_float()), bins in (0usize..70, 0usize..70), sides: (bool, bool),
        ridges in 0usize..60, cursor in prop::option::of(0usize..70),
    ) {
        let histogram = Histogram { first, counts, non_finite };
        let history = HistogramHistory {
            histograms: &[(1.0, &histogram), (20.0, &histogram)], x: (x.0.into(), x.1.into()), x_name: "step",
            bins: HistogramHistory::used_bins([&histogram]), cursor_x: Some(3.0),
        };
        let mut buffer = around(area);
        history.render(area, &mut buffer, &theme);
        prop_assert!(only_inside(&buffer, area));
        let mut buffer = around(area);
        let side = |is: bool| is.then_some(Side { name: "層 plain", histogram: &histogram, style: Style::new() });
        Mirrored { upper: side(sides.0), lower: side(sides.1), bins }.render(area, &mut buffer, &theme);
        prop_assert!(only_inside(&buffer, area));
        let mut buffer = around(area);
        let ridges = vec![Ridge { name: "1,200".to_owned(), histogram: &histogram }; ridges];
        let plot = RidgePlot { ridges: &ridges, bins, most: x.0.into(), cursor };
        let places = plot.render(area, &mut buffer, &theme);
        prop_assert!(only_inside(&buffer, area));
        prop_assert!(places.at(area.as_position()).is_none_or(|ridge| ridge < ridges.len()));
    }

    #[test]
    fn table_and_popup(
        area in any_area(), theme in any_theme(), texts in prop::collection::vec("\\PC{0,12}", 0..30),
        selected in 0usize..40, scroll in 0usize..40,
    ) {
        let rows: Vec<Vec<(String, Style)>> =
            texts.iter().map(|text| vec![(text.clone(), Style::new()), ("7".to_owned(), Style::new())]).collect();
        let columns = [
            Column { title: "what", right: false, dispensable: 0 }, Column { title: "n", right: true, dispensable: 2 },
        ];
        let table = Table { columns: &columns, rows: &rows, selected: Some(selected) };
        let mut buffer = around(area);
        let rows = table.render(area, &mut buffer, &theme);
        prop_assert!(only_inside(&buffer, area));
        rows.row_at(area.y);

        let lines: Vec<Line<'_>> = texts.iter().map(|text| Line::from(text.as_str())).collect();
        let mut buffer = around(area);
        Popup { title: "help", lines: &lines, scroll }.render(area, &mut buffer, &theme);
        prop_assert!(only_inside(&buffer, area));
    }
}
