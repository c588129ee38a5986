//! When to draw, and how far playback has come. Both take the time as a number, so that they can be tested.

use std::time::{Duration, Instant};

/// The least time between two frames that nobody asked for: enough to watch, and little to send.
pub(super) const FRAME: Duration = Duration::from_millis(100);

/// The least time before a frame that answers the user: keys that are held down repeat every 25 to 40 ms.
const ANSWER: Duration = Duration::from_millis(10);

/// Draws only what changed, at most once a [`FRAME`], and answers sooner.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    last: Option<Instant>,
    /// The least time since the last frame, where something changed.
    changed: Option<Duration>,
}

impl Pacer {
    /// Something that is drawn has changed.
    pub(super) fn change(&mut self) {
        self.changed.get_or_insert(FRAME);
    }

    /// The user changed something, and waits for it.
    pub(super) fn answer(&mut self) {
        self.changed = Some(ANSWER);
    }

    /// Whether to draw now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.wait(now) == Some(Duration::ZERO)
    }

    /// How long until the next frame; none while nothing changed.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let gap = self.changed?;
        let due = self.last.map_or(now, |last| last + gap);
        Some(due.saturating_duration_since(now))
    }

    /// A frame was begun.
    pub(super) fn drawn(&mut self, now: Instant) {
        self.last = Some(now);
        self.changed = None;
    }
}

/// Turns time into whole steps of playback.
#[derive(Debug, Default)]
pub(super) struct Playhead {
    last: Option<Instant>,
    /// Steps that are due but not whole yet.
    fraction: f64,
}

impl Playhead {
    /// The steps that came due since the last call at a speed; halted, it starts over.
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

/// What the screen itself costs, over all frames so far and the last one.
#[derive(Debug, Default)]
pub(super) struct Cost {
    frames: u64,
    ms: f64,
    bytes: f64,
}

impl Cost {
    /// A frame took this long and wrote this much.
    pub(super) fn frame(&mut self, elapsed: Duration, bytes: usize) {
        self.frames += 1;
        // The average of about the last ten frames.
        let share = 1.0 / (self.frames.min(10) as f64);
        self.ms += (elapsed.as_secs_f64() * 1000.0 - self.ms) * share;
        self.bytes += (bytes as f64 - self.bytes) * share;
    }

    /// It in a few characters.
    pub(super) fn text(&self, conflated: u64) -> Option<String> {
        if self.frames == 0 {
            return None;
        }
        let size = if self.bytes < 1000.0 {
            format!("{:.0} B", self.bytes)
        } else {
            format!("{:.1} kB", self.bytes / 1000.0)
        };
        let dropped = if conflated > 0 { format!(" {conflated} merged") } else { String::new() };
        Some(format!("{:.1} ms {size} a frame{dropped}", self.ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_drawn_while_nothing_changes() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        assert_eq!(pacer.wait(start), None);
        pacer.change();
        assert!(pacer.is_due(start));
        pacer.drawn(start);
        assert_eq!(pacer.wait(start + Duration::from_secs(9)), None);
    }

    #[test]
    fn a_thousand_changes_a_second_are_ten_frames() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
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
    fn the_user_does_not_wait_for_the_next_frame() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        pacer.drawn(start);
        pacer.change();
        assert_eq!(pacer.wait(start), Some(FRAME));
        pacer.answer();
        pacer.change();
        assert_eq!(pacer.wait(start), Some(ANSWER));
        assert!(pacer.is_due(start + ANSWER));
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
