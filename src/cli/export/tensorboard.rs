//! Writes runs as event files of TensorBoard, one in a folder of its own for each lane: `<run>/<lane>`, which TensorBoard
//! shows as the name of a run. What is in such a file is the concern of [`EventWriter`].

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::points::Points;
use crate::event::{Kind, RunEvent, Value, Values};
use crate::metric::Metric;
use crate::printable::is_printable;
use crate::sources::EventWriter;
use crate::units::LaneIdx;

/// The most bytes of a folder's name that come from a run or a lane; file systems take 255.
const LONGEST_NAME: usize = 200;

/// Writes events below a folder.
pub(super) struct FolderWriter {
    lanes: Vec<Lane>,
    /// The file that is being written. One at a time: a sweep may have more lanes than a process may have files open.
    open: Option<(LaneIdx, EventWriter<BufWriter<File>>)>,
}

struct Lane {
    folder: PathBuf,
    /// Its file, once there is one.
    file: Option<PathBuf>,
    points: Points,
    /// The tags of each metric seen, one for each of its numbers or histograms.
    tags: Vec<(Metric, Vec<String>)>,
}

impl FolderWriter {
    /// Writes below `folder`, which exists and is empty, what happens in these lanes, given by run and name.
    pub(super) fn new(folder: &Path, labels: &[(String, String)]) -> FolderWriter {
        let lane = |folder| Lane { folder, file: None, points: Points::default(), tags: Vec::new() };
        FolderWriter { lanes: folders(folder, labels).into_iter().map(lane).collect(), open: None }
    }

    /// Writes the values of an event, if it has some. `started_unix_ms` is when the run started; where it is not known,
    /// times are counted from 1970, so that at least the differences are right.
    pub(super) fn event(
        &mut self,
        idx: LaneIdx,
        event: &RunEvent,
        started_unix_ms: Option<i64>,
    ) -> io::Result<()> {
        let Some(lane) = self.lanes.get_mut(idx.0) else { return Ok(()) };
        lane.points.note(event);
        if let Kind::LaneStarted(_) = &event.kind {
            lane.tags.clear();
        }
        let Kind::Measured(values) = &event.kind else { return Ok(()) };
        values.iter().for_each(|(metric, _)| lane.name(metric));
        let started_s = started_unix_ms.unwrap_or(0) as f64 / 1_000.0;
        let wall_time_s = started_s + event.time.at_ms / 1_000.0;
        if self.open.as_ref().is_none_or(|(open, _)| *open != idx) {
            let before = self.open.take();
            before.map_or(Ok(()), |(_, writer)| close(writer))?;
            self.open = Some((idx, EventWriter::new(lane.open(started_s)?, started_s)?));
        }
        let (Some((_, writer)), Some(lane)) = (&mut self.open, self.lanes.get(idx.0)) else { return Ok(()) };
        writer.begin(event.step.0, wall_time_s);
        lane.write(writer, values)?;
        writer.end()
    }

    /// Completes the last file.
    pub(super) fn finish(self) -> io::Result<()> {
        self.open.map_or(Ok(()), |(_, writer)| close(writer))
    }
}

fn close(writer: EventWriter<BufWriter<File>>) -> io::Result<()> {
    writer.into_inner().flush()
}

impl Lane {
    /// Creates its file, or goes on with it: a lane that is still trained may come up again.
    fn open(&mut self, started_s: f64) -> io::Result<BufWriter<File>> {
        let path = match &self.file {
            Some(path) => path,
            None => {
                fs::create_dir_all(&self.folder)?;
                let name = format!("events.out.tfevents.{}.skiplane", started_s.max(0.0) as u64);
                self.file.insert(self.folder.join(name))
            }
        };
        Ok(BufWriter::new(OpenOptions::new().create(true).append(true).open(path)?))
    }

    /// Adds the tags of a metric.
    fn name(&mut self, metric: Metric) {
        if !self.tags.iter().any(|(known, _)| *known == metric) {
            self.tags.push((metric, tags(metric, self.points.of(metric))));
        }
    }

    fn write(&self, writer: &mut EventWriter<impl Write>, values: &Values) -> io::Result<()> {
        for (metric, value) in values.iter() {
            let tags = self.tags.iter().find(|(known, _)| *known == metric).map(|(_, tags)| tags);
            let mut tags = tags.into_iter().flatten();
            match value {
                Value::Number(number) => tags.try_for_each(|tag| writer.scalar(tag, *number))?,
                Value::Numbers(all) => {
                    tags.zip(all).try_for_each(|(tag, number)| writer.scalar(tag, *number))?
                }
                Value::Histograms(all) => {
                    tags.zip(all).try_for_each(|(tag, histogram)| writer.histogram(tag, histogram))?;
                }
            }
        }
        Ok(())
    }
}

/// The tags of a metric's numbers or histograms: its name, and that of the point. A point without a name, or with that of
/// an earlier one, has its index too, because TensorBoard would draw both as one curve.
fn tags(metric: Metric, points: Vec<(usize, String)>) -> Vec<String> {
    let statistic = metric.name();
    if metric.axes().is_empty() {
        return vec![statistic.to_owned()];
    }
    let mut taken = HashSet::new();
    let tag = |(at, name): (usize, String)| match name {
        name if name.is_empty() => format!("{statistic}/{at}"),
        name if taken.insert(name.clone()) => format!("{statistic}/{name}"),
        name => format!("{statistic}/{name}#{at}"),
    };
    points.into_iter().map(tag).collect()
}

/// The folder of each lane. No two lanes share one: names that become the same are numbered.
fn folders(below: &Path, labels: &[(String, String)]) -> Vec<PathBuf> {
    let mut taken = HashSet::new();
    let mut folder = |(run, lane): &(String, String)| {
        let (run, lane) = (folder_name(run), folder_name(lane));
        let numbered = (2..).map(|number| format!("{lane}-{number}"));
        // Some file systems do not distinguish case.
        let mut free = std::iter::once(lane.clone()).chain(numbered);
        let lane = free.find(|lane| taken.insert((run.to_lowercase(), lane.to_lowercase())));
        below.join(&run).join(lane.unwrap_or_default())
    };
    labels.iter().map(&mut folder).collect()
}

/// A name from a log as that of a folder, which never leads elsewhere and is safe to print.
fn folder_name(text: &str) -> String {
    let is_safe = |c: char| !matches!(c, '/' | '\\' | ':') && is_printable(c.encode_utf8(&mut [0; 4]));
    let mut name: String = text.chars().map(|c| if is_safe(c) { c } else { '_' }).collect();
    name.truncate(name.floor_char_boundary(LONGEST_NAME));
    // `.` and `..` are other folders, and what begins with a dot is hidden.
    if name.is_empty() || name.starts_with('.') {
        name.replace_range(..name.len().min(1), "_");
    }
    name
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use super::*;
    use crate::event::{Histogram, LaneStarted, MetricsDeclared};
    use crate::metric::{Axis, DeclarationText, Points as AxisPoints};
    use crate::units::Step;

    fn metric(name: &str, over: &[&str]) -> Metric {
        let over = over.iter().map(ToString::to_string).collect();
        Metric::declare(&DeclarationText { name: name.into(), over, ..DeclarationText::default() }).unwrap()
    }

    fn label(run: &str, lane: &str) -> (String, String) {
        (run.to_owned(), lane.to_owned())
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for hostile in
            ["..", ".", "", "/etc/passwd", "../../x", "a/../../b", "c:\\x", "a\0b", "\x1b[2J", "..\u{202e}"]
        {
            for folder in folders(Path::new("out"), &[label(hostile, "lane"), label("run", hostile)]) {
                let parts: Vec<Component> = folder.components().collect();
                let is_plain = parts.iter().all(|part| matches!(part, Component::Normal(_)));
                assert!(
                    is_plain && parts.len() == 3 && is_printable(&folder.display().to_string()),
                    "{folder:?}"
                );
            }
        }
        assert_eq!(folder_name("20261123-121610-quick"), "20261123-121610-quick");
        assert_eq!([folder_name(".."), folder_name(""), folder_name("a/b")], ["_.", "_", "a_b"]);
        assert!(folder_name(&"層".repeat(300)).len() <= LONGEST_NAME);
    }

    #[test]
    fn no_two_lanes_share_a_folder() {
        let labels =
            [label("r", "a/b"), label("r", "a_b"), label("r", "A_B"), label("r", "a_b-2"), label("s", "a_b")];
        let found = folders(Path::new("out"), &labels);
        let expected = ["out/r/a_b", "out/r/a_b-2", "out/r/A_B-3", "out/r/a_b-2-2", "out/s/a_b"];
        assert_eq!(found, expected.map(PathBuf::from));
    }

    #[test]
    fn points_without_a_name_of_their_own_have_their_index() {
        let points = ["conv", "", "conv"].into_iter().map(str::to_owned).enumerate().collect();
        assert_eq!(tags(metric("norm", &["layer"]), points), ["norm/conv", "norm/1", "norm/conv#2"]);
        assert_eq!(tags(metric("loss", &[]), vec![(0, String::new())]), ["loss"]);
    }

    /// Events of a lane with a scalar, a metric over two axes and a histogram.
    fn events() -> Vec<RunEvent> {
        let (loss, heat, weights) =
            (metric("loss", &[]), metric("heat", &["head", "place"]), metric("weights", &["head", "bin"]));
        let axis = |name: &str, points| Axis { name: name.into(), points };
        let declared = MetricsDeclared {
            metrics: vec![loss, heat, weights],
            axes: vec![
                axis("head", AxisPoints::Names(vec!["h0".into(), "h1".into()])),
                axis("place", AxisPoints::Numbers(vec![0.5, 2.0])),
            ],
        };
        let started = LaneStarted { version: 3, lane: "a".into(), declared, ..LaneStarted::default() };
        let histogram = |count| Histogram { first: 57, counts: vec![count], non_finite: 1 };
        let mut events = vec![RunEvent::new(Step(0), 0.0, Kind::LaneStarted(Box::new(started)))];
        events.extend((1..=3).map(|step| {
            let values = [
                (loss, Value::Number(if step == 2 { f32::NAN } else { step as f32 })),
                (heat, Value::Numbers(vec![0.0, 1.0, 2.0, f32::INFINITY])),
                (weights, Value::Histograms(vec![histogram(step as u32), histogram(7)])),
            ];
            RunEvent::new(Step(step), 500.0 * step as f64, Kind::Measured(values.into_iter().collect()))
        }));
        events
    }

    #[test]
    fn a_lane_becomes_a_file_with_its_tags() {
        let kept = std::env::var_os("SKIPLANE_TENSORBOARD_OUT").map(PathBuf::from);
        let folder = tempfile::tempdir().unwrap();
        let out = kept.as_deref().unwrap_or(folder.path());
        let mut writer = FolderWriter::new(out, &[label("run", "a"), label("run", "b")]);
        let started = Some(1_700_000_000_250);
        for (at, event) in events().iter().enumerate() {
            writer.event(LaneIdx(0), event, started).unwrap();
            // The other lane in between: the file is gone on with.
            if at != 2 {
                writer.event(LaneIdx(1), event, None).unwrap();
            }
        }
        writer.finish().unwrap();
        let read = |path: &str| fs::read(out.join(path)).unwrap();
        let file = read("run/a/events.out.tfevents.1700000000.skiplane");
        for tag in
            ["loss", "heat/h0/0.5", "heat/h0/2", "heat/h1/0.5", "heat/h1/2", "weights/h0", "weights/h1"]
        {
            let count = file.windows(tag.len()).filter(|part| *part == tag.as_bytes()).count();
            assert_eq!(count, 3, "{tag}");
        }
        assert!(file.windows(8).any(|part| part == 1_700_000_000.75f64.to_le_bytes()));
        assert!(!read("run/b/events.out.tfevents.0.skiplane").is_empty());
    }
}
