//! The page in Markdown.

use std::fmt::Write;

use super::{Section, findings, of_cell, state};
use crate::cli::decided::Decided;

/// The page.
pub(super) fn page(sections: &[Section]) -> String {
    let mut page = "# Claims\n\nMade by `skiplane report`; every number was measured.\n".to_owned();
    if sections.len() > 1 {
        page.push_str("\n| claim | verdict |\n|---|---|\n");
        for Section { decided, .. } in sections {
            let Decided { name, claim, verdict, .. } = decided;
            let _ = writeln!(page, "| [{}](#{}) | {verdict} |", cell(&claim.says), anchor(name));
        }
    }
    for section in sections {
        write_section(section, &mut page);
    }
    page
}

fn write_section(section: &Section, page: &mut String) {
    let Decided { name, claim, verdict, .. } = &section.decided;
    let _ = writeln!(page, "\n## {}\n", cell(name));
    let _ = writeln!(
        page,
        "{}\n\n> {}\n\n**{}**\n",
        cell(&section.question),
        cell(&claim.says),
        capital(&verdict.to_string())
    );
    for (metric, compared) in &section.figures {
        let groups: Vec<String> = compared.grid.groups.iter().map(|group| cell(group)).collect();
        let _ = writeln!(
            page,
            "Median {} (least to greatest) by {}:\n",
            metric.name().replace('_', " "),
            cell(compared.grid.name())
        );
        let _ = writeln!(page, "| {} | {} |", cell(compared.grid.name()), groups.join(" | "));
        let _ = writeln!(page, "|---|{}", "---|".repeat(groups.len()));
        for (at, value) in compared.grid.values.iter().enumerate() {
            let cells: Vec<String> =
                compared.cells.iter().map(|cells| of_cell(&cells[at], *metric)).collect();
            let _ = writeln!(page, "| {} | {} |", cell(value), cells.join(" | "));
        }
        page.push('\n');
    }
    page.push_str("| | rule | | measured |\n|---|---|---|---|\n");
    for (kind, text, judged) in section.rules() {
        let mut found: Vec<String> = findings(judged).iter().map(|line| cell(line)).collect();
        if !text.literature.is_empty() {
            found.push(format!("literature: {}", cell(&text.literature)));
        }
        let rule = format!("{}<br>`{}`", cell(&text.means), text.rule.replace('|', "\\|"));
        let _ = writeln!(page, "| {kind} | {rule} | {} | {} |", state(judged), found.join("<br>"));
    }
    let _ = writeln!(
        page,
        "\n{}. Again: `skiplane sweep {name} && skiplane verdict {name}`",
        cell(&section.about())
    );
    if !claim.sources.is_empty() {
        let sources: Vec<String> = claim.sources.iter().map(|source| format!("- {}", cell(source))).collect();
        let _ = writeln!(page, "\n{}", sources.join("\n"));
    }
}

/// A text that means nothing to Markdown.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '#' | '\\' => safe.extend(['\\', c]),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// The anchor that GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
