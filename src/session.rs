//! The only threads and channels: a live run's lanes, and the replay of saved ones, as one stream of
//! `(LaneIdx, RunEvent)`.

mod permits;
pub mod threads;
pub mod live;
pub mod replay;
pub mod curves;
pub mod listing;
