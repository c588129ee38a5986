//! Pictures that the terminal draws itself, in its own pixels, over cells that are left blank: by the graphics protocol of
//! kitty, or as sixels. It knows which ones the terminal shows, and sends only what differs; it neither writes nor reads.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ratatui::layout::Rect;

use super::encoder::Encoder;
use crate::views::Graphic;
use crate::widgets::Raster;

mod kitty;
mod sixel;

/// How a terminal draws pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// The graphics protocol of kitty.
    Kitty,
    /// Sixels, as of the VT340.
    Sixel,
}

/// Asks for kitty graphics, for what else the terminal can, and for the size of a cell in pixels.
pub(super) const QUERY: &[u8] = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c\x1b[16t";

/// What a terminal says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It knows a protocol.
    Knows(Protocol),
    /// The width and height of a cell in pixels.
    Cell(u16, u16),
}

/// What is known of a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) kitty: bool,
    pub(super) sixel: bool,
    /// The width and height of a cell in pixels.
    pub(super) cell: Option<(u16, u16)>,
}

impl Known {
    /// Takes in an answer.
    pub(super) fn learn(&mut self, answer: Answer) {
        match answer {
            Answer::Knows(Protocol::Kitty) => self.kitty = true,
            Answer::Knows(Protocol::Sixel) => self.sixel = true,
            Answer::Cell(width, height) => self.cell = Some((width, height)),
        }
    }

    /// The best protocol.
    pub(super) fn protocol(self) -> Option<Protocol> {
        let all = [(self.kitty, Protocol::Kitty), (self.sixel, Protocol::Sixel)];
        all.into_iter().find(|(knows, _)| *knows).map(|(_, protocol)| protocol)
    }
}

/// A picture in the pixels of a terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fitted<'g> {
    /// Its cells.
    pub(super) area: Rect,
    raster: &'g Raster,
    /// How many pixels of the terminal, across and down, each of its own takes: a square, so that they stay sharp.
    zoom: usize,
    protocol: Protocol,
    id: u32,
}

impl<'g> Fitted<'g> {
    /// A picture as large as its cells, of so many pixels each, allow; none if they are too small, or on the last row of the
    /// screen, where terminals scroll after sixels.
    pub(super) fn new(
        graphic: &'g Graphic,
        protocol: Protocol,
        cell: (u16, u16),
        screen: Rect,
    ) -> Option<Fitted<'g>> {
        let Graphic { area, raster, .. } = graphic;
        let across = usize::from(area.width) * usize::from(cell.0);
        let down = usize::from(area.height) * usize::from(cell.1);
        let zoom = (across / raster.columns.max(1)).min(down / raster.rows.max(1));
        let is_inside = screen.intersection(*area) == *area && area.bottom() < screen.bottom();
        (zoom > 0 && is_inside).then(|| {
            let id = id_of(raster, zoom);
            Fitted { area: *area, raster, zoom, protocol, id }
        })
    }

    fn placed(&self) -> Placed {
        Placed { area: self.area, id: self.id, protocol: self.protocol }
    }
}

/// An id by the content: those of other programs in the same terminal are hardly the same.
fn id_of(raster: &Raster, zoom: usize) -> u32 {
    let mut hasher = DefaultHasher::new();
    (raster, zoom).hash(&mut hasher);
    (hasher.finish() as u32).max(1)
}

/// A picture on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Placed {
    area: Rect,
    id: u32,
    protocol: Protocol,
}

/// The pictures that the terminal shows.
#[derive(Debug, Default)]
pub(super) struct Painter {
    placed: Vec<Placed>,
    /// What kitty was given, whether it is shown or not, the earliest first.
    given: Vec<u32>,
    /// Of that, what it should forget.
    unwanted: Vec<u32>,
}

/// The most pictures that kitty keeps without showing them.
const MOST_KEPT: usize = 256;

impl Painter {
    /// The screen is erased with the next frame.
    pub(super) fn forget(&mut self) {
        self.placed.clear();
        self.unwanted.append(&mut self.given);
    }

    /// What kitty has of ours.
    pub(super) fn given(&self) -> impl Iterator<Item = u32> {
        self.given.iter().chain(&self.unwanted).copied()
    }

    /// Has cells drawn again that show sixels which are not among the next pictures: nothing else erases them.
    pub(super) fn uncover(&self, next: &[Fitted<'_>], encoder: &mut Encoder) {
        let stays = |placed: &&Placed| next.iter().any(|fitted| fitted.placed() == **placed);
        let is_sixel = |placed: &&Placed| placed.protocol == Protocol::Sixel;
        let gone = self.placed.iter().filter(is_sixel).filter(|placed| !stays(placed));
        gone.for_each(|placed| encoder.doubt(placed.area));
    }

    /// The bytes that make the terminal show the next pictures, after the cells; `is_touched` says of an area whether its
    /// rows were written to.
    pub(super) fn update(&mut self, next: &[Fitted<'_>], is_touched: impl Fn(Rect) -> bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for id in self.unwanted.drain(..) {
            bytes.extend(forget(id));
        }
        let placed: Vec<Placed> = next.iter().map(Fitted::placed).collect();
        for gone in self.placed.iter().filter(|before| !placed.contains(before)) {
            if gone.protocol == Protocol::Kitty {
                bytes.extend(kitty::remove(gone.id, gone.area));
            }
        }
        for fitted in next {
            let is_shown = self.placed.contains(&fitted.placed());
            match fitted.protocol {
                Protocol::Sixel if is_shown && !is_touched(fitted.area) => {}
                Protocol::Sixel => bytes.extend(sixel::draw(fitted.raster, fitted.zoom, fitted.area)),
                Protocol::Kitty => {
                    if !self.given.contains(&fitted.id) {
                        bytes.extend(kitty::give(fitted.raster, fitted.zoom, fitted.id));
                        self.given.push(fitted.id);
                    }
                    if !is_shown {
                        bytes.extend(kitty::place(fitted.id, fitted.area));
                    }
                }
            }
        }
        self.placed = placed;
        self.limit(&mut bytes);
        bytes
    }

    /// Has kitty forget the earliest pictures that are not shown, if there are too many.
    fn limit(&mut self, bytes: &mut Vec<u8>) {
        let mut surplus = self.given.len().saturating_sub(MOST_KEPT);
        let placed = &self.placed;
        self.given.retain(|id| {
            let is_kept = surplus == 0 || placed.iter().any(|placed| placed.id == *id);
            if !is_kept {
                surplus -= 1;
                bytes.extend(forget(*id));
            }
            is_kept
        });
    }
}

/// Has kitty forget a picture.
pub(super) fn forget(id: u32) -> Vec<u8> {
    kitty::forget(id)
}

/// Moves the cursor to the first cell of an area.
fn go(area: Rect) -> String {
    format!("\x1b[{};{}H", area.y + 1, area.x + 1)
}

#[cfg(test)]
mod tests;
