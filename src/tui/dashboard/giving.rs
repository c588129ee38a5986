//! What leaves the dashboard: a value or a frame to the clipboard, a view to files, and notifications.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use super::Dashboard;
use crate::app::health::Severity;
use crate::app::{App, Layout};
use crate::config::experiment;
use crate::disk;
use crate::tui::sequences::{self, MOST_COPIED, Multiplexer};
use crate::views::{self, Format};

/// The most files of the same name.
const MOST_OF_A_NAME: usize = 1_000;

impl Dashboard<'_> {
    /// Copies the value at the cursor.
    pub(super) fn copy_value(&mut self) -> io::Result<()> {
        self.supply();
        match views::value_at_cursor(self.app) {
            Some(value) => self.copy(&value, &format!("copied {value}")),
            None => {
                self.notify("nothing was measured at the cursor");
                Ok(())
            }
        }
    }

    /// Copies the frame as text.
    pub(super) fn copy_frame(&mut self) -> io::Result<()> {
        let frame = self.frame(Format::Text)?;
        self.copy(&frame, "copied this view as text")
    }

    fn copy(&mut self, text: &str, copied: &str) -> io::Result<()> {
        if text.len() > MOST_COPIED {
            self.notify("too large for the clipboard of a terminal");
            return Ok(());
        }
        self.notify(copied);
        self.desk.screen.tell(&sequences::copy(text, Multiplexer::detect()))
    }

    /// Saves the view as a picture, as text, and its numbers as CSV, in the working folder.
    pub(super) fn save_view(&mut self) -> io::Result<()> {
        let (picture, text) = (self.frame(Format::Svg)?, self.frame(Format::Text)?);
        let numbers = views::csv(self.app);
        let table = numbers.as_deref().map(|numbers| ("csv", numbers));
        let files = [("svg", &*picture), ("txt", &*text)].into_iter().chain(table);
        match save(&self.saves_to, &stem(self.app), &files.collect::<Vec<_>>()) {
            Ok(stem) if numbers.is_some() => self.notify(&format!("saved ./{stem}.svg, .txt and .csv")),
            Ok(stem) => self.notify(&format!("saved ./{stem}.svg and .txt")),
            Err(error) => self.notify(&format!("not saved: {error}")),
        }
        Ok(())
    }

    /// Shows the layout that was kept for the experiment of the first run, unless a view was chosen already.
    pub(super) fn take_layout(&mut self) {
        let layout = self.layouts.read(&self.run_name()).filter(|_| self.app.options().view.is_none());
        if let Some(layout) = layout {
            layout.put(self.app, layout.view().and_then(views::kind_named));
        }
    }

    /// Keeps what is shown for runs of this experiment.
    pub(super) fn keep_layout(&mut self) {
        let run = self.run_name();
        match self.layouts.keep(&run, &Layout::of(self.app)) {
            Ok(()) => self.notify(&format!("runs of {} will open like this", experiment(&run))),
            Err(error) => self.notify(&format!("not kept: {error}")),
        }
    }

    /// Forgets what was kept for runs of this experiment.
    pub(super) fn forget_layout(&mut self) {
        let run = self.run_name();
        match self.layouts.forget(&run) {
            Ok(true) => self.notify(&format!("runs of {} will open as at first", experiment(&run))),
            Ok(false) => self.notify(&format!("no layout was kept for runs of {}", experiment(&run))),
            Err(error) => self.notify(&format!("not forgotten: {error}")),
        }
    }

    /// The view alone, in the size of the screen.
    fn frame(&mut self, format: Format) -> io::Result<String> {
        self.supply();
        let area = self.desk.screen.area()?;
        Ok(views::snapshot(self.app, (area.width, area.height), self.theme, format))
    }

    /// Notifies the user, as the settings say, of critical findings since the last call.
    pub(super) fn tell_findings(&mut self) -> io::Result<()> {
        let known = std::mem::replace(&mut self.criticals, criticals(self.app));
        if self.criticals <= known {
            return Ok(());
        }
        self.notify_beyond(&format!("{}: critical finding", self.run_name()))
    }

    /// Notifies the user that the run has ended.
    pub(super) fn tell_end(&mut self) -> io::Result<()> {
        self.notify_beyond(&format!("{}: ended", self.run_name()))
    }

    fn notify_beyond(&mut self, text: &str) -> io::Result<()> {
        if self.notify.bell {
            self.desk.screen.tell(sequences::BELL)?;
        }
        if self.notify.osc9 {
            self.desk.screen.tell(&sequences::message(&format!("skiplane {text}"), Multiplexer::detect()))?;
        }
        Ok(())
    }

    fn run_name(&self) -> String {
        self.app.lanes().first().map(|lane| lane.label().run.clone()).unwrap_or_default()
    }
}

/// The number of critical findings of all lanes.
pub(super) fn criticals(app: &App) -> usize {
    let findings = app.lanes().iter().flat_map(|lane| lane.health().findings());
    findings.filter(|finding| finding.severity == Severity::Critical).count()
}

/// What a saved view is called: its run, its name and the step.
fn stem(app: &App) -> String {
    let run = app.lanes().first().map(|lane| lane.label().run.as_str()).unwrap_or_default();
    let run = disk::file_name(run);
    let view = views::shown(app).map_or("", |view| view.kind().name);
    format!("{run}-{view}-{}", app.step()).trim_start_matches('-').to_owned()
}

/// Writes new files, each an extension and its content, never over others, and returns what they are called without their
/// extensions.
fn save(folder: &Path, stem: &str, files: &[(&str, &str)]) -> io::Result<String> {
    for number in 1..=MOST_OF_A_NAME {
        let stem = if number == 1 { stem.to_owned() } else { format!("{stem}-{number}") };
        let path = |extension: &str| folder.join(format!("{stem}.{extension}"));
        let mut created = Vec::new();
        for (extension, content) in files {
            match create(&path(extension))? {
                Some(file) => created.push((file, path(extension), content)),
                None => break,
            }
        }
        if created.len() < files.len() {
            // Only what was created here is removed.
            created.iter().try_for_each(|(_, path, _)| fs::remove_file(path))?;
            continue;
        }
        created.iter_mut().try_for_each(|(file, _, content)| file.write_all(content.as_bytes()))?;
        return Ok(stem);
    }
    Err(io::Error::other(format!("there are {MOST_OF_A_NAME} files {stem} already")))
}

/// A new file; none if there is one already.
fn create(path: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::LaneLabel;

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        fs::write(folder.path().join("a.txt"), "mine").unwrap();
        let files = [("svg", "picture"), ("txt", "text"), ("csv", "numbers")];
        assert_eq!(save(folder.path(), "a", &files).unwrap(), "a-2");
        assert_eq!(save(folder.path(), "a", &files).unwrap(), "a-3");
        assert_eq!(
            (read("a.txt"), read("a-2.svg"), read("a-3.txt")),
            ("mine".into(), "picture".into(), "text".into())
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 7, "nothing is left behind");
        assert!(save(&folder.path().join("none"), "a", &files).is_err());
    }

    #[test]
    fn a_saved_view_stays_in_the_folder_whatever_the_run_is_called() {
        let label = LaneLabel { run: "../\u{1b}[2J a/b".to_owned(), lane: "plain".to_owned() };
        let stem = stem(&App::new(vec![label]));
        assert_eq!(stem, "_____2J_a_b-overview-0");
    }
}
