//! Logs of earlier formats can still be opened, and show what the version that wrote them showed: its frames are stored
//! beside them, with the words of today.

use std::fs;
use std::path::{Path, PathBuf};

use skiplane::app::Action;
use skiplane::reading::{self, Opened};
use skiplane::theme::Theme;
use skiplane::units::Step;
use skiplane::views::{self, Format};

fn folder(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/formats/{format}"))
}

#[test]
fn a_run_of_format_2_looks_as_it_did() {
    let Opened { mut app, mut library, replay } =
        reading::open(&[folder(2).join("20261126-113938-two")]).unwrap();
    assert_eq!(replay.report(), Default::default());
    let theme = Theme::default();
    let mut check = |app: &mut skiplane::app::App, name: &str, size| {
        views::supply(app, |app, needs| library.answer(app, needs));
        let frame = views::snapshot(app, size, &theme, Format::Text);
        let before = fs::read_to_string(folder(2).join(format!("{name}.txt"))).unwrap();
        assert_eq!(frame, before, "{name}:\n{frame}");
    };
    for view in &views::fitting(&app) {
        app.act(Action::SelectView(*view));
        check(&mut app, view.name, (120, 40));
    }
    app.act(Action::SelectView(views::kind_named("layer").unwrap()));
    app.act(Action::SelectStep(Step(3)));
    check(&mut app, "layer-step-3", (200, 50));
}
