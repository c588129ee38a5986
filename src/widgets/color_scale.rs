//! The scale that maps numbers to heat colours, shared by all drawings that are compared, and its legend.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::axis::bulk;
use super::{Axis, Extent, label, short};
use crate::theme::{Glyph, HeatCell, Theme};

/// A range of numbers mapped to the heat scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColorScale {
    axis: Axis,
    /// The least and the greatest value, if they are beyond the axis.
    beyond: (Option<f64>, Option<f64>),
    /// Whether zero is in the middle, with different colours for each side.
    signed: bool,
    /// Whether there are non-finite values.
    non_finite: bool,
    /// Why there is nothing to be coloured, so that the axis is made up; none if there is.
    bare: Option<&'static str>,
}

/// The share of values at each end that may be beyond the scale.
const TAIL: f64 = 0.04;
/// Ends are cut only if the rest takes less than this share of the whole.
const WORTH_CUTTING: f64 = 0.6;
/// The fewest cells of a legend's bar.
const LEAST_BAR: usize = 10;

impl ColorScale {
    /// The scale that includes all extents. A cell with several values shows the least or the greatest, whichever is
    /// farther from the scale's middle, so that the extremes of both directions are kept.
    pub fn fit(extents: impl IntoIterator<Item = Extent>, log: bool) -> ColorScale {
        let extents: Vec<Extent> = extents.into_iter().collect();
        let non_finite = extents.iter().any(|extent| extent.non_finite);
        let finite: Vec<(f32, f32)> = extents.iter().filter_map(|extent| extent.range()).collect();
        let bare = match finite.as_slice() {
            [] if non_finite => Some("nothing finite"),
            [] => Some("nothing measured"),
            ends if log && ends.iter().all(|(_, most)| *most <= 0.0) => {
                Some("nothing above 0, so a log scale has no place for it")
            }
            _ => None,
        };
        ColorScale { non_finite, bare, ..ColorScale::new(Axis::fit(extents, log)) }
    }

    /// The scale for the bulk of the values: if a few outliers would take most of it, they are shown in the colours of
    /// its ends, and the legend says how far they go.
    pub fn robust(extents: impl IntoIterator<Item = Extent>, log: bool) -> ColorScale {
        let extents: Vec<Extent> = extents.into_iter().filter(|extent| !extent.is_empty()).collect();
        let whole = ColorScale::fit(extents.iter().copied(), log);
        let (axis, finite) = (whole.axis, extents.iter().filter(|extent| extent.range().is_some()));
        let ends = finite.flat_map(|extent| [extent.min, extent.max]);
        let places: Vec<f64> =
            ends.filter_map(|end| axis.position(end.into())).filter(|place| place.is_finite()).collect();
        let Some((low, high)) = bulk(places.iter().copied(), TAIL, WORTH_CUTTING) else { return whole };
        let least = places.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = places.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let margin = (high - low) * 0.1;
        let (low, high) = ((low - margin).max(least), (high + margin).min(greatest));
        let beyond = |is: bool, place: f64| is.then(|| axis.value(place));
        ColorScale {
            axis: Axis::new(axis.value(low), axis.value(high), log),
            beyond: (beyond(low > least, least), beyond(high < greatest, greatest)),
            ..whole
        }
    }

    /// The same scale made symmetric about zero.
    pub fn about_zero(self) -> ColorScale {
        let most = self.axis.low().abs().max(self.axis.high().abs());
        let (least, greatest) = self.beyond;
        let beyond = (least.filter(|least| *least < -most), greatest.filter(|greatest| *greatest > most));
        ColorScale { axis: Axis::new(-most, most, false), beyond, signed: true, ..self }
    }

    /// The scale over an axis.
    pub fn new(axis: Axis) -> ColorScale {
        ColorScale { axis, beyond: (None, None), signed: false, non_finite: false, bare: None }
    }

    /// The range of numbers.
    pub fn axis(self) -> Axis {
        self.axis
    }

    /// The cell of many values: a mark if one is not finite, else the value farthest from the middle; none without
    /// values.
    pub fn cell(self, extent: Extent, theme: &Theme) -> Option<HeatCell> {
        if extent.non_finite {
            return Some(theme.heat_non_finite());
        }
        let (min, max) = extent.range()?;
        let (low, high) = (self.axis.position(min.into())?, self.axis.position(max.into())?);
        let farther = if 0.5 - low > high - 0.5 { low } else { high };
        Some(self.level(farther, theme))
    }

    /// The cell for a place on the axis.
    fn level(self, place: f64, theme: &Theme) -> HeatCell {
        if self.signed { theme.signed_heat(place) } else { theme.heat(place) }
    }
}

/// A legend: the scale as a bar with numbers.
#[derive(Clone, Copy, Debug)]
pub struct Legend<'a> {
    /// The scale.
    pub scale: ColorScale,
    /// A title before the bar.
    pub title: &'a str,
    /// A value to point at.
    pub pointer: Option<f64>,
}

impl Legend<'_> {
    /// Draws it in one row: title, least value, bar, greatest value, and the mark of non-finite values if there are
    /// any.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        if area.is_empty() {
            return;
        }
        if let Some(why) = self.scale.bare {
            return self.render_bare(why, area, buffer, theme);
        }
        let axis = self.scale.axis();
        let (low, high) = (short(axis.low()), short(axis.high()));
        let wide = area.width >= 90;
        let low =
            self.scale.beyond.0.filter(|_| wide).map_or(low.clone(), |least| {
                format!("{} {} {low}", short(least), theme.glyph(Glyph::Ellipsis))
            });
        let high = self.scale.beyond.1.filter(|_| wide).map_or(high.clone(), |greatest| {
            format!("{high} {} {}", theme.glyph(Glyph::Ellipsis), short(greatest))
        });
        let kind = match (self.scale.signed, axis.is_log()) {
            (true, _) => "about zero",
            (_, true) => "log",
            (_, false) => "linear",
        };
        let non_finite = match self.scale.non_finite {
            true => format!(" {} not finite", theme.heat_non_finite().symbol),
            false => String::new(),
        };
        let mut x = area.x;
        if !self.title.is_empty() {
            // The bar has priority over the title if there is no room for both.
            let room = usize::from(area.width).saturating_sub(low.len() + high.len() + 2 + LEAST_BAR);
            let kind = format!(" ({kind}) ");
            let kind = if label::width(self.title) + kind.len() <= room { kind } else { " ".to_owned() };
            let title = label::clip(self.title, room.saturating_sub(kind.len()), theme);
            x = label::put(buffer, area, x, area.y, &title, theme.heading());
            x = label::put(buffer, area, x, area.y, &kind, theme.muted());
        }
        x = label::put(buffer, area, x, area.y, &low, theme.text());
        x = label::put(buffer, area, x, area.y, " ", theme.text());
        let tail = label::width(&high) + 1;
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
            let heat = self.scale.level(fraction, theme);
            if pointed == Some(i as f64) {
                let pointer = theme.glyph(Glyph::CursorDown).to_string();
                label::put(buffer, area, x, area.y, &pointer, theme.on_heat(heat));
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

    /// Where there is nothing to be coloured, says so in place of a scale.
    fn render_bare(&self, why: &str, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let mut x = area.x;
        if !self.title.is_empty() {
            let title = label::clip(self.title, usize::from(area.width) / 2, theme);
            x = label::put(buffer, area, x, area.y, &format!("{title} "), theme.heading());
        }
        let room = usize::from(area.right().saturating_sub(x));
        label::put(buffer, area, x, area.y, &label::clip(why, room, theme), theme.muted());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_outliers_do_not_take_the_colours_of_the_rest() {
        let bulk = (0..1000).map(|i| Extent::of(1.0 + i as f32 / 1000.0));
        let scale = ColorScale::robust(bulk.clone().chain([Extent::of(1e9)]), true);
        assert!(scale.axis().high() < 3.0, "{scale:?}");
        assert!(
            scale.beyond.0.is_none() && scale.beyond.1.is_some_and(|most| (most / 1e9 - 1.0).abs() < 1e-6)
        );
        assert_eq!(ColorScale::robust(bulk.clone(), true).axis(), ColorScale::fit(bulk, true).axis());
    }

    #[test]
    fn what_is_not_finite_is_explained_only_where_it_is() {
        let legend = |values: [f32; 2]| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 1));
            let scale = ColorScale::robust(values.map(Extent::of), true);
            Legend { scale, title: "loss", pointer: None }.render(
                buffer.area,
                &mut buffer,
                &Theme::default(),
            );
            buffer.content().iter().map(|cell| cell.symbol()).collect::<String>()
        };
        assert!(!legend([1.0, 2.0]).contains("not finite"));
        assert!(legend([1.0, f32::NAN]).contains("× not finite"));
    }

    #[test]
    fn no_scale_is_made_up_where_there_is_nothing_to_colour() {
        let legend = |value: f32, log| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 90, 1));
            let scale = ColorScale::robust([Extent::of(value)], log);
            Legend { scale, title: "loss", pointer: None }.render(
                buffer.area,
                &mut buffer,
                &Theme::default(),
            );
            buffer.content().iter().map(|cell| cell.symbol()).collect::<String>()
        };
        assert!(legend(0.0, true).contains("nothing above 0"), "{}", legend(0.0, true));
        assert!([false, true].into_iter().all(|log| legend(f32::NAN, log).contains("nothing finite")));
        assert!(legend(0.0, false).contains("linear") && legend(2.0, true).contains("log"));
    }

    #[test]
    fn zero_is_in_the_middle_of_a_signed_scale_whatever_the_values_are() {
        for values in [[-3.0, 1.0], [0.5, 2.0], [-2.0, -1.0], [0.0, 0.0]] {
            let scale = ColorScale::fit(values.map(Extent::of), false).about_zero();
            assert_eq!(scale.axis().position(0.0), Some(0.5), "{values:?}");
            let theme = Theme::default();
            assert_eq!(scale.level(scale.axis.position(0.0).unwrap(), &theme), theme.signed_heat(0.5));
        }
    }
}
