//! Keys that give orders: directly, after a question, or with a typed line.

use super::{Dashboard, PAUSING};
use crate::app::Action;
use crate::order::{LaneOrder, Note, Order};
use crate::tui::Mode;
use crate::tui::input::edit_of;
use crate::views::{Key, OrderDialog, Typed, Typing};

/// The longest line that can be typed, in bytes.
const LONGEST_LINE: usize = Note::MOST_BYTES;

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
            self.dialog = Some(OrderDialog::Typing(Typing::new(what)));
            self.pacer.answer();
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
        self.dialog = Some(OrderDialog::StopLane(name));
        self.pacer.answer();
    }

    /// Handles a key while a dialog is open.
    pub(super) fn in_dialog(&mut self, mut dialog: OrderDialog, key: Key) {
        self.pacer.answer();
        let closes = match (&mut dialog, key) {
            (_, Key::Escape | Key::Control('c')) => true,
            (OrderDialog::StopLane(lane), Key::Char('y' | 'Y')) => {
                let order = Order::StopLane.for_lane(lane);
                self.order(order, "this lane stops with a checkpoint");
                true
            }
            (OrderDialog::StopLane(_), key) => matches!(key, Key::Char('n' | 'N' | 'q')),
            (OrderDialog::Typing(typing), Key::Enter) => match typing.order() {
                Ok(order) => {
                    let taken = format!("{order}: after this step");
                    self.order(LaneOrder { order, lane: typing.lane.clone() }, &taken);
                    true
                }
                Err(problem) => {
                    typing.problem = Some(problem);
                    false
                }
            },
            (OrderDialog::Typing(typing), key) => {
                self.type_key(typing, key);
                false
            }
        };
        self.dialog = (!closes).then_some(dialog);
    }

    fn type_key(&self, typing: &mut Typing, key: Key) {
        match key {
            Key::Tab | Key::BackTab => {
                let selected = self.app.lane(self.app.selected_lane()).filter(|_| self.app.lanes().len() > 1);
                typing.lane = match typing.lane {
                    None => selected.map(|lane| lane.name().to_owned()),
                    Some(_) => None,
                };
            }
            Key::Char(c) => {
                typing.line.insert(c, LONGEST_LINE);
                typing.problem = None;
            }
            key => {
                if let Some(edit) = edit_of(key) {
                    typing.line.edit(edit);
                    typing.problem = None;
                }
            }
        }
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
