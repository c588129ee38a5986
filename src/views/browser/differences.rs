//! The differences between the experiments of the chosen runs: a row per key, a column per run.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::figures;
use crate::runs_list::difference::{MOST_RUNS, differences};
use crate::runs_list::{Run, RunsList};
use crate::theme::Theme;
use crate::widgets::{Column, Table, block_title, put, put_centered};

/// Draws it.
pub(super) fn draw(list: &RunsList, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let chosen = list.chosen();
    let runs: Vec<&Run> = chosen.iter().copied().take(MOST_RUNS).collect();
    let title = match chosen.len() {
        count if count > MOST_RUNS => format!("differences of the first {MOST_RUNS} of {count} runs"),
        count => format!("differences of {count} runs"),
    };
    let inner = block_title(buffer, area, &title, theme.heading(), theme);
    if runs.len() < 2 {
        return put_centered(
            buffer,
            inner,
            inner.height / 2,
            "mark several runs to compare them",
            theme.muted(),
        );
    }
    let found = differences(&runs);
    if found.is_empty() {
        let text = "their experiments are identical, including the seed";
        return put_centered(buffer, inner, inner.height / 2, text, theme.muted());
    }
    let titles = titles(&runs);
    let mut columns = vec![Column { title: "key", right: false, dispensable: 0 }];
    // If there is no room for all runs, the last ones are left out.
    columns.extend(titles.iter().enumerate().map(|(at, title)| Column {
        title,
        right: false,
        dispensable: at.saturating_sub(1) as u8,
    }));
    let row = |difference: &crate::runs_list::difference::Difference| {
        let mut cells = vec![(difference.key.clone(), theme.muted())];
        cells.extend(
            difference.values.iter().map(|value| cell(value.as_ref(), difference.values[0].as_ref(), theme)),
        );
        cells
    };
    let rows: Vec<Vec<(String, Style)>> = found.iter().map(row).collect();
    Table { columns: &columns, rows: &rows, selected: None }.render(inner, buffer, theme);
    let unread = runs.iter().filter(|run| run.known().is_none_or(|known| known.experiment.is_none())).count();
    if unread > 0 && inner.height > 1 {
        let text = format!("{unread} of them cannot be read");
        put(buffer, inner, inner.x, inner.bottom() - 1, &text, theme.warning());
    }
}

/// A value; emphasised where it differs from the first run's.
fn cell(value: Option<&String>, first: Option<&String>, theme: &Theme) -> (String, Style) {
    let style = if value == first { theme.text() } else { theme.accent() };
    (value.cloned().unwrap_or_else(figures::dash), style)
}

/// Titles for runs in columns: their labels, or their times if labels are equal, or their ids.
fn titles(runs: &[&Run]) -> Vec<String> {
    let are_different = |titles: &[String]| (1..titles.len()).all(|at| !titles[..at].contains(&titles[at]));
    let labels: Vec<String> = runs.iter().map(|run| run.label()).collect();
    let times: Vec<String> = runs.iter().map(|run| figures::time(run.started_ms(), false)).collect();
    if are_different(&labels) {
        labels
    } else if are_different(&times) {
        times
    } else {
        runs.iter().map(|run| crate::printable::printable(run.id())).collect()
    }
}
