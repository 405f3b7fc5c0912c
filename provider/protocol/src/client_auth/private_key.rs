//! `private_key_jwt` (OpenID Connect Core §9, RFC 7523 §3): a JWT that the client signed with its own key, good
//! for one request.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use oidc_crds::client::{Authentication, Client};
use oidc_crds::jwk::public::{NoKey, PublicKey, PublicKeys};
use serde_json::json;

use super::assertion::{Assertion, SKEW, Unsigned};
use super::{AuthenticatedClient, failed, told};
use crate::error::OAuthError;
use crate::handle::Digest;

/// The longest that an assertion may be good for, in seconds: so long its `jti` is remembered.
const LONGEST: i64 = 3600;

/// The longest `jti`, in bytes.
const LONGEST_JTI: usize = 256;

/// For whom an assertion may be made.
#[derive(Debug, Clone, Copy)]
pub struct Audiences<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// The URL of the endpoint that was called.
    pub endpoint: &'a str,
    /// The same where certificates are asked for (`mtls_endpoint_aliases`), if they are: what some clients are told
    /// as their token endpoint, whichever of both they call.
    pub alias: Option<&'a str>,
}

/// A client whose assertion is good, if it is the first time that it is seen.
pub struct Once {
    client: Arc<Client>,
    /// The name of its `jti` in the store: of this client alone.
    pub jti: Digest,
    /// Until when the `jti` must be remembered.
    pub until: Timestamp,
}

impl Once {
    /// With what the store says: whether it had not seen the `jti` before.
    ///
    /// # Errors
    /// `invalid_client` for a second use: "the authorization server MAY ensure that JWTs are not replayed by
    /// maintaining the set of used `jti` values" (RFC 7523 §3); OpenID Connect Core §9 demands a single use.
    pub fn first(self, first: bool) -> Result<AuthenticatedClient, OAuthError> {
        if first {
            Ok(AuthenticatedClient::new(&self.client))
        } else {
            Err(told(
                "The assertion was used before: make a new one, with a new jti, for each request.",
            ))
        }
    }
}

/// Holds an assertion against the keys of the client that it names. `fetched` are those of `jwks_uri`; inline ones
/// are the client's own. Unknown clients take about as long as wrong signatures.
///
/// # Errors
/// `invalid_client`: the same for an unknown client, an unknown key and a wrong signature; with the reason once
/// the client has proven that the key is its own.
pub fn authenticate(
    client: Option<&Arc<Client>>,
    assertion: &Assertion,
    fetched: Option<&PublicKeys>,
    audiences: Audiences<'_>,
    now: Timestamp,
) -> Result<Once, OAuthError> {
    let (client, keys) = match client.map(|client| (client, client.authentication(), fetched)) {
        Some((client, Authentication::PrivateKey(keys), _)) => (client, keys),
        Some((client, Authentication::KeysAt(_), Some(keys))) => (client, keys),
        Some((client, Authentication::KeysAt(uri), None)) => {
            against_decoy(assertion);
            let cause = format!("the keys of {} at {uri} are not known", client.client_id());
            return Err(failed(false).because(cause));
        }
        Some((client, ..)) => {
            against_decoy(assertion);
            let cause = format!("{} does not authenticate by an assertion", client.client_id());
            return Err(failed(false).because(cause));
        }
        None => {
            against_decoy(assertion);
            return Err(failed(false).because("unknown client"));
        }
    };
    signed(client, assertion, keys)?;
    let claims = &assertion.claims;
    // "The JWT MUST contain an iss … for client authentication, the subject MUST be the client_id"
    // (RFC 7523 §3 points 1 and 2)
    if claims.iss != client.client_id() || claims.sub != client.client_id() {
        return Err(told("iss and sub of the assertion must both be the client_id."));
    }
    // "MUST contain an aud claim containing a value that identifies the authorization server" (point 3); one
    // value only, so that no other server can present it here.
    let ours = |audience: &str| {
        audience == audiences.issuer || audience == audiences.endpoint || Some(audience) == audiences.alias
    };
    if !claims.aud.single().is_some_and(ours) {
        return Err(told(
            "aud of the assertion must be the issuer alone, as discovery gives it.",
        ));
    }
    assertion.timely(LONGEST, now).map_err(told)?;
    let jti = claims
        .jti
        .as_deref()
        .filter(|jti| (1..=LONGEST_JTI).contains(&jti.len()))
        .ok_or_else(|| told("The assertion needs a jti of at most 256 bytes, a new one each time."))?;
    Ok(Once {
        jti: Digest::of(&format!("{} {jti}", client.uid())),
        until: Timestamp::from_second(claims.exp.0 + SKEW).unwrap_or(Timestamp::MAX),
        client: Arc::clone(client),
    })
}

/// Whether newer keys may be needed: none of these has the kid of the assertion.
#[must_use]
pub fn is_key_unknown(assertion: &Assertion, keys: &PublicKeys) -> bool {
    assertion.signed_by(keys) == Err(Unsigned::NoKey(NoKey::Unknown))
}

fn signed(client: &Client, assertion: &Assertion, keys: &PublicKeys) -> Result<(), OAuthError> {
    let signed = assertion.signed_by(keys);
    if let Err(Unsigned::NoKey(_)) = signed {
        against_decoy(assertion);
    }
    signed.map_err(|why| {
        let cause = format!(
            "the assertion of {} is refused: {}",
            client.client_id(),
            why.cause()
        );
        failed(false).because(cause)
    })
}

/// A key that signed nothing that comes here: that of RFC 7515 appendix A.3.
static DECOY: LazyLock<Option<PublicKey>> = LazyLock::new(|| {
    let jwk = json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    PublicKey::read(jwk.as_object()?.clone()).ok()
});

/// Spends the time of a check.
pub(super) fn against_decoy(assertion: &Assertion) {
    if let Some(decoy) = &*DECOY {
        assertion.against_decoy(decoy);
    }
}

#[cfg(test)]
mod tests;
