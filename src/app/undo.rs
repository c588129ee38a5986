//! Takes back changes of what is shown: view, metrics, scales, smoothing, axis, hidden lanes and the like. The moves of
//! the cursor are none of them, nor are those of the range of steps, which has its own way back, nor what is open or typed.

use std::collections::VecDeque;

use super::options::Playback;
use super::viewport::Viewports;
use super::{App, Options};

/// The most changes that can be taken back.
const MOST: usize = 100;

/// What is shown, as far as a user chooses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    options: Options,
    hidden: Vec<bool>,
}

/// What was shown before, and what was until it was taken back.
#[derive(Debug, Default)]
pub(super) struct Changes {
    before: VecDeque<Shown>,
    undone: Vec<Shown>,
}

impl Shown {
    /// What a state shows.
    pub(super) fn of(app: &App) -> Shown {
        let options = Options {
            viewports: Viewports::default(),
            playback: Playback::default(),
            help: false,
            tour: None,
            go_to: None,
            scroll: 0,
            chart: None,
            ..app.options.clone()
        };
        Shown { options, hidden: app.hidden.clone() }
    }

    /// Has a state show it again, without changing what is open or plays.
    fn put(self, app: &mut App) {
        let Options { viewports, playback, help, tour, go_to, chart, .. } = std::mem::take(&mut app.options);
        app.options = Options { viewports, playback, help, tour, go_to, chart, ..self.options };
        // Lanes may have been added since.
        for (hidden, was_hidden) in app.hidden.iter_mut().zip(self.hidden) {
            *hidden = was_hidden;
        }
        super::act::settle(app);
    }
}

impl Changes {
    /// Notes what was shown before an action, if it shows something else now.
    pub(super) fn note(&mut self, before: Shown, now: &Shown) {
        if before == *now {
            return;
        }
        self.undone.clear();
        self.before.push_back(before);
        if self.before.len() > MOST {
            self.before.pop_front();
        }
    }
}

/// Shows what was shown before the last change.
pub(super) fn undo(app: &mut App) {
    if let Some(before) = app.changes.before.pop_back() {
        app.changes.undone.push(Shown::of(app));
        before.put(app);
    }
}

/// Makes the change again that was taken back last.
pub(super) fn redo(app: &mut App) {
    if let Some(after) = app.changes.undone.pop() {
        app.changes.before.push_back(Shown::of(app));
        after.put(app);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{Action, specimen};
    use crate::units::{LaneIdx, Step};
    use proptest::prelude::*;

    #[test]
    fn changes_are_taken_back_one_by_one_and_made_again() {
        let mut app = specimen::plain_beside_residual();
        let first = Shown::of(&app);
        app.act(Action::CycleScale);
        app.act(Action::MoveStep(-3));
        app.act(Action::SelectNextStatistic);
        let statistic = app.statistic();
        app.act(Action::ToggleLane(LaneIdx(0)));
        let last = Shown::of(&app);
        let step = app.step();
        app.act(Action::Undo);
        assert!(app.is_visible(LaneIdx(0)));
        app.act(Action::Undo);
        assert_ne!(app.statistic(), statistic);
        app.act(Action::Undo);
        assert_eq!((Shown::of(&app), app.step()), (first.clone(), step));
        app.act(Action::Undo);
        assert_eq!(Shown::of(&app), first);
        (0..4).for_each(|_| app.act(Action::Redo));
        assert_eq!(Shown::of(&app), last);
        assert_eq!(app.selected_lane(), LaneIdx(1), "a hidden lane is not selected");
    }

    #[test]
    fn actions_that_belong_together_are_taken_back_together() {
        let mut app = specimen::plain_beside_residual();
        let first = Shown::of(&app);
        app.act_together(&[Action::CycleAxis, Action::MoveStep(-1), Action::CycleSmoothing]);
        assert_ne!(Shown::of(&app), first);
        app.act(Action::Undo);
        assert_eq!(Shown::of(&app), first);
    }

    #[test]
    fn moves_of_the_cursor_and_what_is_open_are_no_changes() {
        let mut app = specimen::plain_beside_residual();
        for action in
            [Action::SelectStep(Step(9)), Action::MoveLayer(1), Action::ToggleHelp, Action::Scroll(2)]
        {
            app.act(action);
        }
        app.act(Action::Undo);
        assert_eq!(app.step(), Step(9));
        assert!(app.options().help);
        assert!(app.changes.undone.is_empty());
    }

    proptest! {
        #[test]
        fn as_many_undos_as_changes_lead_back(which in proptest::collection::vec(0usize..9, 0..60)) {
            let mut app = specimen::plain_beside_residual();
            let first = Shown::of(&app);
            let actions = [Action::CycleScale, Action::CycleSmoothing, Action::CycleAxis, Action::SelectNextStatistic,
                Action::SelectNextHistogram, Action::ToggleLane(LaneIdx(0)), Action::ToggleLane(LaneIdx(1)),
                Action::ShowAllLanes, Action::MoveStep(-1)];
            for at in &which {
                app.act(actions[*at]);
            }
            let last = Shown::of(&app);
            for _ in &which {
                app.act(Action::Undo);
            }
            prop_assert_eq!(Shown::of(&app), first);
            for _ in &which {
                app.act(Action::Redo);
            }
            prop_assert_eq!(Shown::of(&app), last);
        }
    }
}
