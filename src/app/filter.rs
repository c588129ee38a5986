//! Which layers or metrics are shown: those whose name a regular expression finds.

use regex_lite::{Regex, RegexBuilder};

/// The longest pattern, in bytes.
const LONGEST: usize = 200;

/// A regular expression over names. Without capital letters it ignores case.
#[derive(Clone, Debug)]
pub struct NameFilter {
    pattern: String,
    regex: Regex,
}

impl PartialEq for NameFilter {
    fn eq(&self, other: &NameFilter) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for NameFilter {}

impl NameFilter {
    /// The filter of a pattern; none for an empty one, which shows everything.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn new(pattern: &str) -> Result<Option<NameFilter>, String> {
        let pattern = pattern.trim();
        if pattern.len() > LONGEST {
            return Err(format!("expected at most {LONGEST} bytes, found {}", pattern.len()));
        }
        let ignores_case = !pattern.chars().any(char::is_uppercase);
        let built = RegexBuilder::new(pattern).case_insensitive(ignores_case).build();
        let regex = built.map_err(|error| format!("expected a regular expression: {error}"))?;
        Ok((!pattern.is_empty()).then(|| NameFilter { pattern: pattern.to_owned(), regex }))
    }

    /// Its pattern.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Whether it shows what has this name.
    pub fn shows(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_name_or_a_regular_expression_finds_names() {
        let shows = |pattern: &str, name: &str| NameFilter::new(pattern).unwrap().unwrap().shows(name);
        assert!(shows("conv2", "layer1.0.conv2") && !shows("conv2", "fc"));
        assert!(shows("^layer[12].*conv1$|fc", "layer2.3.conv1") && shows("conv1$|FC", "FC"));
        assert!(shows("attn", "h.0.Attn.out") && !shows("Attn", "h.0.attn.out"));
        assert_eq!(NameFilter::new("  ").unwrap(), None);
        assert!(NameFilter::new("(").unwrap_err().starts_with("expected a regular expression: "));
        assert!(NameFilter::new(&"x".repeat(201)).unwrap_err().contains("at most 200 bytes"));
    }
}
