//! `skiplane runs`: lists the runs of a folder, in a browser on a terminal, else as a table.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde::Serialize;

use super::appearance::AppearanceArgs;
use super::failure::Failure;
use super::table::{Align, Table, duration, loss, percent, state};
use super::{ForeignArgs, RunsFolder, saved, show, warn, write_json};
use crate::printable::grouped;
use crate::reading::{self, Opened, replay};
use crate::runlog::{self, Manifest, RunSummary, State, run_path};
use crate::runs_list::run::At;
use crate::runs_list::sort::order;
use crate::runs_list::{Filter, FilterError, Run, RunsList, Sort, SortKey};
use crate::session::listing;
use crate::tui::{self, Choice, Ending, Followed, RunsStock, Saved, Terminal};

/// Lists the runs of a folder with state, lanes, steps and last figures: in a browser on a terminal, otherwise as a
/// table.
///
/// The browser opens runs on the dashboard, compares marked runs, keeps notes and tags, and moves runs to the trash;
/// `?` shows its keys. In the table, loss is that of the last step; train and test are the errors of the last
/// evaluations with running statistics. `lacks` after a state counts the records that are missing from the log.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane runs
  skiplane runs lightning_logs/
  skiplane runs --filter 'depth>20 shortcut=identity loss<0.5 not tag=draft' --sort test
  skiplane runs --json | jq -r '.[] | select(.state == \"finished\").id'

A run matches a filter if one of its lanes meets all conditions. Words without a key are searched in id, name,
question, note and tags; `key=value`, !=, <, <=, >, >= and ~ (contains) compare; and, or, not and parentheses
combine.")]
pub(super) struct RunsArgs {
    /// A folder of runs, instead of `--runs`; or logs of another program, of which a table is printed: a TensorBoard
    /// folder, offline W&B runs, a .csv, .jsonl or trainer_state.json.
    path: Option<PathBuf>,
    #[command(flatten)]
    folder: RunsFolder,
    /// Prints all details as a JSON array with an object per run.
    #[arg(long, conflicts_with = "plain")]
    json: bool,
    /// Prints the table on a terminal, too.
    #[arg(long)]
    plain: bool,
    /// Shows only the runs that match a filter.
    #[arg(long, value_name = "EXPR")]
    filter: Option<String>,
    /// Sorts by state, id, started, depth, step, loss, train, test, duration, tag or seed; by default the newest come
    /// first in the browser and last in the table.
    #[arg(long, value_name = "KEY", value_parser = sort_key)]
    sort: Option<SortKey>,
    /// Sorts in descending order.
    #[arg(long, requires = "sort")]
    reverse: bool,
    #[command(flatten)]
    appearance: AppearanceArgs,
}

fn sort_key(name: &str) -> Result<SortKey, String> {
    SortKey::named(name).ok_or_else(|| {
        let names: Vec<&str> = SortKey::ALL.into_iter().map(SortKey::name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// A run to be printed.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    summary: &'a RunSummary,
    note: &'a str,
    tags: &'a [String],
}

impl RunsArgs {
    fn filter(&self) -> Result<Filter, Failure> {
        let text = self.filter.as_deref().unwrap_or_default();
        text.parse().map_err(|error: FilterError| Failure::Input(anyhow::anyhow!("--filter: {error}")))
    }

    fn sort(&self) -> Option<Sort> {
        self.sort.map(|key| Sort { key, descending: self.reverse })
    }
}

pub(super) fn run(args: &RunsArgs) -> Result<(), Failure> {
    let (filter, mut root) = (args.filter()?, args.folder.path()?);
    if let Some(path) = &args.path {
        if !has_runs(path)
            && let Some(run) = ForeignArgs::default().find(path)?
        {
            return print_foreign(run, args.json);
        }
        root.clone_from(path);
    }
    let on_terminal = io::stdin().is_terminal() && io::stdout().is_terminal() && tui::has_screen();
    if !args.json && !args.plain && on_terminal {
        let mut list = RunsList::new();
        list.set_filter(filter);
        args.sort().into_iter().for_each(|sort| list.set_sort(sort));
        return browse(&root, &mut list, args.appearance);
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    print(args, &filter, &root, &mut out)?;
    Ok(out.flush()?)
}

/// Whether a folder has runs of this program.
fn has_runs(folder: &Path) -> bool {
    runlog::ids(folder).unwrap_or_default().iter().any(|id| folder.join(id).join(Manifest::FILE).is_file())
}

/// Prints a table of the logs of another program.
fn print_foreign(run: replay::Run, json: bool) -> Result<(), Failure> {
    use Align::{Left, Right};
    let mut out = io::BufWriter::new(io::stdout().lock());
    if let (true, replay::Run::Foreign(sources)) = (json, &run) {
        show::foreign::run(sources.clone(), true, &mut out)?;
        return Ok(out.flush()?);
    }
    let Opened { mut app, replay, mut library } = reading::open_runs(&[run])?;
    let columns = [
        ("LANE", Left),
        ("STATE", Left),
        ("STEP", Right),
        ("LOSS", Right),
        ("METRICS", Right),
        ("LAYERS", Right),
        ("TIME", Right),
        ("FORMAT", Left),
    ];
    let mut table = Table::new(&columns);
    saved::note_silence(&mut app, &replay);
    for log in replay.lanes() {
        library.prepare(&mut app, log.idx());
        let Some(lane) = app.lane(log.idx()) else { continue };
        table.row([
            lane.name().to_owned(),
            lane.state().name().to_owned(),
            grouped(lane.last_step().0),
            loss(lane.loss().last().and_then(|row| row.last(0))),
            lane.declared().metrics().len().to_string(),
            lane.structure().map_or(0, |structure| structure.layers.len()).to_string(),
            duration(lane.elapsed_ms()),
            log.origin.format().to_owned(),
        ]);
    }
    table.write("", &mut out)?;
    Ok(out.flush()?)
}

/// Browses the runs of a folder, coming from the dashboard.
pub(super) fn browse_all(folder: &RunsFolder, appearance: AppearanceArgs) -> Result<(), Failure> {
    browse(&folder.path()?, &mut RunsList::new(), appearance)
}

/// Switches between the browser and the dashboard until the user leaves the browser.
fn browse(root: &Path, list: &mut RunsList, appearance: AppearanceArgs) -> Result<(), Failure> {
    let mut stock = RunsStock::open(root.to_owned())?;
    let mut terminal = Terminal::open(appearance.setup())?;
    let mut notice = None;
    loop {
        let ids = match terminal.browser(list, &mut stock, notice.as_deref())? {
            Choice::Open(ids) => ids,
            Choice::Leave(Ending::Signal(_) | Ending::Lost) => return Err(Failure::Interrupted),
            Choice::Leave(Ending::Left | Ending::Browse | Ending::Stop | Ending::Detach) => return Ok(()),
        };
        notice = match open(root, list, &ids, &mut terminal) {
            Ok((Ending::Signal(_) | Ending::Lost, _)) => return Err(Failure::Interrupted),
            Ok((Ending::Left | Ending::Browse | Ending::Stop | Ending::Detach, losses)) => {
                losses.into_iter().next()
            }
            // If a run cannot be opened, the browser stays open.
            Err(failure) => failure.message(),
        };
    }
}

/// Shows runs on the dashboard: a single running one is followed, otherwise their current state is shown.
fn open(
    root: &Path,
    list: &RunsList,
    ids: &[String],
    terminal: &mut Terminal,
) -> Result<(Ending, Vec<String>), Failure> {
    terminal.say(&format!("opening {}", ids.join(", ")))?;
    let folders = ids.iter().map(|id| run_path(root, id)).collect::<Result<Vec<PathBuf>, _>>()?;
    let is_written =
        |id: &String| list.run(id).and_then(Run::state).is_some_and(|state: State| !state.is_over());
    if let [folder] = folders.as_slice()
        && ids.iter().any(is_written)
    {
        let Opened { mut app, replay, library } = reading::open(&folders)?;
        let mut source = Followed::new(replay, library, folder.clone());
        return Ok((terminal.dashboard(&mut app, &mut source)?, Vec::new()));
    }
    let runs: Vec<replay::Run> = folders.into_iter().map(replay::Run::Own).collect();
    let (mut app, library, losses) = saved::fold_quietly(&runs)?;
    Ok((terminal.dashboard(&mut app, &mut Saved::new(library))?, losses))
}

fn print(args: &RunsArgs, filter: &Filter, root: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let runs: Vec<Run> = listing::read_all(root)?.into_iter().map(Run::new).collect();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let mut shown: Vec<usize> =
        (0..runs.len()).filter(|index| filter.matches(&At { run: &runs[*index], now_ms })).collect();
    // The newest last, next to the prompt.
    order(&runs, &mut shown, args.sort().unwrap_or(Sort { key: SortKey::Started, descending: false }));
    let known: Vec<&Run> =
        shown.iter().map(|index| &runs[*index]).filter(|run| run.known().is_some()).collect();
    if args.json {
        let printed: Vec<Printed<'_>> = known.iter().filter_map(|run| printed(run)).collect();
        write_json(&printed, out)?;
    } else if known.is_empty() && filter.is_everything() {
        warn(&format!("no runs in {} yet; `skiplane train` makes one", root.display()));
    } else if known.is_empty() {
        warn(&format!("no run in {} matches the filter", root.display()));
    } else {
        write_table(&known, out)?;
    }
    for index in shown {
        if let Some(problem) = runs[index].problem() {
            warn(&format!("{}: {problem}", runs[index].id()));
        }
    }
    Ok(())
}

fn printed(run: &Run) -> Option<Printed<'_>> {
    let known = run.known()?;
    Some(Printed { summary: &known.summary, note: known.notes.note(), tags: known.notes.tags() })
}

fn write_table(runs: &[&Run], out: &mut dyn Write) -> io::Result<()> {
    use Align::{Left, Right};
    let columns = [
        ("RUN", Left),
        ("STATE", Left),
        ("LANE", Left),
        ("STEP", Right),
        ("LOSS", Right),
        ("TRAIN", Right),
        ("TEST", Right),
        ("TIME", Right),
    ];
    let mut table = Table::new(&columns);
    for run in runs {
        for (index, lane) in run.lanes().iter().enumerate() {
            table.row([
                if index == 0 { run.id().to_owned() } else { String::new() },
                state(lane),
                lane.name.clone(),
                lane.progress(),
                loss(lane.loss),
                percent(lane.train_error),
                percent(lane.test_error),
                duration(lane.elapsed_ms),
            ]);
        }
    }
    table.write("", out)
}
