use proptest::prelude::*;

use super::*;
use crate::experiment::Settings;
use crate::runlog::State;
use crate::runs_list::run::{At, Run};
use crate::runs_list::specimen::{self, Made};

fn filter(text: &str) -> Filter {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> FilterError {
    text.parse::<Filter>().expect_err(text)
}

/// A plain lane of 56 layers with a loss of 2, a residual one of 20 with a loss of 0.25.
fn run() -> Run {
    let mut made = Made::new("20261123-140500-depth");
    made.lane("plain", 56, "none", State::Finished, Some(2.0));
    made.lane("residual", 20, "identity", State::Crashed, Some(0.25));
    Run::new(made.note("looks Good", &["baseline", "paper"]).listed())
}

fn holds(text: &str) -> bool {
    let run = run();
    let now_ms = run.started_ms().unwrap() + 3 * 3_600_000;
    filter(text).matches(&At { run: &run, now_ms })
}

#[test]
fn every_kind_of_condition_holds_and_fails() {
    let cases = [
        ("state=crashed", "state!=crashed"),
        ("state~crash", "state=running"),
        ("id~1405", "id=depth"),
        ("depth", "width"),
        ("GOOD", "bad"),
        ("tag=Baseline", "tag=base"),
        ("tag~base", "tag!=paper"),
        ("note~good", "note=good"),
        ("seed=7 steps>=600", "seed<7"),
        ("started=2026-11-23", "started<2026-11-23"),
        ("started>=2026-11-23T14", "started>2026-11"),
        ("age<4h", "age<2h"),
        ("lanes=2", "lanes!=2"),
        ("optimizer=SGD learning_rate=0.05", "lr=0.1"),
        ("loss<0.5", "loss<0.2"),
        ("test<=10%", "test>0.95"),
        ("duration>1m", "duration>1h"),
        ("data=glyphs batch=64 schedule=steps", "data!=glyphs"),
        ("architecture=resnet", "arch=vgg"),
        ("host=mill threads=2", "host~windmill"),
    ];
    for (holding, failing) in cases {
        assert!(holds(holding), "{holding}");
        assert!(!holds(failing), "{failing}");
    }
}

#[test]
fn conditions_of_lanes_hold_together_for_one_lane() {
    assert!(holds("depth=56 loss=2"));
    assert!(holds("depth=20 shortcut=identity loss<0.5"));
    assert!(!holds("depth=56 loss<0.5"), "no lane is both");
    assert!(holds("(depth=56 or shortcut=identity) loss<0.5"));
    assert!(holds("depth=56 loss<0.5 or lane=plain"));
    assert!(holds("not loss<0.5"), "the plain lane's loss isn't");
    assert!(!holds("not (loss<0.5 or depth=56)"), "of each lane one holds");
    assert!(holds("tag=paper depth=20"), "keys of the run go with any lane");
}

#[test]
fn juxtaposition_binds_closer_than_or_and_not_closest() {
    assert_eq!(filter("a b or c d").to_string(), "a b or c d");
    assert_eq!(filter("a and (b or c)"), filter("a (b or c)"));
    assert_eq!(filter("not a b").to_string(), "not a b");
    assert_ne!(filter("not a b"), filter("not (a b)"));
    assert_eq!(filter("!a"), filter("NOT a"));
    assert_eq!(filter("((a) (b c))"), filter("a b c"));
    assert_eq!(filter("depth > 20"), filter("depth>20"));
    assert_eq!(filter("depth == 20"), filter("depth=20"));
    assert_eq!(filter("lr=1e-3").to_string(), "learning_rate=1e-3");
    assert_eq!(filter(r#"name="a \"b\" or" "#).to_string(), r#"name="a \"b\" or""#);
    assert!(filter("  ").is_everything() && holds(""));
}

#[test]
fn what_a_run_lacks_fails_all_but_unequal() {
    let run = Run::new(specimen::unreadable("20261123-000000-broken", "expected a run"));
    let at = At { run: &run, now_ms: 0 };
    for text in ["state=unreadable", "broken", "loss!=1", "tag!=x", "not loss<1", "seed!=0"] {
        assert!(filter(text).matches(&at), "{text}");
    }
    for text in ["state=running", "loss<1", "loss>=1", "seed=0", "note=\"\"", "started>1970", "name~b"] {
        assert!(!filter(text).matches(&at), "{text}");
    }
}

#[test]
fn a_lane_lacks_the_keys_that_its_architecture_does_not_have() {
    let mut made = Made::new("20261123-140500-depth");
    made.lane("mlp", 8, "none", State::Finished, Some(2.0));
    let mut listed = made.listed();
    let known = listed.known.as_mut().unwrap();
    known.experiment.as_mut().unwrap().lanes[0].settings = Settings::default();
    let run = Run::new(listed);
    let at = At { run: &run, now_ms: 0 };
    for lacking in ["depth>0", "width<100", "shortcut=none"] {
        assert!(!filter(lacking).matches(&at), "{lacking}");
    }
    assert!(filter("depth!=8 shortcut!=none lane=mlp").matches(&at));
}

#[test]
fn not_a_number_is_found_by_its_name_alone() {
    let mut made = Made::new("20261123-140500-depth");
    made.lane("plain", 56, "none", State::Diverged, Some(f32::NAN));
    let run = Run::new(made.listed());
    let at = At { run: &run, now_ms: 0 };
    assert!(filter("loss=nan").matches(&at) && !filter("loss!=nan").matches(&at));
    assert!(!filter("loss<9").matches(&at) && !filter("loss>=9").matches(&at));
}

#[test]
fn errors_name_the_place_and_what_is_near() {
    let cases = [
        ("depht>20", 1, "no key is called `depht`; did you mean `depth`?"),
        ("a learning-rate=1", 3, "did you mean `learning_rate`?"),
        ("state=runing", 7, "did you mean `running`?"),
        ("état depth>x", 12, "expected a number for `depth`, found `x`"),
        ("shortcut>identity", 10, "which is text, found >"),
        ("depth~2", 7, "which is not text, found ~"),
        ("(a or b", 8, "expected `)`"),
        ("a)", 2, "without a `(`"),
        ("a or", 5, "expected a word"),
        ("not", 4, "expected a word"),
        ("> 3", 1, "expected a key before >"),
        ("loss<", 6, "expected a value after `loss<`"),
        ("\"a", 1, "quotation mark"),
        ("started=monday", 9, "expected a date"),
        ("or a", 1, "before and, or"),
        ("depth>\x1b[31m", 7, "\u{fffd}[31m"),
    ];
    for (text, column, message) in cases {
        let error = error(text);
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
    }
}

#[test]
fn length_and_depth_are_bounded() {
    assert!(error(&"a ".repeat(LENGTH)).message.contains("at most 1000 bytes"));
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(filter(&nested(DEPTH)), filter("a"));
    assert!(error(&nested(DEPTH + 1)).message.contains("nested parentheses"));
    assert!(error(&"not ".repeat(200)).message.contains("nested parentheses"));
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9 .\\\\\"()=<>~!-]{1,9}", ".{0,5}", Just("or".to_owned()), Just("".to_owned())]
}

/// Conditions as a user could write them, with values of the key's kind.
fn any_condition() -> impl Strategy<Value = String> {
    let quoted = |text: String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let names = prop::sample::select(vec!["name", "tag", "shortcut", "note", "host"]);
    let numbers = prop::sample::select(vec!["depth", "loss", "seed", "lr", "test", "age"]);
    prop_oneof![
        (names, prop::sample::select(vec!["=", "!=", "~"]), any_text())
            .prop_map(move |(name, sign, text)| format!("{name}{sign}{}", quoted(text))),
        (numbers, prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]), -9.0f64..9.0)
            .prop_map(|(name, sign, number)| format!("{name} {sign} {number:e}")),
        any_text().prop_map(quoted),
        "[a-z]{1,6}".prop_filter("no keyword", |word| !lexer::is_keyword(word)),
    ]
}

fn any_filter() -> impl Strategy<Value = String> {
    any_condition().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|terms| format!("({})", terms.join(" "))),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|terms| format!("({})", terms.join(" or "))),
            inner.prop_map(|term| format!("not {term}")),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_a_filter_or_an_error_in_it(text in "(.{0,60}|[a-z ()=<>~!\"\\\\]{0,60})") {
        match text.parse::<Filter>() {
            Ok(filter) => {
                filter.matches(&At { run: &run(), now_ms: 0 });
            }
            Err(error) => {
                prop_assert!(error.place.start <= error.place.end && error.place.end <= text.len());
                prop_assert!(text.get(error.place.clone()).is_some(), "{error:?}");
                prop_assert!(!error.to_string().chars().any(char::is_control));
            }
        }
    }

    #[test]
    fn what_is_printed_reads_as_what_it_was(text in any_filter()) {
        let read = match text.parse::<Filter>() {
            Ok(read) => read,
            Err(error) => {
                // These may be rejected only for exceeding the bounds.
                let bound = error.message.contains("at most");
                prop_assert!(bound, "{text}: {error}");
                return Ok(());
            }
        };
        let printed = read.to_string();
        prop_assert_eq!(printed.parse::<Filter>(), Ok(read.clone()), "{}", printed);
        let run = run();
        let at = At { run: &run, now_ms: 1 };
        let negated = filter(&format!("not ({printed})"));
        for lane in 0..2 {
            prop_assert_ne!(read.matches_lane(&at, lane), negated.matches_lane(&at, lane));
        }
    }
}
