//! The headline: which of two lanes leads and since when, or which of them diverged, and whether they may be
//! compared. It does not depend on display options.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::lanes;
use crate::app::comparison::{Lead, lead};
use crate::app::fairness::{self, Difference};
use crate::app::{App, Charted, Lane};
use crate::metric::known;
use crate::printable::{points, printable, short};
use crate::theme::{Glyph, Theme};
use crate::views::told;
use crate::widgets;

/// Draws the longest headline that fits, and at the right whether the comparison is fair.
pub(super) fn render(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let Some((a, b)) = app.pair().filter(|_| area.height > 0) else { return };
    let headlines = headlines(app, (a, b), theme);
    let fairness = if lanes::diverged(app, &[a, b]).is_some() { None } else { fairness_of(a, b, theme) };
    let (texts, style) = fairness.unwrap_or_default();
    let asides: Vec<Line<'_>> =
        texts.iter().map(String::as_str).chain([""]).map(|fair| Line::styled(fair, style)).collect();
    let fits = |(headline, aside): &(&Line<'_>, &Line<'_>)| {
        let gap = if aside.width() > 0 { 2 } else { 0 };
        headline.width() + gap + aside.width() <= usize::from(area.width)
    };
    let pairs = headlines.iter().flat_map(|headline| asides.iter().map(move |aside| (headline, aside)));
    match pairs.clone().find(fits) {
        Some((headline, aside)) => {
            widgets::put_line(buffer, area, 0, headline);
            let x = area.right().saturating_sub(aside.width() as u16);
            widgets::put_line(buffer, Rect { x, width: area.right() - x, ..area }, 0, aside);
        }
        None => drop(headlines.last().map(|headline| widgets::put_line(buffer, area, 0, headline))),
    }
}

/// The headline in words, and whether the comparison is fair.
pub(super) fn said(app: &App) -> Vec<String> {
    let Some((a, b)) = app.pair() else { return Vec::new() };
    // Marks say nothing that the words do not.
    let words = |text: &str| text.trim_start_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let theme = Theme::default();
    let headline = headlines(app, (a, b), &theme).into_iter().next();
    let fairness = fairness_of(a, b, &theme).and_then(|(texts, _)| texts.into_iter().next());
    headline.map(|line| told::text_of(&line)).into_iter().chain(fairness).map(|text| words(&text)).collect()
}

/// The headlines for two lanes at the cursor, from the longest to the shortest.
fn headlines<'a>(app: &App, (a, b): (&Lane, &Lane), theme: &Theme) -> Vec<Line<'a>> {
    let line = |spans: &[&Span<'a>]| Line::from(spans.iter().map(|span| (*span).clone()).collect::<Vec<_>>());
    if let Some(diverged) = lanes::diverged(app, &[a, b]) {
        let diverged = Span::styled(format!("{} {diverged}", theme.glyph(Glyph::Error)), theme.error());
        return vec![line(&[&diverged, &Span::raw(": nothing to compare")]), line(&[&diverged])];
    }
    let name =
        |lane: &Lane| Span::styled(lanes::name(app, lane), lanes::style(lane, theme).patch(theme.heading()));
    let Some(found) = lead(a, b, app.step()) else {
        // Without errors to compare there is no lead, only what was measured.
        let main = Charted::scalar(app.curves()[0]);
        let last = |lane: &Lane| Some(short(main.point_at(lane, app.step())?.last().into()));
        let Some((of_a, of_b)) =
            last(a).zip(last(b)).filter(|_| !a.has(known::ERROR) && !b.has(known::ERROR))
        else {
            return vec![Line::styled("no steps to compare yet", theme.muted())];
        };
        let figure = Span::raw(format!("{} ", printable(main.metric.name())));
        let (of_a, of_b) = (Span::raw(format!(" {of_a}, ")), Span::raw(format!(" {of_b}")));
        let at = Span::styled(format!(" at step {}", app.step()), theme.muted());
        let (a, b) = (name(a), name(b));
        let all = [&figure, &a, &of_a, &b, &of_b, &at];
        return vec![line(&all), line(&all[..5]), line(&all[1..5])];
    };
    let Lead { apart, over: (first, last), is_clear, since } = found;
    let steps =
        if first == last { format!(" over step {last}") } else { format!(" over steps {first}-{last}") };
    let steps = Span::raw(steps);
    let points = Span::styled(points(apart.abs()), theme.heading());
    if !is_clear {
        // The difference is told even where it may be chance, which is all that can be said of few examples.
        let both = [Span::raw("no clear lead: "), name(a), Span::raw(" and "), name(b)];
        let both: Vec<&Span<'_>> = both.iter().collect();
        let apart = [&Span::raw(" are "), &points, &Span::raw(" points of training error apart"), &steps];
        return vec![
            line(&[&both[..], &apart].concat()),
            line(&[&both[..], &apart[..2], &[&Span::raw(" points apart")]].concat()),
            line(&both),
        ];
    }
    let (worse, better) = if apart > 0.0 { (a, b) } else { (b, a) };
    let lead =
        [name(better), Span::raw(" leads "), name(worse), Span::raw(" by "), points, Span::raw(" points")];
    let lead: Vec<&Span<'_>> = lead.iter().collect();
    let of = Span::raw(" of training error");
    let since = Span::styled(format!(", ahead since step {since}"), theme.muted());
    vec![
        line(&[&lead[..], &[&of, &steps, &since]].concat()),
        line(&[&lead[..], &[&of, &steps]].concat()),
        line(&[&lead[..], &[&steps]].concat()),
        line(&lead),
    ]
}

/// Whether two lanes may be compared, in a longer and a short form.
fn fairness_of(a: &Lane, b: &Lane, theme: &Theme) -> Option<(Vec<String>, Style)> {
    let fairness = fairness::compare(a.started()?, b.started()?)?.with_orders(a.orders(), b.orders());
    let (glyph, style) =
        if fairness.is_fair() { (Glyph::Check, theme.good()) } else { (Glyph::Warning, theme.warning()) };
    let key = |difference: &Difference| printable(difference.key.trim_start_matches("lane."));
    let keys: Vec<String> = fairness.differences.iter().map(key).collect();
    let unequal: Vec<&str> = fairness.checks.iter().filter(|c| !c.equal).map(|c| c.name).collect();
    let (long, brief) = match (fairness.is_fair(), fairness.differs_in_shortcut_only()) {
        (_, true) => ("fair comparison: they differ in the shortcut only".to_owned(), "fair comparison"),
        (true, false) => (format!("fair comparison: they differ in {}", keys.join(", ")), "fair comparison"),
        (false, _) => (format!("unfair comparison: unequal {}", unequal.join(", ")), "unfair comparison"),
    };
    let glyph = theme.glyph(glyph);
    Some((vec![format!("{glyph} {long}"), format!("{glyph} {brief}")], style))
}

#[cfg(test)]
mod tests {
    use crate::app::specimen::{self, Specimen};
    use crate::app::{Action, App};
    use crate::theme::Theme;
    use crate::units::Step;
    use crate::views::{Format, snapshot};

    fn headline(app: &App, width: u16) -> String {
        let frame = snapshot(app, (width, 40), &Theme::default(), Format::Text);
        frame.lines().nth(1).unwrap_or_default().trim_end().to_owned()
    }

    #[test]
    fn the_headline_and_the_figures_do_not_depend_on_smoothing() {
        let mut app = specimen::deep_in_the_middle();
        let figures = |app: &App| {
            let frame = snapshot(app, (120, 40), &Theme::default(), Format::Text);
            frame.lines().find(|line| line.starts_with("loss ")).unwrap_or_default().to_owned()
        };
        let (said, shown) = (headline(&app, 120), figures(&app));
        assert!(said.contains(" over steps 381-400, ahead since step "), "{said}");
        let loss = app.lanes()[0].loss().last().and_then(|row| row.last(0)).expect("has steps");
        assert!(shown.starts_with(&format!("loss {} ", crate::printable::short(loss.into()))), "{shown}");
        for _ in 0..5 {
            app.act(Action::CycleSmoothing);
            assert_eq!((headline(&app, 120), figures(&app)), (said.clone(), shown.clone()));
        }
    }

    #[test]
    fn a_lane_that_diverged_leads_nothing_from_then_on() {
        let mut app = specimen::one_diverged();
        assert_eq!(headline(&app, 120), "✗ plain diverged at step 120: nothing to compare");
        app.act(Action::SelectStep(Step(119)));
        assert!(headline(&app, 120).contains("leads"), "{}", headline(&app, 120));
        let dead =
            |name, shortcut, at| Specimen { diverges_at: Some(at), ..Specimen::new(name, 8, shortcut) };
        let app = specimen::app_of(&[dead("plain", "none", 9), dead("residual", "identity", 7)]);
        assert_eq!(headline(&app, 120), "✗ plain diverged at step 9, residual at step 7: nothing to compare");
    }
}
