//! `skiplane verdict`: what the runs of a sweep come to, by the rules of its claim.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::decided::Decided;
use super::failure::Failure;
use super::{RunsFolder, write_json};
use crate::claims::{Judged, Term, Verdict};
use crate::experiment::RuleText;
use crate::printable::printable;

/// The exit status of a claim that is refuted ...
const REFUTED: u8 = 3;
/// ... and of one that is neither confirmed nor refuted.
const NOT_SHOWN: u8 = 4;

/// Says whether the runs of a sweep confirm its claim, by the rules in its file.
///
/// Every rule is shown with its numbers, the spread over the seeds, and what the literature has. Exit status: 0
/// confirmed, 3 refuted, 4 not shown by what was trained, so that a script can depend on it.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane verdict degradation
  skiplane verdict latest --json
  skiplane verdict experiments/claims/degradation.toml --runs /data/runs")]
pub(super) struct VerdictArgs {
    /// The sweep: its file or the name of a built-in one, whose rules are used; or one of its runs, with the rules of the
    /// file that it was started with.
    #[arg(value_name = "SWEEP|RUN")]
    sweep: String,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    folder: RunsFolder,
}

pub(super) fn run(args: &VerdictArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let decided = Decided::find(&args.sweep, &args.folder)?;
    if args.json {
        write_json(&Printed::of(&decided), out)?;
    } else {
        write(&decided, out)?;
    }
    out.flush()?;
    match decided.verdict {
        Verdict::Confirmed => Ok(()),
        Verdict::Refuted => Err(Failure::Told(REFUTED)),
        Verdict::NotShown => Err(Failure::Told(NOT_SHOWN)),
    }
}

fn write(decided: &Decided, out: &mut dyn Write) -> io::Result<()> {
    let Decided { name, claim, runs, verdict, judged: [confirm, refute], .. } = decided;
    writeln!(out, "{}: {verdict}", printable(name))?;
    writeln!(out, "{}", printable(&claim.says))?;
    writeln!(out, "{} of {} experiments were trained", decided.trained(), runs.len())?;
    writeln!(out, "\nconfirmed if all of these hold")?;
    write_rules(claim.confirm.iter().zip(confirm), out)?;
    writeln!(out, "\nrefuted if one of these holds")?;
    write_rules(claim.refute.iter().zip(refute), out)?;
    if !claim.sources.is_empty() {
        writeln!(out, "\nsources")?;
    }
    for source in &claim.sources {
        writeln!(out, "  {}", printable(source))?;
    }
    Ok(())
}

fn write_rules<'a>(
    rules: impl Iterator<Item = (&'a RuleText, &'a Judged)>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for (text, judged) in rules {
        let state = match judged.holds {
            Some(true) => "holds",
            Some(false) => "fails",
            None => "open",
        };
        writeln!(out, "  {state}  {}", printable(&text.rule))?;
        if let Some(problem) = &judged.problem {
            writeln!(out, "         cannot be judged: {}", printable(problem))?;
        } else {
            let [left, right] = judged.sides.map(|side| judged.unit.in_words(side));
            writeln!(out, "         {left} against {right}")?;
        }
        for term in &judged.terms {
            writeln!(out, "         {}", printable(&term.in_words()))?;
        }
        if !text.means.is_empty() {
            writeln!(out, "         {}", printable(&text.means))?;
        }
        if !text.literature.is_empty() {
            writeln!(out, "         literature: {}", printable(&text.literature))?;
        }
    }
    Ok(())
}

/// A verdict as JSON.
#[derive(Serialize)]
struct Printed<'a> {
    sweep: &'a str,
    says: &'a str,
    verdict: String,
    experiments: usize,
    trained: usize,
    confirm: Vec<PrintedRule<'a>>,
    refute: Vec<PrintedRule<'a>>,
    sources: &'a [String],
}

#[derive(Serialize)]
struct PrintedRule<'a> {
    rule: &'a str,
    holds: Option<bool>,
    /// JSON has no infinity: null stands for what is no finite number.
    left: f64,
    right: f64,
    problem: Option<&'a str>,
    samples: Vec<PrintedTerm<'a>>,
    means: &'a str,
    literature: &'a str,
}

#[derive(Serialize)]
struct PrintedTerm<'a> {
    text: &'a str,
    value: f64,
    least: f64,
    greatest: f64,
    count: usize,
}

impl<'a> Printed<'a> {
    fn of(decided: &'a Decided) -> Printed<'a> {
        let Decided { name, claim, runs, verdict, judged: [confirm, refute], .. } = decided;
        let all = |rules: &'a [RuleText], judged: &'a [Judged]| {
            rules.iter().zip(judged).map(|(text, judged)| PrintedRule::of(text, judged)).collect()
        };
        Printed {
            sweep: name,
            says: &claim.says,
            verdict: verdict.to_string(),
            experiments: runs.len(),
            trained: decided.trained(),
            confirm: all(&claim.confirm, confirm),
            refute: all(&claim.refute, refute),
            sources: &claim.sources,
        }
    }
}

impl<'a> PrintedRule<'a> {
    fn of(text: &'a RuleText, judged: &'a Judged) -> PrintedRule<'a> {
        let term = |term: &'a Term| {
            let Term { ref text, value, count, least, greatest, .. } = *term;
            PrintedTerm { text, value, least, greatest, count }
        };
        let [left, right] = judged.sides;
        PrintedRule {
            rule: &text.rule,
            holds: judged.holds,
            left,
            right,
            problem: judged.problem.as_deref(),
            samples: judged.terms.iter().map(term).collect(),
            means: &text.means,
            literature: &text.literature,
        }
    }
}
