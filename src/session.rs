//! The only threads and channels: a live run's lanes, and the replay of saved ones, as one stream of
//! `(LaneIdx, RunEvent)`; and the channel by which a run takes orders.

mod permits;
pub mod threads;
pub mod live;
pub mod control;
pub mod presence;
pub mod changes;
pub mod listing;
