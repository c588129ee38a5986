//! What a run without a dashboard prints when its output is not a terminal.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use skiplane::app::{App, LaneLabel};
use skiplane::event::*;
use skiplane::headless::Reporter;
use skiplane::metric::{known, probed};
use skiplane::units::{LaneIdx, LayerIdx, Step};

use crate::replay::{finished, step};
use crate::runlog::lane_started;

/// A writer whose bytes can be inspected; after `most` bytes it fails, like a pipe without a reader.
#[derive(Clone, Default)]
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    most: Option<usize>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.bytes.lock().unwrap();
        if self.most.is_some_and(|most| kept.len() + bytes.len() > most) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn told(pipe: Pipe, events: &[(usize, RunEvent)]) -> String {
    let label = |lane: &str| LaneLabel { run: "run".to_owned(), lane: lane.to_owned() };
    let started = Timestamp::from_millisecond(1_795_436_170_000).unwrap();
    let labels = vec![label("plain"), label("resi\u{1b}[31mdual")];
    let mut reporter = Reporter::lines(App::new(labels), started, Box::new(pipe.clone()));
    for (lane, event) in events {
        reporter.event(LaneIdx(*lane), event, None);
    }
    // Dropping waits for the last line.
    drop(reporter);
    let bytes = pipe.bytes.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn events() -> Vec<(usize, RunEvent)> {
    let event = |step, kind| RunEvent::new(Step(step), 65_000.0, kind);
    let evaluated = Values::default().with(known::TEST_LOSS, 2.0).with(known::TEST_ERROR, 0.75);
    let mut probed = event(
        1,
        Kind::Measured(
            [
                (probed::INTACT_LOSS, Value::Number(0.5)),
                (probed::LESION_ERROR, Value::Numbers(vec![0.25, 0.75])),
                (probed::INTACT_ERROR, Value::Number(0.25)),
            ]
            .into_iter()
            .collect(),
        ),
    );
    probed.time.probe_ms = Some(12_345.0);
    vec![
        (0, lane_started("plain")),
        (0, step(1, 2.5)),
        (0, event(1, Kind::Measured(evaluated))),
        (0, probed),
        (
            0,
            event(
                1,
                Kind::CheckpointWritten(CheckpointWritten {
                    file: "checkpoints/plain-1.safetensors".to_owned(),
                    checksums: None,
                }),
            ),
        ),
        (0, finished(1, Outcome::Failed { reason: "disk\u{1b}[2J full".to_owned() })),
        (1, lane_started("residual")),
        (
            1,
            event(2, Kind::NonFiniteFound(NonFiniteFound { layer: Some(LayerIdx(1)), pass: Pass::Backward })),
        ),
    ]
}

#[test]
fn lines_have_a_time_a_lane_and_no_escape_codes() {
    let expected = "\
2026-11-23T12:16:10Z plain         started: 4 layers, 608 parameters, 64 training and 32 test examples, 6 steps
2026-11-23T12:16:10Z plain         step 1/6: loss 2.5, error 50.0%, learning rate 0.1, 100 ms per step
2026-11-23T12:17:15Z plain         step 1: test error 75.0%, loss 2
2026-11-23T12:17:15Z plain         step 1: probe lesion took 12s, intact_loss 0.5, intact_error 0.25
2026-11-23T12:17:15Z plain         step 1: wrote checkpoints/plain-1.safetensors
2026-11-23T12:16:10Z plain         step 1: failed: disk\u{fffd}[2J full
2026-11-23T12:16:10Z resi\u{fffd}[31mdual started: 4 layers, 608 parameters, 64 training and 32 test examples, 6 steps
2026-11-23T12:17:15Z resi\u{fffd}[31mdual step 2: first NaN or infinity, backward, in layer1.0.conv1
";
    let told = told(Pipe::default(), &events());
    assert_eq!(told, expected);
    assert!(!told.contains('\u{1b}'));
}

#[test]
fn only_so_many_steps_are_told() {
    let mut events = vec![(0, lane_started("plain"))];
    let Kind::LaneStarted(started) = &mut events[0].1.kind else { unreachable!() };
    started.steps = Some(600);
    events.extend((1..=600).map(|number| (0, step(number, 2.0))));
    let told = told(Pipe::default(), &events);
    let steps = told.lines().filter(|line| line.contains("learning rate")).count();
    assert_eq!(steps, 21, "the first and every thirtieth");
    assert!(told.contains("step 600/600"));
}

#[test]
fn a_reader_that_leaves_ends_the_telling_and_nothing_else() {
    let pipe = Pipe { most: Some(120), ..Pipe::default() };
    assert_eq!(told(pipe, &events()).lines().count(), 1);
}
