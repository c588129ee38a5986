//! `skiplane show`: prints one run as a page.

use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::table::{Align, Table, duration, loss, percent, state};
use super::{ForeignArgs, RUN_HELP, RunsFolder, write_json};
use crate::app::{App, Lane, fairness};
use crate::event::LaneStarted;
use crate::experiment::Experiment;
use crate::order::Taken;
use crate::printable::{grouped, printable};
use crate::reading::replay::{Report, Run};
use crate::reading::{self, Opened};
use crate::runlog::{self, RunFolder, RunSummary};
use crate::units::LaneIdx;

pub(super) mod foreign;

/// Shows one run: where it comes from, its lanes with their last figures, and what the health rules found. Of the log of
/// another program: what was taken for lanes, layers and metrics.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example: skiplane show latest --json | jq '.lanes[] | [.name, .test_error]'")]
pub(super) struct ShowArgs {
    #[arg(help = RUN_HELP)]
    run: String,
    /// Prints all details as a JSON object, including the experiment as resolved.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    foreign: ForeignArgs,
    #[command(flatten)]
    folder: RunsFolder,
}

/// All that is shown.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    summary: RunSummary,
    experiment: Option<Experiment>,
    networks: Vec<Network>,
    findings: Vec<ShownFinding>,
    /// The newest orders and notes of each lane, by step.
    orders: Vec<ShownOrder>,
    fairness: Vec<ShownCheck>,
    /// The lanes that diverged, which cannot be compared with others.
    diverged: Vec<String>,
    bad_records: u64,
    unknown_events: u64,
    torn_logs: Vec<String>,
}

/// The size of a lane's network.
#[derive(Serialize)]
struct Network {
    lane: String,
    layers: usize,
    parameters: Option<u64>,
}

#[derive(Serialize)]
struct ShownFinding {
    lane: String,
    step: u64,
    cleared_at: Option<u64>,
    rule: &'static str,
    severity: &'static str,
    layer: Option<String>,
    message: String,
    meaning: &'static str,
}

/// An order that was carried out, or a note.
#[derive(Serialize)]
struct ShownOrder {
    lane: String,
    step: u64,
    /// In words.
    order: String,
}

/// Something that must be equal between the first lane and another.
#[derive(Serialize)]
struct ShownCheck {
    lanes: [String; 2],
    name: &'static str,
    equal: bool,
    values: [String; 2],
}

pub(super) fn run(args: &ShowArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let path = match args.folder.find(&args.run, &args.foreign)? {
        Run::Own(path) => path,
        Run::Foreign(sources) => return foreign::run(sources, args.json, out),
    };
    let shown = gather(&path)?;
    if args.json {
        write_json(&shown, out)?;
    } else {
        write_page(&shown, out)?;
    }
    Ok(())
}

fn gather(path: &Path) -> Result<Shown, Failure> {
    let mut summary = runlog::summarize(path, SystemTime::now())?;
    let experiment = RunFolder::open(path)?.experiment().ok();
    let Opened { app, replay, .. } = reading::open(&[path.to_owned()])?;
    // The whole logs also show losses that the run did not notice.
    for (told, read) in summary.lanes.iter_mut().zip(app.lanes()) {
        told.lost_records = told.lost_records.max(read.lost_records());
    }
    let name = |lane: LaneIdx| app.lane(lane).map(|lane| lane.name().to_owned()).unwrap_or_default();
    let layer_name = |lane: LaneIdx, layer: Option<crate::units::LayerIdx>| {
        Some(app.lane(lane)?.structure()?.layer(layer?)?.name.clone())
    };
    let findings = app.findings().into_iter().map(|finding| ShownFinding {
        lane: name(finding.lane),
        step: finding.step.0,
        cleared_at: finding.cleared_at.map(|step| step.0),
        rule: finding.rule,
        severity: finding.severity.name(),
        layer: layer_name(finding.lane, finding.layer),
        message: finding.message.clone(),
        meaning: finding.meaning,
    });
    let networks = app.lanes().iter().filter_map(|lane| {
        let structure = lane.structure()?;
        let (layers, parameters) = (structure.layers.len(), structure.parameters());
        Some(Network { lane: lane.name().to_owned(), layers, parameters })
    });
    let taken = app.lanes().iter().flat_map(|lane| {
        let shown = |taken: &Taken| {
            let (step, order) = (taken.step.0, taken.order.to_string());
            ShownOrder { lane: lane.name().to_owned(), step, order }
        };
        lane.orders().iter().map(shown)
    });
    let mut orders: Vec<ShownOrder> = taken.collect();
    orders.sort_by_key(|order| order.step);
    let Report { bad_count, unknown, .. } = replay.report();
    Ok(Shown {
        findings: findings.collect(),
        orders,
        networks: networks.collect(),
        fairness: checks(&app),
        diverged: diverged(&app),
        bad_records: bad_count,
        unknown_events: unknown.values().sum(),
        torn_logs: replay.lanes().iter().filter(|l| l.torn_bytes() > 0).map(|l| l.name.clone()).collect(),
        summary,
        experiment,
    })
}

/// Every lane against the first one.
fn checks(app: &App) -> Vec<ShownCheck> {
    let started: Vec<(&Lane, &LaneStarted)> =
        app.lanes().iter().filter_map(|lane| Some((lane, lane.started()?))).collect();
    let [(first_lane, first), others @ ..] = started.as_slice() else { return Vec::new() };
    let mut shown = Vec::new();
    for (lane, other) in others {
        let Some(fairness) = fairness::compare(first, other) else { continue };
        let fairness = fairness.with_orders(first_lane.orders(), lane.orders());
        shown.extend(fairness.checks.into_iter().map(|check| ShownCheck {
            lanes: [first.lane.clone(), other.lane.clone()],
            name: check.name,
            equal: check.equal,
            values: check.values,
        }));
    }
    shown
}

fn diverged(app: &App) -> Vec<String> {
    let lost = app.lanes().iter().filter(|lane| lane.diverged_since(lane.last_step()).is_some());
    lost.map(|lane| lane.name().to_owned()).collect()
}

/// A word of a list with its separator; empty if it is not known.
fn known(word: &str) -> String {
    if word.is_empty() { String::new() } else { format!("{word}, ") }
}

fn write_page(shown: &Shown, out: &mut dyn Write) -> std::io::Result<()> {
    let manifest = &shown.summary.manifest;
    let facts = [
        ("run", format!("{}, {}", shown.summary.id, shown.summary.state.name())),
        ("folder", shown.summary.path.display().to_string()),
        ("experiment", manifest.experiment.clone()),
        ("question", manifest.question.clone()),
        ("started", manifest.started.clone()),
        ("machine", [&*manifest.host, &*manifest.os, &*manifest.instruction_set].map(known).concat()),
        ("skiplane", format!("{}, seed {}, {} threads", manifest.skiplane, manifest.seed, manifest.threads)),
        ("config", foreign::settings(manifest.settings().iter().map(|(key, value)| (key, value)))),
    ];
    // Runs of other programs may lack these.
    let facts = facts.map(|(name, value)| match name {
        "machine" => (name, value.trim_end_matches(", ").to_owned()),
        "skiplane" if manifest.skiplane.is_empty() => (name, String::new()),
        _ => (name, value),
    });
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{name:<11} {}", printable(value))?;
    }
    writeln!(out)?;
    write_lanes(shown, out)?;
    for lane in &shown.summary.lanes {
        if let Some(reason) = &lane.reason {
            writeln!(out, "{}: {}", printable(&lane.name), printable(reason))?;
        }
    }
    write_findings(&shown.findings, out)?;
    write_orders(&shown.orders, out)?;
    write_fairness(&shown.fairness, out)?;
    if !shown.diverged.is_empty() {
        writeln!(out, "diverged, cannot be compared: {}", printable(&shown.diverged.join(", ")))?;
    }
    let broken = [
        (shown.bad_records, "bad records were skipped"),
        (shown.unknown_events, "events of newer kinds were skipped"),
    ];
    for (count, what) in broken.iter().filter(|(count, _)| *count > 0) {
        writeln!(out, "\n{count} {what}")?;
    }
    if !shown.torn_logs.is_empty() {
        writeln!(
            out,
            "\nincomplete at the end, like the log of a crashed run: {}",
            printable(&shown.torn_logs.join(", "))
        )?;
    }
    Ok(())
}

fn write_lanes(shown: &Shown, out: &mut dyn Write) -> std::io::Result<()> {
    use Align::{Left, Right};
    let columns = [
        ("LANE", Left),
        ("STATE", Left),
        ("LAYERS", Right),
        ("PARAMETERS", Right),
        ("STEP", Right),
        ("LOSS", Right),
        ("BATCH", Right),
        ("TRAIN", Right),
        ("TEST", Right),
        ("TIME", Right),
    ];
    let mut table = Table::new(&columns);
    for lane in &shown.summary.lanes {
        let network = shown.networks.iter().find(|network| network.lane == lane.name);
        let known =
            |figure: fn(&Network) -> Option<u64>| network.and_then(figure).map_or("-".to_owned(), grouped);
        table.row([
            lane.name.clone(),
            state(lane),
            known(|network| Some(network.layers as u64)),
            known(|network| network.parameters),
            lane.progress(),
            loss(lane.loss),
            percent(lane.error),
            percent(lane.train_error),
            percent(lane.test_error),
            duration(lane.elapsed_ms),
        ]);
    }
    table.write("", out)
}

fn write_findings(findings: &[ShownFinding], out: &mut dyn Write) -> std::io::Result<()> {
    if findings.is_empty() {
        return writeln!(out, "\nno findings");
    }
    use Align::{Left, Right};
    let columns = [("STEP", Right), ("LANE", Left), ("SEVERITY", Left), ("RULE", Left), ("FINDING", Left)];
    let mut table = Table::new(&columns);
    for finding in findings {
        // Most messages include the layer.
        let place = finding.layer.as_ref().filter(|layer| !finding.message.contains(layer.as_str()));
        let place = place.map(|layer| format!(" at {layer}")).unwrap_or_default();
        let until = finding.cleared_at.map(|step| format!(" (until step {step})")).unwrap_or_default();
        table.row([
            finding.step.to_string(),
            finding.lane.clone(),
            finding.severity.to_owned(),
            finding.rule.to_owned(),
            format!("{}{place}{until}", finding.message),
        ]);
    }
    writeln!(out)?;
    table.write("", out)
}

fn write_orders(orders: &[ShownOrder], out: &mut dyn Write) -> std::io::Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    let mut table =
        Table::new(&[("STEP", Align::Right), ("LANE", Align::Left), ("ORDER OR NOTE", Align::Left)]);
    for order in orders {
        table.row([order.step.to_string(), order.lane.clone(), order.order.clone()]);
    }
    writeln!(out)?;
    table.write("", out)
}

fn write_fairness(checks: &[ShownCheck], out: &mut dyn Write) -> std::io::Result<()> {
    if checks.is_empty() {
        return Ok(());
    }
    let unequal: Vec<&ShownCheck> = checks.iter().filter(|check| !check.equal).collect();
    if unequal.is_empty() {
        let names: Vec<&str> = checks.iter().map(|check| check.name).collect();
        let first = checks.iter().position(|check| check.lanes != checks[0].lanes).unwrap_or(names.len());
        return writeln!(out, "\nfair: equal in all lanes: {}", names[..first].join(", "));
    }
    writeln!(out, "\nnot fair:")?;
    for check in unequal {
        let [a, b] = &check.values;
        let lanes = check.lanes.join(" and ");
        writeln!(out, "  {}: {} against {} ({})", check.name, printable(a), printable(b), printable(&lanes))?;
    }
    Ok(())
}
