//! The one integration test binary; each file beside this one is a room of tests.
mod floors;
mod runlog;
