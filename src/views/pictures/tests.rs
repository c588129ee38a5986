use super::*;
use crate::app::specimen::{Specimen, app_with};
use crate::event::{Kind, Value};
use crate::metric::{Axis, Points, known};
use crate::theme::{Background, Characters, Colors, Rgb};
use crate::units::LaneIdx;
use crate::views::{Dialog, Format, Palette, Status, draw_scene, snapshot};
use ratatui::buffer::Buffer;

/// Two lanes with four examples of 4x4 gray pixels; the first lane takes all for 7, the second is right.
fn measured() -> App {
    let lanes = [Specimen::new("plain", 8, "none"), Specimen::new("residual", 8, "identity")];
    let mut count = 0;
    let mut app = app_with(&lanes, |event| match &mut event.kind {
        Kind::LaneStarted(started) => {
            started.declared.metrics.extend(probed::PICTURES);
            let axis = |(name, count): (&str, usize)| Axis {
                name: name.to_owned(),
                points: Points::Numbers((1..=count).map(|at| at as f64).collect()),
            };
            let lengths = [
                (probed::EXAMPLE, 4),
                (probed::MISTAKE, 2),
                (probed::COLOUR, 1),
                ("picture_row", 4),
                ("picture_column", 4),
                ("map", 3),
                ("map_row", 2),
                ("map_column", 2),
                ("filter", 2),
                ("filter_row", 3),
                ("filter_column", 3),
            ];
            started.declared.axes.extend(lengths.map(axis));
        }
        Kind::Measured(values) if event.step.0 == 20 && values.get(known::LOSS).is_some() => {
            count += 1;
            let is_right = count == 2;
            let labels = vec![3.0, 1.0, 4.0, 5.0];
            let predictions = if is_right { labels.clone() } else { vec![7.0; 4] };
            let ramp = |count: usize| (0..count).map(|at| at as f32 / count as f32).collect::<Vec<f32>>();
            let all = [
                (probed::EXAMPLE_LABEL, labels),
                (probed::EXAMPLE_PREDICTION, predictions),
                (probed::EXAMPLE_LOSS, vec![0.5, 9.25, 2.0, 4.0]),
                (probed::MISTAKE_EXAMPLE, vec![2.0, 4.0]),
                (probed::MISTAKE_PICTURES, ramp(32)),
                (probed::MAPPED_PICTURE, ramp(16)),
                (probed::FEATURE_MAPS, ramp(12)),
                (probed::FILTERS, ramp(18).into_iter().map(|x| x - 0.5).collect()),
            ];
            for (metric, numbers) in all {
                values.insert(metric, Value::Numbers(numbers));
            }
        }
        _ => {}
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
