//! A matrix in heat colours: rows downward (depth), columns to the right (steps), two rows per cell if the terminal has
//! the colours. Where many values share a cell the one farthest from the scale's middle is shown.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::strip::share;
use super::{Axis, Cells, ColorScale, Extent, label, short};
use crate::theme::{Glyph, HeatCell, Theme};

/// Extents in rows and columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    cells: Vec<Extent>,
}

impl Matrix {
    /// A matrix without values.
    pub fn new(rows: usize, columns: usize) -> Matrix {
        Matrix { rows, columns, cells: vec![Extent::EMPTY; rows * columns] }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All cells, row by row.
    pub fn cells(&self) -> &[Extent] {
        &self.cells
    }

    /// Merges values into a cell; places outside are ignored.
    pub fn merge(&mut self, row: usize, column: usize, extent: Extent) {
        if column < self.columns
            && let Some(cell) = self.cells.get_mut(row * self.columns + column)
        {
            cell.merge(extent);
        }
    }

    /// The same with the last row first.
    #[must_use]
    pub fn upside_down(self) -> Matrix {
        let rows = (0..self.rows).rev().flat_map(|row| &self.cells[row * self.columns..][..self.columns]);
        Matrix { cells: rows.copied().collect(), ..self }
    }

    /// The merged extent of a rectangle of cells.
    pub fn extent(&self, rows: (usize, usize), columns: (usize, usize)) -> Extent {
        let mut all = Extent::EMPTY;
        for row in rows.0..rows.1.min(self.rows) {
            let cells = &self.cells[row * self.columns..(row + 1) * self.columns];
            cells[columns.0..columns.1.min(self.columns)].iter().for_each(|cell| all.merge(*cell));
        }
        all
    }
}

/// A matrix with a shared scale, axes and cursor.
#[derive(Clone, Copy)]
pub struct Heatmap<'a> {
    /// The values.
    pub matrix: &'a Matrix,
    /// The scale, shared with other maps.
    pub scale: ColorScale,
    /// The label of a row.
    pub row_name: &'a dyn Fn(usize) -> String,
    /// Whether a row is labelled, given that every n-th is.
    pub is_tick: &'a dyn Fn(usize, usize) -> bool,
    /// A row that is always labelled.
    pub anchor: Option<usize>,
    /// The width of the row labels in cells; 0 for none.
    pub label_width: u16,
    /// The ends of the horizontal axis: the start of the first column and the end of the last.
    pub x: (f64, f64),
    /// What the horizontal axis counts.
    pub x_name: &'a str,
    /// The row at the cursor.
    pub cursor_row: Option<usize>,
    /// The cursor's place on the horizontal axis.
    pub cursor_x: Option<f64>,
}

impl Heatmap<'_> {
    /// The area of the matrix itself.
    fn plot(&self, area: Rect) -> Rect {
        let labels =
            if area.width > self.label_width + 4 && self.label_width > 0 { self.label_width + 1 } else { 0 };
        let below = u16::from(area.height >= 3);
        Rect { x: area.x + labels, width: area.width - labels, height: area.height - below, ..area }
    }

    /// Draws labels, matrix, axis and cursor, and returns where the cells are.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Cells {
        let area = area.intersection(buffer.area);
        let plot = self.plot(area);
        let cells = Cells { area: plot, rows: self.matrix.rows(), x: self.x };
        if plot.is_empty() {
            return cells;
        }
        self.render_cells(plot, buffer, theme);
        self.render_labels(area, plot, buffer, theme);
        if plot.height < area.height {
            self.render_axis(plot, buffer, theme);
        }
        cells
    }

    fn render_cells(&self, plot: Rect, buffer: &mut Buffer, theme: &Theme) {
        let halves = if theme.has_half_cells() { 2 } else { 1 };
        let (across, down) = (usize::from(plot.width), usize::from(plot.height) * halves);
        let cell = |line: usize, column: usize| {
            let rows = share(line, self.matrix.rows(), down);
            let columns = share(column, self.matrix.columns(), across);
            self.scale.cell(self.matrix.extent(rows, columns), theme)
        };
        for y in 0..usize::from(plot.height) {
            for x in 0..across {
                let (symbol, style) = match halves {
                    1 => whole(cell(y, x)),
                    _ => pair(cell(y * 2, x), cell(y * 2 + 1, x), theme),
                };
                let place = (plot.x + x as u16, plot.y + y as u16);
                if let Some(target) = buffer.cell_mut(place) {
                    target.set_char(symbol).set_style(style);
                }
            }
        }
        self.render_crossing(plot, buffer, theme);
    }

    /// Marks the cell where cursor row and cursor column cross.
    fn render_crossing(&self, plot: Rect, buffer: &mut Buffer, theme: &Theme) {
        let (Some(row), Some(column)) = (self.cursor_line(plot), self.cursor_column(plot)) else { return };
        if let Some(cell) = buffer.cell_mut((plot.x + column, plot.y + row)) {
            cell.set_char(if theme.is_ascii() { '+' } else { '┼' });
            cell.set_style(theme.on_heat(theme.heat(0.0)));
        }
    }

    /// The cursor's row on screen, from the plot's top.
    fn cursor_line(&self, plot: Rect) -> Option<u16> {
        self.line_of(self.cursor_row?, plot)
    }

    /// The middle one of the screen's rows that show a row, from the plot's top.
    fn line_of(&self, row: usize, plot: Rect) -> Option<u16> {
        if row >= self.matrix.rows() {
            return None;
        }
        let height = usize::from(plot.height);
        let shows = |line: &usize| {
            let (from, to) = share(*line, self.matrix.rows(), height);
            (from..to).contains(&row)
        };
        let (first, last) = ((0..height).find(shows)?, (0..height).rfind(shows)?);
        Some(usize::midpoint(first, last) as u16)
    }

    /// The cursor's column on screen, from the plot's left.
    fn cursor_column(&self, plot: Rect) -> Option<u16> {
        let x = self.cursor_x?;
        let place = Axis::new(self.x.0, self.x.1, false).position(x)?;
        let inside = (0.0..=1.0).contains(&place) && self.x.0 < self.x.1;
        inside.then(|| ((place * f64::from(plot.width)) as u16).min(plot.width - 1))
    }

    fn render_labels(&self, area: Rect, plot: Rect, buffer: &mut Buffer, theme: &Theme) {
        if plot.x == area.x {
            return;
        }
        let labels = Rect { width: plot.x - area.x, ..area };
        let height = usize::from(plot.height);
        let every = (self.matrix.rows() * 3).div_ceil(height.max(1)).max(1);
        let every = [1, 2, 5, 10, 20, 50, 100, 200, 500].into_iter().find(|n| *n >= every).unwrap_or(every);
        let cursor = self.cursor_line(plot);
        let put = |buffer: &mut Buffer, line: u16, row: usize, style| {
            let name = label::pad_left(&(self.row_name)(row), usize::from(labels.width) - 1);
            label::put(buffer, labels, labels.x, plot.y + line, &name, style);
        };
        let near = |line: u16| move |at: u16| at.abs_diff(line) <= 1;
        let anchor = self.anchor.and_then(|row| self.line_of(row, plot).zip(Some(row)));
        let anchor = anchor.filter(|(line, _)| !cursor.is_some_and(near(*line)));
        let mut drawn = None;
        for line in 0..plot.height {
            let (from, to) = share(usize::from(line), self.matrix.rows(), height);
            let wanted = (from..to).find(|row| (self.is_tick)(*row, every)).filter(|row| drawn != Some(*row));
            let taken = cursor.is_some_and(near(line)) || anchor.is_some_and(|(at, _)| near(line)(at));
            if let Some(row) = wanted.filter(|_| !taken) {
                drawn = Some(row);
                put(buffer, line, row, theme.muted());
            }
        }
        if let Some((line, row)) = anchor {
            put(buffer, line, row, theme.muted());
        }
        if let (Some(line), Some(row)) = (cursor, self.cursor_row) {
            put(buffer, line, row, theme.cursor());
            let mark = theme.glyph(Glyph::CursorRight).to_string();
            label::put(buffer, labels, labels.right() - 1, plot.y + line, &mark, theme.cursor());
        }
    }

    fn render_axis(&self, plot: Rect, buffer: &mut Buffer, theme: &Theme) {
        let row = Rect { y: plot.bottom(), height: 1, ..plot };
        let cursor = self.cursor_column(plot).map(|column| self.cursor_label(row, plot.x + column, theme));
        // The cursor's number has priority over the axis' name and the ticks.
        let taken = cursor.as_ref().map(|(start, text)| (start.saturating_sub(1), start + width(text) + 1));
        let is_clear = |start: u16, stop: u16| taken.is_none_or(|(from, to)| stop <= from || start >= to);
        let name = row.right().saturating_sub(width(self.x_name));
        let end = match is_clear(name, row.right()) {
            true => label::put_right(buffer, row, 0, self.x_name, theme.muted()),
            false => row.right() + 1,
        };
        let x = Axis::new(self.x.0, self.x.1, false);
        // Counts, such as steps, extend by a half at both ends, and have no values in between.
        let counts = [self.x.0, self.x.1].iter().all(|end| end.fract().abs() == 0.5);
        let ticks = x.ticks(usize::from(plot.width / 12).max(1)).into_iter();
        let mut free_from = plot.x;
        for tick in ticks.filter(|tick| !counts || tick.fract() == 0.0) {
            let Some(place) = x.position(tick) else { continue };
            let text = short(tick);
            let start = plot.x + (place * f64::from(plot.width)) as u16;
            let stop = start + width(&text);
            if start >= free_from && stop < end && is_clear(start, stop) {
                free_from = label::put(buffer, row, start, row.y, &text, theme.muted()) + 1;
            }
        }
        if let Some((start, text)) = cursor {
            label::put(buffer, row, start, row.y, &text, theme.cursor());
        }
    }

    /// The cursor's mark with its number after it or, without room there, before it; and its place.
    fn cursor_label(&self, row: Rect, column: u16, theme: &Theme) -> (u16, String) {
        let mark = theme.glyph(Glyph::CursorUp);
        let text = self.cursor_x.map(short).unwrap_or_default();
        if column + 1 + width(&text) <= row.right() {
            (column, format!("{mark}{text}"))
        } else {
            (column.saturating_sub(width(&text)).max(row.x), format!("{text}{mark}"))
        }
    }
}

fn width(text: &str) -> u16 {
    label::width(text) as u16
}

/// A cell that shows one value; blank if there is none.
pub(super) fn whole(heat: Option<HeatCell>) -> (char, Style) {
    heat.map_or((' ', Style::new()), |heat| (heat.symbol, heat.style))
}

/// A cell that shows two values, one above the other. A non-finite value takes the whole cell.
pub(super) fn pair(upper: Option<HeatCell>, lower: Option<HeatCell>, theme: &Theme) -> (char, Style) {
    let bad = theme.heat_non_finite();
    if upper == Some(bad) || lower == Some(bad) {
        return (bad.symbol, bad.style);
    }
    match (upper.and_then(|heat| heat.fill), lower.and_then(|heat| heat.fill)) {
        (Some(upper), Some(lower)) if upper == lower => (' ', Style::new().bg(upper)),
        (Some(upper), Some(lower)) => ('▀', Style::new().fg(upper).bg(lower)),
        (Some(upper), None) => ('▀', Style::new().fg(upper)),
        (None, Some(lower)) => ('▄', Style::new().fg(lower)),
        (None, None) => (' ', Style::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::{Background, Characters, Colors};

    fn lines(buffer: &Buffer) -> Vec<String> {
        let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..buffer.area.height).map(row).collect()
    }

    #[test]
    fn extremes_of_both_directions_survive_where_many_share_a_cell() {
        let mut matrix = Matrix::new(100, 1000);
        for row in 0..100 {
            for column in 0..1000 {
                matrix.merge(row, column, Extent::of(1.0));
            }
        }
        matrix.merge(20, 250, Extent::of(1e4));
        matrix.merge(80, 750, Extent::of(1e-4));
        let scale = ColorScale::fit(matrix.cells().iter().copied(), true);
        let row_name = |row: usize| row.to_string();
        let map = Heatmap {
            matrix: &matrix,
            scale,
            row_name: &row_name,
            is_tick: &|row, every| (row + 1).is_multiple_of(every),
            anchor: None,
            label_width: 0,
            x: (0.0, 1000.0),
            x_name: "",
            cursor_row: None,
            cursor_x: None,
        };
        let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 11));
        map.render(buffer.area, &mut buffer, &theme);
        let lines = lines(&buffer);
        assert_eq!(lines[2].find('@'), Some(5), "{lines:#?}");
        assert_eq!(lines[8].find('.'), Some(15), "{lines:#?}");
    }

    #[test]
    fn a_matrix_is_turned_row_by_row() {
        let mut matrix = Matrix::new(2, 2);
        matrix.merge(0, 1, Extent::of(7.0));
        let turned = matrix.clone().upside_down();
        assert_eq!(turned.extent((1, 2), (1, 2)), Extent::of(7.0));
        assert_eq!(turned.upside_down(), matrix);
    }

    #[test]
    fn a_click_finds_the_row_and_step_that_are_drawn_there() {
        let matrix = Matrix::new(56, 600);
        let row_name = |row: usize| row.to_string();
        let map = Heatmap {
            matrix: &matrix,
            scale: ColorScale::fit([], true),
            row_name: &row_name,
            is_tick: &|row, every| (row + 1).is_multiple_of(every),
            anchor: None,
            label_width: 3,
            x: (0.0, 600.0),
            x_name: "step",
            cursor_row: Some(30),
            cursor_x: Some(300.0),
        };
        let area = Rect::new(5, 2, 64, 21);
        let plot = map.plot(area);
        let (line, column) = (map.cursor_line(plot).unwrap(), map.cursor_column(plot).unwrap());
        let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 30));
        let cells = map.render(area, &mut buffer, &Theme::default());
        let (row, x) = cells.at((plot.x + column, plot.y + line).into()).unwrap();
        assert!(row.abs_diff(30) <= 2 && (x - 300.0).abs() < 12.0, "{row} {x}");
    }

    #[test]
    fn steps_have_no_numbers_in_between() {
        let matrix = Matrix::new(2, 1);
        let map = |x| Heatmap {
            matrix: &matrix,
            scale: ColorScale::fit([], true),
            row_name: &|row| row.to_string(),
            is_tick: &|_, _| false,
            anchor: None,
            label_width: 0,
            x,
            x_name: "step",
            cursor_row: None,
            cursor_x: None,
        };
        let axis = |x| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 4));
            map(x).render(buffer.area, &mut buffer, &Theme::default());
            lines(&buffer).remove(3).split_whitespace().map(str::to_owned).collect::<Vec<String>>()
        };
        assert_eq!(axis((0.5, 1.5)), ["1", "step"]);
        assert_eq!(axis((0.5, 3.5)), ["1", "2", "3", "step"]);
        assert!(axis((0.0, 1.0)).len() > 3);
    }
}
