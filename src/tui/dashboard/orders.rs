//! Keys that give orders: directly, after a question, or with a typed line.

use super::{Dashboard, PAUSING};
use crate::app::Action;
use crate::order::{LaneOrder, Order};
use crate::tui::Mode;
use crate::views::{Dialog, Typed, Typing};

impl Dashboard<'_> {
    /// Sends an order, and shows a notice.
    pub(super) fn order(&mut self, order: impl Into<LaneOrder>, taken: &str) {
        match self.source.order(&order.into()) {
            Ok(()) => self.notify(taken),
            Err(reason) => self.notify(&reason),
        }
    }

    /// Pauses or resumes the training; in review, the playback.
    pub(super) fn pause(&mut self) {
        if !self.takes_orders() {
            return self.act(Action::TogglePlayback);
        }
        if self.app.is_idle() {
            self.order(Order::Resume, "resuming");
        } else {
            self.order(Order::Pause, PAUSING);
        }
    }

    /// Makes one step and pauses.
    pub(super) fn make_step(&mut self) {
        let taken = if self.app.is_idle() { "making one step" } else { "pausing after one more step" };
        self.order(Order::Step(std::num::NonZeroU64::MIN), taken);
    }

    /// Opens a line for typing an order, if orders are taken.
    pub(super) fn open_typing(&mut self, what: Typed) {
        if self.can_order() {
            self.open(Dialog::Typing(Typing::new(what)));
        }
    }

    /// Asks whether to stop the selected lane.
    pub(super) fn ask_to_stop_lane(&mut self) {
        let Some(lane) = self.app.lane(self.app.selected_lane()) else { return };
        let (name, is_over) = (lane.name().to_owned(), lane.state().is_over());
        if !self.can_order() {
            return;
        }
        if is_over {
            return self.notify("this lane has ended");
        }
        self.open(Dialog::StopLane(name));
    }

    /// Whether there is a training run that takes orders.
    fn takes_orders(&self) -> bool {
        self.source.mode() != Mode::Saved && !self.source.is_ended()
    }

    /// As [`Dashboard::takes_orders`]; if not, tells the user.
    fn can_order(&mut self) -> bool {
        let can = self.takes_orders();
        if !can {
            self.notify("no training here to give orders to");
        }
        can
    }
}
