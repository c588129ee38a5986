//! The only threads and channels: a live run's lanes, and the replay of saved ones, as one stream of
//! `(LaneIdx, RunEvent)`.

pub mod replay;
