//! `skiplane keys`: what may stand in an experiment's `[data]`, `[[lane]]` and `[probe.NAME]`, and the keys of the
//! dashboard.

use std::io::{self, Write};

use clap::Args;

use super::appearance::settings;
use super::failure::Failure;
use super::table::{Align, Table};
use super::{source, tell};
use crate::experiment::{Absence, Available, Key, Path};
use crate::paths;
use crate::views::{Bound, Keymap};

/// Lists the architectures, data sets and probes of this build, or the keys of one of them, of the dashboard or of the list of runs.
///
/// Of each key: the values it may have, its default, and what it means. The keys that all experiments have are in the
/// experiments that come with the program, such as experiments/plain-vs-residual.toml.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane keys
  skiplane keys transformer
  skiplane keys dashboard
  skiplane keys runs")]
pub(super) struct KeysArgs {
    /// An architecture, a data set or a probe; `dashboard` or `runs` for the keys of the dashboard or of the list
    /// of runs, and the file that may change them.
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

pub(super) fn run(args: &KeysArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let available = source::available();
    let Some(name) = &args.name else { return Ok(write_all(&available, out)?) };
    if name == DASHBOARD {
        return Ok(write_keymap(settings().keymap, "[keys]", "\"ctrl-o\" = \"palette\"", out)?);
    }
    if name == RUNS {
        return Ok(write_keymap(settings().runs_keymap, "[keys.runs]", "\"ctrl-d\" = \"page_down\"", out)?);
    }
    if let Some(entry) = available.architecture(name) {
        writeln!(out, "{name}: {}", entry.summary)?;
        writeln!(out, "A [[lane]] with architecture = \"{name}\" trains on {} and has", entry.data.name())?;
        return Ok(write_keys(&entry.keys, out)?);
    }
    if let Some(entry) = available.probe(name) {
        writeln!(out, "{name}: {}", entry.summary)?;
        writeln!(out, "A table [probe.{name}] is for all lanes. It has `at` ({WHEN}) and")?;
        return Ok(write_keys(&entry.keys, out)?);
    }
    let Some(entry) = available.data_set(name) else {
        let architectures = available.architectures.iter().map(|entry| entry.name);
        let datasets = available.datasets.iter().map(|entry| entry.name);
        let probes = available.probes.iter().map(|entry| entry.name);
        let known: Vec<&str> = architectures.chain(datasets).chain(probes).collect();
        return Err(Failure::Input(anyhow::anyhow!(
            "expected an architecture, a data set or a probe ({}), found `{}`",
            known.join(", "),
            crate::printable::printable(name)
        )));
    };
    writeln!(out, "{name}: {}", entry.summary)?;
    let path = match entry.path {
        Path::None => "is generated",
        Path::Folder => "is read from the folder at `path`",
        Path::File => "is read from the file at `path`",
    };
    let keys = if entry.keys.is_empty() { "has no keys of its own" } else { "has" };
    writeln!(out, "[data] with name = \"{name}\" {path}, is of {}, and {keys}", entry.kind.name())?;
    Ok(write_keys(&entry.keys, out)?)
}

/// The names of the dashboard and of the list of runs, which are the names of nothing else.
const DASHBOARD: &str = "dashboard";
const RUNS: &str = "runs";

/// The actions of a screen with the keys in force, and where the file is that changes them.
fn write_keymap<C: Bound>(keymap: Keymap<C>, of: &str, example: &str, out: &mut dyn Write) -> io::Result<()> {
    let path = paths::config_file();
    let mut table = Table::new(&[("ACTION", Align::Left), ("KEYS", Align::Left), ("WHAT", Align::Left)]);
    for (name, keys, what) in keymap.table() {
        table.row([name.to_owned(), keys.join(" "), what.to_owned()]);
    }
    table.write("", out)?;
    let path =
        path.map_or("config.toml, but there is no home folder".to_owned(), |path| path.display().to_string());
    writeln!(out, "\nAn entry such as {example} in {of} of this file changes them:")?;
    tell(out, &path)
}

/// When a probe measures.
const WHEN: &str = "\"end\", \"evaluations\", or steps such as [0, 100]; else end";

/// A line for each architecture, data set and probe.
fn write_all(available: &Available, out: &mut dyn Write) -> io::Result<()> {
    let mut table =
        Table::new(&[("architecture", Align::Left), ("trains on", Align::Left), ("what it is", Align::Left)]);
    for entry in &available.architectures {
        table.row([entry.name.to_owned(), entry.data.name().to_owned(), entry.summary.to_owned()]);
    }
    table.write("", out)?;
    writeln!(out)?;
    let mut table =
        Table::new(&[("data set", Align::Left), ("is of", Align::Left), ("what it is", Align::Left)]);
    for entry in &available.datasets {
        table.row([entry.name.to_owned(), entry.kind.name().to_owned(), entry.summary.to_owned()]);
    }
    table.write("", out)?;
    writeln!(out)?;
    let mut table = Table::new(&[("probe", Align::Left), ("what it measures", Align::Left)]);
    for entry in &available.probes {
        table.row([entry.name.to_owned(), entry.summary.to_owned()]);
    }
    table.write("", out)?;
    writeln!(out, "\n`skiplane keys NAME` lists the keys of one of them.")
}

/// Each key with its values and default, and what it means on the line below.
fn write_keys(keys: &[Key], out: &mut dyn Write) -> io::Result<()> {
    for Key { name, about, allowed, absence } in keys {
        let absence = match absence {
            Absence::Refused => "required".to_owned(),
            Absence::Default(default) => format!("else {default}"),
            Absence::Left => "optional".to_owned(),
        };
        writeln!(out, "\n  {name}: {allowed}; {absence}")?;
        writeln!(out, "      {about}")?;
    }
    Ok(())
}
