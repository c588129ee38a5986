//! Identifies a process by its id and start time, since ids are reused, and start over with each boot.

use std::fs;

use serde::{Deserialize, Serialize};

/// When a process started, which distinguishes it from others with the same id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStart {
    /// The machine's boot.
    pub boot: String,
    /// Clock ticks since then.
    pub ticks: u64,
}

impl ProcessStart {
    /// The start of the process that has this id now; none if there is none, or the system doesn't say.
    pub fn of(pid: u32) -> Option<ProcessStart> {
        // On Linux only; other systems lack these files.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        let ticks = parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        Some(ProcessStart { boot, ticks })
    }
}

/// The start in a line of `/proc/PID/stat` (`man 5 proc_pid_stat`, field 22); none if the process is a zombie.
fn parse(stat: &str) -> Option<u64> {
    // The second field is the program's name in parentheses, which may contain anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_itself_until_it_ends() {
        let own = ProcessStart::of(std::process::id()).unwrap();
        assert_eq!(ProcessStart::of(std::process::id()), Some(own.clone()));
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let start = ProcessStart::of(child.id()).unwrap();
        assert_eq!(start.boot, own.boot);
        assert!(start.ticks >= own.ticks);
        child.kill().unwrap();
        // Until it is waited for, its id is not reused.
        while ProcessStart::of(child.id()).is_some() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }

    #[test]
    fn a_name_may_look_like_what_follows_it() {
        let rest = (4..22).map(|field| field.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(parse(&format!("7 (a) S 1 (b) R {rest} 99 23\n")), Some(99));
        assert_eq!(parse(&format!("7 (a) Z {rest} 99 23\n")), None);
        assert_eq!(parse("7 (a"), None);
    }
}
