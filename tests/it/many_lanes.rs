//! Views with many lanes or numbers of either sign, at every width: no number is cut, no lane is omitted silently, and
//! no ratio is shown of what may be negative.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use skiplane::app::specimen::{self, Specimen};
use skiplane::app::{Action, App};
use skiplane::metric::{Scale, known};
use skiplane::theme::{Background, Characters, Colors, Theme};
use skiplane::views::{self, Status};
use skiplane::widgets;

/// Plain and residual networks of four depths.
pub(crate) fn eight_lanes() -> App {
    let lane = |kind: &str, depth, shortcut| Specimen {
        steps: 40,
        ..Specimen::new(&format!("{kind}-{depth}"), depth, shortcut)
    };
    let plain = [8, 14, 20, 26].map(|depth| lane("plain", depth, "none"));
    let residual = [8, 14, 20, 26].map(|depth| lane("residual", depth, "identity"));
    specimen::app_of(&[plain, residual].concat())
}

/// This many equally deep networks.
fn equally_deep(lanes: usize) -> App {
    let lane = |at| Specimen { steps: 40, ..Specimen::new(&format!("lane-{at}"), 20, "identity") };
    specimen::app_of(&(0..lanes).map(lane).collect::<Vec<_>>())
}

fn rows(app: &App, width: u16, height: u16, theme: &Theme) -> Vec<String> {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    views::draw(app, &Status::default(), buffer.area, &mut buffer, theme);
    let row = |row: &[ratatui::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect();
    buffer.content().chunks(usize::from(width)).map(row).collect()
}

#[test]
fn no_width_of_a_heatmap_shows_a_part_of_a_value() {
    let mut app = eight_lanes();
    app.act(Action::SelectView(views::kind_named("heatmap").unwrap()));
    let value = |lane: &skiplane::app::Lane| {
        let layer = app.layer_in(lane).unwrap();
        widgets::short(lane.layer_value(app.statistic(), app.step(), layer).unwrap().into())
    };
    let values: Vec<String> =
        app.lanes().iter().filter(|lane| app.layer_in(lane).is_some()).map(value).collect();
    let mut shown = 0;
    for width in 36..220 {
        for row in rows(&app, width, 24, &Theme::default()).iter().filter(|row| row.contains('■')) {
            let numbers =
                row.split_whitespace().filter(|word| word.contains('.') && word.parse::<f64>().is_ok());
            for number in numbers {
                assert!(values.iter().any(|value| value == number), "{number} in {row}");
                shown += 1;
            }
        }
    }
    assert!(shown > 100, "the titles do show values: {shown}");
}

#[test]
fn no_legend_of_any_view_ends_in_a_bare_square() {
    let mut app = eight_lanes();
    let mut named = 0;
    for view in &views::kinds() {
        app.act(Action::SelectView(*view));
        for (width, height) in (36..220).flat_map(|width| [(width, 24), (width, 50)]) {
            for row in rows(&app, width, height, &Theme::default()) {
                for (at, square) in row.match_indices('■') {
                    // A strip of layers is marked only by its lane's square; its cells are in the same row.
                    let is_strip = view == &views::kind_named("overview").unwrap()
                        && at == 0
                        && row.ends_with(|c: char| c != ' ');
                    let mut behind = row[at + square.len()..].chars();
                    let is_named = behind.next() == Some(' ') && behind.next().is_some_and(|c| c != ' ');
                    assert!(is_named || is_strip, "{view} at {width}x{height}: {row}");
                    named += 1;
                }
            }
        }
    }
    assert!(named > 1000, "there are squares: {named}");
}

#[test]
fn where_not_all_lanes_fit_every_view_says_which_and_how_to_see_the_others() {
    let mut app = eight_lanes();
    for view in &views::kinds() {
        app.act(Action::SelectView(*view));
        let drawn = views::shown(&app).unwrap();
        for (width, height) in [(60, 20), (80, 24), (120, 40), (200, 50)] {
            // The frame's tabs, timeline and status line are not part of the view.
            let shown = drawn.lanes_in(&app, Rect::new(0, 2, width, height - 4)).len();
            let row = &rows(&app, width, height, &Theme::default())[1];
            let says = row.starts_with(&format!("{shown} of 8 lanes: ")) && row.contains("l the others");
            assert_eq!(says, shown < 8, "{view} at {width}x{height} shows {shown}: {row}");
        }
    }
    app.act(Action::SelectView(views::kind_named("overview").unwrap()));
    for (width, height) in [(80, 24), (120, 40), (200, 50)] {
        let frame = rows(&app, width, height, &Theme::default());
        assert!(frame[1].contains(" of 8 lanes: plain-8, "), "{}", frame[1]);
        (0..7).for_each(|_| app.act(Action::SelectNextLane));
        let frame = rows(&app, width, height, &Theme::default());
        assert!(frame[1].contains("residual-26"), "the selected lane is shown: {}", frame[1]);
        app.act(Action::SelectNextLane);
    }
}

#[test]
fn heatmaps_of_any_number_of_lanes_number_the_layers() {
    for lanes in 1..=8 {
        let mut app = equally_deep(lanes);
        app.act(Action::SelectView(views::kind_named("heatmap").unwrap()));
        for (width, height) in [(80, 24), (120, 40), (200, 50)] {
            let frame = rows(&app, width, height, &Theme::default());
            let first = |row: &&String| row.get(..3).is_some_and(|label| label.trim().parse::<u32>().is_ok());
            let numbers = frame.iter().filter(first).count();
            assert!(numbers >= 4, "{lanes} lanes at {width}x{height}: {frame:#?}");
        }
    }
}

#[test]
fn what_may_be_negative_has_neither_ratios_nor_decades() {
    let mut app = specimen::plain_beside_residual();
    for statistic in app.statistics(false) {
        app.act(Action::SelectStatistic(statistic));
        let is_log = statistic.scale() == Scale::Log;
        for scale in 0..3 {
            app.act(Action::SelectView(views::kind_named("profile").unwrap()));
            let frame = rows(&app, 120, 40, &Theme::default()).join("\n");
            assert_eq!(frame.contains("decades"), is_log, "{statistic} {scale}: {frame}");
            assert_eq!(frame.contains("plain / residual"), is_log, "{statistic} {scale}: {frame}");
            app.act(Action::SelectView(views::kind_named("heatmap").unwrap()));
            let frame = rows(&app, 120, 40, &Theme::default());
            let legend = frame.iter().find(|row| row.starts_with(statistic.name())).unwrap();
            assert_eq!(legend.contains("about zero"), statistic.scale() == Scale::Signed, "{legend}");
            app.act(Action::CycleScale);
        }
    }
}

#[test]
fn counts_that_are_all_zero_go_from_zero_to_one() {
    let mut app = specimen::plain_beside_residual();
    app.act(Action::SelectStatistic(known::ACTIVATION_NON_FINITE));
    app.act(Action::SelectView(views::kind_named("heatmap").unwrap()));
    let frame = rows(&app, 120, 40, &Theme::new(Colors::None, Background::Dark, Characters::Ascii));
    let legend = frame.iter().find(|row| row.starts_with("activation_non_finite")).unwrap();
    assert!(legend.contains("(linear) 0 ") && legend.trim_end().ends_with(" 1"), "{legend}");
}

#[test]
fn without_colours_a_lane_alone_is_drawn_in_dots_and_lanes_together_in_marks() {
    let theme = Theme::new(Colors::None, Background::Dark, Characters::Unicode);
    let is_dots = |c: char| ('\u{2801}'..='\u{28ff}').contains(&c);
    let mut app = specimen::plain_beside_residual();
    for view in [views::kind_named("overview").unwrap(), views::kind_named("layer").unwrap()] {
        app.act(Action::SelectView(view));
        let frame = rows(&app, 120, 40, &theme).join("");
        assert!(frame.contains(is_dots), "{view} has a chart a lane");
    }
    app.act(Action::SelectView(views::kind_named("profile").unwrap()));
    let chart = rows(&app, 120, 40, &theme)[2..20].join("");
    assert!(chart.contains('•') && chart.contains('+') && !chart.contains(is_dots), "{chart}");
}
