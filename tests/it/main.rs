//! The one integration test binary; each file beside this one is a room of tests.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to panic where it stands")]

mod cli;
mod crashes;
mod corpus;
mod damage;
mod dashboard;
mod any_size;
mod app;
mod browser;
mod end_to_end;
mod experiment;
mod failing_disk;
mod fakes;
mod floors;
mod headless;
mod hostile_text;
mod foreign;
mod formats;
mod frames;
mod frozen;
mod law;
mod live;
mod locks;
mod many_lanes;
mod model;
mod orders;
mod out_files;
mod places;
mod pseudo_terminal;
mod reading;
mod replay;
mod runlog;
mod terminal;
mod trainer;
mod training_runs;
mod waiting;
