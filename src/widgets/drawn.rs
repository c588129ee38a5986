//! What tests of widgets share: histograms of some bins, and what a widget draws in ASCII, as lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::event::Histogram;
use crate::theme::{Background, Characters, Colors, Theme};

/// A histogram with these counts in these bins.
pub(super) fn histogram(counts: &[(usize, u32)]) -> Histogram {
    let mut bins = [0; Histogram::BINS];
    counts.iter().for_each(|(bin, count)| bins[*bin] = *count);
    Histogram::from_bins(&bins, 0)
}

/// The lines that are drawn on a screen of a size, without colours, and what `render` returns.
pub(super) fn drawn<T>(
    size: (u16, u16),
    render: impl FnOnce(Rect, &mut Buffer, &Theme) -> T,
) -> (Vec<String>, T) {
    let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    let returned = render(buffer.area, &mut buffer, &theme);
    let row = |y| (0..size.0).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    ((0..size.1).map(row).collect(), returned)
}
