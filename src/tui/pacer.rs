//! Decides when to draw and how exactly, and how far playback advances. Times are arguments, so that all can be tested.

use std::time::{Duration, Instant};

use super::encoder::Fidelity;
use bucket::Bucket;

pub(super) use cost::Cost;

mod bucket;
mod cost;

/// The least time between two frames without user input: fast enough to watch, and little to send.
pub(super) const FRAME: Duration = Duration::from_millis(100);

/// The least time between frames that respond to the user: held keys repeat every 25 to 40 ms.
const ANSWER: Duration = Duration::from_millis(10);

/// The same where the user wants little motion.
const RARE_FRAME: Duration = Duration::from_secs(1);

/// After a frame with colours that are only nearly right, and without a further change, one that is exact comes this
/// much later.
const SETTLE: Duration = Duration::from_millis(500);

/// The longest gap that the budget may make between two frames before colours are sent more coarsely: 2 frames a second.
const SLOWEST: Duration = Duration::from_millis(500);

/// How many frames in succession must be small enough for 10 a second before colours are sent more finely.
const EASY_FRAMES: u32 = 50;

/// How near colours are while frames come by themselves, from fine to coarse, in Oklab. The first is hardly seen; the
/// heat scale has 64 steps of 0.013 to 0.02.
const NEARNESS: [f64; 3] = [0.02, 0.045, 0.09];

/// Draws only after changes, at most once per frame's time and as the budget allows, or sooner in response to the user.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Whether frames that nobody waits for are rare.
    is_calm: bool,
    last: Option<Instant>,
    /// The least time since the last frame, if something changed.
    changed: Option<Duration>,
    budget: Option<Bucket>,
    /// Whether the last frame responded to the user.
    answered: bool,
    /// Whether the screen shows colours that are only nearly right.
    unsettled: bool,
    /// The place in [`NEARNESS`].
    coarseness: usize,
    /// The number of frames in succession that were small.
    easy: u32,
}

impl Pacer {
    /// A pacer that spends at most so many bytes per second, if that is given, on frames that don't respond to the user.
    pub(super) fn new(budget: Option<u32>) -> Pacer {
        Pacer {
            is_calm: false,
            last: None,
            changed: None,
            budget: budget.map(Bucket::new),
            answered: false,
            unsettled: false,
            coarseness: 0,
            easy: 0,
        }
    }

    /// With rare frames, if the user wants little motion.
    #[must_use]
    pub(super) fn calm(self, is_calm: bool) -> Pacer {
        Pacer { is_calm, ..self }
    }

    /// The least time between two frames that nobody waits for.
    pub(super) fn frame(&self) -> Duration {
        if self.is_calm { RARE_FRAME } else { FRAME }
    }

    /// Records that something visible has changed.
    pub(super) fn change(&mut self) {
        let frame = self.frame();
        self.changed.get_or_insert(frame);
    }

    /// Records that the user changed something, and waits for it.
    pub(super) fn answer(&mut self) {
        self.changed = Some(ANSWER);
    }

    /// Whether a change waits for the next frame.
    pub(super) fn is_changed(&self) -> bool {
        self.changed.is_some()
    }

    /// Whether to draw now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.wait(now) == Some(Duration::ZERO)
    }

    /// How long until the next frame; none while nothing changed.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let gap = self.changed.or(self.unsettled.then_some(SETTLE))?;
        let due = self.last.map_or(now, |last| last + gap);
        // The budget never delays what the user waits for.
        let allowed =
            self.budget.as_ref().filter(|_| gap != ANSWER).and_then(Bucket::solvent_at).unwrap_or(now);
        Some(due.max(allowed).saturating_duration_since(now))
    }

    /// How exactly to show the next frame: in response to the user as nearly as is hardly seen, for held keys and slow
    /// lines; exactly once nothing more changes.
    pub(super) fn fidelity(&self) -> Fidelity {
        match self.changed {
            Some(ANSWER) => Fidelity::Within(NEARNESS[0]),
            Some(_) => Fidelity::Within(NEARNESS[self.coarseness]),
            None => Fidelity::Exact,
        }
    }

    /// Records that a frame was begun.
    pub(super) fn drawn(&mut self, now: Instant) {
        self.answered = self.changed == Some(ANSWER);
        self.last = Some(now);
        self.changed = None;
    }

    /// Records what the frame took, and whether the screen shows it exactly.
    pub(super) fn sent(&mut self, now: Instant, bytes: usize, exact: bool) {
        self.unsettled = !exact;
        let Some(budget) = &mut self.budget else { return };
        budget.spend(now, bytes);
        // Frames that respond to the user say nothing of the next.
        if self.answered {
            return;
        }
        let time = budget.time_of(bytes);
        self.easy = if time <= FRAME { self.easy + 1 } else { 0 };
        // Coarser colours make no frame smaller that was exact, such as the first.
        if time > SLOWEST && !exact {
            self.coarseness = (self.coarseness + 1).min(NEARNESS.len() - 1);
        } else if self.easy >= EASY_FRAMES {
            self.coarseness = self.coarseness.saturating_sub(1);
            self.easy = 0;
        }
    }
}

/// Converts time into whole steps of playback.
#[derive(Debug, Default)]
pub(super) struct Playhead {
    last: Option<Instant>,
    /// The fraction of a step that is due.
    fraction: f64,
}

impl Playhead {
    /// The steps that became due since the last call at a speed; stopping resets it.
    pub(super) fn advance(&mut self, now: Instant, steps_per_second: Option<u32>) -> u64 {
        let Some(speed) = steps_per_second else {
            *self = Playhead::default();
            return 0;
        };
        let elapsed = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.last = Some(now);
        self.fraction += elapsed.as_secs_f64() * f64::from(speed);
        let whole = self.fraction.floor();
        self.fraction -= whole;
        whole as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_drawn_while_nothing_changes() {
        let start = Instant::now();
        let mut pacer = Pacer::new(None);
        assert_eq!(pacer.wait(start), None);
        pacer.change();
        assert!(pacer.is_due(start));
        pacer.drawn(start);
        assert_eq!(pacer.wait(start + Duration::from_secs(9)), None);
    }

    #[test]
    fn a_thousand_changes_a_second_are_ten_frames() {
        let start = Instant::now();
        let mut pacer = Pacer::new(None);
        let mut frames = 0;
        for ms in 0..1000 {
            let now = start + Duration::from_millis(ms);
            pacer.change();
            if pacer.is_due(now) {
                pacer.drawn(now);
                frames += 1;
            }
        }
        assert_eq!(frames, 10);
    }

    #[test]
    fn little_motion_is_a_frame_a_second_but_the_user_does_not_wait() {
        let start = Instant::now();
        let mut pacer = Pacer::new(None).calm(true);
        pacer.drawn(start);
        pacer.change();
        assert_eq!(pacer.wait(start), Some(RARE_FRAME));
        pacer.answer();
        assert_eq!(pacer.wait(start), Some(ANSWER));
    }

    #[test]
    fn the_user_does_not_wait_for_the_next_frame() {
        let start = Instant::now();
        let mut pacer = Pacer::new(None);
        pacer.drawn(start);
        pacer.change();
        assert_eq!(pacer.wait(start), Some(FRAME));
        pacer.answer();
        pacer.change();
        assert_eq!(pacer.wait(start), Some(ANSWER));
        assert!(pacer.is_due(start + ANSWER));
    }

    /// The frames in `seconds` during which something changes all the time, and the bytes that they took; a frame takes
    /// what `size` says for its fidelity.
    fn spend(
        pacer: &mut Pacer,
        start: Instant,
        seconds: u64,
        size: impl Fn(Fidelity) -> usize,
    ) -> (u64, usize) {
        let (mut frames, mut bytes) = (0, 0);
        for ms in 0..seconds * 1000 {
            let now = start + Duration::from_millis(ms);
            pacer.change();
            if pacer.is_due(now) {
                let size = size(pacer.fidelity());
                pacer.drawn(now);
                pacer.sent(now, size, false);
                frames += 1;
                bytes += size;
            }
        }
        (frames, bytes)
    }

    #[test]
    fn the_frame_rate_keeps_the_budget() {
        let start = Instant::now();
        for (size, expected) in [(1_500, 10), (4_000, 5), (10_000, 2)] {
            let mut pacer = Pacer::new(Some(20_000));
            let (frames, bytes) = spend(&mut pacer, start, 60, |_| size);
            assert!(frames.abs_diff(expected * 60) <= 3, "{frames} frames of {size} bytes");
            let saved = (20_000.0 * bucket::MOST_SAVED) as usize;
            assert!(bytes <= 60 * 20_000 + saved + size, "{bytes}");
            assert_eq!(pacer.coarseness, 0, "frames come often enough");
        }
    }

    #[test]
    fn colours_get_coarser_only_where_frames_would_be_too_rare_and_finer_again() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Some(10_000));
        let size = |fidelity| match fidelity {
            Fidelity::Within(near) if near > 0.06 => 2_000,
            Fidelity::Within(near) if near > 0.03 => 6_000,
            _ => 20_000,
        };
        let (frames, bytes) = spend(&mut pacer, start, 60, size);
        assert!(bytes <= 610_000 && frames > 250, "{frames} frames, {bytes} bytes");
        assert_eq!(pacer.coarseness, 2);
        // Little changes any more.
        spend(&mut pacer, start + Duration::from_secs(60), 30, |_| 10);
        assert_eq!(pacer.coarseness, 0);
    }

    #[test]
    fn the_user_does_not_wait_for_the_budget_but_what_is_sent_counts() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Some(1_000));
        pacer.change();
        pacer.drawn(start);
        pacer.sent(start, 30_000, true);
        pacer.change();
        // However much was sent, live frames come again within two seconds or so.
        let wait = pacer.wait(start).unwrap();
        assert!((Duration::from_millis(1900)..Duration::from_millis(2100)).contains(&wait), "{wait:?}");
        pacer.coarseness = 2;
        pacer.answer();
        assert_eq!(pacer.wait(start), Some(ANSWER));
        assert_eq!(pacer.fidelity(), Fidelity::Within(NEARNESS[0]));
    }

    #[test]
    fn colours_settle_once_nothing_changes() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Some(20_000));
        pacer.change();
        pacer.drawn(start);
        pacer.sent(start, 100, false);
        assert_eq!((pacer.wait(start), pacer.fidelity()), (Some(SETTLE), Fidelity::Exact));
        let then = start + SETTLE;
        pacer.drawn(then);
        pacer.sent(then, 100, true);
        assert_eq!(pacer.wait(then), None, "and then nothing is sent");
    }

    #[test]
    fn playback_keeps_its_speed_whatever_the_frames_do() {
        let start = Instant::now();
        let mut playhead = Playhead::default();
        let at = |ms| start + Duration::from_millis(ms);
        let total: u64 =
            [0, 7, 90, 91, 333, 1000].into_iter().map(|ms| playhead.advance(at(ms), Some(64))).sum();
        assert_eq!(total, 64);
        assert_eq!(playhead.advance(at(2000), None), 0);
        assert_eq!(playhead.advance(at(3000), Some(64)), 0);
    }
}
