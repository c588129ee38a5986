//! What a panic says on standard error. Its message may quote what stood in a file.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::panic;
use std::thread;

use crate::text::printable_lines;

/// Has every panic of this process told in safe text, else as usual.
pub(super) fn tell_safely() {
    panic::set_hook(Box::new(|info| {
        let name = thread::current().name().unwrap_or("unnamed").to_owned();
        let trace = Backtrace::capture();
        let trace = match trace.status() {
            BacktraceStatus::Captured => format!("\n{trace}"),
            _ => String::new(),
        };
        // Standard error may be closed; there is nobody left to tell.
        let _ = writeln!(io::stderr(), "{}", printable_lines(&format!("thread '{name}' {info}{trace}")));
    }));
}
