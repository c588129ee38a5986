//! Charts in a grid.

use ratatui::layout::Rect;

/// The least width and height of a chart.
pub(super) const LEAST: (u16, u16) = (38, 8);

/// The places of so many charts, row by row: as many as fit with the least size, at least one.
pub(super) fn tiles(area: Rect, count: usize, least: (u16, u16)) -> Vec<Rect> {
    let columns = (area.width / least.0).clamp(1, count.max(1) as u16);
    let rows = (area.height / least.1).clamp(1, (count as u16).div_ceil(columns).max(1));
    let part = |length: u16, parts: u16, at: u16| (length * at / parts, length * (at + 1) / parts);
    let cell = |at: u16| {
        let (left, right) = part(area.width, columns, at % columns);
        let (top, bottom) = part(area.height, rows, at / columns);
        let gap = u16::from(right < area.width && right > left);
        Rect { x: area.x + left, y: area.y + top, width: right - left - gap, height: bottom - top }
    };
    (0..columns * rows).map(cell).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_fill_the_area_and_none_is_too_small() {
        let area = Rect::new(3, 2, 120, 40);
        let places = tiles(area, 8, LEAST);
        assert_eq!(places.len(), 8);
        assert!(places.iter().all(|place| place.width >= LEAST.0 && place.height >= LEAST.1));
        assert_eq!((places[0].x, places[0].y, places[2].right(), places[7].bottom()), (3, 2, 123, 42));
        for (at, place) in places.iter().enumerate() {
            assert!(places[..at].iter().all(|other| other.intersection(*place).area() == 0), "{places:?}");
        }
        // Where there is room for few, the first ones are drawn.
        assert_eq!(tiles(Rect::new(0, 0, 40, 9), 8, LEAST), [Rect::new(0, 0, 40, 9)]);
        assert_eq!(tiles(Rect::new(0, 0, 0, 0), 3, LEAST).len(), 1);
    }
}
