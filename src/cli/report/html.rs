//! The page in HTML: one file with its figures, without scripts.

use std::fmt::Write;

use super::{Section, figure, findings, last, of_cell, state};
use crate::claims::Verdict;
use crate::cli::decided::Decided;

/// Colours follow the screen's preference; on paper they are those for light.
const STYLE: &str = "
:root { color-scheme: light dark; --text: #1b1f24; --muted: #59636e; --page: #ffffff; --line: #d1d9e0; --box: #f6f8fa;
  --good: #1a7f37; --bad: #cf222e; --open: #9a6700;
  --c0: #c4321a; --c1: #0969da; --c2: #1a7f37; --c3: #8250df; --c4: #9a6700; --c5: #0f766e; --c6: #bf3989; --c7: #57606a }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --muted: #9198a1; --page: #16181d; --line: #3d444d;
  --box: #1f232a; --good: #3fb950; --bad: #ff7b72; --open: #d29922;
  --c0: #ff8b6b; --c1: #6cb6ff; --c2: #57d364; --c3: #bc8cff; --c4: #e3b341; --c5: #39c5bb; --c6: #f778ba; --c7: #8b949e } }
@media print { :root { --text: #000; --page: #fff } section { break-inside: avoid-page } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 60rem;
  margin: 0 auto; padding: 1.5rem }
h1, h2 { line-height: 1.2 } h2 { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1.5rem }
blockquote { margin: 1rem 0; padding: .2rem 1rem; border-left: 4px solid var(--line); color: var(--muted) }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-size: .9rem }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line) }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
code { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere }
pre { background: var(--box); padding: .8rem 1rem; overflow-x: auto }
.verdict { font-weight: 600; white-space: nowrap; padding: .15rem .6rem; border: 2px solid; border-radius: .3rem }
.good { color: var(--good) } .bad { color: var(--bad) } .open { color: var(--open) } .muted { color: var(--muted) }
svg { max-width: 100%; height: auto } svg text { fill: var(--text); font: 13px system-ui, sans-serif }
svg .axis { stroke: var(--muted); fill: none } svg .grid { stroke: var(--line) }
";

/// The page.
pub(super) fn page(sections: &[Section]) -> String {
    let title = match sections {
        [one] => escaped(&one.decided.name),
        _ => "Claims".to_owned(),
    };
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n"
    );
    if sections.len() > 1 {
        page.push_str("<table>\n<tr><th>claim</th><th>verdict</th></tr>\n");
        for Section { decided, .. } in sections {
            let (name, says) = (escaped(&decided.name), escaped(&decided.claim.says));
            let _ = writeln!(
                page,
                "<tr><td><a href=\"#{name}\">{says}</a></td><td>{}</td></tr>",
                badge(decided.verdict)
            );
        }
        page.push_str("</table>\n");
    }
    sections.iter().for_each(|section| write_section(section, &mut page));
    page.push_str("</body>\n</html>\n");
    page
}

fn badge(verdict: Verdict) -> String {
    let class = match verdict {
        Verdict::Confirmed => "good",
        Verdict::Refuted => "bad",
        Verdict::NotShown => "open",
    };
    format!("<span class=\"verdict {class}\">{verdict}</span>")
}

fn write_section(section: &Section, page: &mut String) {
    let Decided { name, claim, verdict, .. } = &section.decided;
    let shown = escaped(name);
    let _ = writeln!(page, "<section id=\"{shown}\">\n<h2>{}</h2>", escaped(&section.question));
    let _ = writeln!(page, "<blockquote>{}</blockquote>\n<p>{}</p>", escaped(&claim.says), badge(*verdict));
    for (metric, compared) in &section.figures {
        page.push_str(&figure::figure(*metric, compared));
        let groups = compared.grid.groups.iter();
        let heads: String =
            groups.map(|group| format!("<th class=\"number\">{}</th>", escaped(group))).collect();
        let _ = writeln!(page, "<table>\n<tr><th>{}</th>{heads}</tr>", escaped(compared.grid.name()));
        for (at, value) in compared.grid.values.iter().enumerate() {
            let cells = compared.cells.iter().map(|cells| of_cell(&cells[at], *metric));
            let cells: String =
                cells.map(|cell| format!("<td class=\"number\">{}</td>", escaped(&cell))).collect();
            let _ = writeln!(page, "<tr><th>{}</th>{cells}</tr>", escaped(value));
        }
        let _ = writeln!(
            page,
            "</table>\n<p class=\"muted\">median {} (least to greatest over seeds)</p>",
            escaped(metric.name())
        );
    }
    page.push_str("<table>\n<tr><th></th><th>rule</th><th></th><th>measured</th></tr>\n");
    for (kind, text, judged) in section.rules() {
        let class = match (kind, judged.holds) {
            (_, None) => "open",
            ("confirms", Some(true)) | ("refutes", Some(false)) => "good",
            _ => "bad",
        };
        let mut found: Vec<String> = findings(judged).iter().map(|line| escaped(line)).collect();
        if !text.literature.is_empty() {
            found.push(format!("<span class=\"muted\">literature: {}</span>", escaped(&text.literature)));
        }
        let _ = writeln!(
            page,
            "<tr><td>{kind}</td><td>{}<br><code>{}</code></td><td class=\"{class}\">{}</td><td>{}</td></tr>",
            escaped(&text.means),
            escaped(&text.rule),
            state(judged),
            found.join("<br>")
        );
    }
    page.push_str("</table>\n");
    write_runs(section, page);
    let _ = writeln!(page, "<p class=\"muted\">{}</p>", escaped(&section.about()));
    let _ = writeln!(page, "<pre>skiplane sweep {shown}\nskiplane verdict {shown}</pre>");
    if !claim.sources.is_empty() {
        let sources: String =
            claim.sources.iter().map(|source| format!("<li>{}</li>\n", escaped(source))).collect();
        let _ = writeln!(page, "<ul>\n{sources}</ul>");
    }
    page.push_str("</section>\n");
}

fn write_runs(section: &Section, page: &mut String) {
    page.push_str("<details>\n<summary>runs</summary>\n<table>\n<tr><th>run</th><th>seed</th><th>lane</th><th>state</th>");
    page.push_str("<th class=\"number\">training error</th><th class=\"number\">test error</th></tr>\n");
    for (experiment, run) in &section.decided.runs {
        let Some(run) = run else { continue };
        for lane in &run.summary.lanes {
            let [name, state, train, test] = last(lane).map(|text| escaped(&text));
            let _ = writeln!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{name}</td><td>{state}</td><td class=\"number\">{train}</td><td \
                 class=\"number\">{test}</td></tr>",
                escaped(&run.summary.id),
                experiment.seed
            );
        }
    }
    page.push_str("</table>\n</details>\n");
}

/// A text that means nothing to HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
