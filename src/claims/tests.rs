//! Rules are read, checked and judged as they say.

use proptest::prelude::*;

use super::measure::Select;
use super::*;
use crate::experiment::{Available, Claim, Experiment, RuleText, parse};

/// An experiment of two lanes.
fn experiment(depth: usize, seed: u64) -> Experiment {
    let text = format!(
        r#"seed = {seed}
[data]
name = "glyphs"
[training]
steps = 10
batch = 8
optimizer = {{ kind = "sgd", learning_rate = 0.05 }}
schedule = {{ kind = "constant" }}
[[lane]]
name = "plain"
architecture = "resnet"
depth = {depth}
width = 8
shortcut = "none"
[[lane]]
name = "residual"
architecture = "resnet"
depth = {depth}
width = 8
shortcut = "identity"
"#
    );
    let available = Available {
        datasets: crate::datasets::available(),
        architectures: crate::model::available(),
        probes: Vec::new(),
    };
    parse(&text, "x.toml", &available, &[]).unwrap()
}

/// A lane with these last values, and a series of losses.
#[derive(Clone)]
struct Fake {
    error: f64,
    steps: f64,
    is_over: bool,
}

impl Observed for Fake {
    fn is_over(&self) -> bool {
        self.is_over
    }

    fn measured(&self, measure: &str, _: &Select<'_>) -> Measured {
        match measure {
            "train_error" => Ok(self.error),
            other => Err(format!("`{other}` was not measured")),
        }
    }

    fn steps_until(&self, _: &str, level: f64) -> Measured {
        Ok(self.steps / level)
    }
}

/// Depths 20 and 56, three seeds: the deep plain network has 70 to 72 %, all others 5 to 7 %.
fn lanes() -> Vec<(Subject, Option<Fake>)> {
    let mut lanes = Vec::new();
    for depth in [20, 56] {
        for seed in 0..3 {
            for subject in Subject::all_of(&experiment(depth, seed)) {
                let is_bad = depth == 56 && subject.lane() == "plain";
                let error = if is_bad { 0.70 } else { 0.05 } + seed as f64 / 100.0;
                lanes.push((subject, Some(Fake { error, steps: 100.0 * depth as f64, is_over: true })));
            }
        }
    }
    lanes
}

fn rule(text: &str) -> RuleText {
    RuleText { place: "claim.toml:7".to_owned(), rule: text.to_owned(), ..RuleText::default() }
}

/// The rules of a claim that one rule confirms and one refutes.
fn rules(confirm: &str, refute: &str) -> Result<Rules, Vec<RuleError>> {
    let claim = Claim { confirm: vec![rule(confirm)], refute: vec![rule(refute)], ..Claim::default() };
    let subjects: Vec<Subject> = lanes().into_iter().map(|(subject, _)| subject).collect();
    Rules::of(&claim, &subjects)
}

const NEVER: &str = "1 < 0";

/// What a rule comes to.
fn judged(text: &str) -> Judged {
    let [mut confirm, _] = judge(&rules(text, NEVER).unwrap(), &lanes()).1;
    confirm.swap_remove(0)
}

/// The left side of a rule.
fn left(text: &str) -> f64 {
    judged(&format!("{text} > 0")).sides[0]
}

/// What is wrong with a rule.
fn refused(text: &str) -> String {
    rules(text, NEVER).unwrap_err()[0].to_string()
}

#[test]
fn numbers_are_those_of_the_selected_lanes() {
    let close = |text: &str, wanted: f64| {
        let found = left(text);
        assert!((found - wanted).abs() < 1e-12, "{text}: {found}, expected {wanted}");
    };
    close("median(train_error[plain, depth = 56])", 0.71);
    close("median(train_error[plain, depth=56]) - median(train_error[plain, depth=20])", 0.65);
    close("median(train_error[depth=56])", (0.07 + 0.70) / 2.0);
    close("max(train_error)", 0.72);
    close("min(train_error[*])", 0.05);
    close("range(train_error[plain, depth = 56])", 0.02);
    close("mean(train_error[res*, depth = 20|56])", 0.06);
    close(
        "count(train_error[plain | residual, seed = 0])".replace(" | residual", ", residual").as_str(),
        4.0,
    );
    // Seed by seed, the difference is the same.
    close("range(train_error[plain, depth=56] - train_error[residual, depth=56])", 0.0);
    close("slope(train_error[plain], depth)", 0.65 / 36.0);
    close("median(steps_until(loss[plain, depth=20], 0.5))", 4000.0);
    close("-(1 + 2) * 4 / 8 - 1e-1", -1.6);
    close("abs(-3) + log10(1000)", 6.0);
    close("10% + 0.05", 0.15);
    close("max(train_error[batch = 8.0, seed = \"2\"])", 0.72);
}

#[test]
fn a_verdict_follows_from_the_rules() {
    let deep = "median(train_error[plain, depth = 56])";
    let verdict = |confirm: &str, refute: &str| judge(&rules(confirm, refute).unwrap(), &lanes()).0;
    let (high, low) = (format!("{deep} >= 0.7"), format!("{deep} < 0.2"));
    assert_eq!(verdict(&high, &low), Verdict::Confirmed);
    assert_eq!(verdict(&low, &high), Verdict::Refuted);
    assert_eq!(verdict(&low, NEVER), Verdict::NotShown);
    // What refutes weighs more than what confirms.
    assert_eq!(verdict(&high, &high), Verdict::Refuted);
}

#[test]
fn what_was_not_trained_to_its_end_is_not_judged() {
    let rules = rules("median(train_error[plain]) > 0", NEVER).unwrap();
    let mut lanes = lanes();
    lanes[0].1 = Some(Fake { error: 0.1, steps: 0.0, is_over: false });
    let (verdict, [confirm, _]) = judge(&rules, &lanes);
    assert_eq!((verdict, confirm[0].holds), (Verdict::NotShown, None));
    assert_eq!(confirm[0].problem.as_deref(), Some("plain, seed 0: has not ended"));
    lanes[0].1 = None;
    let (_, [confirm, _]) = judge(&rules, &lanes);
    assert_eq!(confirm[0].problem.as_deref(), Some("plain, seed 0: not trained yet"));
}

#[test]
fn a_lane_that_diverged_is_worst() {
    let rules =
        rules("median(train_error[plain, depth = 20]) < 10%", "max(train_error[plain]) > 100%").unwrap();
    let mut lanes = lanes();
    lanes[0].1 = Some(Fake { error: f64::INFINITY, steps: 0.0, is_over: true });
    let (verdict, [confirm, refute]) = judge(&rules, &lanes);
    assert_eq!((confirm[0].holds, refute[0].holds), (Some(true), Some(true)));
    assert_eq!(verdict, Verdict::Refuted);
}

#[test]
fn the_numbers_and_their_spread_are_told() {
    let judged =
        judged("median(train_error[plain, depth = 56]) - median(train_error[plain, depth = 20]) >= 10%");
    assert_eq!((judged.holds, judged.unit), (Some(true), Unit::Share));
    let [deep, shallow] = judged.terms.as_slice() else { panic!("{:?}", judged.terms) };
    assert_eq!(deep.text, "median(train_error[plain, depth = 56])");
    assert_eq!((deep.count, deep.value, deep.least, deep.greatest), (3, 0.71, 0.70, 0.72));
    assert_eq!(shallow.unit, Unit::Share);
}

#[test]
fn a_malformed_rule_is_told_with_its_place_and_what_it_lacks() {
    let cases = [
        ("median(train_error[plain])", "expected a comparison: `<`, `<=`, `>` or `>=`, found the end"),
        ("train_error[plain] > 0", "expected a number, found a value for each lane"),
        ("medain(loss) > 0", "expected a function, found `medain`; the nearest is `median`"),
        ("median(train_eror) > 0", "expected a measure, found `train_eror`; the nearest is `train_error`"),
        ("median(loss[plian]) > 0", "expected a lane, found `plian`; the nearest is `plain`"),
        (
            "median(loss[dept = 20]) > 0",
            "expected a key of the experiment, found `dept`; the nearest is `depth`",
        ),
        ("median(loss[depth = 21]) > 0", "expected a value of `depth` (20, 56), found `21`"),
        ("median(loss[kind = sgd]) > 0", "found several that end in `kind`"),
        (
            "median(loss[plain, shortcut = identity]) > 0",
            "expected conditions that some lane of the sweep fulfils",
        ),
        ("median(3) > 0", "expected a measure such as `loss[plain]` in `median`, found a number"),
        ("median(loss, 3) > 0", "expected 1 argument of `median`, found 2"),
        ("median(loss - loss[plain, depth = 20]) > 0", "found several of seed 0; select its shortcut"),
        ("median(activation_rms[plain]) > 0", "has a value for each layer"),
        ("median(activation_rms[plain, block = 1]) > 0", "expected `layer`, found `block`"),
        ("median(loss[layer = 1]) > 0", "is a single number"),
        ("median(cka[plain, block = 1]) > 0", "has a value for each compared"),
        ("median(cka[plain, block = 1, block = 2]) > 0", "expected `block` once"),
        ("median(loss[step = 1.5]) > 0", "expected `first`, `last` or a step, found `1.5`"),
        ("median(loss[plain) > 0", "expected `]`, found `)`"),
        ("(1 > 0", "expected `)`, found `>`"),
        ("1 > 0 > 0", "expected the end of the rule, found `>`"),
        ("steps_until(3, 3) > 0", "expected a measure such as `loss[plain]`"),
        ("slope(loss, size) > 0", "expected a key of the experiment, found `size`"),
        ("", "expected a number, a measure such as `loss[plain]` or `(`, found the end"),
    ];
    for (text, wanted) in cases {
        let message = refused(text);
        assert!(message.contains(wanted), "{text}: {message}");
        assert!(message.starts_with("claim.toml:7: "), "{message}");
    }
    let marked = refused("1 + median(loss[plian]) > 0");
    assert!(marked.ends_with("\n    1 + median(loss[plian]) > 0\n                    ^^^^^"), "{marked}");
    let hostile = refused("1 > \u{202e}\u{1b}[2J\n");
    assert!(hostile.contains("\n    1 > ??[2J?\n"), "{hostile:?}");
    let nested = format!("{}1{} > 0", "(".repeat(500), ")".repeat(500));
    assert!(refused(&nested).contains("at most 32 levels"));
    assert!(refused(&"1+".repeat(2000)).contains("at most 2000 bytes"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z0-9(),=|*%. \\[\\]<>/+\"éß-]{0,60}") {
        match Rule::parse(&text) {
            Ok(rule) => prop_assert_eq!(rule.text(), text),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn arithmetic_is_that_of_numbers(a in -1e3..1e3f64, b in 1e-3..1e3f64, c in -1e3..1e3f64) {
        let found = left(&format!("{a} - {b} * {c} / ({b} + 1)"));
        let wanted = a - b * c / (b + 1.0);
        prop_assert!((found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0), "{} {}", found, wanted);
    }
}
