//! What a run found, in numbers.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::load::Failures;

/// Times of one rotation, counted from the API server's answer to the edit.
#[derive(Debug, Clone, Default)]
pub struct Rotation {
    /// What was done to the pods meanwhile.
    pub disturbance: String,
    /// Every counted pod published the next key.
    pub served: Duration,
    /// Every counted pod had acknowledged it.
    pub acknowledged: Duration,
    /// The first token that it signed.
    pub signed: Duration,
    /// From the first token of the next key to the last one of the key before.
    pub overlap: Duration,
}

/// Times of one revocation, counted from the API server's answer.
#[derive(Debug, Clone, Default)]
pub struct Revocation {
    /// No pod published the key.
    pub published: Duration,
    /// The last token of it was received.
    pub signed: Duration,
}

/// Latency of token requests in one pair of windows.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// p99 while nothing happened.
    pub before: Duration,
    /// p99 from the edit until the old key was removed.
    pub during: Duration,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// How long the load lasted.
    pub took: Duration,
    /// `publishFor` of the key.
    pub publish_for: Duration,
    /// Requests that were sent.
    pub requests: u64,
    /// Tokens that were received.
    pub tokens: u64,
    /// Checks of them.
    pub checks: u64,
    /// Times that verifiers read the JWKS.
    pub fetches: u64,
    /// What a verifier turned down.
    pub refused: Vec<String>,
    /// Tokens whose key some counted pod did not publish.
    pub unpublished: Vec<String>,
    /// Requests that brought nothing.
    pub failures: Failures,
    /// ID tokens that the API server of Kubernetes took.
    pub whoami: usize,
    /// ID tokens that it did not take.
    pub strangers: Vec<String>,
    /// The rotations.
    pub rotations: Vec<Rotation>,
    /// The revocations.
    pub revocations: Vec<Revocation>,
    /// The latencies.
    pub windows: Vec<Windows>,
}

/// The longest that a revocation may take. On a quiet machine it takes a fifth of a second at most, and that is
/// printed; one of CI may stand still for seconds. Whatever a revocation must not wait for takes longer: until a
/// key retires (the lifetime of tokens and 10 s more), or until a dead watch is noticed (30 s).
const REVOKED: Duration = Duration::from_secs(10);

impl Outcome {
    /// What must hold whatever the machine's speed.
    ///
    /// # Errors
    /// With what did not.
    pub fn hold(&self) -> Result<()> {
        let few = |all: &[String]| all.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
        let none = |what: &str, all: &[String]| {
            ensure!(all.is_empty(), "{} {what}:\n{}", all.len(), few(all));
            Ok(())
        };
        none("verifications failed", &self.refused)?;
        none(
            "tokens of a key that a counted pod did not publish",
            &self.unpublished,
        )?;
        none("wrong answers", &self.failures.wrong)?;
        none("ID tokens refused by the API server", &self.strangers)?;
        ensure!(self.tokens > 0 && self.checks > 0, "nothing was checked");
        for revocation in &self.revocations {
            let took = revocation.published.max(revocation.signed);
            ensure!(took < REVOKED, "a revocation took {took:?}: {revocation:?}");
        }
        Ok(())
    }
}

/// The value below which a part of all is, `part` in percent.
///
/// Nothing gives zero.
#[must_use]
pub fn quantile(values: &mut [Duration], part: usize) -> Duration {
    values.sort_unstable();
    let rank = (values.len() * part).div_ceil(100).max(1);
    values.get(rank - 1).copied().unwrap_or_default()
}

fn ms(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1000.0)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.requests as f64 / self.took.as_secs_f64().max(1.0);
        let mut row = |name: &str, value: String| writeln!(f, "| {name} | {value} |");
        row("what", "result".to_owned())?;
        row("---", "---".to_owned())?;
        row("rotations", self.rotations.len().to_string())?;
        row(
            "requests",
            format!(
                "{} in {:.0} s, {rate:.0}/s",
                self.requests,
                self.took.as_secs_f64()
            ),
        )?;
        row("tokens signed", self.tokens.to_string())?;
        row(
            "verifications",
            format!("{}, with {} reads of the JWKS", self.checks, self.fetches),
        )?;
        row("verification failures", self.refused.len().to_string())?;
        row(
            "tokens with a kid that some counted pod did not publish",
            self.unpublished.len().to_string(),
        )?;
        row(
            "`kubectl auth whoami` with a fresh ID token",
            format!("{} taken, {} refused", self.whoami, self.strangers.len()),
        )?;
        let failures = &self.failures;
        row("wrong answers", failures.wrong.len().to_string())?;
        row(
            "requests without tokens, while pods were killed",
            format!(
                "{} broken connections, {} honest 503, {} not sent",
                failures.unconnected, failures.unavailable, failures.unsent
            ),
        )?;
        for (name, disturbed) in [("", false), (", disturbed", true)] {
            let of = |time: fn(&Rotation) -> Duration| {
                let some = self
                    .rotations
                    .iter()
                    .filter(|rotation| rotation.disturbance.is_empty() != disturbed);
                let mut times: Vec<_> = some.map(time).collect();
                (!times.is_empty()).then(|| {
                    format!(
                        "{} / {}",
                        ms(quantile(&mut times, 50)),
                        ms(quantile(&mut times, 99))
                    )
                })
            };
            let publish_for = self.publish_for.as_millis();
            let times = [
                (
                    "edit → published by every pod, p50 / p99".to_owned(),
                    of(|rotation| rotation.served),
                ),
                (
                    "edit → acknowledged by every pod, p50 / p99".to_owned(),
                    of(|rotation| rotation.acknowledged),
                ),
                (
                    format!("edit → first token, p50 / p99 (`publishFor` is {publish_for} ms of it)"),
                    of(|rotation| rotation.signed),
                ),
                (
                    "first token of the next key → last of the one before, p50 / p99".to_owned(),
                    of(|rotation| rotation.overlap),
                ),
            ];
            for (what, value) in times {
                if let Some(value) = value {
                    row(&format!("{what}{name}"), value)?;
                }
            }
        }
        if !self.windows.is_empty() {
            let median = |of: fn(&Windows) -> Duration| {
                quantile(&mut self.windows.iter().map(of).collect::<Vec<_>>(), 50).as_secs_f64() * 1000.0
            };
            let (before, during) = (median(|windows| windows.before), median(|windows| windows.during));
            row(
                &format!("p99 of token requests, median of {} windows", self.windows.len()),
                format!("{before:.1} ms before, {during:.1} ms during a rotation"),
            )?;
        }
        if !self.revocations.is_empty() {
            for (what, of) in [
                (
                    "no pod publishes it",
                    (|r| r.published) as fn(&Revocation) -> Duration,
                ),
                ("no pod signs with it", |r| r.signed),
            ] {
                let mut times: Vec<_> = self.revocations.iter().map(of).collect();
                row(
                    &format!("{} revocations: edit → {what}, p50 / p99", times.len()),
                    format!(
                        "{} / {}",
                        ms(quantile(&mut times, 50)),
                        ms(quantile(&mut times, 99))
                    ),
                )?;
            }
        }
        Ok(())
    }
}
