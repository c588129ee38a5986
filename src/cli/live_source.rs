//! A live run as the dashboard's source of events.

use std::collections::VecDeque;
use std::path::Path;

use crossbeam_channel::Select;

use crate::app::App;
use crate::archive::Shelf;
use crate::event::RunEvent;
use crate::session::live::{Command, Live};
use crate::tui::{Order, Source};
use crate::units::LaneIdx;
use crate::views::Mode;

/// Warnings that wait to be shown; more are left out, since the log has them not either.
const WAITING: usize = 16;

/// A live run that is watched on the dashboard.
pub(super) struct LiveSource<'a> {
    live: &'a mut Live,
    shelf: Shelf,
    problems: VecDeque<String>,
}

impl<'a> LiveSource<'a> {
    pub(super) fn new(live: &'a mut Live) -> LiveSource<'a> {
        let shelf = Shelf::of_logs(live.logs().map(Path::to_owned));
        LiveSource { live, shelf, problems: VecDeque::new() }
    }
}

impl Source for LiveSource<'_> {
    fn mode(&self) -> Mode {
        Mode::Live
    }

    fn watch<'a>(&'a self, select: &mut Select<'a>) {
        select.recv(self.live.bell());
    }

    fn look_up(&mut self, app: &mut App) -> bool {
        self.shelf.look_up(app)
    }

    fn drain(&mut self, fold: &mut dyn FnMut(LaneIdx, &RunEvent, Option<u64>)) {
        self.live.drain_placed(|lane, event, offset| fold(lane, event, offset));
        let names: Vec<String> = self.live.lanes().map(str::to_owned).collect();
        let of_lanes = self.live.take_warnings().into_iter().map(|warning| {
            let name = names.get(warning.lane.0).map(String::as_str).unwrap_or_default();
            format!("{name}: {}", warning.problem)
        });
        let problems = of_lanes.chain(self.live.take_problems());
        self.problems.extend(problems.take(WAITING.saturating_sub(self.problems.len())));
    }

    fn is_ended(&self) -> bool {
        self.live.is_finished()
    }

    fn order(&mut self, order: Order) -> Result<(), String> {
        self.live.command_all(match order {
            Order::Pause => Command::Pause,
            Order::Resume => Command::Resume,
            Order::Checkpoint => Command::Checkpoint,
        });
        Ok(())
    }

    fn problem(&mut self) -> Option<String> {
        self.problems.pop_front()
    }

    fn conflated(&self) -> u64 {
        self.live.filled()
    }
}
