//! The terminal's modes while the dashboard is shown, and their restoration: at the end, at an error, at a
//! signal, at a panic.

use std::io::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread::{self, ThreadId};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::terminal::{
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};

/// Whether the modes are set.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// The thread that draws, and what panics of other threads said while it did.
static HELD: Mutex<Held> = Mutex::new(Held { owner: None, panics: Vec::new() });

struct Held {
    owner: Option<ThreadId>,
    panics: Vec<String>,
}

/// The most panics of other threads that are kept for later.
const MOST_PANICS: usize = 16;

/// Holds the terminal in its modes; dropping it restores them.
pub(super) struct Guard(());

impl Guard {
    /// Sets raw mode, alternate screen and mouse capture.
    pub(super) fn enter() -> io::Result<Guard> {
        install_hook();
        HELD.lock().unwrap_or_else(PoisonError::into_inner).owner = Some(thread::current().id());
        enable_raw_mode()?;
        ENTERED.store(true, Ordering::SeqCst);
        let guard = Guard(());
        set_modes()?;
        Ok(guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
        let panics = {
            let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
            held.owner = None;
            std::mem::take(&mut held.panics)
        };
        for text in panics {
            // Standard error may be closed; there is nobody left to tell.
            _ = writeln!(io::stderr(), "{text}");
        }
    }
}

/// Sets the modes; again after the process was stopped and continued, when the shell has changed them.
pub(super) fn set_modes() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture, Hide)
}

/// Restores the terminal; does nothing the second time. Errors are passed over: the terminal may be gone.
fn restore() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        unset_modes();
        _ = disable_raw_mode();
    }
}

/// Unsets what [`set_modes`] sets but for raw mode.
pub(super) fn unset_modes() {
    let mut out = io::stdout();
    _ = queue!(out, EndSynchronizedUpdate, DisableMouseCapture, LeaveAlternateScreen, Show);
    _ = out.flush();
}

/// A panic of the drawing thread restores the terminal before it is reported; one of another thread waits
/// with its report until the dashboard is closed, so that it does not write into it.
fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if ENTERED.load(Ordering::SeqCst) {
                let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
                if held.owner != Some(thread::current().id()) {
                    if held.panics.len() < MOST_PANICS {
                        let name = thread::current().name().unwrap_or("unnamed").to_owned();
                        held.panics.push(format!("thread '{name}': {info}"));
                    }
                    return;
                }
                drop(held);
                restore();
            }
            previous(info);
        }));
    });
}
