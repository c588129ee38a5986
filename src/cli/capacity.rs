//! Checks that an experiment fits into the available memory, before any of it is allocated.

use std::fs;

use super::check::memory::RunMemory;
use super::failure::Failure;
use super::table::bytes;
use crate::datasets;
use crate::experiment::Checked;

/// Checks the examples of a data set before they are generated.
pub(super) fn check_examples(checked: &Checked) -> Result<(), Failure> {
    let data = &checked.experiment.data;
    let key = if data.train_images >= data.test_images { "data.train_images" } else { "data.test_images" };
    let needed = datasets::generated_bytes(data);
    refuse(checked, key, "the examples", "fewer examples", needed, available())
}

/// Checks a whole run, with its examples already in memory.
pub(super) fn check_run(checked: &Checked, run: &RunMemory) -> Result<(), Failure> {
    let lanes = run.lanes.iter().sum::<u64>();
    let (key, remedy) = if run.histories > lanes {
        ("statistics.every", "fewer recorded steps, layers or lanes")
    } else {
        ("training.batch", "a smaller batch, fewer lanes, less depth or width")
    };
    refuse(checked, key, "the lanes", remedy, lanes.saturating_add(run.histories), available())
}

fn refuse(
    checked: &Checked,
    key: &str,
    what: &str,
    remedy: &str,
    needed: u64,
    available: Option<u64>,
) -> Result<(), Failure> {
    // If the system doesn't say, only what no machine has is refused.
    let available = available.unwrap_or(i64::MAX as u64);
    if needed <= available {
        return Ok(());
    }
    Err(Failure::Input(anyhow::anyhow!(
        "{}: {key}: expected at most the {} of memory that is available, found that {what} need {}; choose {remedy}",
        checked.places.of(key),
        bytes(available),
        bytes(needed)
    )))
}

/// The memory that is available according to Linux: that of the machine, or what is left in the process's control group
/// if that is less.
fn available() -> Option<u64> {
    let machine = of_machine(&fs::read_to_string("/proc/meminfo").ok()?)?;
    Some(of_group().map_or(machine, |group| group.min(machine)))
}

/// The memory of the machine, from the text of `/proc/meminfo`.
fn of_machine(text: &str) -> Option<u64> {
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    kib("MemAvailable:").map(|memory| (memory + kib("SwapFree:").unwrap_or(0)) << 10)
}

/// What the limit of a control group (version 2) leaves, not counting pages of files, which can be reclaimed.
fn of_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let read = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/{own}/{name}")).ok();
    let limit: u64 = read("memory.max")?.trim().parse().ok()?;
    let used: u64 = read("memory.current")?.trim().parse().ok()?;
    let files = read("memory.stat")?.lines().find_map(|line| line.strip_prefix("file ")?.parse().ok());
    Some(limit.saturating_sub(used.saturating_sub(files.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::super::source::{Changes, ExperimentArgs};
    use super::*;

    fn checked() -> Checked {
        let set = [("training.batch".to_owned(), "64".to_owned())].to_vec();
        ExperimentArgs::default()
            .read(&Changes { set, ..Changes::default() })
            .map(|(_, checked)| checked)
            .unwrap()
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_key_and_place() {
        let refused = |needed, available| {
            let result =
                refuse(&checked(), "training.batch", "the lanes", "a smaller batch", needed, available);
            result.err().and_then(|failure| failure.message())
        };
        assert_eq!(refused(3 << 30, Some(3 << 30)), None);
        assert_eq!(
            refused((3 << 30) + 1, Some(3 << 30)).unwrap(),
            "--set training.batch=64: training.batch: expected at most the 3.0 GiB of memory that is available, \
             found that the lanes need 3.0 GiB; choose a smaller batch"
        );
        // The available memory is unknown, but no machine has this much.
        assert_eq!(refused(1 << 40, None), None);
        assert!(refused(u64::MAX, None).is_some());
    }

    #[test]
    fn memory_and_swap_count() {
        let text = "MemTotal: 9 kB\nMemFree:  1 kB\nMemAvailable:   5 kB\nSwapFree:        2 kB\n";
        assert_eq!(of_machine(text), Some(7 << 10));
        assert_eq!(of_machine("MemTotal: 9 kB\n"), None);
    }
}
