//! What lanes start from and which of their parameters are trained how: `[start]`, `frozen` and `group`, each of which a
//! lane may have instead of the file's.

use super::node::{Node, Value};
use super::problem::Problems;
use super::section::{Bound, Section};
use super::{LONGEST_PATTERN, MOST_PATTERNS, patterns};
use crate::experiment::{Group, Head, Lane, Missing, Start};

/// What lanes have that don't say otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct Tuning {
    pub(super) start: Option<Start>,
    pub(super) frozen: Vec<String>,
    pub(super) groups: Vec<Group>,
}

impl Tuning {
    /// Reads `[start]`.
    pub(super) fn start(&mut self, section: &Section<'_>) {
        self.start = read_start(section, None);
    }

    /// Reads the keys of `[training]`, whose rate is that of the optimiser.
    pub(super) fn training(&mut self, section: &Section<'_>, rate: f64, problems: &Problems) {
        self.frozen = frozen(section).unwrap_or_default();
        self.groups = groups(section, rate, problems).unwrap_or_default();
    }

    /// Gives a lane what its own table says, or else these.
    pub(super) fn apply(&self, section: &Section<'_>, lane: &mut Lane, rate: f64, problems: &Problems) {
        lane.start = match section.node("start") {
            None => self.start.clone(),
            Some(Node { value: Value::Text(word), .. }) if word == "initial" => None,
            Some(Node { value: Value::Table(_), .. }) => section.section("start").and_then(|own| {
                let start = read_start(&own, self.start.as_ref());
                own.finish();
                start
            }),
            Some(node) => {
                let expected = "`initial`, for weights drawn from the seed, or a table such as `{ checkpoint = \"latest\" }`";
                section.wrong("start", node, expected);
                None
            }
        };
        lane.frozen = frozen(section).unwrap_or_else(|| self.frozen.clone());
        lane.groups = groups(section, rate, problems).unwrap_or_else(|| self.groups.clone());
    }
}

/// Reads a start; what is missing is that of the default. None if it is wrong, which is reported.
fn read_start(section: &Section<'_>, default: Option<&Start>) -> Option<Start> {
    let text = |key: &'static str| {
        let text = section.node(key).map(|_| section.text(key, None));
        text.filter(|text| !text.is_empty())
    };
    let own = text("checkpoint");
    let (lane, sha256) = (text("lane"), text("sha256"));
    let step = section.optional_size("step", 0).map(|step| step as u64);
    let choice =
        |key: &'static str, words: &[&str]| section.node(key).and_then(|_| section.choice(key, words));
    let head = choice("head", &["keep", "new"]).map(|at| [Head::Keep, Head::New][at]);
    let missing = choice("missing", &["refuse", "initial"]).map(|at| [Missing::Refuse, Missing::Initial][at]);
    let expected = "the path of a file that ends in `.safetensors`, or a run such as `latest`, in quotes";
    // Lane, step and hash are those of one checkpoint, and don't go over to another.
    let inherited = default.filter(|_| own.is_none());
    let start = match (own, default, section.node("checkpoint")) {
        (Some(checkpoint), ..) if !checkpoint.contains('\0') => checkpoint,
        (None, Some(default), None) => default.checkpoint.clone(),
        (None, None, None) => {
            section.missing("checkpoint", expected);
            return None;
        }
        (_, _, node) => {
            // Anything but a text has been reported.
            let texts = node.into_iter().filter(|node| matches!(node.value, Value::Text(_)));
            texts.for_each(|node| section.wrong("checkpoint", node, expected));
            return None;
        }
    };
    let start = Start {
        checkpoint: start,
        lane: lane.or_else(|| inherited?.lane.clone()),
        step: step.or_else(|| inherited?.step),
        sha256: sha256.or_else(|| inherited?.sha256.clone()),
        head: head.or(default.map(|default| default.head)).unwrap_or_default(),
        missing: missing.or(default.map(|default| default.missing)).unwrap_or_default(),
    };
    check_start(section, &start);
    Some(start)
}

fn check_start(section: &Section<'_>, start: &Start) {
    for (key, is_given) in [("lane", start.lane.is_some()), ("step", start.step.is_some())] {
        if is_given && start.is_file() {
            let message = format!("expected no `{key}` beside a file, found one; it is for a run, remove it");
            section.note(key, message);
        }
    }
    let is_hash = |hash: &str| hash.len() == 64 && hash.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    if let Some(hash) = start.sha256.as_deref().filter(|hash| !is_hash(hash)) {
        let found = super::node::shortened(hash);
        section.note("sha256", format!("expected 64 hexadecimal digits in lower case, found `{found}`"));
    }
}

/// The patterns of frozen parameters; none if the table has no such key.
fn frozen(section: &Section<'_>) -> Option<Vec<String>> {
    section.node("frozen").map(|_| patterns(section, "frozen", 0, "`[\"conv1\", \"layer1\"]`"))
}

/// The groups; none if the table has no such key.
fn groups(section: &Section<'_>, base: f64, problems: &Problems) -> Option<Vec<Group>> {
    let node = section.node("group")?;
    let expected = "at most 64 tables such as `{ parameters = \"fc\", rate = 10 }`";
    let Value::Array(items) = &node.value else {
        section.wrong("group", node, expected);
        return Some(Vec::new());
    };
    if items.len() > MOST_PATTERNS {
        section.note("group", format!("expected {expected}, found {}", items.len()));
    }
    let mut groups = Vec::new();
    for (index, item) in items.iter().enumerate().take(MOST_PATTERNS) {
        let Value::Table(table) = &item.value else {
            section.wrong("group", item, "a table such as `{ parameters = \"fc\", rate = 10 }`");
            continue;
        };
        let of = Section::new(section.key(&format!("group.{index}")), table, item.origin, problems);
        groups.push(group(&of, base));
        of.finish();
    }
    Some(groups)
}

fn group(section: &Section<'_>, base: f64) -> Group {
    let parameters = section.text("parameters", None);
    if let Some(node @ Node { value: Value::Text(_), .. }) = section.node("parameters")
        && !(1..=LONGEST_PATTERN).contains(&parameters.chars().count())
    {
        section.wrong("parameters", node, "a pattern of 1 to 100 characters in quotes");
    }
    let rate = section.float("rate", Bound::Positive, Some(1.0));
    let single = (base * rate) as f32;
    if !(single > 0.0 && single.is_finite()) {
        let message = format!(
            "expected a factor by which the learning rate {base} stays finite and above 0 in single precision, found \
             {rate}; to train no parameter of the group use `frozen`"
        );
        section.note("rate", message);
    }
    let weight_decay =
        section.node("weight_decay").map(|_| section.float("weight_decay", Bound::NotNegative, None));
    Group { parameters, rate, weight_decay }
}
