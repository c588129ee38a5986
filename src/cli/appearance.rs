//! The user's choice of colours and characters; what is not given is detected from the terminal.

use clap::{Args, ValueEnum};

use super::warn;
use crate::config::{Config, Layouts};
use crate::paths;
use crate::theme::{Background, Characters, Colors};
use crate::tui::{self, Appearance, Setup};

/// How the dashboard looks.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct AppearanceArgs {
    /// The colours to use; default: as the terminal supports, none if NO_COLOR is set.
    #[arg(long, value_enum, value_name = "HOW")]
    colors: Option<ColorsArg>,
    /// The terminal's background; default: as the terminal reports.
    #[arg(long, value_enum, value_name = "WHICH")]
    background: Option<BackgroundArg>,
    /// Uses printable ASCII only.
    #[arg(long)]
    ascii: bool,
}

/// The user's settings. What is wrong in them is told on standard error, with the folder.
pub(super) fn settings() -> Config {
    let Some(path) = paths::config_file() else { return Config::default() };
    let config = Config::read(&path);
    let folder = path.parent().unwrap_or(&path).display();
    config.problems.iter().for_each(|problem| warn(&format!("{folder}/{problem}")));
    config
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ColorsArg {
    /// None: bold, dim and reversed text, and characters.
    None,
    /// The 16 of the terminal's palette.
    #[value(name = "16")]
    Sixteen,
    /// xterm's 256.
    #[value(name = "256")]
    TwoFiftySix,
    /// 24 bits.
    True,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BackgroundArg {
    /// Light text on dark.
    Dark,
    /// Dark text on light.
    Light,
}

impl AppearanceArgs {
    /// The look of the screens and the user's settings. What is wrong in these is told on standard error, where it can
    /// still be read after the screen.
    pub(super) fn setup(self) -> Setup {
        let layouts = Layouts::in_folder(paths::layouts_folder());
        let config = settings();
        Setup { theme: tui::detect(self.into()).with_dots(config.screen.dots), config, layouts }
    }

    /// The requested colours.
    pub(super) fn colors(self) -> Option<Colors> {
        self.colors.map(|colors| match colors {
            ColorsArg::None => Colors::None,
            ColorsArg::Sixteen => Colors::Sixteen,
            ColorsArg::TwoFiftySix => Colors::TwoFiftySix,
            ColorsArg::True => Colors::True,
        })
    }

    /// The requested background.
    pub(super) fn background(self) -> Option<Background> {
        self.background.map(|background| match background {
            BackgroundArg::Dark => Background::Dark,
            BackgroundArg::Light => Background::Light,
        })
    }

    /// The requested characters.
    pub(super) fn characters(self) -> Option<Characters> {
        self.ascii.then_some(Characters::Ascii)
    }
}

impl From<AppearanceArgs> for Appearance {
    fn from(args: AppearanceArgs) -> Appearance {
        Appearance { colors: args.colors(), background: args.background(), characters: args.characters() }
    }
}
