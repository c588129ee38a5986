//! skiplane trains plain and residual networks side by side and shows, layer by layer and step by step,
//! what a residual connection does: live in the terminal, and again from the saved run log.
//!
//! The modules are listed in the order of the floors of `docs/ARCHITECTURE.md`: each imports only from those
//! above it in this list.

// 0: words, the plain data that all modules share, small files, and panics for tests.
pub mod panics;
pub mod printable;
pub mod disk;
pub mod units;
pub mod metric;
pub mod structure;
pub mod experiment;
pub mod order;
pub mod event;
// 1: arithmetic, pure functions over slices.
pub mod random;
pub mod statistics;
pub mod history;
// 2: material: data sets, networks, run logs.
pub mod datasets;
pub mod nn;
pub mod model;
pub mod runlog;
pub mod sources;
// 3: the state of the dashboard, and saved runs read into it.
pub mod app;
pub mod reading;
// 4: work: the training loop.
pub mod trainer;
// 5: joints: threads and channels.
pub mod session;
// 6: the state of the list of runs, and verdicts on claims.
pub mod runs_list;
pub mod claims;
// 7: pictures: themes, widgets, views.
pub mod theme;
pub mod widgets;
pub mod views;
// 8: street: the terminal and the command line.
pub mod paths;
pub mod config;
pub mod headless;
pub mod tui;
pub mod cli;
