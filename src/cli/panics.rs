//! Prints panics on standard error. Their messages may quote the content of a file.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::panic;
use std::thread;

use crate::printable::printable_lines;

/// Replaces unsafe characters in the messages of panics of this process.
pub(super) fn tell_safely() {
    panic::set_hook(Box::new(|info| {
        let name = thread::current().name().unwrap_or("unnamed").to_owned();
        let trace = Backtrace::capture();
        let trace = match trace.status() {
            BacktraceStatus::Captured => format!("\n{trace}"),
            _ => String::new(),
        };
        // Standard error may be closed; then nothing can be reported.
        let _ = writeln!(io::stderr(), "{}", printable_lines(&format!("thread '{name}' {info}{trace}")));
    }));
}
