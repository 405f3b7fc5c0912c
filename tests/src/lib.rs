//! The harness of the stories in `tests/e2e`: it sees the product from outside, through HTTP and
//! `kubectl`, and knows no type of it.
//!
//! | module | what it is |
//! |---|---|
//! | [`cluster`] | `kubectl`, containers, the installation under test |
//! | [`browser`] | an https client with cookies that goes from pod to pod |
//! | [`forms`] | the forms of an HTML page |
//! | [`flow`] | a relying party: code flow with PKCE, tokens, introspection |
//! | [`rotation`] | load and verifiers while keys rotate: the proof of I3 |
//!
//! `tests/run cluster` sets the scene and runs the stories inside the cluster's network.

pub mod browser;
pub mod cluster;
pub mod flow;
pub mod forms;
pub mod rotation;

use std::time::Duration;

use anyhow::{Result, anyhow};

/// Runs `probe` until it gives a value, at most for `limit`; its last answer is in the error.
///
/// # Errors
/// When `limit` has passed, or as soon as `probe` itself fails.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = tokio::time::Instant::now() + limit;
    loop {
        if let Some(value) = probe().await? {
            return Ok(value);
        }
        if tokio::time::Instant::now() > end {
            return Err(anyhow!("not within {limit:?}: {what}"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
