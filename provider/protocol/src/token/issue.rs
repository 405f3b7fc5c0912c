//! From a decision to signed tokens. Nothing here asks whether: that is decided before.

use jiff::Timestamp;
use oidc_crds::client::Client;
use oidc_crds::seal::KeyRing;
use oidc_crds::user::User;
use rand_core::CryptoRng;

use super::TokenResponse;
use crate::error::OAuthError;
use crate::handle::{FamilyId, RefreshToken};
use crate::keys::Keys;
use crate::records::{GrantRecord, Session};

/// Who the tokens are for.
pub enum Who<'a> {
    /// A person who signed in.
    Person {
        /// As they are now.
        user: &'a User,
        /// The login.
        session: &'a Session,
        /// The grant.
        grant: &'a GrantRecord,
        /// The family.
        family: FamilyId,
        /// Whether this is the redemption of the code: only then has the ID token the nonce.
        first: bool,
    },
    /// The client itself.
    Client,
}

/// All that the tokens say.
pub struct Issuance<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// The client.
    pub client: &'a Client,
    /// For whom.
    pub who: Who<'a>,
    /// Scopes of this answer.
    pub scope: &'a [String],
    /// Audiences; empty: the issuer.
    pub audience: &'a [String],
    /// The refresh token to hand out.
    pub refresh_token: Option<&'a RefreshToken>,
    /// Whether `scope` differs from what was asked for, so that it must be told.
    pub tell_scope: bool,
}

/// Makes the answer: an access token (RFC 9068), with `openid` an ID token, and the refresh token.
///
/// # Errors
/// `server_error` when no key signs the client's algorithm now.
pub fn issue(
    issuance: &Issuance<'_>,
    keys: &Keys,
    ring: &KeyRing,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<TokenResponse, OAuthError> {
    let _ = (issuance, keys, ring, now, rng);
    todo!()
}
