//! What the screen shows, cell by cell: every view at several sizes, in colour, without and in ASCII.

use skiplane::app::specimen;
use skiplane::app::{Action, App};
use skiplane::theme::{Background, Characters, Colors, Theme};
use skiplane::units::Step;
use skiplane::views::{self, Format};

const SIZES: [(u16, u16); 4] = [(40, 12), (80, 24), (120, 40), (200, 50)];

fn specimen() -> App {
    let mut app = specimen::deep_in_the_middle();
    app.act(Action::SelectStep(Step(240)));
    app
}

/// Writes every frame as SVG into the folder of SKIPLANE_FRAMES, to be looked at.
#[test]
#[ignore = "writes pictures for the eye"]
fn pictures() {
    let Some(folder) = std::env::var_os("SKIPLANE_FRAMES") else { return };
    let mut app = specimen();
    for view in views::ALL {
        app.act(Action::SelectView(view.kind()));
        for size in SIZES {
            for (name, colors, background, characters) in [
                ("dark", Colors::True, Background::Dark, Characters::Unicode),
                ("light", Colors::True, Background::Light, Characters::Unicode),
                ("16", Colors::Sixteen, Background::Dark, Characters::Unicode),
                ("256", Colors::TwoFiftySix, Background::Dark, Characters::Unicode),
                ("mono", Colors::None, Background::Dark, Characters::Unicode),
                ("ascii", Colors::None, Background::Dark, Characters::Ascii),
            ] {
                let theme = Theme::new(colors, background, characters);
                let svg = views::snapshot(&app, size, &theme, Format::Svg);
                let file = format!("{}-{}x{}-{name}.svg", view.kind().name(), size.0, size.1);
                std::fs::write(std::path::Path::new(&folder).join(file), svg).unwrap();
            }
        }
    }
}
