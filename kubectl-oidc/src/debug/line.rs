//! What a check found.

use serde::Serialize;

use crate::output::plain;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Outcome {
    /// Nothing stands in the way here.
    Ok,
    /// This stands in the way of a login.
    Failed,
    /// It cannot be told from here, or it may be about to fail.
    Unknown,
}

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    /// What was checked.
    pub(super) check: &'static str,
    /// How it went.
    pub(super) outcome: Outcome,
    /// What was found.
    pub(super) message: String,
    /// What to do; empty if there is nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) advice: String,
}

impl Line {
    fn new(
        check: &'static str,
        outcome: Outcome,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            check,
            outcome,
            message: message.into(),
            advice: advice.into(),
        }
    }

    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Outcome::Ok, message, "")
    }

    pub(super) fn failed(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(check, Outcome::Failed, message, advice)
    }

    pub(super) fn unknown(
        check: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(check, Outcome::Unknown, message, advice)
    }

    /// What may not be read.
    pub(super) fn hidden(check: &'static str, right: &str) -> Self {
        Self::unknown(check, format!("you may not {right}"), "")
    }
}

/// The lines for people, and how many failed.
pub(super) fn text(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let outcome = match line.outcome {
            Outcome::Ok => "ok",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
        };
        text.push_str(&format!(
            "{outcome:8} {:13} {}\n",
            line.check,
            plain(&line.message)
        ));
        if !line.advice.is_empty() {
            text.push_str(&format!("{:22} -> {}\n", "", plain(&line.advice)));
        }
    }
    let count = |outcome| lines.iter().filter(|line| line.outcome == outcome).count();
    text.push_str(&match (count(Outcome::Failed), count(Outcome::Unknown)) {
        (0, 0) => "Nothing stands in the way of a login.\n".to_owned(),
        (0, unknown) => format!(
            "Nothing that can be seen stands in the way of a login; {unknown} cannot be told from here.\n"
        ),
        (failed, _) => format!("{failed} failed: begin with the first.\n"),
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_what_to_do_and_the_last_one_sums_up() {
        let ok = Line::ok("client", "there");
        let lines = [
            ok.clone(),
            Line::failed("dns", "no\u{1b}", "do it"),
            Line::hidden("secret", "get the Secret a/b"),
        ];
        assert_eq!(
            text(&lines),
            "ok       client        there\n\
             failed   dns           no?\n                       -> do it\n\
             unknown  secret        you may not get the Secret a/b\n\
             1 failed: begin with the first.\n"
        );
        assert!(text(&[ok]).ends_with("Nothing stands in the way of a login.\n"));
        assert!(text(&lines[2..]).contains("1 cannot be told"));
        assert_eq!(serde_json::to_value(&lines[0]).unwrap()["outcome"], "ok");
    }
}
