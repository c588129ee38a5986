//! What the screen shows, cell by cell: every view at several sizes, with and without colour, and in ASCII. After an
//! intended change, `INSTA_UPDATE=always cargo test --test it frames` updates the frames, and
//! `SKIPLANE_FRAMES=folder cargo test --test it pictures -- --ignored` makes pictures of them.

use std::collections::BTreeMap;
use std::fmt::Write;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use skiplane::app::specimen::{self, Specimen};
use skiplane::app::{Action, App, LaneLabel};
use skiplane::claims;
use skiplane::event::{Kind, Value};
use skiplane::experiment::{Claim, RuleText};
use skiplane::metric::{self, Axis, Points, known};
use skiplane::theme::{Background, Characters, Colors, Theme};
use skiplane::units::Step;
use skiplane::views::{self, Format, Status};

use crate::many_lanes::eight_lanes;

const SIZES: [(u16, u16); 4] = [(40, 12), (80, 24), (120, 40), (200, 50)];

/// Plain-56 beside residual-56 in the middle of training, the cursor at step 240.
fn specimen() -> App {
    let mut app = specimen::deep_in_the_middle();
    app.act(Action::SelectStep(Step(240)));
    app
}

fn draw(app: &App, (width, height): (u16, u16), theme: &Theme) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    let area = buffer.area;
    views::draw(app, &Status::default(), area, &mut buffer, theme);
    buffer
}

fn rows(buffer: &Buffer) -> impl Iterator<Item = &[ratatui::buffer::Cell]> {
    buffer.content().chunks(usize::from(buffer.area.width))
}

/// The characters, each row between bars so that trailing blanks are visible.
pub(crate) fn characters(buffer: &Buffer) -> String {
    rows(buffer)
        .map(|row| format!("|{}|\n", row.iter().map(|cell| cell.symbol()).collect::<String>()))
        .collect()
}

/// The characters, then a letter for the style of each cell, then the meaning of the letters.
pub(crate) fn styled(buffer: &Buffer) -> String {
    let mut text = characters(buffer);
    let mut letters: BTreeMap<String, char> = BTreeMap::new();
    let mut legend = String::new();
    for row in rows(buffer) {
        text.push('|');
        for cell in row {
            let style = describe(cell.fg, cell.bg, cell.modifier);
            if style.is_empty() {
                text.push(' ');
                continue;
            }
            let next = letter(letters.len());
            let letter = *letters.entry(style).or_insert_with_key(|style| {
                _ = writeln!(legend, "{next} {style}");
                next
            });
            text.push(letter);
        }
        text.push_str("|\n");
    }
    text + &legend
}

fn letter(index: usize) -> char {
    let plain = ('a'..='z').chain('A'..='Z').chain('0'..='9');
    let further = (0x0100..0x1000).filter_map(char::from_u32).filter(|c| c.is_alphabetic());
    plain.chain(further).nth(index).expect("fewer styles than letters")
}

fn describe(fg: Color, bg: Color, modifier: Modifier) -> String {
    let mut parts = Vec::new();
    if fg != Color::Reset {
        parts.push(fg.to_string());
    }
    if bg != Color::Reset {
        parts.push(format!("on {bg}"));
    }
    parts.extend(modifier.iter_names().map(|(name, _)| name.to_lowercase()));
    parts.join(" ")
}

fn with_snapshots(folder: &str, compare: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("snapshots/frames/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(compare);
}

fn compare(folder: &str, theme: &Theme, dump: fn(&Buffer) -> String) {
    let mut app = specimen();
    with_snapshots(folder, || {
        for view in &views::fitting(&app) {
            app.act(Action::SelectView(*view));
            for size in SIZES {
                let frame = dump(&draw(&app, size, theme));
                insta::assert_snapshot!(format!("{view}-{}x{}", size.0, size.1), frame);
            }
        }
    });
}

/// Two lanes whose losses and gradients grow until they are no longer finite, as at a learning rate of 50.
fn diverged() -> App {
    let lane = |name: &str, shortcut| Specimen {
        steps: 120,
        diverges_at: Some(90),
        ..Specimen::new(name, 56, shortcut)
    };
    specimen::app_with(&[lane("plain", "none"), lane("residual", "identity")], |event| {
        let growth = 10f32.powf(event.step.0 as f32 / 6.0);
        let Kind::Measured(values) = &mut event.kind else { return };
        let Some(loss) = values.number(known::LOSS) else { return };
        values.insert(known::LOSS, Value::Number(loss * growth));
        values.insert(known::LEARNING_RATE, Value::Number(50.0));
        for statistic in [known::WEIGHT_GRADIENT_NORM, known::OUTPUT_GRADIENT_NORM, known::UPDATE_RATIO] {
            if let Some(column) = values.numbers(statistic) {
                let grown = column.iter().map(|value| value * growth).collect();
                values.insert(statistic, Value::Numbers(grown));
            }
        }
    })
}

/// A sweep whose claim is refuted.
pub(crate) fn judged() -> App {
    let rule = |rule: &str, means: &str, literature: &str| RuleText {
        rule: rule.to_owned(),
        means: means.to_owned(),
        literature: literature.to_owned(),
        ..RuleText::default()
    };
    let mut app = specimen::swept();
    app.set_names(claims::names(app.lanes()));
    app.set_claim(Some(Claim {
        says: "With increasing depth, the training error of plain networks grows; that of residual ones does not.".to_owned(),
        sources: vec!["He et al. 2015, Deep Residual Learning for Image Recognition, arXiv:1512.03385".to_owned()],
        figures: Vec::new(),
        confirm: vec![
            rule(
                "median(train_error[plain, depth = 56]) - median(train_error[plain, depth = 20]) >= 10%",
                "The plain network of 56 layers has at least 10 points more training error.",
                "On CIFAR-10, about 13 % against 7 %.",
            ),
            rule("median(cka[plain, block = 1, compared = 2]) > 0.5", "", ""),
        ],
        refute: vec![rule("max(train_error[plain, depth = 56]) >= 0%", "", "")],
    }));
    app
}

/// A sweep with a chart for each name of a lane.
fn split() -> App {
    let mut app = specimen::swept();
    app.act(Action::SelectView(views::kind_named("sweep").unwrap()));
    app.act(Action::CycleSplit);
    app
}

/// Two lanes with probes: errors without each block, and the loss around the weights.
fn probed() -> App {
    let lanes = [Specimen::new("plain", 20, "none"), Specimen::new("residual", 20, "identity")];
    let places: Vec<f64> = (-5..=5).map(|at| f64::from(at) / 5.0).collect();
    let metrics = [
        metric::probed::LESION_ERROR,
        metric::probed::PREDICTION_DEPTH,
        metric::probed::SURFACE_LOSS,
        metric::probed::SURFACE_LINE,
        metric::probed::SURFACE_SHARPNESS,
    ];
    let mut floor = 0.0;
    specimen::app_with(&lanes, |event| match &mut event.kind {
        Kind::LaneStarted(started) => {
            started.declared.metrics.extend(metrics);
            let axis = |name: &str| Axis { name: name.to_owned(), points: Points::Numbers(places.clone()) };
            started.declared.axes.extend([metric::probed::ALPHA, metric::probed::BETA].map(axis));
        }
        Kind::Measured(values) if event.step.0 == 300 && values.number(known::LOSS).is_some() => {
            floor += 0.4;
            let loss =
                |a: f64, b: f64| (floor + 2.0 * a * a + 5.0 * b * b + 0.5 * (6.0 * a).sin() * b) as f32;
            let plane = places.iter().flat_map(|b| places.iter().map(move |a| loss(*a, *b))).collect();
            let line = places.iter().map(|a| loss(*a, 0.0)).collect();
            values.insert(metrics[0], Value::Numbers((0..9).map(|block| 0.1 * block as f32).collect()));
            values.insert(metrics[1], Value::Number(6.5));
            values.insert(metrics[2], Value::Numbers(plane));
            values.insert(metrics[3], Value::Numbers(line));
            values.insert(metrics[4], Value::Number(0.17));
        }
        _ => {}
    })
}

/// Unusual runs, each with the views that show most of it.
#[test]
fn golden_frames_of_unusual_runs() {
    let one_step = |name: &str, shortcut| Specimen { steps: 1, ..Specimen::new(name, 20, shortcut) };
    let one_step = specimen::app_of(&[one_step("plain", "none"), one_step("residual", "identity")]);
    let scenes = [
        (
            "diverged",
            diverged(),
            [views::kind_named("overview").unwrap(), views::kind_named("findings").unwrap()],
        ),
        (
            "eight_lanes",
            eight_lanes(),
            [views::kind_named("overview").unwrap(), views::kind_named("heatmap").unwrap()],
        ),
        (
            "swept",
            specimen::swept(),
            [views::kind_named("sweep").unwrap(), views::kind_named("overview").unwrap()],
        ),
        ("judged", judged(), [views::kind_named("verdict").unwrap(), views::kind_named("heatmap").unwrap()]),
        ("split", split(), [views::kind_named("sweep").unwrap(), views::kind_named("findings").unwrap()]),
        ("probed", probed(), [views::kind_named("probes").unwrap(), views::kind_named("surface").unwrap()]),
        ("one_step", one_step, [views::kind_named("overview").unwrap(), views::kind_named("layer").unwrap()]),
    ];
    for (name, mut app, views) in scenes {
        for (view, size) in views.into_iter().flat_map(|view| [(view, (80, 24)), (view, (120, 40))]) {
            app.act(Action::SelectView(view));
            let frame = styled(&draw(&app, size, &Theme::default()));
            with_snapshots("unusual", || {
                insta::assert_snapshot!(format!("{name}-{view}-{}x{}", size.0, size.1), frame);
            });
        }
    }
}

/// Charts that are zoomed to a range of steps, with a mark in it.
#[test]
fn golden_frames_of_a_range() {
    let mut app = specimen();
    app.act(Action::ShowRange(Step(150), Step(260)));
    app.act(Action::SetMark(Some(Step(200))));
    for view in ["overview", "heatmap", "layer", "shortcut"].map(|name| views::kind_named(name).unwrap()) {
        app.act(Action::SelectView(view));
        for size in [(80, 24), (120, 40), (200, 50)] {
            let frame = styled(&draw(&app, size, &Theme::default()));
            with_snapshots("range", || {
                insta::assert_snapshot!(format!("{view}-{}x{}", size.0, size.1), frame);
            });
        }
    }
}

/// Lanes that differ in nothing but the seed as one.
#[test]
fn golden_frames_of_seeds() {
    let mut app = specimen::swept();
    app.act(Action::CycleArrangement);
    app.act(Action::CycleArrangement);
    for size in [(80, 24), (120, 40)] {
        let frame = styled(&draw(&app, size, &Theme::default()));
        assert!(frame.contains("(3 seeds)"), "{frame}");
        with_snapshots("seeds", || {
            insta::assert_snapshot!(format!("overview-{}x{}", size.0, size.1), frame);
        });
    }
}

#[test]
fn golden_frames_in_colour() {
    compare("colour", &Theme::default(), styled);
}

#[test]
fn golden_frames_without_colour() {
    compare("no_color", &Theme::new(Colors::None, Background::Dark, Characters::Unicode), characters);
}

#[test]
fn golden_frames_in_ascii() {
    compare("ascii", &Theme::new(Colors::None, Background::Dark, Characters::Ascii), characters);
}

#[test]
fn a_terminal_that_is_too_small_says_what_it_needs_and_recovers() {
    let app = specimen();
    let text = characters(&draw(&app, (30, 8), &Theme::default()));
    assert!(text.contains("too small") && text.contains("this is 30x8"), "{text}");
    let text = characters(&draw(&app, (80, 24), &Theme::default()));
    assert!(!text.contains("too small"), "{text}");
}

#[test]
fn a_run_whose_id_has_no_room_keeps_the_end_of_its_name() {
    let app = |runs: &[&str]| {
        let label = |run: &&str| LaneLabel { run: (*run).to_owned(), lane: "plain".to_owned() };
        App::new(runs.iter().map(label).collect())
    };
    let title = |app: &App, width| {
        let text = characters(&draw(app, (width, 24), &Theme::default()));
        text.lines().next().unwrap().trim_end_matches('|').split_whitespace().last().unwrap().to_owned()
    };
    let one = app(&["20261124-182951-quick"]);
    assert_eq!(title(&one, 120), "20261124-182951-quick");
    assert_eq!(title(&one, 90), "…-quick");
    let text = characters(&draw(&app(&["20261124-182951-quick", "b", "c"]), (119, 24), &Theme::default()));
    assert!(text.lines().next().unwrap().ends_with(" …-182951-quick and 2 more|"), "{text}");
}

#[test]
fn the_help_names_every_key_of_the_table() {
    let mut app = specimen();
    app.act(Action::ToggleHelp);
    // All of them are seen at once only on a tall screen.
    let text = characters(&draw(&app, (120, 90), &Theme::default()));
    for binding in views::BINDINGS {
        assert!(text.contains(binding.what) && text.contains(binding.label), "{}", binding.what);
    }
}

/// Writes every frame as SVG into the folder of SKIPLANE_FRAMES.
#[test]
#[ignore = "writes pictures for the eye"]
fn pictures() {
    let Some(folder) = std::env::var_os("SKIPLANE_FRAMES") else { return };
    let themes = [
        ("dark", Colors::True, Background::Dark, Characters::Unicode),
        ("light", Colors::True, Background::Light, Characters::Unicode),
        ("16", Colors::Sixteen, Background::Dark, Characters::Unicode),
        ("256", Colors::TwoFiftySix, Background::Dark, Characters::Unicode),
        ("mono", Colors::None, Background::Dark, Characters::Unicode),
        ("ascii", Colors::None, Background::Dark, Characters::Ascii),
    ];
    let mut app = specimen();
    for view in &views::kinds() {
        app.act(Action::SelectView(*view));
        for size in SIZES {
            for (name, colors, background, characters) in themes {
                let svg =
                    views::snapshot(&app, size, &Theme::new(colors, background, characters), Format::Svg);
                let file = format!("{view}-{}x{}-{name}.svg", size.0, size.1);
                std::fs::write(std::path::Path::new(&folder).join(file), svg).unwrap();
            }
        }
    }
}
