//! What a sweep is to decide: a claim, and the rules over its measurements by which it is confirmed or refuted. The
//! rules are text here; `crate::claims` reads them.

/// A claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The claim as it is said.
    pub says: String,
    /// Works that say it, or that have measured it.
    pub sources: Vec<String>,
    /// The metrics, single numbers, that a report draws by what differs between lanes; the training error if there are none.
    pub figures: Vec<String>,
    /// It is confirmed if all of these hold; at least one.
    pub confirm: Vec<RuleText>,
    /// It is refuted if one of these holds; at least one.
    pub refute: Vec<RuleText>,
}

/// A rule as it stands in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleText {
    /// Where it stands, for messages: `degradation.toml:31`.
    pub place: String,
    /// A comparison of two numbers: `median(train_error[plain]) > 10%`.
    pub rule: String,
    /// What it means, in words; may be empty.
    pub means: String,
    /// What the literature has for it, with its source; may be empty.
    pub literature: String,
}
