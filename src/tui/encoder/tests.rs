//! Tests of the encoder against a terminal: whatever was shown before, it shows the frame afterwards.

use std::num::NonZeroU16;

use proptest::prelude::*;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::*;

const SIZE: (u16, u16) = (17, 6);

fn terminal() -> vt100::Parser {
    let cells = |count| NonZeroU16::new(count).unwrap();
    vt100::Parser::new(cells(SIZE.1), cells(SIZE.0), 0)
}

fn color() -> impl Strategy<Value = Color> {
    prop_oneof![
        2 => Just(Color::Reset),
        2 => (0u8..4, 0u8..2).prop_map(|(tone, hue)| Color::Rgb(100 + tone, 90 + 80 * hue, 100)),
        1 => (16u8..19).prop_map(Color::Indexed),
        1 => proptest::sample::select(vec![Color::Red, Color::Gray, Color::DarkGray, Color::LightBlue]),
    ]
}

fn style() -> impl Strategy<Value = Style> {
    let modifiers =
        [Modifier::BOLD, Modifier::DIM, Modifier::ITALIC, Modifier::UNDERLINED, Modifier::REVERSED];
    let modifier = proptest::sample::subsequence(modifiers.to_vec(), 0..=2)
        .prop_map(|some| some.into_iter().fold(Modifier::empty(), |all, one| all | one));
    let modifier = prop_oneof![3 => Just(Modifier::empty()), 1 => modifier];
    (color(), color(), modifier)
        .prop_map(|(fg, bg, modifier)| Style::new().fg(fg).bg(bg).add_modifier(modifier))
}

/// Texts at places, over a frame that may be mostly blank.
fn frame(wide: bool) -> impl Strategy<Value = Buffer> {
    let text = if wide { "[ a█▀▄表e\u{301}]{1,9}" } else { "[ ab█▀▄⣿]{1,17}" };
    let put = (0..SIZE.0, 0..SIZE.1, text, style());
    proptest::collection::vec(put, 0..24).prop_map(|all| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
        for (x, y, text, style) in all {
            buffer.set_string(x, y, text, style);
        }
        // The terminal of this test knows only one of the two.
        for cell in &mut buffer.content {
            if cell.modifier.contains(Modifier::BOLD) {
                cell.modifier.remove(Modifier::DIM);
            }
        }
        buffer
    })
}

fn color_of(color: Color) -> vt100::Color {
    let named = [(Color::Red, 1), (Color::Gray, 7), (Color::DarkGray, 8), (Color::LightBlue, 12)];
    match color {
        Color::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
        Color::Indexed(index) => vt100::Color::Idx(index),
        color => named
            .iter()
            .find(|(name, _)| *name == color)
            .map_or(vt100::Color::Default, |(_, at)| vt100::Color::Idx(*at)),
    }
}

/// A cell's two halves, of which a half block shows one in each colour; none for other symbols.
fn halves<C: Copy>(symbol: &str, fg: C, bg: C) -> Option<(C, C)> {
    match symbol {
        "▀" => Some((fg, bg)),
        "▄" => Some((bg, fg)),
        _ => None,
    }
}

/// Asserts that a terminal shows a frame, with colours for which `near` holds.
fn assert_shows(parser: &vt100::Parser, frame: &Buffer, near: &mut dyn FnMut(vt100::Color, Color) -> bool) {
    let area = frame.area;
    for y in 0..area.height {
        let mut covered = 0;
        for x in 0..area.width {
            let (shown, cell) = (parser.screen().cell(y, x).unwrap(), &frame[(x, y)]);
            if covered > 0 {
                covered -= 1;
                continue;
            }
            covered = cell.symbol().width().saturating_sub(1);
            if x + covered as u16 >= area.width {
                break;
            }
            let contents = if shown.contents().is_empty() { " " } else { shown.contents() };
            let at = format!("at {x}, {y}: {contents:?} for {cell:?}");
            let has = cell.modifier;
            assert_eq!(shown.bold(), has.contains(Modifier::BOLD), "{at}");
            assert_eq!(shown.dim(), has.contains(Modifier::DIM), "{at}");
            assert_eq!(shown.inverse(), has.contains(Modifier::REVERSED), "{at}");
            assert_eq!(shown.underline(), has.contains(Modifier::UNDERLINED), "{at}");
            let by_halves = halves(contents, shown.fgcolor(), shown.bgcolor()).zip(halves(
                cell.symbol(),
                cell.fg,
                cell.bg,
            ));
            if let Some(((top, bottom), wanted)) = by_halves {
                assert!(near(top, wanted.0) && near(bottom, wanted.1), "{at}");
                continue;
            }
            assert_eq!(contents, cell.symbol(), "{at}");
            assert!(near(shown.bgcolor(), cell.bg), "{at}");
            assert!(!has_ink(cell) || near(shown.fgcolor(), cell.fg), "{at}");
        }
    }
}

fn exactly(shown: vt100::Color, wanted: Color) -> bool {
    shown == color_of(wanted)
}

fn frames() -> impl Strategy<Value = Vec<Buffer>> {
    proptest::collection::vec(prop_oneof![4 => frame(false), 1 => frame(true)], 1..5)
}

proptest! {
    #[test]
    fn the_terminal_shows_each_frame(frames in frames()) {
        let (mut encoder, mut terminal) = (Encoder::default(), terminal());
        terminal.process(b"what was there before\x1b[31;1m");
        for frame in &frames {
            let encoded = encoder.encode(frame, Fidelity::Exact);
            terminal.process(&encoded.bytes);
            prop_assert!(encoded.exact);
            assert_shows(&terminal, frame, &mut exactly);
            prop_assert_eq!(encoder.encode(frame, Fidelity::Exact).bytes, b"");
        }
    }

    #[test]
    fn colours_are_as_near_as_wanted_and_then_exact(frames in frames()) {
        let (mut encoder, mut terminal) = (Encoder::default(), terminal());
        let most = 0.02;
        let mut tones = Tones::default();
        for frame in &frames {
            let encoded = encoder.encode(frame, Fidelity::Within(most));
            terminal.process(&encoded.bytes);
            let mut all_exact = true;
            assert_shows(&terminal, frame, &mut |shown, wanted| {
                all_exact &= exactly(shown, wanted);
                let shown = match shown {
                    vt100::Color::Rgb(r, g, b) => Color::Rgb(r, g, b),
                    vt100::Color::Idx(index @ 16..) => Color::Indexed(index),
                    shown => return shown == color_of(wanted),
                };
                tones.are_near(shown, wanted, Fidelity::Within(most))
            });
            prop_assert!(all_exact || !encoded.exact, "it says that it is exact");
        }
        let last = frames.last().unwrap();
        terminal.process(&encoder.encode(last, Fidelity::Exact).bytes);
        assert_shows(&terminal, last, &mut exactly);
    }
}

/// The bytes from one row to another.
fn bytes(before: &str, after: &str, style: Style) -> String {
    let row = |text: &str| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 60, 1));
        buffer.set_string(0, 0, text, style);
        buffer
    };
    let mut encoder = Encoder::default();
    encoder.encode(&row(before), Fidelity::Exact);
    String::from_utf8(encoder.encode(&row(after), Fidelity::Exact).bytes).unwrap()
}

#[test]
fn a_frame_takes_few_bytes() {
    let plain = Style::new();
    assert_eq!(bytes("step 10", "step 11", plain), "\x1b[1;7H1");
    // What lies between is shorter than a sequence that moves.
    assert_eq!(bytes("10 a 10", "11 a 11", plain), "\x1b[1;2H1 a 11");
    assert_eq!(bytes("a long text that ends", "a long", plain), "\x1b[1;8H\x1b[K");
    let bold = Style::new().fg(Color::Rgb(1, 2, 3)).add_modifier(Modifier::BOLD);
    assert_eq!(bytes("a", "b", bold), "\x1b[H\x1b[1;38;2;1;2;3mb\x1b[m");
}

#[test]
fn a_half_block_is_turned_where_its_other_half_has_the_colour_already() {
    let (a, b, c) = (Color::Rgb(10, 0, 0), Color::Rgb(0, 10, 0), Color::Rgb(0, 0, 10));
    let mut buffer = Buffer::empty(Rect::new(0, 0, 3, 1));
    buffer.set_string(0, 0, "▀", Style::new().fg(a).bg(b));
    buffer.set_string(1, 0, "▀", Style::new().fg(b).bg(a));
    buffer.set_string(2, 0, "▀", Style::new().fg(b).bg(c));
    let mut encoder = Encoder::default();
    let text = String::from_utf8(encoder.encode(&buffer, Fidelity::Exact).bytes).unwrap();
    let expected = "\x1b[m\x1b[H\x1b[2J\x1b[38;2;10;0;0;48;2;0;10;0m▀▄\x1b[38;2;0;0;10m▄\x1b[m";
    assert_eq!(text, expected);
}

#[test]
fn cells_below_each_other_in_a_colour_of_their_own_are_drawn_together() {
    let tones = [1, 2, 3].map(|tone| Color::Rgb(tone, 0, 0));
    let mut buffer = Buffer::empty(Rect::new(0, 0, 3, 2));
    for (x, tone) in (0..).zip(tones) {
        (0..2).for_each(|y| buffer.set_string(x, y, " ", Style::new().bg(tone)));
    }
    let mut encoder = Encoder::default();
    let text = String::from_utf8(encoder.encode(&buffer, Fidelity::Exact).bytes).unwrap();
    assert_eq!(text.matches("48;2").count(), 3, "{text:?}");
}
