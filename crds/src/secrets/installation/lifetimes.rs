//! How long things live.

use serde::{Deserialize, Serialize};

use crate::names::Seconds;

/// How long things live. Defaults as in `protocol.md` jwt_05.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lifetimes {
    /// Authorization codes.
    pub code: Seconds,
    /// Access tokens.
    pub access_token: Seconds,
    /// ID tokens.
    pub id_token: Seconds,
    /// Refresh tokens, since the login.
    pub refresh_token: Seconds,
    /// Refresh tokens, since their last use.
    pub refresh_token_idle: Seconds,
    /// Browser sessions, since the login.
    pub session: Seconds,
    /// Browser sessions, since their last use.
    pub session_idle: Seconds,
    /// Sessions of one user.
    pub sessions_per_user: u32,
    /// What happens when one more begins.
    pub at_session_limit: AtSessionLimit,
    /// How long a rotated refresh token still gets the same successor.
    pub refresh_grace: Seconds,
    /// How long a replaced client secret is still accepted.
    pub secret_overlap: Seconds,
}

/// What happens when a user who has as many sessions as may be signs in once more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AtSessionLimit {
    /// The oldest session ends.
    #[default]
    EndOldest,
    /// The person is told, and signs in only if they choose to end the oldest.
    Refuse,
}

impl Lifetimes {
    /// No access or ID token may live longer.
    pub const LONGEST_TOKEN: Seconds = Seconds(30 * 86400);
    /// No refresh token may live longer.
    pub const LONGEST_REFRESH: Seconds = Seconds(3660 * 86400);
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            code: Seconds(60),
            access_token: Seconds(900),
            id_token: Seconds(900),
            refresh_token: Seconds(90 * 86400),
            refresh_token_idle: Seconds(14 * 86400),
            session: Seconds(86400),
            session_idle: Seconds(12 * 3600),
            sessions_per_user: 10,
            at_session_limit: AtSessionLimit::EndOldest,
            refresh_grace: Seconds(10),
            secret_overlap: Seconds(86400),
        }
    }
}
