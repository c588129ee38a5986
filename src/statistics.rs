//! Arithmetic over slices of numbers: moments, products, histograms, quantiles, smoothing, slopes. Pure; knows
//! nothing of networks, logs or screens beyond the histogram's bins.

mod moments;
mod products;
mod histogram;
mod quantiles;
mod smoothing;
mod slope;

pub use histogram::histogram;
pub use moments::{Moments, Sums};
pub use products::Products;
pub use quantiles::quantile;
pub use slope::slope_in_decades;
pub use smoothing::Smoothing;
