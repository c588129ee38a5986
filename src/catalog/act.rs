//! Carries out each action on the state.

use super::action::{Request, typed};
use super::filter::{self, Filter};
use super::line::Line;
use super::rows::{Row, RowKey, key_of};
use super::sort::{Sort, SortKey};
use super::{Action, Catalog, Pane, Prompt, Run};
use crate::runlog::{MOST_TAGS, NOTE_LENGTH, Notes, TAG_LENGTH};

/// The most runs opened at once.
const MOST_OPENED: usize = 16;

pub(super) fn act(catalog: &mut Catalog, action: Action) -> Option<Request> {
    match action {
        Action::MoveCursor(by) => move_to(catalog, catalog.at.saturating_add_signed(by as isize)),
        Action::SelectFirst => {
            move_to(catalog, 0);
            // At the top, the cursor stays at the first row as new runs arrive.
            catalog.cursor = None;
        }
        Action::SelectLast => move_to(catalog, usize::MAX),
        Action::SelectRow(row) => move_to(catalog, row),
        Action::Expand => set_open(catalog, true),
        Action::Collapse => collapse(catalog),
        Action::ToggleOpen => {
            let open = catalog.rows.get(catalog.at).is_some_and(|row| catalog.is_open(row));
            if open { collapse(catalog) } else { set_open(catalog, true) }
        }
        Action::ToggleAllOpen => toggle_all_open(catalog),
        Action::ToggleMark => toggle_mark(catalog),
        Action::MarkShown => {
            let ids: Vec<String> = catalog.rows.iter().flat_map(|row| ids_of(catalog, row)).collect();
            catalog.marked.extend(ids);
            catalog.stale = true;
        }
        Action::ClearMarks => {
            catalog.marked.clear();
            catalog.stale = true;
        }
        Action::MoveSort(by) => {
            let key = catalog.sort.key.further(by);
            catalog.set_sort(Sort { key, descending: is_descending_first(key) });
        }
        Action::SortBy(key) if catalog.sort.key != key => {
            catalog.set_sort(Sort { key, descending: is_descending_first(key) });
        }
        Action::SortBy(_) | Action::Reverse => {
            catalog.set_sort(Sort { descending: !catalog.sort.descending, ..catalog.sort });
        }
        Action::ToggleGroups => {
            catalog.grouped = !catalog.grouped;
            catalog.stale = true;
        }
        Action::SetPane(pane) => set_pane(catalog, pane),
        Action::OpenFilter | Action::OpenNote | Action::OpenTags | Action::OpenDelete => {
            return open_prompt(catalog, action);
        }
        Action::Type(c) => edit_line(catalog, |line, most| line.insert(c, most)),
        Action::Edit(edit) => edit_line(catalog, |line, _| line.edit(edit)),
        Action::Confirm => return confirm(catalog),
        Action::Dismiss => dismiss(catalog),
        Action::Open => return open(&catalog.chosen()),
        Action::OpenRow => return open(&catalog.under_cursor()),
        Action::Undo => {
            return match catalog.discarded.last() {
                Some(runs) => Some(Request::Restore(runs.clone())),
                None => Request::tell("no deletion to take back"),
            };
        }
        Action::ToggleHelp => (catalog.help, catalog.scroll) = (!catalog.help, 0),
        Action::Scroll(by) => catalog.scroll = catalog.scroll.saturating_add_signed(by as isize).min(1_000),
    }
    None
}

fn move_to(catalog: &mut Catalog, row: usize) {
    catalog.at = row.min(catalog.rows.len().saturating_sub(1));
    catalog.cursor = catalog.rows.get(catalog.at).map(|row| key_of(catalog, row));
    // The curves shown depend on the row.
    catalog.stale |= catalog.pane == Pane::Bands;
}

/// The runs of a row.
fn ids_of(catalog: &Catalog, row: &Row) -> Vec<String> {
    let id = |run: &usize| catalog.runs.get(*run).map(|run| run.id().to_owned());
    match row {
        Row::Run { run, .. } | Row::Lane { run, .. } => id(run).into_iter().collect(),
        Row::Group { group } | Row::GroupLane { group, .. } => catalog
            .groups
            .get(*group)
            .map(|group| group.runs.iter().filter_map(id).collect())
            .unwrap_or_default(),
    }
}

fn set_open(catalog: &mut Catalog, open: bool) {
    let Some(row) = catalog.rows.get(catalog.at) else { return };
    let key = key_of(catalog, row);
    match (row, open) {
        (Row::Lane { .. } | Row::GroupLane { .. }, _) => return,
        (_, true) => catalog.opened.insert(key.clone()),
        (_, false) => catalog.opened.remove(&key),
    };
    catalog.cursor = Some(key);
    catalog.stale = true;
}

/// Collapses the row; if it is not expanded, goes to the parent row and collapses that.
fn collapse(catalog: &mut Catalog) {
    let Some(row) = catalog.rows.get(catalog.at).copied() else { return };
    let is_parent = |above: &Row| match row {
        Row::Lane { run, .. } => matches!(above, Row::Run { run: other, .. } if *other == run),
        Row::GroupLane { group, .. } => matches!(above, Row::Group { group: other } if *other == group),
        Row::Run { nested: true, .. } => matches!(above, Row::Group { .. }),
        Row::Run { .. } | Row::Group { .. } => false,
    };
    if !catalog.is_open(&row)
        && let Some(parent) = catalog.rows.iter().take(catalog.at).rposition(is_parent)
    {
        catalog.at = parent;
    }
    set_open(catalog, false);
}

fn toggle_all_open(catalog: &mut Catalog) {
    catalog.cursor = catalog.rows.get(catalog.at).map(|row| key_of(catalog, row));
    if catalog.opened.is_empty() {
        let can_open = |row: &&Row| matches!(row, Row::Run { .. } | Row::Group { .. });
        let keys: Vec<RowKey> =
            catalog.rows.iter().filter(can_open).map(|row| key_of(catalog, row)).collect();
        catalog.opened.extend(keys);
    } else {
        catalog.opened.clear();
    }
    catalog.stale = true;
}

fn toggle_mark(catalog: &mut Catalog) {
    let ids = catalog.rows.get(catalog.at).map(|row| ids_of(catalog, row)).unwrap_or_default();
    if ids.iter().all(|id| catalog.marked.contains(id)) {
        catalog.marked.retain(|id| !ids.contains(id));
    } else {
        catalog.marked.extend(ids);
    }
    move_to(catalog, catalog.at.saturating_add(1));
    catalog.stale = true;
}

/// Whether ordering by a column starts with the greatest value.
fn is_descending_first(key: SortKey) -> bool {
    matches!(key, SortKey::State | SortKey::Started | SortKey::Depth | SortKey::Step | SortKey::Duration)
}

fn set_pane(catalog: &mut Catalog, pane: Pane) {
    // The curves of runs that are still training are out of date.
    let over = |id: &String| catalog.run(id).and_then(|run| run.state()).is_none_or(|state| state.is_over());
    let kept: Vec<String> = catalog.curves.keys().filter(|id| over(id)).cloned().collect();
    catalog.curves.retain(|id, curves| curves.is_ok() && kept.contains(id));
    catalog.wanted.clear();
    (catalog.pane, catalog.scroll, catalog.stale) = (pane, 0, true);
}

fn open_prompt(catalog: &mut Catalog, action: Action) -> Option<Request> {
    let filter = catalog.filter.clone();
    let chosen: Vec<&Run> = catalog.chosen();
    let prompt = match action {
        Action::OpenFilter => {
            let text = filter.to_string();
            // With a blank at the end, so that further typing begins a new word.
            let line = Line::new(&if text.is_empty() { text } else { text + " " });
            Prompt::Filter { line, error: None, before: filter }
        }
        Action::OpenNote => {
            // A note belongs to one run, regardless of marks.
            let Some(run) = catalog.current() else { return Request::tell("go to a run to note something") };
            let Some(known) = run.known() else {
                return Request::tell("a run that cannot be read takes no note");
            };
            if let Some(problem) = &known.notes_problem {
                return Request::tell(problem.clone());
            }
            Prompt::Note { id: run.id().to_owned(), line: Line::new(known.notes.note()) }
        }
        Action::OpenTags => {
            let known: Vec<_> = chosen.iter().filter_map(|run| Some((run.id(), run.known()?))).collect();
            if let Some(problem) = known.iter().find_map(|(_, known)| known.notes_problem.as_ref()) {
                return Request::tell(problem.clone());
            }
            let Some((_, first)) = known.first() else { return Request::tell("no run to tag") };
            let in_all = |tag: &&String| known.iter().all(|(_, known)| known.notes.tags().contains(tag));
            let common: Vec<String> = first.notes.tags().iter().filter(in_all).cloned().collect();
            let line = Line::new(&common.join(" "));
            Prompt::Tags { ids: known.iter().map(|(id, _)| (*id).to_owned()).collect(), common, line }
        }
        _ => {
            let running = chosen.iter().find(|run| run.state().is_some_and(|state| !state.is_over()));
            if let Some(run) = running {
                return Request::tell(format!(
                    "{} is {}; stop it before deleting it",
                    run.id(),
                    state_name(run)
                ));
            }
            if chosen.is_empty() {
                return Request::tell("no run to delete");
            }
            Prompt::Delete { ids: chosen.iter().map(|run| run.id().to_owned()).collect() }
        }
    };
    (catalog.prompt, catalog.help) = (Some(prompt), false);
    None
}

fn state_name(run: &Run) -> &'static str {
    run.state().map_or("unreadable", crate::runlog::State::name)
}

fn edit_line(catalog: &mut Catalog, edit: impl FnOnce(&mut Line, usize)) {
    match &mut catalog.prompt {
        Some(Prompt::Filter { line, error, .. }) => {
            edit(line, filter::LENGTH);
            match typed(&line.text()) {
                Ok(filter) => {
                    *error = None;
                    if filter != catalog.filter {
                        catalog.set_filter(filter);
                    }
                }
                Err(problem) => *error = Some(problem),
            }
        }
        // A character takes at most four bytes.
        Some(Prompt::Note { line, .. }) => edit(line, NOTE_LENGTH * 4),
        Some(Prompt::Tags { line, .. }) => edit(line, (TAG_LENGTH + 1) * MOST_TAGS * 4),
        Some(Prompt::Delete { .. }) | None => {}
    }
}

fn confirm(catalog: &mut Catalog) -> Option<Request> {
    match catalog.prompt.take()? {
        prompt @ Prompt::Filter { error: Some(_), .. } => {
            // Stays open, so that it can be corrected.
            catalog.prompt = Some(prompt);
            None
        }
        Prompt::Filter { .. } => None,
        Prompt::Note { id, line } => {
            let notes = catalog.run(&id)?.notes()?;
            let new = Notes::new(&line.text(), notes.tags());
            (new != *notes).then(|| Request::Write(vec![(id, new)]))
        }
        Prompt::Tags { ids, common, line } => {
            let written = catalog.retagged(&ids, &common, &line.text());
            (!written.is_empty()).then_some(Request::Write(written))
        }
        Prompt::Delete { ids } => Some(Request::Discard(ids)),
    }
}

fn dismiss(catalog: &mut Catalog) {
    if catalog.help {
        catalog.help = false;
        return;
    }
    match catalog.prompt.take() {
        Some(Prompt::Filter { before, .. }) => catalog.set_filter(before),
        Some(_) => {}
        None if matches!(catalog.pane, Pane::Differences | Pane::Bands) => set_pane(catalog, Pane::Roomy),
        None => catalog.set_filter(Filter::default()),
    }
}

fn open(chosen: &[&Run]) -> Option<Request> {
    if let Some(run) = chosen.iter().find(|run| run.known().is_none()) {
        let problem = run.problem().unwrap_or_default();
        return Request::tell(format!("{} cannot be opened: {problem}", run.id()));
    }
    match chosen.len() {
        0 => Request::tell("no run to open"),
        1..=MOST_OPENED => Some(Request::Open(chosen.iter().map(|run| run.id().to_owned()).collect())),
        count => Request::tell(format!("{count} runs are chosen; at most {MOST_OPENED} are opened at once")),
    }
}
