//! `skiplane report`: what claims came to, as one page: HTML that needs nothing else, or Markdown.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::decided::Decided;
use super::failure::Failure;
use super::{RunsFolder, destination};
use crate::claims::{self, Cell, Compared, Judged, Term, in_words};
use crate::experiment::RuleText;
use crate::metric::{Metric, known};
use crate::printable::percent;
use crate::runlog::LaneSummary;

mod figure;
mod html;
mod markdown;

/// Writes the verdicts of claims with their figures, rules, runs and sources as one page.
///
/// HTML holds its figures, reads without scripts, and suits dark and light screens and paper; Markdown has tables instead
/// of figures. Nothing is trained.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane report degradation --out degradation.html
  skiplane report degradation shallow --format markdown --out claims.md")]
pub(super) struct ReportArgs {
    /// The sweeps: each a file, the name of a built-in one or of one that was trained, or one of its runs.
    #[arg(required = true, value_name = "SWEEP")]
    sweeps: Vec<String>,
    /// The format.
    #[arg(long, value_enum, default_value = "html")]
    format: Format,
    /// The file to write; an existing file is replaced, a link followed. Default: standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    folder: RunsFolder,
}

/// A format of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One file for a browser.
    Html,
    /// Text with tables (GitHub Flavored Markdown).
    Markdown,
}

/// A claim as it is reported.
struct Section {
    decided: Decided,
    question: String,
    /// Each number that is compared, by what differs between lanes.
    figures: Vec<(Metric, Compared)>,
}

pub(super) fn run(args: &ReportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let find = |name: &String| Decided::find(name, &args.folder).map(Section::of);
    let sections = args.sweeps.iter().map(find).collect::<Result<Vec<Section>, Failure>>()?;
    let page = match args.format {
        Format::Html => html::page(&sections),
        Format::Markdown => markdown::page(&sections),
    };
    let folders: Vec<PathBuf> = sections.iter().flat_map(|section| section.decided.folders()).collect();
    destination::write(args.out.as_deref(), &folders, out, |out| Ok(out.write_all(page.as_bytes())?))
}

impl Section {
    fn of(decided: Decided) -> Section {
        let question =
            decided.runs.first().map(|(experiment, _)| experiment.question.clone()).unwrap_or_default();
        let named = |name: &String| claims::metrics().find(|metric| metric.name() == name);
        let metrics = decided.claim.figures.iter().filter_map(named);
        let metrics: Vec<Metric> = metrics.collect();
        let metrics = if metrics.is_empty() { vec![known::TRAIN_ERROR] } else { metrics };
        let compared = |metric| {
            let app = &decided.app;
            Compared::of(app.lanes(), metric, app.last_step(), 0).map(|compared| (metric, compared))
        };
        let figures = metrics.into_iter().filter_map(compared).collect();
        Section { decided, question, figures }
    }

    /// What is common to all of its runs, in words.
    fn about(&self) -> String {
        let runs = &self.decided.runs;
        let trained: Vec<_> = runs.iter().filter_map(|(_, run)| run.as_ref()).collect();
        let count = format!("{} of {} runs", trained.len(), runs.len());
        let Some(run) = trained.first() else { return count };
        let manifest = &run.summary.manifest;
        let ms: f64 =
            trained.iter().flat_map(|run| run.summary.lanes.iter().map(|lane| lane.elapsed_ms)).sum();
        format!(
            "{count}, {} lanes of {:.0} s in all, skiplane {}, {} ({})",
            trained.iter().map(|run| run.summary.lanes.len()).sum::<usize>(),
            ms / 1e3,
            manifest.skiplane,
            manifest.os,
            manifest.instruction_set
        )
    }

    /// The rules with what they came to, those that confirm and those that refute.
    fn rules(&self) -> impl Iterator<Item = (&'static str, &RuleText, &Judged)> {
        let Decided { claim, judged: [confirm, refute], .. } = &self.decided;
        let confirm = claim.confirm.iter().zip(confirm).map(|(text, judged)| ("confirms", text, judged));
        let refute = claim.refute.iter().zip(refute).map(|(text, judged)| ("refutes", text, judged));
        confirm.chain(refute)
    }
}

/// Whether a rule holds, in a word.
fn state(judged: &Judged) -> &'static str {
    match judged.holds {
        Some(true) => "holds",
        Some(false) => "fails",
        None => "open",
    }
}

/// What a rule came to, in words, one line each.
fn findings(judged: &Judged) -> Vec<String> {
    let [left, right] = judged.sides.map(|side| judged.unit.in_words(side));
    let first = match &judged.problem {
        Some(problem) => format!("cannot be judged: {problem}"),
        None => format!("{left} against {right}"),
    };
    std::iter::once(first).chain(judged.terms.iter().map(Term::in_words)).collect()
}

/// Median and extent of a cell.
fn of_cell(cell: &Cell, metric: Metric) -> String {
    match cell.median().zip(cell.extent()) {
        None => "-".to_owned(),
        // Of several that all diverged nothing more is to be said.
        Some((median, _)) if cell.numbers.len() == 1 || cell.finite().next().is_none() => {
            in_words(median, metric)
        }
        Some((median, (least, greatest))) => {
            let [median, least, greatest] = [median, least, greatest].map(|x| in_words(x, metric));
            format!("{median} ({least} to {greatest})")
        }
    }
}

/// The last figures of a lane.
fn last(lane: &LaneSummary) -> [String; 4] {
    let error = |error: Option<f32>| error.map_or("-".to_owned(), percent);
    [lane.name.clone(), lane.state.name().to_owned(), error(lane.train_error), error(lane.test_error)]
}
