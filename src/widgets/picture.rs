//! A small picture, two of its pixels in a cell, one above the other, if the terminal has the colours; else one in each two
//! cells, by character.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::heatmap::{pair, whole};
use crate::theme::{HeatCell, Rgb, Theme};

/// The most by which a pixel is enlarged.
const LARGEST: usize = 4;

/// Rows and columns of pixels.
#[derive(Clone, Copy)]
pub struct Picture<'a> {
    /// Rows of pixels.
    pub rows: usize,
    /// Columns of pixels.
    pub columns: usize,
    /// The pixel at a row and a column; none where there is none.
    pub pixel: &'a dyn Fn(usize, usize) -> Option<HeatCell>,
}

/// The pixels of a picture in colours, row by row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Raster {
    /// Rows of pixels.
    pub rows: usize,
    /// Columns of pixels.
    pub columns: usize,
    /// The pixels of all rows.
    pub pixels: Vec<Rgb>,
}

/// The most pixels in a cell that anything can show: no font is larger.
const MOST_IN_CELL: [usize; 2] = [64, 128];

impl Picture<'_> {
    /// Its pixels, and the cells of an area that it takes; none if some pixel has no colour here, or if there are more pixels
    /// than any terminal has there.
    pub fn raster(&self, area: Rect, theme: &Theme) -> Option<(Rect, Raster)> {
        let (width, height) = self.size((area.width, area.height), theme);
        let most = [usize::from(width) * MOST_IN_CELL[0], usize::from(height) * MOST_IN_CELL[1]];
        if !theme.has_half_cells() || self.columns > most[0] || self.rows > most[1] {
            return None;
        }
        let places = (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (row, column)));
        let color = |(row, column)| (self.pixel)(row, column)?.fill.and_then(Rgb::of);
        let pixels: Option<Vec<Rgb>> = places.map(color).collect();
        let raster = Raster { rows: self.rows, columns: self.columns, pixels: pixels? };
        (!raster.pixels.is_empty()).then_some((Rect { width, height, ..area }, raster))
    }

    /// The columns and rows of cells that it takes where there is room for so many: whole multiples of its pixels, or fewer
    /// dots than pixels where there is little room, its sides in proportion.
    pub fn size(&self, room: (u16, u16), theme: &Theme) -> (u16, u16) {
        let [across, down] = dots(theme);
        let most = [usize::from(room.0) / across, usize::from(room.1) * down];
        if most.contains(&0) || self.rows == 0 || self.columns == 0 {
            return (0, 0);
        }
        let zoom = (most[0] / self.columns).min(most[1] / self.rows).min(LARGEST);
        let [columns, rows] = if zoom > 0 {
            [zoom * self.columns, zoom * self.rows]
        } else {
            let scale = (most[0] as f64 / self.columns as f64).min(most[1] as f64 / self.rows as f64);
            [self.columns, self.rows].map(|side| ((side as f64 * scale) as usize).max(1))
        };
        ((columns * across).min(room.0.into()) as u16, rows.div_ceil(down).min(room.1.into()) as u16)
    }

    /// Draws it into the upper left of an area; of pixels that share a dot, the one in the middle is shown.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let area = area.intersection(buffer.area);
        let (width, height) = self.size((area.width, area.height), theme);
        let [across, down] = dots(theme);
        let columns = usize::from(width) / across;
        // As many rows of dots as keep the proportion.
        let rows =
            (self.rows * columns).div_ceil(self.columns.max(1)).clamp(1, usize::from(height).max(1) * down);
        let place = |dot: usize, pixels: usize, dots: usize| {
            ((2 * dot + 1) * pixels / (2 * dots.max(1))).min(pixels - 1)
        };
        let at = |row: usize, column: usize| {
            let is_in = row < rows && self.rows > 0 && self.columns > 0;
            is_in.then(|| (self.pixel)(place(row, self.rows, rows), place(column, self.columns, columns)))?
        };
        for y in 0..height {
            for x in 0..width {
                let (row, column) = (usize::from(y) * down, usize::from(x) / across);
                let (symbol, style) = match down {
                    1 => whole(at(row, column)),
                    _ => pair(at(row, column), at(row + 1, column), theme),
                };
                if let Some(cell) = buffer.cell_mut((area.x + x, area.y + y)) {
                    cell.set_char(symbol).set_style(style);
                }
            }
        }
    }
}

/// Cells across of a dot, and dots down in a cell: a cell is twice as high as wide.
fn dots(theme: &Theme) -> [usize; 2] {
    if theme.has_half_cells() { [1, 2] } else { [2, 1] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::{Background, Characters, Colors};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_picture_fits_and_keeps_its_proportion(
            rows in 1usize..70, columns in 1usize..70, room in (1u16..80, 1u16..40), is_coloured: bool,
        ) {
            let colors = if is_coloured { Colors::True } else { Colors::None };
            let theme = Theme::new(colors, Background::Dark, Characters::Unicode);
            let picture = Picture { rows, columns, pixel: &|_, _| Some(theme.heat(0.5)) };
            let (width, height) = picture.size(room, &theme);
            prop_assert!(width <= room.0 && height <= room.1);
            let mut buffer = Buffer::empty(Rect::new(0, 0, room.0, room.1));
            picture.render(buffer.area, &mut buffer, &theme);
            if usize::from(width) >= 2 * columns && usize::from(height) >= rows {
                let ratio = f64::from(width) / (2.0 * f64::from(height));
                let own = columns as f64 / rows as f64;
                prop_assert!((ratio / own - 1.0).abs() < 0.35, "{} {}", ratio, own);
            }
        }
    }

    #[test]
    fn every_pixel_has_its_place() {
        let theme = Theme::default();
        let picture = Picture {
            rows: 4,
            columns: 3,
            pixel: &|row, column| Some(theme.heat((row * 3 + column) as f64 / 11.0)),
        };
        assert_eq!(picture.size((3, 2), &theme), (3, 2));
        assert_eq!(picture.size((7, 4), &theme), (6, 4), "doubled");
        let mut buffer = Buffer::empty(Rect::new(0, 0, 3, 2));
        picture.render(buffer.area, &mut buffer, &theme);
        let fill = |at: usize| theme.heat(at as f64 / 11.0).fill.unwrap();
        for (x, y) in [(0, 0), (2, 0), (1, 1)] {
            let cell = &buffer[(x, y)];
            let upper = usize::from(y) * 6 + usize::from(x);
            assert_eq!((cell.symbol(), cell.fg, cell.bg), ("▀", fill(upper), fill(upper + 3)));
        }
    }
}
