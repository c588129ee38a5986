//! The state of the dashboard: a fold over events and actions that reads no clock and never learns whether
//! the run is live or saved.
