//! What frames cost: `cargo bench --bench frames -- --help`. Folds a made-up run and draws its views in memory, as the
//! dashboard does: the state is changed, the view drawn, and the frame encoded against the one before. Times are those
//! of the thread's CPU, so that other processes matter little; bytes are what the terminal would get.

use std::time::Duration;

use clap::Parser;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use skiplane::app::specimen::{Specimen, app_of};
use skiplane::app::{Action, App, LaneLabel, ViewKind};
use skiplane::event::RunEvent;
use skiplane::theme::Theme;
use skiplane::tui::{Encoder, Fidelity};
use skiplane::units::LaneIdx;
use skiplane::views::{self, Status};

/// Measures what frames cost.
#[derive(Debug, Parser)]
#[command(name = "frames", max_term_width = 100)]
struct Arguments {
    /// Steps of each of the two lanes.
    #[arg(long, value_name = "N", default_value_t = 64_000)]
    steps: u64,
    /// Layers of each.
    #[arg(long, value_name = "N", default_value_t = 110)]
    depth: usize,
    /// Frames of each view and size.
    #[arg(long, value_name = "N", default_value_t = 300)]
    frames: usize,
    /// Only views of these names.
    #[arg(long, value_name = "VIEW")]
    view: Vec<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What was measured of a view in a size.
#[derive(Debug, Serialize)]
struct Measured {
    view: &'static str,
    size: (u16, u16),
    frame_p50_ms: f64,
    frame_p99_ms: f64,
    frame_max_ms: f64,
    /// The action of the slowest frame.
    slowest: String,
    /// A step to the left, and a page.
    step_bytes_p50: f64,
    page_bytes_p50: f64,
    page_bytes_max: f64,
}

/// What a live dashboard takes.
#[derive(Debug, Serialize)]
struct Live {
    view: &'static str,
    /// Of a core, at 10 frames a second and two steps of each lane a frame.
    folding_percent: f64,
    drawing_percent: f64,
    encoding_percent: f64,
    kilobytes_per_second: f64,
}

/// The sizes of terminals.
const SIZES: [(u16, u16); 2] = [(120, 40), (200, 50)];
/// The frames of a live dashboard, 10 a second.
const LIVE_FRAMES: u64 = 200;
const STEPS_A_FRAME: u64 = 2;
/// The steps that it has made before.
const MADE: u64 = 2_000;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let views: Vec<ViewKind> = match arguments.view[..] {
        [] => ["overview", "profile", "heatmap", "layer", "shortcut", "findings", "network", "charts"]
            .into_iter()
            .filter_map(views::kind_named)
            .collect(),
        ref some => some.iter().filter_map(|name| views::kind_named(name)).collect(),
    };
    let lanes = |steps| {
        let lane =
            |name: &str, shortcut| Specimen { steps, ..Specimen::new(name, arguments.depth, shortcut) };
        [lane("plain", "none"), lane("residual", "identity")]
    };
    let mut app = app_of(&lanes(arguments.steps));
    let mut all = Vec::new();
    for view in &views {
        all.extend(SIZES.map(|size| measure(&mut app, *view, size, arguments.frames)));
    }
    drop(app);
    let live: Vec<Live> = views.iter().map(|view| run_live(&lanes(arguments.steps), *view)).collect();
    print(&arguments, &all, &live)
}

#[expect(clippy::print_stdout, reason = "the report")]
fn print(arguments: &Arguments, all: &[Measured], live: &[Live]) -> anyhow::Result<()> {
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&(all, live))?);
        return Ok(());
    }
    println!("two lanes of {} layers, {} steps; CPU ms of a frame", arguments.depth, arguments.steps);
    for row in all {
        let Measured { view, size, frame_p50_ms, frame_p99_ms, frame_max_ms, slowest, .. } = row;
        println!(
            "  {view:10} {:3}x{:<3} p50 {frame_p50_ms:6.2}  p99 {frame_p99_ms:6.2}  longest {frame_max_ms:6.2} \
             ({slowest});  bytes: step {:5.0}, page {:5.0}, at most {:5.0}",
            size.0, size.1, row.step_bytes_p50, row.page_bytes_p50, row.page_bytes_max
        );
    }
    println!("live at 120x40, 10 frames/s, {STEPS_A_FRAME} steps of each lane a frame; percent of a core");
    for row in live {
        let Live { view, folding_percent, drawing_percent, encoding_percent, kilobytes_per_second } = row;
        println!(
            "  {view:10} folding {folding_percent:5.2}, drawing {drawing_percent:5.2}, encoding \
             {encoding_percent:5.2};  {kilobytes_per_second:6.1} kB/s"
        );
    }
    Ok(())
}

/// A terminal in memory.
struct Terminal {
    buffer: Buffer,
    encoder: Encoder,
    theme: Theme,
}

impl Terminal {
    fn new((width, height): (u16, u16)) -> Terminal {
        let buffer = Buffer::empty(Rect::new(0, 0, width, height));
        Terminal { buffer, encoder: Encoder::default(), theme: Theme::default() }
    }

    /// Draws a frame; returns the times of drawing and encoding, and its bytes.
    fn frame(&mut self, app: &App, fidelity: Fidelity) -> (Duration, Duration, usize) {
        let begun = cpu();
        self.buffer.reset();
        views::draw(app, &Status::default(), self.buffer.area, &mut self.buffer, &self.theme);
        let drawn = cpu();
        let bytes = self.encoder.encode(&self.buffer, fidelity).bytes.len();
        (drawn - begun, cpu() - drawn, bytes)
    }
}

/// What the thread has computed.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn measure(app: &mut App, view: ViewKind, size: (u16, u16), frames: usize) -> Measured {
    let mut terminal = Terminal::new(size);
    app.act(Action::FollowLastStep);
    app.act(Action::ShowWholeRun);
    app.act(Action::SelectView(view));
    terminal.frame(app, Fidelity::Exact);
    let mut times: Vec<(f64, Action)> = Vec::new();
    let (mut steps, mut pages) = (Vec::new(), Vec::new());
    for at in 0..frames {
        let action = action(at);
        let begun = cpu();
        app.act(action);
        let acted = cpu() - begun;
        let (drawing, encoding, bytes) = terminal.frame(app, Fidelity::Exact);
        times.push(((acted + drawing + encoding).as_secs_f64() * 1e3, action));
        match action {
            Action::MoveStep(-1) => steps.push(bytes as f64),
            Action::MovePage(-1) => pages.push(bytes as f64),
            _ => {}
        }
    }
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let milliseconds: Vec<f64> = times.iter().map(|(time, _)| *time).collect();
    Measured {
        view: view.name,
        size,
        frame_p50_ms: quantile(&milliseconds, 0.5),
        frame_p99_ms: quantile(&milliseconds, 0.99),
        frame_max_ms: quantile(&milliseconds, 1.0),
        slowest: times.last().map(|(_, action)| format!("{action:?}")).unwrap_or_default(),
        step_bytes_p50: quantile(&steps, 0.5),
        page_bytes_p50: quantile(&pages, 0.5),
        page_bytes_max: quantile(&pages, 1.0),
    }
}

/// Moves, zooms, and what else is pressed often.
fn action(at: usize) -> Action {
    const CYCLE: [Action; 16] = [
        Action::MoveStep(-1),
        Action::MovePage(-1),
        Action::MoveStep(-1),
        Action::MoveLayer(-1),
        Action::Zoom(1),
        Action::MoveStep(-10),
        Action::PanQuarters(-1),
        Action::MovePage(-1),
        Action::Zoom(-1),
        Action::MoveBlock(1),
        Action::MovePage(-1),
        Action::Zoom(3),
        Action::MoveStep(1),
        Action::PanQuarters(1),
        Action::ShowWholeRun,
        Action::SelectNextLane,
    ];
    // The cursor goes back, and to the end again.
    if at % 160 == 159 { Action::FollowLastStep } else { CYCLE[at % CYCLE.len()] }
}

fn run_live(specimens: &[Specimen], view: ViewKind) -> Live {
    let last = MADE + LIVE_FRAMES * STEPS_A_FRAME;
    let label = |lane: &Specimen| LaneLabel { run: "live".to_owned(), lane: lane.name.clone() };
    let mut app = App::new(specimens.iter().map(label).collect());
    let mut coming: Vec<(LaneIdx, RunEvent)> = Vec::new();
    for (lane, specimen) in specimens.iter().enumerate() {
        let short = Specimen { breaks_off_at: Some(last), ..specimen.clone() };
        for event in short.events() {
            if event.step.0 <= MADE {
                app.apply(LaneIdx(lane), &event);
            } else {
                coming.push((LaneIdx(lane), event));
            }
        }
    }
    coming.sort_by_key(|(_, event)| event.step);
    app.act(Action::SelectView(view));
    let mut terminal = Terminal::new(SIZES[0]);
    terminal.frame(&app, Fidelity::Exact);
    let (mut folding, mut drawing, mut encoding, mut bytes) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO, 0);
    let mut events = coming.iter().peekable();
    for frame in 1..=LIVE_FRAMES {
        let begun = cpu();
        while let Some((lane, event)) =
            events.next_if(|(_, event)| event.step.0 <= MADE + frame * STEPS_A_FRAME)
        {
            app.apply(*lane, event);
        }
        folding += cpu() - begun;
        let (drawn, encoded, size) = terminal.frame(&app, Fidelity::Within(0.02));
        (drawing, encoding, bytes) = (drawing + drawn, encoding + encoded, bytes + size);
    }
    let seconds = LIVE_FRAMES as f64 / 10.0;
    let percent = |time: Duration| time.as_secs_f64() / seconds * 100.0;
    Live {
        view: view.name,
        folding_percent: percent(folding),
        drawing_percent: percent(drawing),
        encoding_percent: percent(encoding),
        kilobytes_per_second: bytes as f64 / seconds / 1e3,
    }
}

/// A quantile, of any order.
fn quantile(all: &[f64], share: f64) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
