//! The `skiplane` binary: passes the arguments to [`skiplane::cli`] and returns its exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    skiplane::cli::main()
}
