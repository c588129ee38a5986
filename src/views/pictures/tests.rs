use super::*;
use crate::app::specimen::{Specimen, add_pictures, app_with};
use crate::event::Kind;
use crate::theme::{Background, Characters, Colors, Rgb};
use crate::units::LaneIdx;
use crate::views::{Dialog, Format, Palette, Status, draw_scene, snapshot};
use ratatui::buffer::Buffer;

/// Two lanes with four examples of 4x4 gray pixels; the first lane takes all for 7, the second is right.
fn measured() -> App {
    let lanes = [Specimen::new("plain", 8, "none"), Specimen::new("residual", 8, "identity")];
    let mut lane = 0;
    let mut app = app_with(&lanes, |event| {
        lane += usize::from(matches!(event.kind, Kind::LaneStarted(_)));
        add_pictures(event, lane == 2);
    });
    app.act(Action::SelectView(Pictures.kind()));
    app
}

#[test]
fn the_worst_examples_are_shown_with_what_each_lane_says() {
    let app = measured();
    assert!(Pictures.fits(&app));
    let frame = snapshot(&app, (120, 40), &Theme::default(), Format::Text);
    assert!(frame.contains("is 1  9.25") && frame.contains("is 5  4"), "{frame}");
    assert!(frame.contains("■7  ■1✓") && frame.contains("■7  ■5✓"), "{frame}");
    assert!(frame.contains("4 of 4 wrong"), "{frame}");
    assert!(frame.contains("filters (about zero)") && frame.contains("feature_maps (linear)"), "{frame}");
}

#[test]
fn pictures_are_noted_for_the_terminal_unless_something_covers_them() {
    let mut app = measured();
    let graphics = |app: &App, dialogs: &[Dialog], theme: &Theme| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 40));
        let status = Status { dialogs, ..Status::default() };
        draw_scene(app, &status, buffer.area, &mut buffer, theme).graphics
    };
    let theme = Theme::default();
    let all = graphics(&app, &[], &theme);
    // Of each lane an example, three maps and two filters, and the two mistakes of the first.
    assert_eq!(all.len(), 14);
    let sizes = all.iter().map(|graphic| (graphic.raster.rows, graphic.raster.columns));
    assert_eq!(sizes.take(3).collect::<Vec<_>>(), [(4, 4), (4, 4), (4, 4)]);
    let gray = |shade| Rgb(shade, shade, shade);
    assert_eq!(all[0].raster.pixels[..3], [gray(0), gray(8), gray(16)]);
    let under = graphics(&app, &[Dialog::Palette(Palette::default())], &theme);
    assert!(under.len() < all.len() && under.iter().all(|graphic| all.contains(graphic)));
    app.act(Action::ToggleHelp);
    assert!(graphics(&app, &[], &theme).len() < all.len());
    app.act(Action::ToggleHelp);
    let plain = Theme::new(Colors::None, Background::Dark, Characters::Unicode);
    assert!(graphics(&app, &[], &plain).is_empty());
    app.act(Action::SelectView(crate::views::kind_named("overview").unwrap()));
    assert!(graphics(&app, &[], &theme).is_empty());
}

#[test]
fn where_there_is_little_room_the_parts_are_shown_one_by_one() {
    let mut app = measured();
    let expected = ["greatest losses", "what a block makes", "filters of the first convolution"];
    for (at, text) in expected.into_iter().enumerate() {
        let frame = snapshot(&app, (80, 24), &Theme::default(), Format::Text);
        let shown: Vec<bool> = expected.iter().map(|other| frame.contains(other)).collect();
        assert!(frame.contains(text) && shown.iter().filter(|is| **is).count() == 1, "{at}: {frame}");
        app.act(Pictures.vertical(1));
    }
}

#[test]
fn without_images_there_are_the_numbers_and_a_word() {
    let mut app = measured();
    app.act(Action::SelectLane(LaneIdx(1)));
    let frame = snapshot(&app, (120, 40), &Theme::default(), Format::Text);
    assert!(frame.contains("0 of 4 wrong"), "{frame}");
    let none = crate::app::specimen::plain_beside_residual();
    assert!(!Pictures.fits(&none));
}

#[test]
fn pictures_are_as_large_as_all_have_room_for() {
    let theme = Theme::default();
    let area = Rect::new(0, 0, 100, 20);
    let places = tiles(area, 8, [8, 8], (4, 2), &theme);
    assert_eq!(places.len(), 8);
    assert!(places.iter().all(|place| area.union(*place) == area));
    // Twelve columns of eight pixels in their own size, if there are too many for anything larger.
    assert_eq!(tiles(area, 500, [8, 8], (4, 2), &theme).len(), 11 * 3);
    assert!(tiles(Rect::new(0, 0, 0, 0), 3, [8, 8], (4, 2), &theme).is_empty());
}
