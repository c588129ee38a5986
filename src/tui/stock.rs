//! The source of the browser's runs, and what can be done to them.

use std::path::PathBuf;
use std::time::SystemTime;

use crossbeam_channel::{Select, TryRecvError};

use crate::runlog::{Discarded, Listed, Notes, RunLogError, discard, read_listed, restore, run_path};
use crate::session::listing::{Found, Listing};

/// A folder of runs, for the browser.
pub trait Stock {
    /// Adds to a selection a channel that becomes ready when there is something to drain.
    fn watch<'a>(&'a self, select: &mut Select<'a>);

    /// Delivers everything that was found, without blocking.
    fn drain(&mut self, fold: &mut dyn FnMut(Found));

    /// Requests the curves of runs; false if that is not possible now.
    fn want_curves(&mut self, ids: Vec<String>) -> bool;

    /// Writes the notes of a run, and returns its new state.
    ///
    /// # Errors
    /// Why they could not be written.
    fn write(&mut self, id: &str, notes: &Notes) -> Result<Option<Listed>, String>;

    /// Moves a run to the trash.
    ///
    /// # Errors
    /// Why it could not be moved.
    fn discard(&mut self, id: &str) -> Result<Discarded, String>;

    /// Restores a run from the trash, and returns its state.
    ///
    /// # Errors
    /// Why it could not be moved.
    fn restore(&mut self, run: &Discarded) -> Result<Option<Listed>, String>;
}

/// A folder of runs on disk.
#[derive(Debug)]
pub struct RunsStock {
    root: PathBuf,
    listing: Listing,
    ended: bool,
}

impl RunsStock {
    /// Begins to list the runs in `root`.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn open(root: PathBuf) -> std::io::Result<RunsStock> {
        Ok(RunsStock { listing: Listing::start(root.clone())?, root, ended: false })
    }
}

impl Stock for RunsStock {
    fn watch<'a>(&'a self, select: &mut Select<'a>) {
        if !self.ended {
            select.recv(self.listing.found());
        }
    }

    fn drain(&mut self, fold: &mut dyn FnMut(Found)) {
        loop {
            match self.listing.found().try_recv() {
                Ok(found) => fold(found),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.ended = true;
                    return;
                }
            }
        }
    }

    fn want_curves(&mut self, ids: Vec<String>) -> bool {
        self.listing.want_curves(ids)
    }

    fn write(&mut self, id: &str, notes: &Notes) -> Result<Option<Listed>, String> {
        let written = run_path(&self.root, id).and_then(|path| notes.write(&path));
        written.map_err(|error| error.to_string())?;
        Ok(read_listed(&self.root, id, SystemTime::now()))
    }

    fn discard(&mut self, id: &str) -> Result<Discarded, String> {
        discard(&self.root, id).map_err(|error: RunLogError| error.to_string())
    }

    fn restore(&mut self, run: &Discarded) -> Result<Option<Listed>, String> {
        restore(&self.root, run).map_err(|error| error.to_string())?;
        Ok(read_listed(&self.root, &run.id, SystemTime::now()))
    }
}
