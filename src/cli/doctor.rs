//! `skiplane doctor`: reports what this terminal and machine can do, and where runs are kept.

use std::env;
use std::io::{self, IsTerminal, Write};

use clap::Args;

use super::RunsFolder;
use super::failure::Failure;
use super::table::{Align, Table};
use crate::config::Config;
use crate::nn::kernels::InstructionSet;
use crate::paths::{self, RunsOrigin};

/// The smallest terminal in which every view has room.
const COMFORTABLE: (u16, u16) = (80, 24);

/// Reports what the terminal and the machine support, and where runs are kept.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example: skiplane doctor")]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    folder: RunsFolder,
}

pub(super) fn run(args: &DoctorArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let mut table = Table::new(&[("WHAT", Align::Left), ("FOUND", Align::Left)]);
    let mut tell = |what: &str, found: String| table.row([what.to_owned(), found]);
    tell("skiplane", env!("CARGO_PKG_VERSION").to_owned());
    tell("system", format!("{} {}", env::consts::OS, env::consts::ARCH));
    tell("instruction set in use", InstructionSet::detect().to_string());
    let available: Vec<String> = InstructionSet::available().iter().map(|set| set.to_string()).collect();
    tell("instruction sets", available.join(", "));
    tell("threads", std::thread::available_parallelism().map_or("unknown".to_owned(), |n| n.to_string()));
    tell("terminal", terminal());
    tell("size", size());
    tell("colours", colours());
    tell("unicode", unicode());
    tell("runs", runs(args)?);
    tell("settings", settings());
    table.write("", out)?;
    Ok(())
}

fn terminal() -> String {
    let kind = env::var("TERM").unwrap_or_else(|_| "TERM is not set".to_owned());
    let on = |yes: bool| if yes { "a terminal" } else { "not a terminal" };
    format!(
        "{kind}; input is {}, output is {}",
        on(io::stdin().is_terminal()),
        on(io::stdout().is_terminal())
    )
}

fn size() -> String {
    if !io::stdout().is_terminal() {
        return "unknown: output is not a terminal".to_owned();
    }
    match crossterm::terminal::size() {
        Ok((columns, rows)) if columns >= COMFORTABLE.0 && rows >= COMFORTABLE.1 => {
            format!("{columns}x{rows}")
        }
        Ok((columns, rows)) => {
            let (wide, high) = COMFORTABLE;
            format!("{columns}x{rows}: small; {wide}x{high} shows every view in full")
        }
        Err(error) => format!("unknown: {error}"),
    }
}

fn colours() -> String {
    if env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return "none: NO_COLOR is set".to_owned();
    }
    match supports_color::on(supports_color::Stream::Stdout) {
        Some(level) if level.has_16m => "16 million".to_owned(),
        Some(level) if level.has_256 => "256".to_owned(),
        Some(_) => "16".to_owned(),
        None => "none".to_owned(),
    }
}

/// The locale: the first of the variables that is set decides, as in the C library.
fn unicode() -> String {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| {
        let value = env::var(name).ok().filter(|value| !value.is_empty())?;
        Some((*name, value))
    });
    match set {
        Some((name, value)) if value.to_uppercase().replace('-', "").contains("UTF8") => {
            format!("yes: {name}={value}")
        }
        Some((name, value)) => format!("no: {name}={value}"),
        None => "unknown: neither LC_ALL, LC_CTYPE nor LANG is set".to_owned(),
    }
}

fn settings() -> String {
    let Some(path) = paths::config_file() else { return "nowhere: no home folder".to_owned() };
    let found = match Config::read(&path).problems.as_slice() {
        _ if !path.exists() => "not there; all defaults".to_owned(),
        [] => "no problems; `skiplane keys dashboard` lists the keys".to_owned(),
        [first, ..] => first.clone(),
    };
    format!("{}: {found}", path.display())
}

fn runs(args: &DoctorArgs) -> Result<String, Failure> {
    let (folder, origin) = paths::runs_folder(args.folder.runs.as_deref())?;
    let why = match origin {
        RunsOrigin::Given => "given by --runs",
        RunsOrigin::WorkingDirectory => "in the working directory",
        RunsOrigin::UserData => "in the user's data folder",
    };
    let writable = match paths::check_writable(&folder) {
        Ok(()) => "writable".to_owned(),
        Err(error) => format!("not writable: {error}"),
    };
    Ok(format!("{} ({why}), {writable}", folder.display()))
}
