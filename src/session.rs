//! Threads and channels: a live run's lanes as one stream of `(LaneIdx, RunEvent)`, the runs of a sweep, the listing of
//! a folder of runs, and the control socket through which a run takes orders.

mod permits;
pub mod threads;
pub mod live;
pub mod sweep;
pub mod control;
pub mod presence;
pub mod changes;
pub mod listing;
