//! The screen that the loop draws on: a terminal, with each frame in one synchronized update.

use std::io;

use crossbeam_channel::Select;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};

use super::encoder::{Encoder, Fidelity};
use super::graphics::{Fitted, Painter, Protocol, QUERY};
use super::guard;
use super::output::Output;
use super::sequences::Multiplexer;
use crate::config::Graphics;
use crate::views::Graphic;

/// Begins a frame that is shown at once, where the terminal knows that.
const BEGIN: &[u8] = b"\x1b[?2026h";
/// Ends it.
const END: &[u8] = b"\x1b[?2026l";

/// Draws cells, and returns the pictures among them.
pub(super) type Render<'r> = dyn FnMut(Rect, &mut Buffer) -> Vec<Graphic> + 'r;

/// How pictures are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drawing {
    /// In cells.
    Blocks,
    /// By the terminal.
    By(Protocol),
    /// By the terminal, once it says that it can.
    Unknown,
}

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

    /// Lets the terminal draw pictures, or draws them in cells; returns which.
    fn toggle_graphics(&mut self) -> Drawing {
        Drawing::Blocks
    }

    /// Draws a frame, without waiting until it is written, and returns its size in bytes.
    fn paint(&mut self, render: &mut Render<'_>) -> io::Result<usize>;

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
    painter: Painter,
    has_colours: bool,
    /// How pictures are drawn, and how they are if the terminal may draw them.
    graphics: Graphics,
    wanted: Graphics,
}

impl TerminalScreen {
    /// The screen of a terminal with unknown content. `has_colours` says whether pictures have colours there at all.
    pub(super) fn new(output: Output, graphics: Graphics, has_colours: bool) -> TerminalScreen {
        TerminalScreen {
            encoder: Encoder::default(),
            frame: Buffer::empty(Rect::ZERO),
            output,
            fidelity: Fidelity::Exact,
            exact: true,
            painter: Painter::default(),
            has_colours,
            graphics,
            wanted: if graphics == Graphics::Blocks { Graphics::Auto } else { graphics },
        }
    }

    /// Asks the terminal for what it can draw, if that is of use: tmux and GNU screen don't pass pictures on.
    fn ask(&self) {
        let is_of_use = match self.graphics {
            Graphics::Auto => Multiplexer::detect().is_none(),
            Graphics::Kitty | Graphics::Sixel => true,
            Graphics::Blocks => false,
        };
        if is_of_use && self.has_colours {
            self.output.send(QUERY);
        }
    }

    /// How the terminal draws pictures; none if they are drawn in cells.
    fn protocol(&self) -> Option<Protocol> {
        match self.graphics {
            _ if !self.has_colours => None,
            Graphics::Auto => self.output.known().protocol(),
            Graphics::Kitty => Some(Protocol::Kitty),
            Graphics::Sixel => Some(Protocol::Sixel),
            Graphics::Blocks => None,
        }
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

    fn toggle_graphics(&mut self) -> Drawing {
        if self.graphics != Graphics::Blocks {
            self.graphics = Graphics::Blocks;
            return Drawing::Blocks;
        }
        self.graphics = self.wanted;
        self.ask();
        self.protocol().map_or(Drawing::Unknown, Drawing::By)
    }

    fn paint(&mut self, render: &mut Render<'_>) -> io::Result<usize> {
        let area = self.area()?;
        if self.frame.area != area {
            // The terminal may have moved or cut what it showed, and its cells may have another size.
            self.forget();
            self.ask();
            self.frame = Buffer::empty(area);
        }
        self.frame.reset();
        let graphics = render(area, &mut self.frame);
        let how = self.protocol().zip(self.output.cell());
        let fit = |graphic| how.and_then(|(protocol, cell)| Fitted::new(graphic, protocol, cell, area));
        let pictures: Vec<Fitted<'_>> = graphics.iter().filter_map(fit).collect();
        for at in pictures.iter().flat_map(|picture| picture.area.positions()) {
            self.frame[at].reset();
        }
        self.painter.uncover(&pictures, &mut self.encoder);
        let encoded = self.encoder.encode(&self.frame, self.fidelity);
        self.exact = encoded.exact;
        let drawn = self.painter.update(&pictures, |area| self.encoder.has_touched(area));
        if encoded.bytes.is_empty() && drawn.is_empty() {
            return Ok(0);
        }
        guard::note_pictures(self.painter.given().collect());
        Ok(self.output.send_frame(&[BEGIN, &encoded.bytes, &drawn, END].concat()))
    }

    fn tell(&mut self, sequence: &[u8]) -> io::Result<()> {
        self.output.send(sequence);
        Ok(())
    }

    fn forget(&mut self) {
        self.encoder.forget();
        self.painter.forget();
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
