//! The scale that turns numbers into heat colours, shared by every drawing that is to be compared, and its
//! legend.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Axis, Extent, label, number};
use crate::theme::{Glyph, HeatCell, Theme};

/// A span of numbers laid over the heat scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColorScale {
    axis: Axis,
    middle: f64,
}

impl ColorScale {
    /// The scale that holds all extents. Where a cell must choose between its least and its greatest value it
    /// shows the one farther from the scale's middle, so that the extremes of both directions survive.
    pub fn fit(extents: impl IntoIterator<Item = Extent>, log: bool) -> ColorScale {
        ColorScale::new(Axis::fit(extents, log))
    }

    /// The scale over an axis.
    pub fn new(axis: Axis) -> ColorScale {
        ColorScale { axis, middle: 0.5 }
    }

    /// The numbers it spans.
    pub fn axis(self) -> Axis {
        self.axis
    }

    /// The cell of one value; values beyond the ends show as the ends.
    pub fn cell_of(self, value: f64, theme: &Theme) -> HeatCell {
        match self.axis.position(value) {
            Some(place) if value.is_finite() => theme.heat(place),
            _ => theme.heat_non_finite(),
        }
    }

    /// The cell of many values: a mark where one was not finite, else the value farthest from the middle;
    /// nothing where there is none.
    pub fn cell(self, extent: Extent, theme: &Theme) -> Option<HeatCell> {
        if extent.non_finite {
            return Some(theme.heat_non_finite());
        }
        let (min, max) = extent.range()?;
        let (low, high) = (self.axis.position(min.into())?, self.axis.position(max.into())?);
        let farther = if (self.middle - low) > (high - self.middle) { low } else { high };
        Some(theme.heat(farther))
    }
}

/// The scale as a bar with its numbers.
#[derive(Clone, Copy, Debug)]
pub struct Legend<'a> {
    /// The scale.
    pub scale: ColorScale,
    /// What is shown, before the bar.
    pub title: &'a str,
    /// A value to point at.
    pub pointer: Option<f64>,
}

impl Legend<'_> {
    /// Draws it in one row: title, least value, bar, greatest value, the mark of what is not finite.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        if area.is_empty() {
            return;
        }
        let axis = self.scale.axis();
        let (low, high) = (number::short(axis.low()), number::short(axis.high()));
        let kind = if axis.is_log() { "log" } else { "linear" };
        let non_finite = format!(" {} not finite", theme.heat_non_finite().symbol);
        let mut x = area.x;
        if !self.title.is_empty() {
            x = label::put(buffer, area, x, area.y, self.title, theme.heading());
            x = label::put(buffer, area, x, area.y, &format!(" ({kind}) "), theme.muted());
        }
        x = label::put(buffer, area, x, area.y, &low, theme.text());
        x = label::put(buffer, area, x, area.y, " ", theme.text());
        let tail = high.len() + 1;
        let room = usize::from(area.right().saturating_sub(x)).saturating_sub(tail);
        let bar =
            room.min(48).saturating_sub(if room > 24 + non_finite.len() { non_finite.len() } else { 0 });
        let last = (bar.max(2) - 1) as f64;
        let pointed = self
            .pointer
            .and_then(|value| axis.position(value))
            .map(|place| (place.clamp(0.0, 1.0) * last).round());
        for i in 0..bar {
            let fraction = i as f64 / last;
            let heat = theme.heat(fraction);
            if pointed == Some(i as f64) {
                let pointer = theme.glyph(Glyph::CursorDown).to_string();
                label::put(buffer, area, x, area.y, &pointer, theme.on_heat(fraction));
            } else {
                label::put(buffer, area, x, area.y, &heat.symbol.to_string(), heat.style);
            }
            x += 1;
        }
        x = label::put(buffer, area, x, area.y, &format!(" {high}"), theme.text());
        if room > 24 + non_finite.len() {
            label::put(buffer, area, x, area.y, &non_finite, theme.muted());
        }
    }
}
