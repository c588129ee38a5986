//! `skiplane control`: gives orders to a run that another process trains.

use std::ffi::OsString;
use std::io::Write;
use std::num::NonZeroU64;

use clap::{Args, ValueEnum};

use super::RunsFolder;
use super::failure::Failure;
use crate::order::{LaneOrder, Note, Order, ProbeName};
use crate::printable::printable;
use crate::session::control;

/// Gives an order to a run that trains on this machine.
///
/// Returns once the run has accepted the order, which it carries out after the current step. Only the user who started
/// the run can give it orders. Notes, probes and changes of the learning rate are logged: a run that is resumed from an
/// earlier checkpoint repeats them at the same steps.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane control latest checkpoint
  skiplane control latest learning-rate 0.01       from the next step on; the schedule continues from there
  skiplane control latest learning-rate x0.1       a tenth of the current one
  skiplane control latest pause
  skiplane control latest step 10                  make ten steps and pause again
  skiplane control latest note first loss below one
  skiplane control latest probe lesion             measure without each block; `skiplane keys` lists the probes
  skiplane control 20261123-1216 stop --lane plain")]
pub(super) struct ControlArgs {
    /// The run: an id, a unique part of one, `latest`, `latest~1`, or a folder.
    run: String,
    /// The order.
    #[arg(value_enum)]
    order: Word,
    /// The number of steps, the learning rate, the text of the note, or the name of the probe.
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    value: Vec<OsString>,
    /// The lane; default: every lane.
    #[arg(long, value_name = "NAME")]
    lane: Option<String>,
    #[command(flatten)]
    folder: RunsFolder,
}

/// The orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Word {
    /// Wait after the current step.
    Pause,
    /// Continue after a pause.
    Resume,
    /// Write a checkpoint.
    Checkpoint,
    /// End with a checkpoint; a single lane stays ended while others of its run have steps left.
    Stop,
    /// Make one step, or the given number, and pause again.
    Step,
    /// Set the learning rate (0.01) or multiply it (x0.1) from the next step on.
    LearningRate,
    /// Write a note into the log at this step.
    Note,
    /// Measure with a probe before the next step, with its keys in the experiment or else their defaults.
    Probe,
}

pub(super) fn run(args: &ControlArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let order = order_of(args.order, &args.value)
        .map_err(|reason| Failure::Input(anyhow::anyhow!("{}: {reason}", name_of(args.order))))?;
    let folder = args.folder.resolve(&args.run)?;
    let what = what(&order);
    let order = LaneOrder { order, lane: args.lane.clone() };
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    control::send(&folder, &order)
        .map_err(|error| Failure::Failed(anyhow::anyhow!("run {}: {error}", printable(&name))))?;
    let whose = match &order.lane {
        Some(lane) => format!("run {}, lane {}", printable(&name), printable(lane)),
        None => format!("run {}", printable(&name)),
    };
    Ok(writeln!(out, "{whose} {what}")?)
}

fn name_of(word: Word) -> String {
    word.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// The order given by the arguments.
fn order_of(word: Word, values: &[OsString]) -> Result<Order, String> {
    let text = values.join(" ".as_ref());
    let text = text.to_str().ok_or("expected text in UTF-8")?;
    let found = || printable(&text.chars().take(40).collect::<String>());
    let plain = |order: Order| match values {
        [] => Ok(order),
        _ => Err(format!("expected nothing after it, found `{}`", found())),
    };
    match word {
        Word::Pause => plain(Order::Pause),
        Word::Resume => plain(Order::Resume),
        Word::Checkpoint => plain(Order::Checkpoint),
        Word::Stop => plain(Order::Stop),
        Word::Step if values.is_empty() => Ok(Order::Step(NonZeroU64::MIN)),
        Word::Step => {
            let wrong = |_| format!("expected a number of steps, at least 1, found `{}`", found());
            text.parse().map(Order::Step).map_err(wrong)
        }
        Word::LearningRate => Ok(Order::LearningRate(text.parse()?)),
        Word::Note => Ok(Order::Note(Note::try_from(text.to_owned())?)),
        Word::Probe => Ok(Order::Probe(ProbeName::try_from(text.to_owned())?)),
    }
}

/// What the run does next, in words.
fn what(order: &Order) -> String {
    match order {
        Order::Pause => "pauses after this step".to_owned(),
        Order::Resume => "continues".to_owned(),
        Order::Checkpoint => "writes a checkpoint after this step".to_owned(),
        Order::Stop | Order::StopLane => "stops with a checkpoint after this step".to_owned(),
        Order::Step(steps) if steps.get() == 1 => "makes one step and pauses".to_owned(),
        Order::Step(steps) => format!("makes {steps} steps and pauses"),
        Order::LearningRate(change) => format!("continues with learning rate {change} after this step"),
        Order::Note(_) => "writes the note into its log after this step".to_owned(),
        Order::Probe(name) => format!("measures with the probe {name} after this step"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(word: Word, values: &[&str]) -> Result<Order, String> {
        order_of(word, &values.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn words_make_orders() {
        assert_eq!(order(Word::Step, &[]), Ok(Order::Step(NonZeroU64::MIN)));
        assert_eq!(order(Word::Step, &["10"]), Ok(Order::Step(NonZeroU64::new(10).unwrap())));
        let rate = "x0.1".parse().unwrap();
        assert_eq!(order(Word::LearningRate, &["x0.1"]), Ok(Order::LearningRate(rate)));
        let note = Note::cut("two words").unwrap();
        assert_eq!(order(Word::Note, &["two", "words"]), Ok(Order::Note(note)));
        let lesion = ProbeName::try_from("lesion".to_owned()).unwrap();
        assert_eq!(order(Word::Probe, &["lesion"]), Ok(Order::Probe(lesion)));
    }

    #[test]
    fn what_is_missing_or_too_much_is_said() {
        let refused = |word, values: &[&str]| order(word, values).unwrap_err();
        assert_eq!(refused(Word::Pause, &["now"]), "expected nothing after it, found `now`");
        for steps in ["0", "-1", "ten", "1.5"] {
            let expected = format!("expected a number of steps, at least 1, found `{steps}`");
            assert_eq!(refused(Word::Step, &[steps]), expected);
        }
        assert!(refused(Word::LearningRate, &[]).contains("expected a rate such as 0.01"));
        assert!(refused(Word::LearningRate, &["-0.1"]).contains("above zero"));
        assert!(refused(Word::Note, &[]).contains("nothing but blanks"));
        assert!(refused(Word::Probe, &["two", "words"]).contains("such as lesion, found `two words`"));
    }
}
