//! A row of heat cells: one value per layer, from the input at the left to the head at the right.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{ColorScale, Extent, Spread, label};
use crate::theme::{Glyph, Theme};

/// Values in order, spread over the width of a row.
#[derive(Clone, Copy, Debug)]
pub struct Strip<'a> {
    /// The values; missing ones are empty.
    pub values: &'a [Extent],
    /// The shared scale.
    pub scale: ColorScale,
    /// The value to point at; its mark is in the row below, if the area has one.
    pub cursor: Option<usize>,
}

impl Strip<'_> {
    /// Draws all rows but the last in the colours of the values, and the cursor's mark in the last; an area of
    /// one row has no mark. Returns where the values are.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Spread {
        let area = area.intersection(buffer.area);
        let spread = Spread { area, items: self.values.len() };
        if area.is_empty() || self.values.is_empty() {
            return spread;
        }
        let rows = if area.height > 1 { area.height - 1 } else { 1 };
        let width = usize::from(area.width);
        for column in 0..width {
            let (from, to) = share(column, self.values.len(), width);
            let mut extent = Extent::EMPTY;
            self.values[from..to].iter().for_each(|value| extent.merge(*value));
            let x = area.x + column as u16;
            for y in area.y..area.y + rows {
                match self.scale.cell(extent, theme) {
                    Some(heat) => label::put(buffer, area, x, y, &heat.symbol.to_string(), heat.style),
                    None => {
                        label::put(buffer, area, x, y, &theme.glyph(Glyph::Missing).to_string(), theme.axis())
                    }
                };
            }
            if area.height > 1 && self.is_middle_column(column, width) {
                let mark = theme.glyph(Glyph::CursorUp).to_string();
                label::put(buffer, area, x, area.y + rows, &mark, theme.cursor());
            }
        }
        spread
    }

    /// Whether a column is the one in the middle of those that show the cursor's value.
    fn is_middle_column(&self, column: usize, width: usize) -> bool {
        let Some(cursor) = self.cursor else { return false };
        let len = self.values.len();
        let showing = |c: &usize| {
            let (from, to) = share(*c, len, width);
            (from..to).contains(&cursor)
        };
        let first = (0..width).find(showing);
        let last = (0..width).rfind(showing);
        matches!((first, last), (Some(first), Some(last)) if column == usize::midpoint(first, last))
    }
}

/// The range of items that a cell shows when `items` are spread over `cells`; at least one if there are any.
pub(super) fn share(cell: usize, items: usize, cells: usize) -> (usize, usize) {
    if items == 0 || cells == 0 {
        return (0, 0);
    }
    let from = (cell * items / cells).min(items - 1);
    let to = ((cell + 1) * items / cells).clamp(from + 1, items);
    (from, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::{Background, Characters, Colors};
    use proptest::prelude::*;

    #[test]
    fn one_bad_layer_among_many_is_seen() {
        let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
        let mut values = vec![Extent::of(1.0); 500];
        values[321] = Extent::of(f32::NAN);
        let strip =
            Strip { values: &values, scale: ColorScale::fit(values.clone(), true), cursor: Some(321) };
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 2));
        strip.render(buffer.area, &mut buffer, &theme);
        let row = |y| (0..20).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        assert_eq!(row(0).find('N'), Some(12));
        assert_eq!(row(1).trim(), "^");
        assert_eq!(row(1).find('^'), Some(12));
    }

    proptest! {
        #[test]
        fn every_item_is_in_some_cell(items in 1usize..300, cells in 1usize..200) {
            let mut seen = vec![false; items];
            for cell in 0..cells {
                let (from, to) = share(cell, items, cells);
                prop_assert!(from < to && to <= items);
                seen[from..to].fill(true);
            }
            prop_assert!(seen.iter().all(|s| *s));
        }
    }
}
