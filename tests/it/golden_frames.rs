//! Every view at every size in every colour mode, and unusual runs: what the screen shows, cell by cell. A file has the
//! characters once, and for each mode the styles as runs of cells. After an intended change, `INSTA_UPDATE=always cargo
//! test --test it golden_frames` updates the files.

use std::collections::BTreeMap;
use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::Color;
use skiplane::app::specimen::{self, Specimen};
use skiplane::app::{Action, App};
use skiplane::theme::{Background, Characters, Colors, Theme};
use skiplane::units::Step;
use skiplane::views::{self, Status};

use crate::frames;
use crate::unusual_runs;

const SIZES: [(u16, u16); 6] = [(40, 12), (80, 24), (100, 30), (120, 40), (160, 45), (200, 50)];
/// The sizes of unusual runs.
const FEW_SIZES: [(u16, u16); 2] = [(80, 24), (120, 40)];
/// The size that has a light background, too.
const LIGHT: (u16, u16) = (120, 40);

const MODES: [(&str, Colors, Background); 5] = [
    ("true", Colors::True, Background::Dark),
    ("256", Colors::TwoFiftySix, Background::Dark),
    ("16", Colors::Sixteen, Background::Dark),
    ("none", Colors::None, Background::Dark),
    ("light", Colors::True, Background::Light),
];

/// The states that show something in a view: two deep lanes in the middle of training, a sweep with its claim, or lanes
/// with probes.
fn states() -> [(App, &'static [&'static str]); 3] {
    let mut middle = specimen::deep_in_the_middle();
    middle.act(Action::SelectStep(Step(240)));
    let lane =
        |name: &str, shortcut| Specimen { breaks_off_at: Some(220), ..Specimen::new(name, 20, shortcut) };
    let probed = specimen::probed_with(&[lane("plain", "none"), lane("residual", "identity")], |_| {});
    [
        (middle, &["overview", "profile", "heatmap", "layer", "shortcut", "findings", "network", "charts"]),
        (frames::judged(), &["sweep", "verdict"]),
        (probed, &["probes", "surface", "pictures"]),
    ]
}

fn draw(app: &App, (width, height): (u16, u16), theme: &Theme) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    views::draw(app, &Status::default(), buffer.area, &mut buffer, theme);
    buffer
}

fn rows(buffer: &Buffer) -> impl Iterator<Item = &[Cell]> {
    buffer.content().chunks(usize::from(buffer.area.width))
}

/// The characters of all modes, then the styles of each, then what the letters mean.
fn in_all_modes(app: &App, size: (u16, u16)) -> String {
    let mut legend = Legend::default();
    let mut text = String::new();
    let mut first: Vec<String> = Vec::new();
    for (mode, colors, background) in MODES {
        if background == Background::Light && size != LIGHT {
            continue;
        }
        let buffer = draw(app, size, &Theme::new(colors, background, Characters::Unicode));
        let lines: Vec<String> = frames::characters(&buffer).lines().map(str::to_owned).collect();
        if first.is_empty() {
            text = lines.join("\n") + "\n";
            first = lines.clone();
        }
        _ = writeln!(text, "# {mode}");
        for (at, (line, of_first)) in lines.iter().zip(&first).enumerate() {
            // Dots and half cells need many colours; the halves of one may be alike in 256.
            let same = line.replace('▀', " ") == of_first.replace('▀', " ");
            let may_differ = matches!(colors, Colors::None | Colors::Sixteen);
            assert!(same || may_differ, "{line}\n{of_first}\ndiffer with more than 16 colours");
            if line != of_first {
                _ = writeln!(text, "{:2} {line}", at + 1);
            }
        }
        text += &legend.styles(&buffer);
    }
    text + &legend.text
}

/// Letters for styles, in the order in which they were met.
#[derive(Default)]
struct Legend {
    letters: BTreeMap<String, char>,
    text: String,
}

impl Legend {
    /// A line for each row, or for several that are alike: `3-5 12a4b.`, which is twelve cells of a style, four of another
    /// and one without any.
    fn styles(&mut self, buffer: &Buffer) -> String {
        let all: Vec<String> = rows(buffer).map(|row| self.runs(row)).collect();
        let mut text = String::new();
        let mut at = 0;
        for alike in all.chunk_by(|a, b| a == b) {
            let (first, last) = (at + 1, at + alike.len());
            at = last;
            match alike[0].as_str() {
                "" => {}
                runs if first == last => _ = writeln!(text, "{first} {runs}"),
                runs => _ = writeln!(text, "{first}-{last} {runs}"),
            }
        }
        text
    }

    fn runs(&mut self, row: &[Cell]) -> String {
        let mut text = String::new();
        for run in row.chunk_by(|a, b| style(a) == style(b)) {
            let letter = self.letter(style(&run[0]));
            _ = if run.len() == 1 { write!(text, "{letter}") } else { write!(text, "{}{letter}", run.len()) };
        }
        // Without the run of blanks at the end.
        match text.strip_suffix('.') {
            Some(rest) => rest.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned(),
            None => text,
        }
    }

    fn letter(&mut self, style: String) -> char {
        if style.is_empty() {
            return '.';
        }
        let plain = ('a'..='z').chain('A'..='Z');
        let further = (0x00c0..0x3000).filter_map(char::from_u32).filter(|c| c.is_alphabetic());
        let count = self.letters.len();
        *self.letters.entry(style).or_insert_with_key(|style| {
            let letter = plain.chain(further).nth(count).expect("fewer styles than letters");
            _ = writeln!(self.text, "{letter} {style}");
            letter
        })
    }
}

/// A cell's style in words; empty for the terminal's own.
fn style(cell: &Cell) -> String {
    let colors = [("", cell.fg), ("on ", cell.bg), ("underlined in ", cell.underline_color)];
    let colors = colors.into_iter().filter(|(_, color)| *color != Color::Reset);
    let colors = colors.map(|(of, color)| format!("{of}{color}"));
    let modifiers = cell.modifier.iter_names().map(|(name, _)| name.to_lowercase());
    colors.chain(modifiers).collect::<Vec<String>>().join(" ")
}

fn compare(folder: &str, name: &str, frame: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("snapshots/golden/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, frame));
}

#[test]
fn every_view_at_every_size_in_every_colour_mode() {
    let mut seen = 0;
    for (mut app, views) in states() {
        for view in views {
            app.act(Action::SelectView(views::kind_named(view).unwrap()));
            for size in SIZES {
                compare("modes", &format!("{view}-{}x{}", size.0, size.1), &in_all_modes(&app, size));
            }
            seen += 1;
        }
    }
    assert_eq!(seen, views::ALL.len(), "each view has a state");
}

#[test]
fn every_view_of_unusual_runs() {
    for (name, mut run, mut sweep) in unusual_runs::all() {
        for view in views::ALL {
            let kind = view.kind();
            let app = if ["sweep", "verdict"].contains(&kind.name) { &mut sweep } else { &mut run };
            app.act(Action::SelectView(kind));
            for size in FEW_SIZES {
                let frame = frames::characters(&draw(app, size, &Theme::default()));
                compare(&format!("unusual/{name}"), &format!("{}-{}x{}", kind.name, size.0, size.1), &frame);
            }
        }
    }
}
