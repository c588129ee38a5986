//! Widgets: they know numbers and a theme, but neither the state nor what the numbers mean. Each accepts any rectangle
//! and any numbers: what does not fit is left out, non-finite values are marked, and where many values share a cell the
//! extremes are shown.

mod axis;
mod canvas;
mod color_scale;
mod extent;
mod heatmap;
mod histogram;
mod label;
mod line_chart;
mod mirrored;
mod places;
mod picture;
mod popup;
mod ridge;
mod strip;
mod table;

pub use crate::printable::{duration, grouped, short};
pub use axis::{Axis, Spacing};
pub use color_scale::{ColorScale, Legend};
pub use extent::{Bucket, Extent};
pub use heatmap::{Heatmap, Matrix};
pub use histogram::HistogramHistory;
pub use label::{
    block_title, clip, clip_start, ending, name_among, pad_left, pad_right, put, put_centered, put_line,
    put_right, width,
};
pub use line_chart::{Between, LineChart, Mark, Series, SeriesKind, Values};
pub use mirrored::{Mirrored, Side};
pub use picture::{Picture, Raster};
pub use places::{Cells, Plot, Rows, Spread};
pub use popup::Popup;
pub use ridge::{Ridge, RidgePlot, Ridges};
pub use strip::Strip;
pub use table::{Column, Table};

#[cfg(test)]
mod any_size;
#[cfg(test)]
mod drawn;
