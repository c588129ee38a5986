//! Carries out each action on the state.

use super::action::{Request, typed};
use super::filter::{self, Filter};
use super::line::Line;
use super::rows::{Row, RowKey, key_of};
use super::sort::{Sort, SortKey};
use super::{Action, Pane, Prompt, Run, RunsList};
use crate::runlog::{MOST_TAGS, NOTE_LENGTH, Notes, TAG_LENGTH};

/// The most runs opened at once.
const MOST_OPENED: usize = 16;

pub(super) fn act(list: &mut RunsList, action: Action) -> Option<Request> {
    match action {
        Action::MoveCursor(by) => move_to(list, list.at.saturating_add_signed(by as isize)),
        Action::SelectFirst => {
            move_to(list, 0);
            // At the top, the cursor stays at the first row as new runs arrive.
            list.cursor = None;
        }
        Action::SelectLast => move_to(list, usize::MAX),
        Action::SelectRow(row) => move_to(list, row),
        Action::Expand => set_open(list, true),
        Action::Collapse => collapse(list),
        Action::ToggleOpen => {
            let open = list.rows.get(list.at).is_some_and(|row| list.is_open(row));
            if open { collapse(list) } else { set_open(list, true) }
        }
        Action::ToggleAllOpen => toggle_all_open(list),
        Action::ToggleMark => toggle_mark(list),
        Action::MarkShown => {
            let ids: Vec<String> = list.rows.iter().flat_map(|row| ids_of(list, row)).collect();
            list.marked.extend(ids);
            list.stale = true;
        }
        Action::ClearMarks => {
            list.marked.clear();
            list.stale = true;
        }
        Action::MoveSort(by) => {
            let key = list.sort.key.further(by);
            list.set_sort(Sort { key, descending: is_descending_first(key) });
        }
        Action::SortBy(key) if list.sort.key != key => {
            list.set_sort(Sort { key, descending: is_descending_first(key) });
        }
        Action::SortBy(_) | Action::Reverse => {
            list.set_sort(Sort { descending: !list.sort.descending, ..list.sort });
        }
        Action::ToggleGroups => {
            list.grouped = !list.grouped;
            list.stale = true;
        }
        Action::SetPane(pane) => set_pane(list, pane),
        Action::OpenFilter | Action::OpenNote | Action::OpenTags | Action::OpenDelete => {
            return open_prompt(list, action);
        }
        Action::Type(c) => edit_line(list, |line, most| line.insert(c, most)),
        Action::Edit(edit) => edit_line(list, |line, _| line.edit(edit)),
        Action::Confirm => return confirm(list),
        Action::Dismiss => dismiss(list),
        Action::Open => return open(&list.chosen()),
        Action::OpenRow => return open(&list.under_cursor()),
        Action::Undo => {
            return match list.discarded.last() {
                Some(runs) => Some(Request::Restore(runs.clone())),
                None => Request::tell("no deletion to undo"),
            };
        }
        Action::ToggleHelp => (list.help, list.scroll) = (!list.help, 0),
        Action::Scroll(by) => list.scroll = list.scroll.saturating_add_signed(by as isize).min(1_000),
    }
    None
}

fn move_to(list: &mut RunsList, row: usize) {
    list.at = row.min(list.rows.len().saturating_sub(1));
    list.cursor = list.rows.get(list.at).map(|row| key_of(list, row));
    // The curves shown depend on the row.
    list.stale |= list.pane == Pane::Bands;
}

/// The runs of a row.
fn ids_of(list: &RunsList, row: &Row) -> Vec<String> {
    let id = |run: &usize| list.runs.get(*run).map(|run| run.id().to_owned());
    match row {
        Row::Run { run, .. } | Row::Lane { run, .. } => id(run).into_iter().collect(),
        Row::Group { group } | Row::GroupLane { group, .. } => list
            .groups
            .get(*group)
            .map(|group| group.runs.iter().filter_map(id).collect())
            .unwrap_or_default(),
    }
}

fn set_open(list: &mut RunsList, open: bool) {
    let Some(row) = list.rows.get(list.at) else { return };
    let key = key_of(list, row);
    match (row, open) {
        (Row::Lane { .. } | Row::GroupLane { .. }, _) => return,
        (_, true) => list.opened.insert(key.clone()),
        (_, false) => list.opened.remove(&key),
    };
    list.cursor = Some(key);
    list.stale = true;
}

/// Collapses the row; if it is not expanded, goes to the parent row and collapses that.
fn collapse(list: &mut RunsList) {
    let Some(row) = list.rows.get(list.at).copied() else { return };
    let is_parent = |above: &Row| match row {
        Row::Lane { run, .. } => matches!(above, Row::Run { run: other, .. } if *other == run),
        Row::GroupLane { group, .. } => matches!(above, Row::Group { group: other } if *other == group),
        Row::Run { nested: true, .. } => matches!(above, Row::Group { .. }),
        Row::Run { .. } | Row::Group { .. } => false,
    };
    if !list.is_open(&row)
        && let Some(parent) = list.rows.iter().take(list.at).rposition(is_parent)
    {
        list.at = parent;
    }
    set_open(list, false);
}

fn toggle_all_open(list: &mut RunsList) {
    list.cursor = list.rows.get(list.at).map(|row| key_of(list, row));
    if list.opened.is_empty() {
        let can_open = |row: &&Row| matches!(row, Row::Run { .. } | Row::Group { .. });
        let keys: Vec<RowKey> = list.rows.iter().filter(can_open).map(|row| key_of(list, row)).collect();
        list.opened.extend(keys);
    } else {
        list.opened.clear();
    }
    list.stale = true;
}

fn toggle_mark(list: &mut RunsList) {
    let ids = list.rows.get(list.at).map(|row| ids_of(list, row)).unwrap_or_default();
    if ids.iter().all(|id| list.marked.contains(id)) {
        list.marked.retain(|id| !ids.contains(id));
    } else {
        list.marked.extend(ids);
    }
    move_to(list, list.at.saturating_add(1));
    list.stale = true;
}

/// Whether ordering by a column starts with the greatest value.
fn is_descending_first(key: SortKey) -> bool {
    matches!(key, SortKey::State | SortKey::Started | SortKey::Depth | SortKey::Step | SortKey::Duration)
}

fn set_pane(list: &mut RunsList, pane: Pane) {
    // The curves of runs that are still training are out of date.
    let over = |id: &String| list.run(id).and_then(|run| run.state()).is_none_or(|state| state.is_over());
    let kept: Vec<String> = list.curves.keys().filter(|id| over(id)).cloned().collect();
    list.curves.retain(|id, curves| curves.is_ok() && kept.contains(id));
    list.wanted.clear();
    (list.pane, list.scroll, list.stale) = (pane, 0, true);
}

fn open_prompt(list: &mut RunsList, action: Action) -> Option<Request> {
    let filter = list.filter.clone();
    let chosen: Vec<&Run> = list.chosen();
    let prompt = match action {
        Action::OpenFilter => {
            let text = filter.to_string();
            // With a blank at the end, so that further typing begins a new word.
            let line = Line::new(&if text.is_empty() { text } else { text + " " });
            Prompt::Filter { line, error: None, before: filter }
        }
        Action::OpenNote => {
            // A note belongs to one run, regardless of marks.
            let Some(run) = list.current() else { return Request::tell("move to a run to add a note") };
            let Some(known) = run.known() else {
                return Request::tell("cannot add a note to an unreadable run");
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
    (list.prompt, list.help) = (Some(prompt), false);
    None
}

fn state_name(run: &Run) -> &'static str {
    run.state().map_or("unreadable", crate::runlog::State::name)
}

fn edit_line(list: &mut RunsList, edit: impl FnOnce(&mut Line, usize)) {
    match &mut list.prompt {
        Some(Prompt::Filter { line, error, .. }) => {
            edit(line, filter::LENGTH);
            match typed(&line.text()) {
                Ok(filter) => {
                    *error = None;
                    if filter != list.filter {
                        list.set_filter(filter);
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

fn confirm(list: &mut RunsList) -> Option<Request> {
    match list.prompt.take()? {
        prompt @ Prompt::Filter { error: Some(_), .. } => {
            // Stays open, so that it can be corrected.
            list.prompt = Some(prompt);
            None
        }
        Prompt::Filter { .. } => None,
        Prompt::Note { id, line } => {
            let notes = list.run(&id)?.notes()?;
            let new = Notes::new(&line.text(), notes.tags());
            (new != *notes).then(|| Request::Write(vec![(id, new)]))
        }
        Prompt::Tags { ids, common, line } => {
            let written = list.retagged(&ids, &common, &line.text());
            (!written.is_empty()).then_some(Request::Write(written))
        }
        Prompt::Delete { ids } => Some(Request::Discard(ids)),
    }
}

fn dismiss(list: &mut RunsList) {
    if list.help {
        list.help = false;
        return;
    }
    match list.prompt.take() {
        Some(Prompt::Filter { before, .. }) => list.set_filter(before),
        Some(_) => {}
        None if matches!(list.pane, Pane::Differences | Pane::Bands) => set_pane(list, Pane::Roomy),
        None => list.set_filter(Filter::default()),
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
        count => {
            Request::tell(format!("{count} runs are chosen; at most {MOST_OPENED} can be opened at once"))
        }
    }
}
