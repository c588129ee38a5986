//! The screen that the loop draws on: a terminal, with each frame in one synchronized update.

use std::io;

use crossbeam_channel::Select;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};

use super::encoder::{Encoder, Fidelity};
use super::guard;
use super::output::Output;

/// Begins a frame that is shown at once, where the terminal knows that.
const BEGIN: &[u8] = b"\x1b[?2026h";
/// Ends it.
const END: &[u8] = b"\x1b[?2026l";

/// A screen for frames.
pub(super) trait Screen {
    /// Its current size.
    fn area(&self) -> io::Result<Rect>;

    /// Whether everything drawn has arrived, as far as that is known. Until then nothing should be drawn; the next frame
    /// then shows everything that has changed in the meantime.
    fn is_ready(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// Adds to a selection a channel that becomes ready when the screen does.
    fn watch<'a>(&'a self, select: &mut Select<'a>) {
        let _ = select;
    }

    /// How exactly the next frames are shown.
    fn set_fidelity(&mut self, fidelity: Fidelity) {
        let _ = fidelity;
    }

    /// Whether it shows exactly the last frame.
    fn is_exact(&self) -> bool {
        true
    }

    /// All bytes that were written to it.
    fn written(&self) -> u64 {
        0
    }

    /// Captures the mouse, or leaves it to the terminal, which then selects text; returns whether it is captured.
    fn toggle_mouse(&mut self) -> bool {
        false
    }

    /// Draws a frame, without waiting until it is written, and returns its size in bytes.
    fn paint(&mut self, render: &mut dyn FnMut(Rect, &mut Buffer)) -> io::Result<usize>;

    /// Sends the terminal a sequence that draws nothing.
    fn tell(&mut self, sequence: &[u8]) -> io::Result<()>;

    /// Forgets its content, so that the next frame draws every cell.
    fn forget(&mut self);

    /// Stops this process group until it is continued.
    fn suspend(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Sets up the screen again after this process was stopped and continued.
    fn resume(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The terminal.
pub(super) struct TerminalScreen {
    encoder: Encoder,
    frame: Buffer,
    output: Output,
    fidelity: Fidelity,
    exact: bool,
}

impl TerminalScreen {
    /// The screen of a terminal with unknown content.
    pub(super) fn new(output: Output) -> TerminalScreen {
        let frame = Buffer::empty(Rect::ZERO);
        TerminalScreen { encoder: Encoder::default(), frame, output, fidelity: Fidelity::Exact, exact: true }
    }

    /// Waits for what the terminal still answers, so that the shell does not get it.
    pub(super) fn settle(&self) {
        self.output.settle();
    }
}

impl Screen for TerminalScreen {
    fn area(&self) -> io::Result<Rect> {
        let (width, height) = self.output.size()?;
        Ok(Rect::from((ratatui::layout::Position::ORIGIN, Size { width, height })))
    }

    fn is_ready(&self) -> io::Result<bool> {
        self.output.is_idle()
    }

    fn watch<'a>(&'a self, select: &mut Select<'a>) {
        select.recv(self.output.wakeups());
    }

    fn set_fidelity(&mut self, fidelity: Fidelity) {
        self.fidelity = fidelity;
    }

    fn is_exact(&self) -> bool {
        self.exact
    }

    fn written(&self) -> u64 {
        self.output.written()
    }

    fn toggle_mouse(&mut self) -> bool {
        guard::toggle_mouse(&self.output)
    }

    fn paint(&mut self, render: &mut dyn FnMut(Rect, &mut Buffer)) -> io::Result<usize> {
        let area = self.area()?;
        if self.frame.area != area {
            // The terminal may have moved or cut what it showed.
            self.encoder.forget();
            self.frame = Buffer::empty(area);
        }
        self.frame.reset();
        render(area, &mut self.frame);
        let encoded = self.encoder.encode(&self.frame, self.fidelity);
        self.exact = encoded.exact;
        if encoded.bytes.is_empty() {
            return Ok(0);
        }
        Ok(self.output.send_frame(&[BEGIN, &encoded.bytes, END].concat()))
    }

    fn tell(&mut self, sequence: &[u8]) -> io::Result<()> {
        self.output.send(sequence);
        Ok(())
    }

    fn forget(&mut self) {
        self.encoder.forget();
    }

    fn suspend(&mut self) -> io::Result<()> {
        guard::suspend(&self.output)?;
        self.resume()
    }

    fn resume(&mut self) -> io::Result<()> {
        self.forget();
        guard::resume(&self.output)
    }
}
