//! `skiplane claims`: the built-in claims with what came of each.

use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::decided::Decided;
use super::failure::Failure;
use super::source::Text;
use super::table::{Align, Table};
use super::{RunsFolder, write_json};
use crate::session::listing;

/// Lists the built-in claims about residual connections, each with the verdict of the runs that are there.
///
/// `skiplane check NAME` shows what one costs, `skiplane sweep NAME` trains it, `skiplane verdict NAME` shows its rules
/// with their numbers.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane claims
  skiplane sweep degradation && skiplane verdict degradation")]
pub(super) struct ClaimsArgs {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    folder: RunsFolder,
}

#[derive(Serialize)]
struct Printed {
    name: String,
    says: String,
    verdict: String,
    experiments: usize,
    trained: usize,
}

pub(super) fn run(args: &ClaimsArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let listed = listing::read_all(&args.folder.path()?)?;
    let mut all = Vec::new();
    for text in Text::claims() {
        let decided = Decided::of(text, &listed)?;
        let trained = decided.trained();
        let verdict = if trained == 0 { "not trained yet".to_owned() } else { decided.verdict.to_string() };
        let Decided { name, claim, runs, .. } = decided;
        all.push(Printed { name, says: claim.says, verdict, experiments: runs.len(), trained });
    }
    if args.json {
        return Ok(write_json(&all, out)?);
    }
    use Align::{Left, Right};
    let mut table = Table::new(&[("CLAIM", Left), ("VERDICT", Left), ("TRAINED", Right), ("IT SAYS", Left)]);
    for Printed { name, says, verdict, experiments, trained } in all {
        table.row([name, verdict, format!("{trained}/{experiments}"), says]);
    }
    Ok(table.write("", out)?)
}
