//! Standard output and error while a screen is shown: put aside into a file, so that what any thread or library prints
//! does not get into the screen. It is told afterwards.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};

use rustix::stdio::{dup2_stderr, dup2_stdout};

/// The most that is told of what was printed, in bytes.
const MOST_TOLD: u64 = 1 << 16;

/// What was put aside. Nothing writes to the terminal by standard output or error until it is put back.
#[derive(Debug)]
pub(super) struct Aside {
    /// Those that were the terminal.
    output: Option<OwnedFd>,
    error: Option<OwnedFd>,
    printed: File,
}

impl Aside {
    /// Puts aside those that are terminals.
    ///
    /// # Errors
    /// If there is no place for what is printed.
    pub(super) fn put() -> io::Result<Aside> {
        let (out, err) = (io::stdout(), io::stderr());
        let printed = tempfile::tempfile()?;
        let keep = |fd: &dyn AsFd, is: bool| is.then(|| fd.as_fd().try_clone_to_owned()).transpose();
        let output = keep(&out, out.is_terminal())?;
        let error = keep(&err, err.is_terminal())?;
        let aside = Aside { output, error, printed };
        if aside.output.is_some() {
            dup2_stdout(&aside.printed)?;
        }
        if aside.error.is_some() {
            dup2_stderr(&aside.printed)?;
        }
        Ok(aside)
    }

    /// Puts them back, and returns what was printed.
    pub(super) fn put_back(mut self) -> String {
        // If that fails, there is no terminal to print on.
        _ = self.output.take().map(dup2_stdout);
        _ = self.error.take().map(dup2_stderr);
        let mut bytes = Vec::new();
        _ = self.printed.rewind().and_then(|()| self.printed.take(MOST_TOLD).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).trim_end().to_owned()
    }
}
