//! Regular expressions whose matches are replaced in every text.

use regex::Regex;
use serde::{Deserialize, Serialize};

/// One rule as it is written in a configuration and in `text.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplaceRule {
    /// A regular expression in the syntax of <https://docs.rs/regex>.
    pub pattern: String,
    /// What takes the place of each match; `$1` and `$name` stand for what a group matched, `$$` for a dollar sign.
    pub with: String,
}

/// Rules that are known to work, in the order in which they are applied.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<ReplaceRule>", into = "Vec<ReplaceRule>")]
pub struct Replacements(Vec<(ReplaceRule, Regex)>);

impl Replacements {
    /// No rule.
    pub const NONE: Self = Self(Vec::new());

    /// Compiles the patterns.
    ///
    /// # Errors
    /// A sentence about the first rule that cannot work: its pattern is not valid or matches the empty text, it names a group
    /// that the pattern lacks, or the rules would change what it writes, so that a text never came to rest. Of a rule that
    /// writes what a group matched the last cannot be told.
    pub fn new(rules: Vec<ReplaceRule>) -> Result<Self, String> {
        let compiled = rules.into_iter().enumerate().map(|(index, rule)| {
            let pattern = &rule.pattern;
            let problem = |problem: String| Err(format!("rule {} (`{pattern}`): {problem}", index + 1));
            let regex = match Regex::new(pattern) {
                Ok(regex) => regex,
                // Its message has several lines: the last says what is wrong.
                Err(error) => {
                    let message = error.to_string();
                    let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                    return problem(format!("the pattern is not valid: {reason}"));
                }
            };
            if regex.is_match("") {
                return problem("the pattern matches the empty text, and so everywhere".to_owned());
            }
            if let Some(group) = unknown_group(&rule.with, &regex) {
                return problem(format!(
                    "`with` has `${group}`, but the pattern has no such group; a dollar sign is `$$`"
                ));
            }
            Ok((rule, regex))
        });
        let rules = Self(compiled.collect::<Result<_, String>>()?);
        for (index, (rule, _)) in rules.0.iter().enumerate() {
            // What a group stands for is not known before there is a text.
            if !groups(&rule.with).is_empty() {
                continue;
            }
            let written = rule.with.replace("$$", "$");
            if rules.apply(&written) != written {
                let pattern = &rule.pattern;
                return Err(format!("rule {} (`{pattern}`): the rules replace what it writes again", index + 1));
            }
        }
        Ok(rules)
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rules.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &ReplaceRule> {
        self.0.iter().map(|(rule, _)| rule)
    }

    /// Applies each rule once.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (rule, regex) in &self.0 {
            if let std::borrow::Cow::Owned(replaced) = regex.replace_all(&text, &rule.with) {
                text = replaced;
            }
        }
        text
    }
}

impl PartialEq for Replacements {
    fn eq(&self, other: &Self) -> bool {
        self.rules().eq(other.rules())
    }
}

impl Eq for Replacements {}

impl TryFrom<Vec<ReplaceRule>> for Replacements {
    type Error = String;

    fn try_from(rules: Vec<ReplaceRule>) -> Result<Self, String> {
        Self::new(rules)
    }
}

impl From<Replacements> for Vec<ReplaceRule> {
    fn from(replacements: Replacements) -> Self {
        replacements.0.into_iter().map(|(rule, _)| rule).collect()
    }
}

/// The first group in a replacement that the pattern does not have, for which nothing would be written.
fn unknown_group<'a>(with: &'a str, regex: &Regex) -> Option<&'a str> {
    let is_known = |group: &&str| match group.parse::<usize>() {
        Ok(number) => number < regex.captures_len(),
        Err(_) => regex.capture_names().flatten().any(|name| name == *group),
    };
    groups(with).into_iter().find(|group| !is_known(group))
}

/// The groups that a replacement names.
fn groups(with: &str) -> Vec<&str> {
    let (mut groups, mut rest) = (Vec::new(), with);
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        let (group, next) = match after.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
            Some((group, next)) => (group, next),
            None => {
                let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
                after.split_at(end)
            }
        };
        // A dollar sign before anything else is only that.
        if !group.is_empty() {
            groups.push(group);
        }
        rest = next;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(rules: &[(&str, &str)]) -> Result<Replacements, String> {
        let rule = |&(pattern, with): &(&str, &str)| ReplaceRule { pattern: pattern.to_owned(), with: with.to_owned() };
        Replacements::new(rules.iter().map(rule).collect())
    }

    #[test]
    fn rules_are_applied_in_order() {
        let both = rules(&[(r"https?://\S+", " url "), ("[😀😃]", " :) "), (r"(\w)\1\1", "$$")]);
        assert!(both.is_err(), "a back reference is not part of the syntax");
        let both =
            rules(&[(r"https?://\S+", "URL"), ("[😀😃]", " :) "), (r"(?<first>\w)-(\w)", "${first}_$2")]).unwrap();
        assert_eq!(both.apply("see http://a.b/c 😀 a-b"), "see URL  :)  a_b");
        assert_eq!(both.rules().len(), 3);
    }

    #[test]
    fn what_cannot_work_is_named() {
        for (list, expected) in [
            (&[("a", "b"), ("(", "")][..], "rule 2 (`(`): the pattern is not valid: unclosed group"),
            (&[("x*", "y")], "matches the empty text"),
            (&[("a", "$1")], "`with` has `$1`, but the pattern has no such group"),
            (&[("a", "costs ${euro}")], "`with` has `$euro`"),
            (&[("a", "aa")], "rule 1 (`a`): the rules replace what it writes again"),
            (&[("x", "a $$ or a $"), ("a", "b")], "rule 1 (`x`): the rules replace what it writes again"),
            (&[("a", "b"), ("b", "a")], "rule 1 (`a`): the rules replace what it writes again"),
        ] {
            let problem = rules(list).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
        // Its own result is left as it is.
        assert!(rules(&[("[0-9]", "0"), (" +", " "), ("€", "$$")]).is_ok());
        // It writes what a group matched, and neither a dollar sign nor the number of the group.
        assert!(rules(&[(r"\$([0-9]+)", "$1 dollars"), ("[0-9]", "0")]).is_ok());
    }
}
