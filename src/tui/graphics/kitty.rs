//! The graphics protocol of kitty (sw.kovidgoyal.net/kitty/graphics-protocol): a picture is given once, compressed, and
//! then shown, moved and removed by its id. No command asks for an answer (`q=2`).

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use ratatui::layout::Rect;

use super::go;
use crate::tui::sequences::base64;
use crate::widgets::Raster;

/// The most bytes of a part.
pub(super) const MOST_OF_PART: usize = 4_096;

/// Gives a picture, each of its pixels as a square of so many.
pub(super) fn give(raster: &Raster, zoom: usize, id: u32) -> Vec<u8> {
    let text = base64(&compressed(raster, zoom));
    let (width, height) = (raster.columns * zoom, raster.rows * zoom);
    let mut bytes = Vec::with_capacity(text.len() + text.len() / 100 + 100);
    let mut parts = text.as_bytes().chunks(MOST_OF_PART).peekable();
    let mut head = format!("a=t,f=24,o=z,s={width},v={height},i={id},q=2,");
    while let Some(part) = parts.next() {
        let more = u8::from(parts.peek().is_some());
        bytes.extend(format!("\x1b_G{head}m={more};").into_bytes());
        bytes.extend(part);
        bytes.extend(b"\x1b\\");
        head = "q=2,".to_owned();
    }
    bytes
}

/// The pixels, three bytes each, as a zlib stream (RFC 1950); rows that repeat take few bytes.
fn compressed(raster: &Raster, zoom: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    for row in raster.pixels.chunks(raster.columns.max(1)) {
        let wide: Vec<u8> =
            row.iter().flat_map(|rgb| std::iter::repeat_n([rgb.0, rgb.1, rgb.2], zoom)).flatten().collect();
        for _ in 0..zoom {
            // Writing to memory does not fail.
            let _ = encoder.write_all(&wide);
        }
    }
    encoder.finish().unwrap_or_default()
}

/// Shows a picture with its upper left corner in that of an area; the cursor stays there.
pub(super) fn place(id: u32, area: Rect) -> Vec<u8> {
    format!("{}\x1b_Ga=p,i={id},p={},C=1,q=2\x1b\\", go(area), placement(area)).into_bytes()
}

/// Removes a picture from a place.
pub(super) fn remove(id: u32, area: Rect) -> Vec<u8> {
    format!("\x1b_Ga=d,d=i,i={id},p={},q=2\x1b\\", placement(area)).into_bytes()
}

/// Removes a picture from all places, and frees its memory.
pub(super) fn forget(id: u32) -> Vec<u8> {
    format!("\x1b_Ga=d,d=I,i={id},q=2\x1b\\").into_bytes()
}

/// A number for each place.
fn placement(area: Rect) -> u32 {
    (u32::from(area.y) << 16 | u32::from(area.x)) + 1
}
