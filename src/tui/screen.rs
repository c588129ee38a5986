//! What the loop draws on: a terminal, each frame one write within one synchronized update.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// A place for frames.
pub(super) trait Screen {
    /// Its size now.
    fn area(&self) -> io::Result<Rect>;

    /// Draws a frame and answers the bytes it took.
    fn paint(&mut self, render: &mut dyn FnMut(Rect, &mut Buffer)) -> io::Result<usize>;

    /// Forgets what is on it, so that the next frame draws every cell.
    fn forget(&mut self) -> io::Result<()>;
}

/// Standard output.
pub(super) struct TerminalScreen {
    terminal: Terminal<CrosstermBackend<Pending>>,
    pending: Pending,
}

/// What a frame writes, kept until the frame is whole; shared with the backend, which does not give it back.
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
    /// The screen of this process's terminal, cleared.
    pub(super) fn new() -> io::Result<TerminalScreen> {
        let pending = Pending::default();
        let terminal = Terminal::new(CrosstermBackend::new(pending.clone()))?;
        let mut screen = TerminalScreen { terminal, pending };
        screen.forget()?;
        Ok(screen)
    }

    /// Writes all that is pending.
    fn commit(&mut self) -> io::Result<usize> {
        let pending = self.pending.0.take();
        let mut out = io::stdout().lock();
        out.write_all(&pending)?;
        out.flush()?;
        Ok(pending.len())
    }
}

impl Screen for TerminalScreen {
    fn area(&self) -> io::Result<Rect> {
        Ok(Rect::from((ratatui::layout::Position::ORIGIN, self.terminal.size()?)))
    }

    fn paint(&mut self, render: &mut dyn FnMut(Rect, &mut Buffer)) -> io::Result<usize> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| render(frame.area(), frame.buffer_mut()))?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        self.commit()
    }

    fn forget(&mut self) -> io::Result<()> {
        // Not `clear`: it asks the terminal where its cursor is, and not every terminal answers.
        let area = self.area()?;
        self.terminal.resize(area)?;
        self.commit()?;
        Ok(())
    }
}
