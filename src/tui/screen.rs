//! The screen that the loop draws on: a terminal, with each frame in one synchronized update.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use crossbeam_channel::Select;
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::guard;
use super::output::Output;

/// A screen for frames.
pub(super) trait Screen {
    /// Its current size.
    fn area(&self) -> io::Result<Rect>;

    /// Whether everything drawn has been written. Until then nothing should be drawn; the next frame then shows
    /// everything that has changed in the meantime.
    fn is_ready(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// Adds to a selection a channel that becomes ready when the screen does.
    fn watch<'a>(&'a self, select: &mut Select<'a>) {
        let _ = select;
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
    terminal: Terminal<CrosstermBackend<Pending>>,
    pending: Pending,
    output: Output,
    forgotten: bool,
}

/// The output of a frame, buffered until the frame is complete; shared with the backend, which gives no access to it.
#[derive(Clone, Debug, Default)]
struct Pending(Rc<RefCell<Vec<u8>>>);

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminalScreen {
    /// The screen of a terminal with unknown content.
    pub(super) fn new(output: Output) -> io::Result<TerminalScreen> {
        let pending = Pending::default();
        let terminal = Terminal::new(CrosstermBackend::new(pending.clone()))?;
        Ok(TerminalScreen { terminal, pending, output, forgotten: true })
    }
}

impl Screen for TerminalScreen {
    fn area(&self) -> io::Result<Rect> {
        Ok(Rect::from((ratatui::layout::Position::ORIGIN, self.terminal.size()?)))
    }

    fn is_ready(&self) -> io::Result<bool> {
        self.output.is_idle()
    }

    fn watch<'a>(&'a self, select: &mut Select<'a>) {
        select.recv(self.output.wakeups());
    }

    fn paint(&mut self, render: &mut dyn FnMut(Rect, &mut Buffer)) -> io::Result<usize> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        if std::mem::take(&mut self.forgotten) {
            // Not `clear`: it asks the terminal where its cursor is, and not every terminal answers.
            let area = self.area()?;
            self.terminal.resize(area)?;
        }
        self.terminal.draw(|frame| render(frame.area(), frame.buffer_mut()))?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        let pending = self.pending.0.take();
        self.output.send(&pending);
        Ok(pending.len())
    }

    fn tell(&mut self, sequence: &[u8]) -> io::Result<()> {
        self.output.send(sequence);
        Ok(())
    }

    fn forget(&mut self) {
        self.forgotten = true;
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
