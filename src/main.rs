//! The `skiplane` binary: hands the arguments to [`skiplane::cli`] and returns its exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    skiplane::cli::main()
}
