//! A live run as the dashboard's source of events.

use std::collections::VecDeque;
use std::path::Path;

use crossbeam_channel::Select;

use crate::app::{App, Need};
use crate::order::LaneOrder;
use crate::reading::{IndexWriter, Library};
use crate::session::live::Live;
use crate::tui::{Mode, Source};

/// The most warnings waiting to be shown; more are dropped.
const WAITING: usize = 16;
/// The most warnings kept to be printed after the dashboard.
const KEPT: usize = 64;

/// A live run shown on the dashboard.
pub(super) struct LiveSource<'a> {
    live: &'a mut Live,
    indexes: &'a mut IndexWriter,
    library: Library,
    problems: VecDeque<String>,
    warnings: Vec<String>,
}

impl<'a> LiveSource<'a> {
    /// The source of a run, with notes to be shown first.
    pub(super) fn new(
        live: &'a mut Live,
        indexes: &'a mut IndexWriter,
        notes: Vec<String>,
    ) -> LiveSource<'a> {
        let library = Library::of_logs(live.logs().map(Path::to_owned));
        LiveSource { live, indexes, library, problems: notes.into(), warnings: Vec::new() }
    }

    /// The first warnings of the run, in order.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl Source for LiveSource<'_> {
    fn mode(&self) -> Mode {
        Mode::Live
    }

    fn watch<'a>(&'a self, select: &mut Select<'a>) {
        select.recv(self.live.wakeups());
    }

    fn answer(&mut self, app: &mut App, needs: &[Need]) -> bool {
        self.library.answer_soon(app, needs)
    }

    fn watch_answers<'a>(&'a self, select: &mut Select<'a>) {
        self.library.watch(select);
    }

    fn collect(&mut self, app: &mut App) -> bool {
        self.library.collect(app)
    }

    fn drain(&mut self, app: &mut App) -> bool {
        let mut news = false;
        self.live.drain(|lane, event, offset| {
            app.apply_at(lane, event, offset);
            news = true;
        });
        self.indexes.offer(app, |lane| self.live.delivered(lane));
        let problems = self.live.take_all_problems();
        let kept = KEPT.saturating_sub(self.warnings.len());
        self.warnings.extend(problems.iter().take(kept).cloned());
        let shown = WAITING.saturating_sub(self.problems.len());
        self.problems.extend(problems.into_iter().take(shown));
        news
    }

    fn is_ended(&self) -> bool {
        self.live.is_finished()
    }

    fn order(&mut self, order: &LaneOrder) -> Result<(), String> {
        self.live.orders().send(order).map_err(|error| error.to_string())
    }

    fn problem(&mut self) -> Option<String> {
        self.problems.pop_front()
    }

    fn conflated(&self) -> u64 {
        self.live.filled()
    }
}
