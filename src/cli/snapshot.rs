//! `skiplane snapshot`: draws one frame of the dashboard, without a terminal.

use std::io::Write;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::appearance::AppearanceArgs;
use super::failure::Failure;
use super::{ForeignArgs, RUNS_HELP, RunsFolder, destination, saved};
use crate::app::viewport::Part;
use crate::app::{Action, NameFilter, ViewKind};
use crate::printable::printable;
use crate::reading::replay::Run;
use crate::sources::Pattern;
use crate::theme::Theme;
use crate::units::Step;
use crate::views::{self, Command, View};

/// The largest number of columns or rows.
const LARGEST: u16 = 1000;

/// Draws one frame of saved runs, as text, as text with colours, or as a picture.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane snapshot latest --view heatmap
  skiplane snapshot latest --view profile --step 200 --size 100x30 --format svg > profile.svg")]
pub(super) struct SnapshotArgs {
    #[arg(required = true, help = RUNS_HELP)]
    run: Vec<String>,
    /// The view.
    #[arg(long, value_name = "NAME", value_parser = views())]
    view: ViewKind,
    /// The step of the cursor; default: the last one.
    #[arg(long, value_name = "N")]
    step: Option<u64>,
    /// The step of the mark, with which charts over time compare the cursor; default: none.
    #[arg(long, value_name = "N")]
    mark: Option<u64>,
    /// The steps that charts over time show; default: the whole run.
    #[arg(long, value_name = "FROM..TO", value_parser = range)]
    range: Option<(Step, Step)>,
    /// The part of the vertical axes that charts show, as shares of them from below, such as 0.5..1 for the upper half
    #[arg(long, value_name = "LOW..HIGH", value_parser = part)]
    part: Option<Part>,
    /// The layers that are shown: those whose name this regular expression finds; default: all. With `{layer}` in it, it
    /// says which tags in a log of another program are of layers, as for `review`; it may then be given several times.
    #[arg(long, value_name = "REGEX", value_parser = layers)]
    layers: Vec<Layers>,
    /// The metrics that can be chosen and are drawn as charts: those whose name this regular expression finds; default: all.
    #[arg(long, value_name = "REGEX", value_parser = names)]
    metrics: Option<NameFilter>,
    /// An action of the dashboard that is carried out before, by its name in docs/CONFIG.md, or several times:
    /// `next_statistic`, `down*5`. May be given several times.
    #[arg(long = "do", value_name = "ACTION[*TIMES]", value_parser = action)]
    actions: Vec<(Command, u32)>,
    /// Columns and rows.
    #[arg(long, default_value = "120x40", value_parser = size)]
    size: (u16, u16),
    /// The format of the frame.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The file to write; an existing file is replaced, a link followed. Default: standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    appearance: AppearanceArgs,
    #[command(flatten)]
    folder: RunsFolder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Characters only.
    Text,
    /// Characters with the escape sequences that colour them on a terminal.
    Ansi,
    /// An SVG picture.
    Svg,
    /// The numbers that the view draws.
    Csv,
}

/// The names of the views, each with what it shows.
fn views() -> impl TypedValueParser<Value = ViewKind> {
    let value = |view: &&dyn View| PossibleValue::new(view.kind().name).help(view.title());
    PossibleValuesParser::new(views::ALL.iter().map(value))
        .try_map(|name| views::kind_named(&name).ok_or("no view of this name"))
}

fn range(given: &str) -> Result<(Step, Step), String> {
    let ends = given.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    match ends {
        Some((from, to)) if from < to => Ok((Step(from), Step(to))),
        _ => Err("expected two steps such as 100..200, the first before the second".to_owned()),
    }
}

fn names(given: &str) -> Result<NameFilter, String> {
    NameFilter::new(given)?.ok_or_else(|| "expected a regular expression, found nothing".to_owned())
}

/// What is said of layers.
#[derive(Clone, Debug)]
enum Layers {
    /// Which are shown.
    Shown(NameFilter),
    /// Which tags of another program's log are theirs.
    Taken(Pattern),
}

fn layers(given: &str) -> Result<Layers, String> {
    if given.contains("{layer}") { given.parse().map(Layers::Taken) } else { names(given).map(Layers::Shown) }
}

/// How often an action may be carried out.
const MOST_TIMES: u32 = 10_000;

fn action(given: &str) -> Result<(Command, u32), String> {
    let (name, times) = given.split_once('*').unwrap_or((given, "1"));
    let command = views::command_named(name).ok_or_else(|| {
        format!("expected the name of an action such as next_statistic, found `{name}`; `skiplane keys dashboard` lists them")
    })?;
    let times = times.parse().ok().filter(|times| (1..=MOST_TIMES).contains(times));
    let times = times.ok_or_else(|| format!("expected a number from 1 to {MOST_TIMES} after `*`"))?;
    Ok((command, times))
}

fn part(given: &str) -> Result<Part, String> {
    let share = |text: &str| text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    let ends = given.split_once("..").and_then(|(low, high)| Some((share(low)?, share(high)?)));
    let part = ends.filter(|(low, high)| low < high).and_then(|(low, high)| Part::new(low, high));
    part.ok_or_else(|| "expected two shares of the axis such as 0.5..1, the lower one first".to_owned())
}

fn size(given: &str) -> Result<(u16, u16), String> {
    let sides =
        given.split_once('x').and_then(|(columns, rows)| Some((columns.parse().ok()?, rows.parse().ok()?)));
    match sides {
        Some((columns, rows)) if (1..=LARGEST).contains(&columns) && (1..=LARGEST).contains(&rows) => {
            Ok((columns, rows))
        }
        _ => Err(format!("expected columns x rows such as 120x40, each from 1 to {LARGEST}")),
    }
}

pub(super) fn run(args: &SnapshotArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (mut foreign, mut filter) = (ForeignArgs::default(), None);
    for layers in &args.layers {
        match layers {
            Layers::Taken(pattern) => foreign.layers.push(pattern.clone()),
            Layers::Shown(names) => filter = Some(names.clone()),
        }
    }
    let runs = args.folder.find_all(&args.run, &foreign)?;
    let (columns, rows) = views::LEAST_SIZE;
    if args.size.0 < columns || args.size.1 < rows {
        let (width, height) = args.size;
        return Err(Failure::Input(anyhow!(
            "--size: expected at least {columns}x{rows}, found {width}x{height}"
        )));
    }
    let (mut app, mut library) = saved::fold(&runs)?;
    app.act(Action::SelectView(args.view));
    if let Some(step) = args.step {
        let last = app.last_step();
        if step > last.0 {
            return Err(Failure::Input(anyhow!(
                "--step: expected at most {last}, the last step, found {step}"
            )));
        }
        app.act(Action::SelectStep(Step(step)));
    }
    if let Some(mark) = args.mark {
        let end = app.last_step();
        if mark > end.0 {
            return Err(Failure::Input(anyhow!(
                "--mark: expected at most {end}, the last step, found {mark}"
            )));
        }
        app.act(Action::SetMark(Some(Step(mark))));
    }
    if let Some((first, last)) = args.range {
        let end = app.last_step();
        if last > end {
            return Err(Failure::Input(anyhow!(
                "--range: expected at most {end}, the last step, found {last}"
            )));
        }
        app.act(Action::ShowRange(first, last));
    }
    app.filter_layers(filter.clone());
    app.filter_metrics(args.metrics.clone());
    if let Some(filter) = filter.filter(|_| app.rows().is_empty()) {
        let pattern = printable(filter.pattern());
        return Err(Failure::Input(anyhow!(
            "--layers: expected the name of a layer, found none like `{pattern}`"
        )));
    }
    for (command, times) in &args.actions {
        for _ in 0..*times {
            let Some(action) = views::action_of(&app, *command) else {
                return Err(Failure::Input(anyhow!(
                    "--do: expected an action on what is shown, found one for a terminal or a training"
                )));
            };
            app.act(action);
        }
    }
    if let Some(part) = args.part {
        app.act(Action::ShowPart(part));
    }
    let theme = Theme::new(
        args.appearance.colors().unwrap_or_default(),
        args.appearance.background().unwrap_or_default(),
        args.appearance.characters().unwrap_or_default(),
    );
    views::supply(&mut app, |app, needs| library.answer(app, needs));
    let frame = |format| Ok(views::snapshot(&app, args.size, &theme, format));
    let frame = match args.format {
        Format::Text => frame(views::Format::Text),
        Format::Ansi => frame(views::Format::Ansi),
        Format::Svg => frame(views::Format::Svg),
        Format::Csv => views::csv(&app).ok_or_else(|| {
            let name = args.view.name;
            Failure::Input(anyhow!(
                "--format csv: expected a view that draws numbers, found {name}, which draws none"
            ))
        }),
    }?;
    let paths: Vec<PathBuf> = runs.iter().flat_map(Run::paths).collect();
    destination::write(args.out.as_deref(), &paths, out, |out| Ok(out.write_all(frame.as_bytes())?))
}
