//! Arithmetic over slices of numbers: moments, products, histograms, slopes. Pure; knows nothing of networks, logs
//! or screens beyond the histogram's bins.

mod alignment;
mod moments;
mod products;
mod histogram;
mod rank_sum;
mod slope;
mod spectrum;

pub use alignment::{alignment, gram};
pub use histogram::histogram;
pub use moments::{Moments, Sums};
pub use products::Products;
pub use rank_sum::rank_sum;
pub use slope::{slope, slope_in_decades};
pub use spectrum::{effective_rank, entropy_rank, singular_values};
