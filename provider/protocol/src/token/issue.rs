//! From a decision to signed tokens. Nothing here asks whether: that is decided before.

use aws_lc_rs::digest::{Algorithm as Hash, SHA256, SHA384, SHA512, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oidc_crds::client::Client;
use oidc_crds::names::{AccessTokenFormat, AccessTokenType, Algorithm, ClaimPlace, IdTokenClaims};
use oidc_crds::seal::KeyRing;
use oidc_crds::user::User;
use rand_core::CryptoRng;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{TokenResponse, opaque};
use crate::error::{ErrorCode, OAuthError};
use crate::handle::{FamilyId, RefreshToken, TokenId};
use crate::jwt::{MAX_JWT, Signer, TOKEN_USE_ACCESS, TYP_ACCESS, TYP_JWT};
use crate::keys::Keys;
use crate::records::{GrantRecord, Session};
use crate::{acr, claims};

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
    /// The thumbprint of the certificate that the access token is bound to (`x5t#S256`).
    pub bound_to: Option<&'a str>,
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
    let client = issuance.client;
    let scope = issuance.scope.join(" ");
    let access_token = access_token(issuance, &scope, keys, ring, now, rng)?;
    let wants_id_token = issuance.scope.iter().any(|scope| scope == "openid");
    let id_token = match &issuance.who {
        Who::Person {
            user,
            session,
            grant,
            first,
            ..
        } if wants_id_token => {
            let signer = signer(keys, client.id_token_alg(), now)?;
            let mut jti = [0; 16];
            rng.fill_bytes(&mut jti);
            let claims = IdClaims {
                own: &id_claims(client, user, issuance.scope),
                iss: issuance.issuer,
                sub: user.subject(),
                aud: client.client_id(),
                exp: (now + client.lifetimes().id_token.span()).as_second(),
                iat: now.as_second(),
                auth_time: session.auth_time.as_second(),
                // "its value MUST … not be present unless" the authorization request had one, and a
                // refreshed ID token "SHOULD NOT have a nonce Claim" (OpenID Connect Core §12.2).
                nonce: grant.nonce.as_deref().filter(|_| *first),
                at_hash: &at_hash(signer.algorithm(), &access_token),
                sid: &grant.sid,
                acr: acr::of(&session.amr),
                amr: &session.amr,
                jti: &URL_SAFE_NO_PAD.encode(jti),
            };
            Some(sign(signer, TYP_JWT, &claims)?)
        }
        _ => None,
    };
    // "OPTIONAL, if identical to the scope requested by the client; otherwise, REQUIRED" (RFC 6749 §5.1).
    let tell_scope = issuance.tell_scope || matches!(issuance.who, Who::Person { .. });
    Ok(TokenResponse {
        access_token,
        token_type: "Bearer",
        expires_in: client.lifetimes().access_token.0,
        refresh_token: issuance.refresh_token.map(RefreshToken::expose),
        id_token,
        scope: (tell_scope && !scope.is_empty()).then_some(scope),
    })
}

/// The access token (RFC 9068 §2.2).
fn access_token(
    issuance: &Issuance<'_>,
    scope: &str,
    keys: &Keys,
    ring: &KeyRing,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<String, OAuthError> {
    let client = issuance.client;
    let (sub, id, session, groups, own) = match &issuance.who {
        Who::Person {
            user,
            session,
            family,
            ..
        } => {
            let told = issuance.scope.iter().any(|scope| scope == "groups") && !user.groups().is_empty();
            (
                user.subject(),
                TokenId::Family(*family),
                Some(*session),
                told.then_some(user.groups()),
                own(client, ClaimPlace::AccessToken, Some((*user, issuance.scope))),
            )
        }
        // "In cases where the client is the resource owner, sub SHOULD identify the client" (RFC 9068 §2.2).
        Who::Client => (
            client.client_id(),
            TokenId::Detached,
            None,
            None,
            own(client, ClaimPlace::AccessToken, None),
        ),
    };
    let (typ, token_use) = match client.access_token_type() {
        AccessTokenType::AtJwt => (TYP_ACCESS, None),
        AccessTokenType::Jwt => (TYP_JWT, Some(TOKEN_USE_ACCESS)),
    };
    let claims = AccessClaims {
        iss: issuance.issuer,
        exp: (now + client.lifetimes().access_token.span()).as_second(),
        aud: match issuance.audience {
            [] => Audience::One(issuance.issuer),
            [one] => Audience::One(one),
            many => Audience::Many(many),
        },
        sub,
        client_id: client.client_id(),
        iat: now.as_second(),
        jti: &id.seal(ring, client.grantee(), rng),
        scope,
        auth_time: session.map(|session| session.auth_time.as_second()),
        acr: session.and_then(|session| acr::of(&session.amr)),
        amr: session.map_or(&[], |session| &session.amr),
        groups,
        token_use,
        cnf: issuance.bound_to.map(|thumbprint| Confirmation { thumbprint }),
        own: &own,
    };
    let token = match client.access_token_format() {
        AccessTokenFormat::Jwt => sign(signer(keys, client.access_token_alg(), now)?, typ, &claims)?,
        AccessTokenFormat::Opaque => opaque::seal(ring, client.grantee(), &claims, rng),
    };
    if token.len() > MAX_JWT {
        // longer than what we read ourselves
        return Err(
            OAuthError::new(ErrorCode::ServerError, "The access token would be too long.").because(format!(
                "an access token has {} bytes: groups or custom claims are too many",
                token.len()
            )),
        );
    }
    Ok(token)
}

/// A client's own claims for a place.
fn own(client: &Client, place: ClaimPlace, person: Option<(&User, &[String])>) -> Map<String, Value> {
    if client.claims().is_empty() {
        return Map::new();
    }
    let opened = person.map(|(user, scope)| opened(user, scope));
    claims::own(client, place, &opened.unwrap_or_default())
}

/// What the scopes open of a person.
fn opened(user: &User, scope: &[String]) -> Map<String, Value> {
    let scope: Vec<&str> = scope.iter().map(String::as_str).collect();
    claims::claims_for(user, &scope)
}

/// What an ID token says of a person beside the sign-in: what the client's switch and its own claims ask for.
fn id_claims(client: &Client, user: &User, scope: &[String]) -> Map<String, Value> {
    let mut all = match client.id_token_claims() {
        IdTokenClaims::None => return own(client, ClaimPlace::IdToken, Some((user, scope))),
        IdTokenClaims::Scopes => opened(user, scope),
    };
    let own = claims::own(client, ClaimPlace::IdToken, &all);
    all.extend(own);
    // it has a place of its own
    all.remove("sub");
    all
}

/// Claims of an access token.
#[derive(Serialize)]
struct AccessClaims<'a> {
    iss: &'a str,
    exp: i64,
    aud: Audience<'a>,
    sub: &'a str,
    client_id: &'a str,
    iat: i64,
    jti: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'static str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_use: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation<'a>>,
    /// Under names that none of the others has.
    #[serde(flatten)]
    own: &'a Map<String, Value>,
}

/// Whose token it is (RFC 7800 §3.1): the holder's of a certificate (RFC 8705 §3.1).
#[derive(Serialize)]
struct Confirmation<'a> {
    #[serde(rename = "x5t#S256")]
    thumbprint: &'a str,
}

/// A text when there is one (kube-apiserver and others take no list), else a list (RFC 7519 §4.1.3).
#[derive(Serialize)]
#[serde(untagged)]
enum Audience<'a> {
    One(&'a str),
    Many(&'a [String]),
}

/// Claims of an ID token (OpenID Connect Core §2). Those of scopes are at userinfo (§5.4), unless the client's
/// switch puts them in.
#[derive(Serialize)]
struct IdClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    auth_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: &'a str,
    sid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'static str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    amr: &'a [String],
    /// Two ID tokens of one second must differ.
    jti: &'a str,
    /// Under names that none of the others has.
    #[serde(flatten)]
    own: &'a Map<String, Value>,
}

/// "the left-most half of the hash of the octets of the ASCII representation of the access_token value,
/// where the hash algorithm used is the hash algorithm used in the alg" (OpenID Connect Core §3.1.3.6).
fn at_hash(algorithm: Algorithm, access_token: &str) -> String {
    let hash: &Hash = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => &SHA256,
        Algorithm::ES384 => &SHA384,
        // Ed25519 hashes with SHA-512 (RFC 8032 §5.1).
        Algorithm::EdDSA => &SHA512,
    };
    let hash = digest(hash, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}

fn signer(keys: &Keys, algorithm: Option<Algorithm>, now: Timestamp) -> Result<&Signer, OAuthError> {
    keys.signer(algorithm, now).ok_or_else(|| {
        let wanted = algorithm.map_or("the default algorithm", Algorithm::as_str);
        OAuthError::new(ErrorCode::ServerError, "No key can sign for this client now.")
            .because(format!("no active key for {wanted}"))
    })
}

fn sign(signer: &Signer, typ: &str, claims: &impl Serialize) -> Result<String, OAuthError> {
    signer.sign(typ, claims).map_err(|error| {
        OAuthError::new(ErrorCode::ServerError, "Signing failed.").because(error.to_string())
    })
}

#[cfg(test)]
mod tests;
