//! The terminal's modes while the dashboard is shown, and their restoration: at the end, on errors, signals and panics,
//! and while the process is stopped.

use std::backtrace::Backtrace;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};

use crossterm::cursor::{Hide, Show};
use crossterm::queue;
use crossterm::terminal::{
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use rustix::process::{Signal, kill_current_process_group};

use super::aside::Aside;
use super::graphics;
use super::output::Output;
use crate::printable::printable_lines;

/// State for the panic hook, which cannot reach the dashboard.
static HELD: Mutex<Held> = Mutex::new(Held {
    output: None,
    aside: None,
    mouse: false,
    pictures: Vec::new(),
    owner: None,
    keeps: false,
    reports: Vec::new(),
});

struct Held {
    /// The output to the terminal, while its modes are set.
    output: Option<Output>,
    /// What else would be the terminal then.
    aside: Option<Aside>,
    /// Whether the mouse is captured then.
    mouse: bool,
    /// The ids of the pictures that the terminal keeps for us.
    pictures: Vec<u32>,
    /// The thread that draws.
    owner: Option<ThreadId>,
    /// Whether reports are kept for [`take_kept`].
    keeps: bool,
    /// What panics said, and what was printed beside the screen.
    reports: Vec<String>,
}

/// Asks for buttons, wheel and drags (1000, 1002) with places of any size (1006), but not for moves without a button.
const CAPTURE_MOUSE: &[u8] = b"\x1b[?1000h\x1b[?1002h\x1b[?1006h";
const RELEASE_MOUSE: &[u8] = b"\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// The most reports that are kept.
const MOST_REPORTS: usize = 16;

fn held() -> MutexGuard<'static, Held> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the terminal's modes set; dropping it restores them.
pub(super) struct Guard(());

impl Guard {
    /// Sets raw mode, alternate screen and, if wanted, mouse capture.
    pub(super) fn enter(output: &Output, mouse: bool) -> io::Result<Guard> {
        install_hook();
        enable_raw_mode()?;
        {
            let mut held = held();
            held.output = Some(output.clone());
            // If there is no place for it, what is printed shows in the screen.
            held.aside = Aside::put().ok();
            held.mouse = mouse;
            held.owner = Some(thread::current().id());
        }
        let guard = Guard(());
        output.send(&modes(mouse)?);
        Ok(guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
        let mut held = held();
        held.owner = None;
        if held.keeps {
            return;
        }
        for text in std::mem::take(&mut held.reports) {
            // Standard error may be closed; then nothing can be reported.
            _ = writeln!(io::stderr(), "{}", printable_lines(&text));
        }
    }
}

/// Keeps the reports of panics, including those of the drawing thread, for [`take_kept`].
pub(super) fn keep_reports() {
    held().keeps = true;
}

/// What panics said.
pub(super) fn take_kept() -> Vec<String> {
    let mut held = held();
    held.keeps = false;
    std::mem::take(&mut held.reports)
}

/// Restores the terminal and stops the process group, as the terminal itself would at the suspend key. Returns when
/// they are continued, or at once if the group is orphaned.
pub(super) fn suspend(output: &Output) -> io::Result<()> {
    output.settle();
    let pictures = held().pictures.clone();
    output.send(&no_modes(&pictures)?);
    // A terminal that does not accept output is left as it is.
    let _ = output.wait();
    disable_raw_mode()?;
    Ok(kill_current_process_group(Signal::TSTP)?)
}

/// Sets the modes again after the process was stopped and continued, when the shell has changed them.
pub(super) fn resume(output: &Output) -> io::Result<()> {
    // Enabling raw mode has an effect only if it is recorded as off.
    disable_raw_mode()?;
    enable_raw_mode()?;
    let mouse = held().mouse;
    output.send(&modes(mouse)?);
    Ok(())
}

/// Captures the mouse, or leaves it to the terminal; returns whether it is captured.
pub(super) fn toggle_mouse(output: &Output) -> bool {
    let mut held = held();
    held.mouse = !held.mouse;
    output.send(if held.mouse { CAPTURE_MOUSE } else { RELEASE_MOUSE });
    held.mouse
}

/// Notes the pictures that the terminal keeps, to be removed with its modes.
pub(super) fn note_pictures(ids: Vec<u32>) {
    held().pictures = ids;
}

/// The sequences that set the modes.
fn modes(mouse: bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    queue!(bytes, EnterAlternateScreen, Hide)?;
    if mouse {
        bytes.extend(CAPTURE_MOUSE);
    }
    Ok(bytes)
}

/// The sequences that reset them.
fn no_modes(pictures: &[u32]) -> io::Result<Vec<u8>> {
    // A frame may end here, within a picture.
    let mut bytes = b"\x1b\\".to_vec();
    queue!(bytes, EndSynchronizedUpdate)?;
    bytes.extend(pictures.iter().flat_map(|id| graphics::forget(*id)));
    // Or in its colours. Where there is no alternate screen, as often within GNU screen, the shell goes on at the top of an
    // empty one.
    bytes.extend(b"\x1b[m\x1b[H\x1b[J");
    bytes.extend(RELEASE_MOUSE);
    queue!(bytes, LeaveAlternateScreen, Show)?;
    Ok(bytes)
}

/// Restores the terminal; does nothing the second time. Errors are ignored: the terminal may be gone.
fn restore() {
    let Some(output) = held().output.take() else { return };
    let pictures = std::mem::take(&mut held().pictures);
    output.finish(&no_modes(&pictures).unwrap_or_default());
    _ = disable_raw_mode();
    let mut held = held();
    let printed = held.aside.take().map(Aside::put_back);
    held.reports.extend(printed.filter(|printed| !printed.is_empty()));
}

/// Resets the modes except raw mode on standard output, for a process that can no longer do so itself.
pub(super) fn unset_modes() {
    let mut out = io::stdout();
    _ = out.write_all(&no_modes(&[]).unwrap_or_default());
    _ = out.flush();
}

/// A panic of the drawing thread restores the terminal before it is reported; the report of another thread's panic is
/// delayed until the dashboard is closed, so that it does not write into it.
fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let (owner, keeps, shown) = {
                let held = held();
                (held.owner, held.keeps, held.output.is_some())
            };
            let draws = owner == Some(thread::current().id());
            let keep = if draws { keeps } else { shown };
            if keep {
                keep_report(info, draws);
            }
            if draws {
                restore();
            }
            if !keep {
                previous(info);
            }
        }));
    });
}

/// Keeps the report of a panic; for the drawing thread with a backtrace.
fn keep_report(info: &PanicHookInfo<'_>, draws: bool) {
    let name = thread::current().name().unwrap_or("unnamed").to_owned();
    let mut report = format!("thread '{name}': {info}");
    if draws {
        report.push_str(&format!("\n{}", Backtrace::force_capture()));
    }
    let mut held = held();
    if held.reports.len() < MOST_REPORTS {
        held.reports.push(report);
    }
}
