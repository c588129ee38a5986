//! What the claim of a sweep comes to by now: its rules, each with its numbers and their spread over seeds.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::explain::words;
use super::wrap::wrap;
use super::{Command, Empty, Key, Scene, Topic, View, empty, told};
use crate::app::{Action, App, Chosen, Lane, LaneState, ViewKind, Wanted};
use crate::claims::{self, Judged, Rule, Rules, Subject, Verdict};
use crate::experiment::{Claim, RuleText};
use crate::metric::Metric;
use crate::printable::printable;
use crate::theme::{Glyph, Theme};
use crate::widgets;

/// The verdict view.
#[derive(Debug)]
pub(super) struct VerdictView;

/// How far what belongs to a rule is moved to the right.
const INDENT: usize = 4;

impl View for VerdictView {
    fn kind(&self) -> ViewKind {
        ViewKind { name: "verdict", chooses: Chosen::Scalars, draws_losses: false }
    }

    fn fits(&self, app: &App) -> bool {
        app.claim().is_some()
    }

    fn title(&self) -> &'static str {
        "what the claim of a sweep comes to, rule by rule"
    }

    fn hints(&self) -> &'static [Key] {
        &[Key::Up, Key::Left]
    }

    fn vertical(&self, by: i64) -> Action {
        Action::Scroll(by)
    }

    fn vertical_name(&self) -> &'static str {
        "scroll"
    }

    fn wants(&self, app: &App) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        for metric in metrics(app) {
            if !wanted.contains(&Wanted::History(metric)) {
                wanted.push(Wanted::History(metric));
            }
        }
        wanted
    }

    fn empty(&self, app: &App) -> Option<Empty> {
        if app.claim().is_some() || app.lanes().is_empty() {
            return empty::without_lanes(app).filter(|_| app.lanes().is_empty());
        }
        let comes = "A sweep has a claim in the table [claim] of its file: what it is to show, with rules that confirm or \
                     refute it. `skiplane claims` lists those that come with the program.";
        Some(Empty::new("these runs decide no claim", comes).with(Command::Browse, "shows all runs"))
    }

    fn told(&self, app: &App) -> Vec<String> {
        let Some(claim) = app.claim() else { return Vec::new() };
        let lines = Lines::of(app, claim, usize::from(u16::MAX), &Theme::default()).lines;
        // Marks say nothing that the words do not.
        let words = |line: &Line<'_>| {
            told::text_of(line).trim_start_matches(|c: char| !c.is_alphanumeric()).trim_end().to_owned()
        };
        lines.iter().map(words).filter(|line| !line.is_empty()).collect()
    }

    fn topics(&self, app: &App) -> Vec<Topic> {
        let words = [&words::VERDICT, &words::CLAIM, &words::CHANCE, &words::SEED].map(Topic::Word);
        words.into_iter().chain(metrics(app).into_iter().map(Topic::Metric)).collect()
    }

    fn render(&self, app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
        let buffer = &mut *scene.buffer;
        let Some(claim) = app.claim() else { return };
        let lines = Lines::of(app, claim, usize::from(area.width), theme).lines;
        let most = lines.len().saturating_sub(usize::from(area.height));
        let shown = lines.iter().skip(app.options().scroll.min(most)).take(area.height.into());
        for (row, line) in shown.enumerate() {
            widgets::put_line(buffer, area, row as u16, line);
        }
    }
}

/// The metrics that the rules of the claim ask the lanes for. Whether the rules fit the lanes is not asked.
fn metrics(app: &App) -> Vec<Metric> {
    let Some(claim) = app.claim() else { return Vec::new() };
    let texts = claim.confirm.iter().chain(&claim.refute);
    let rules: Vec<Rule> = texts.filter_map(|text| Rule::parse(&text.rule).ok()).collect();
    app.visible_lanes().flat_map(|lane| claims::metrics_of(&rules, lane)).collect()
}

/// Lanes as rules select them; none where one has not started.
type Asked<'a> = Vec<(Subject, Option<&'a Lane>)>;

/// The rules of a claim, and the lanes that they are about.
fn read<'a>(claim: &Claim, app: &'a App) -> Result<(Rules, Asked<'a>), Vec<String>> {
    let of_lane = |lane: &'a Lane| {
        let subject = Subject::of(lane.experiment()?, lane.name())?;
        Some((subject, Some(lane).filter(|lane| *lane.state() != LaneState::Waiting)))
    };
    let lanes: Asked<'_> = app.visible_lanes().filter_map(of_lane).collect();
    let subjects: Vec<Subject> = lanes.iter().map(|(subject, _)| subject.clone()).collect();
    match Rules::of(claim, &subjects) {
        Ok(rules) => Ok((rules, lanes)),
        Err(problems) => Err(problems.iter().map(|problem| problem.to_string()).collect()),
    }
}

/// The view's text.
struct Lines<'a> {
    lines: Vec<Line<'static>>,
    width: usize,
    theme: &'a Theme,
}

impl Lines<'_> {
    fn of<'a>(app: &App, claim: &Claim, width: usize, theme: &'a Theme) -> Lines<'a> {
        let mut lines = Lines { lines: Vec::new(), width, theme };
        let (all, over) =
            (app.lanes().len(), app.lanes().iter().filter(|lane| lane.state().is_over()).count());
        let ended = format!("  {over} of {all} lanes have ended");
        match read(claim, app) {
            Ok((rules, lanes)) => {
                let (verdict, [confirm, refute]) = claims::judge(&rules, &lanes);
                let (glyph, style) = match verdict {
                    Verdict::Confirmed => (Glyph::Check, theme.good()),
                    Verdict::Refuted => (Glyph::Error, theme.error()),
                    Verdict::NotShown => (Glyph::Separator, theme.warning()),
                };
                lines.spans(vec![
                    Span::styled(format!("{} {verdict}", theme.glyph(glyph)), style),
                    Span::styled(ended, theme.muted()),
                ]);
                lines.wrapped(0, &claim.says, theme.heading());
                lines.rules("confirmed if all of these hold", &claim.confirm, &confirm, true);
                lines.rules("refuted if one of these holds", &claim.refute, &refute, false);
            }
            Err(problems) => {
                let open = format!("{} these lanes do not decide the claim", theme.glyph(Glyph::Separator));
                lines.spans(vec![Span::styled(open, theme.warning()), Span::styled(ended, theme.muted())]);
                lines.wrapped(0, &claim.says, theme.heading());
                for line in problems.iter().flat_map(|problem| problem.lines()) {
                    lines.spans(vec![Span::styled(printable(line), theme.muted())]);
                }
            }
        }
        if !claim.sources.is_empty() {
            lines.blank();
            lines.wrapped(0, "sources", theme.muted());
        }
        for source in &claim.sources {
            lines.wrapped(2, source, theme.text());
        }
        lines
    }

    /// Rules that speak for the claim if they hold, or against it.
    fn rules(&mut self, title: &str, texts: &[RuleText], judged: &[Judged], speak_for: bool) {
        self.blank();
        self.wrapped(0, title, self.theme.muted());
        for (text, judged) in texts.iter().zip(judged) {
            self.rule(text, judged, speak_for);
        }
    }

    fn rule(&mut self, text: &RuleText, judged: &Judged, speaks_for: bool) {
        let theme = self.theme;
        let word = judged.holds.map_or("open ", |holds| if holds { "holds" } else { "fails" });
        let (glyph, style) = match judged.holds {
            None => (Glyph::Separator, theme.warning()),
            Some(holds) if holds == speaks_for => (Glyph::Check, theme.good()),
            Some(_) => (Glyph::Error, theme.error()),
        };
        let mark = format!("{} {word}  ", theme.glyph(glyph));
        let first = widgets::width(&mark);
        let mut rest = wrap(&printable(&text.rule), self.width.saturating_sub(first)).into_iter();
        let rule = Span::styled(rest.next().unwrap_or_default(), theme.heading());
        self.spans(vec![Span::styled(mark, style), rule]);
        rest.for_each(|line| {
            self.spans(vec![Span::styled(format!("{}{line}", " ".repeat(first)), theme.heading())]);
        });
        match &judged.problem {
            Some(problem) => self.wrapped(INDENT, &format!("cannot be judged: {problem}"), theme.warning()),
            None => {
                let [left, right] = judged.sides.map(|side| judged.unit.in_words(side));
                self.wrapped(INDENT, &format!("{left} against {right}"), theme.text());
            }
        }
        for term in &judged.terms {
            self.wrapped(INDENT, &term.in_words(), theme.text());
        }
        self.wrapped(INDENT, &text.means, theme.muted());
        if !text.literature.is_empty() {
            self.wrapped(INDENT, &format!("literature: {}", text.literature), theme.muted());
        }
    }

    /// A text in as many lines as it needs.
    fn wrapped(&mut self, indent: usize, text: &str, style: Style) {
        for line in wrap(&printable(text), self.width.saturating_sub(indent)) {
            self.spans(vec![Span::styled(format!("{}{line}", " ".repeat(indent)), style)]);
        }
    }

    fn spans(&mut self, spans: Vec<Span<'static>>) {
        self.lines.push(Line::from(spans));
    }

    fn blank(&mut self) {
        self.lines.push(Line::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen;
    use crate::views::{Format, snapshot};

    fn claim(confirm: &str, refute: &str) -> Claim {
        let rule = |rule: &str| RuleText {
            rule: rule.to_owned(),
            means: "What it means.".to_owned(),
            ..RuleText::default()
        };
        Claim {
            says: "Deeper is worse.".to_owned(),
            sources: vec!["He et al. 2015".to_owned()],
            confirm: vec![rule(confirm)],
            refute: vec![rule(refute)],
            ..Claim::default()
        }
    }

    fn frame(claim: Claim) -> String {
        let mut app = specimen::swept();
        app.set_claim(Some(claim));
        app.act(Action::SelectView(VerdictView.kind()));
        snapshot(&app, (120, 40), &Theme::default(), Format::Text)
    }

    #[test]
    fn a_rule_that_is_turned_around_turns_the_verdict() {
        let [less, more] = ["max(train_error[plain]) >= 0%", "max(train_error[plain]) < 0%"];
        let confirmed = frame(claim(less, more));
        assert!(
            confirmed.contains("confirmed  ") && confirmed.contains("holds  max(train_error[plain]) >= 0%"),
            "{confirmed}"
        );
        assert!(confirmed.contains("What it means.") && confirmed.contains("He et al. 2015"), "{confirmed}");
        let refuted = frame(claim(more, less));
        assert!(
            refuted.contains("refuted  ") && refuted.contains("fails  max(train_error[plain]) < 0%"),
            "{refuted}"
        );
    }

    #[test]
    fn a_rule_about_lanes_that_are_not_there_is_told_with_its_place() {
        let found = frame(claim("median(train_error[dense]) < 1%", "median(train_error[plain]) < 0%"));
        assert!(found.contains("these lanes do not decide the claim") && found.contains("dense"), "{found}");
    }
}
