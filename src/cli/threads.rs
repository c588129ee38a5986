//! The number of threads that a run computes with, from the command line.

use std::num::NonZeroUsize;
use std::thread;

use clap::Args;

/// The most threads: more than any number of lanes can use, and few enough to be started.
const MOST: usize = 1024;

/// The option `--threads`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct ThreadsArgs {
    /// The number of threads to compute with; default: one per core.
    ///
    /// The threads are split between the lanes; if there are fewer threads than lanes, the lanes take turns. Results
    /// don't depend on the number; memory does.
    #[arg(long, value_name = "N", value_parser = parse)]
    threads: Option<NonZeroUsize>,
}

impl ThreadsArgs {
    /// The given number, or as many as the machine has.
    pub(super) fn count(self) -> usize {
        self.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

/// Parses the value of `--threads`.
fn parse(given: &str) -> Result<NonZeroUsize, String> {
    let number = given.parse().ok().filter(|threads: &NonZeroUsize| threads.get() <= MOST);
    number.ok_or_else(|| format!("expected a whole number from 1 to {MOST}; the default is one per core"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_started_is_taken() {
        assert_eq!(parse("1024").map(NonZeroUsize::get), Ok(1024));
        for given in ["0", "1025", "99999999999999999999", "-1", "two", ""] {
            assert!(
                parse(given).unwrap_err().starts_with("expected a whole number from 1 to 1024"),
                "{given}"
            );
        }
    }

    #[test]
    fn what_is_given_counts() {
        assert_eq!(ThreadsArgs { threads: NonZeroUsize::new(7) }.count(), 7);
        assert!(ThreadsArgs::default().count() >= 1);
    }
}
