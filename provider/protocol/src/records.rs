//! What the store keeps, sealed: serialised with a version, under a purpose, bound to its place.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oidc_crds::client::Client;
use oidc_crds::seal::{KeyRing, Purpose, SealError};
use rand_core::CryptoRng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::authorize::AuthorizationRequest;
use crate::handle::{Digest, LoginTag};

/// The version of the format: the first byte of every plaintext.
const VERSION: u8 = 1;

/// Who signed in, how and when: what a login leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// UID of the OidcUser; a re-created namesake inherits nothing.
    pub user_uid: String,
    /// `sub`.
    pub subject: String,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// How (RFC 8176), like `pwd`.
    pub amr: Vec<String>,
    /// When the login began.
    pub created_at: Timestamp,
}

/// How a login began: for the list that its user sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRecord {
    /// A short name of the device ([`device`](crate::device::device)).
    pub device: String,
    /// The address of the client, where the installation knows it.
    pub address: Option<String>,
    /// When the person first signed in.
    pub signed_in_at: Timestamp,
}

/// Everything that is bound to a code, in one record; the family that the code opens keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRecord {
    /// UID of the OidcClient.
    pub client_uid: String,
    /// `redirect_uri` as requested; `None`: the request had none, so the redemption needs none.
    pub redirect_uri: Option<String>,
    /// S256 challenge (RFC 7636 §4.2).
    pub code_challenge: Option<String>,
    /// `nonce`.
    pub nonce: Option<String>,
    /// Granted scopes, in the order of the request.
    pub scope: Vec<String>,
    /// Whether the request asked for a set of scopes that differs from the granted one.
    pub scope_changed: bool,
    /// Audiences asked for by `resource` or `audience`; empty: the issuer.
    pub audience: Vec<String>,
    /// When the code was made.
    pub issued_at: Timestamp,
    /// When the code ends.
    pub expires_at: Timestamp,
    /// `sid` of the login at this client.
    pub sid: String,
}

/// What a person agreed to, for one client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentRecord {
    /// The scopes.
    pub scope: Vec<String>,
    /// When.
    pub at: Timestamp,
}

impl Session {
    /// Seals it for the login's slot.
    pub fn seal(&self, ring: &KeyRing, tag: LoginTag, rng: &mut impl CryptoRng) -> Vec<u8> {
        seal(ring, Purpose::Session, &[&tag.0], self, rng)
    }

    /// Opens it.
    ///
    /// # Errors
    /// When it was not made for this login, or is malformed.
    pub fn unseal(ring: &KeyRing, tag: LoginTag, sealed: &[u8]) -> Result<Self, SealError> {
        unseal(ring, Purpose::Session, &[&tag.0], sealed)
    }
}

impl LoginRecord {
    /// Seals it for the login's entry in the index of its user.
    pub fn seal(&self, ring: &KeyRing, user_uid: &str, tag: LoginTag, rng: &mut impl CryptoRng) -> Vec<u8> {
        seal(ring, Purpose::Login, &[user_uid.as_bytes(), &tag.0], self, rng)
    }

    /// Opens it.
    ///
    /// # Errors
    /// When it was not made for this user and login, or is malformed.
    pub fn unseal(ring: &KeyRing, user_uid: &str, tag: LoginTag, sealed: &[u8]) -> Result<Self, SealError> {
        unseal(ring, Purpose::Login, &[user_uid.as_bytes(), &tag.0], sealed)
    }
}

impl GrantRecord {
    /// What a code for this request is bound to. `sid` is that of the login at this client ([`sid`]).
    #[must_use]
    pub fn new(request: &AuthorizationRequest, client: &Client, sid: String, now: Timestamp) -> Self {
        Self {
            client_uid: client.grantee().to_owned(),
            redirect_uri: request.redirect_uri.clone(),
            code_challenge: request.code_challenge.clone(),
            nonce: request.nonce.clone(),
            scope: request.scope.clone(),
            scope_changed: request.scope_changed,
            audience: request.audience.clone(),
            issued_at: now,
            expires_at: now + client.lifetimes().code.span(),
            sid,
        }
    }

    /// Seals it for the code's place; its family keeps the code's digest beside it.
    pub fn seal(&self, ring: &KeyRing, tag: LoginTag, code: &Digest, rng: &mut impl CryptoRng) -> Vec<u8> {
        seal(ring, Purpose::Grant, &[&tag.0, &code.0], self, rng)
    }

    /// Opens it.
    ///
    /// # Errors
    /// When it was not made for this code, or is malformed.
    pub fn unseal(ring: &KeyRing, tag: LoginTag, code: &Digest, sealed: &[u8]) -> Result<Self, SealError> {
        unseal(ring, Purpose::Grant, &[&tag.0, &code.0], sealed)
    }
}

/// A consent as it is sealed: whose it is stands inside, since a browser's session may hold one of a person who
/// was signed in there before.
#[derive(Serialize, Deserialize)]
struct OfUser {
    user_uid: String,
    consent: ConsentRecord,
}

impl ConsentRecord {
    /// Seals it for a user and a client.
    pub fn seal(
        &self,
        ring: &KeyRing,
        user_uid: &str,
        client_uid: &str,
        rng: &mut impl CryptoRng,
    ) -> Vec<u8> {
        let whole = OfUser {
            user_uid: user_uid.to_owned(),
            consent: self.clone(),
        };
        seal(ring, Purpose::Consent, &[client_uid.as_bytes()], &whole, rng)
    }

    /// Opens it; `None`: it is another user's.
    ///
    /// # Errors
    /// When it was not made for this client, or is malformed.
    pub fn unseal(
        ring: &KeyRing,
        user_uid: &str,
        client_uid: &str,
        sealed: &[u8],
    ) -> Result<Option<Self>, SealError> {
        let whole: OfUser = unseal(ring, Purpose::Consent, &[client_uid.as_bytes()], sealed)?;
        Ok((whole.user_uid == user_uid).then_some(whole.consent))
    }
}

/// The name of a user's slot in the store: an HMAC of the UID that outlives ring rotations.
#[must_use]
pub fn user_key(ring: &KeyRing, user_uid: &str) -> [u8; 32] {
    // The first part keeps users apart from other names under this purpose.
    ring.stable_mac(Purpose::Name, &[b"user", user_uid.as_bytes()])
}

/// The name of a consent inside a user's slot or a session: an HMAC of the client's UID.
#[must_use]
pub fn consent_key(ring: &KeyRing, client_uid: &str) -> [u8; 32] {
    ring.stable_mac(Purpose::Consent, &[client_uid.as_bytes()])
}

/// The name of a consent that counts only in the session in which it was given: another one, so that none
/// from the user's slot is ever found under it.
#[must_use]
pub fn session_consent_key(ring: &KeyRing, client_uid: &str) -> [u8; 32] {
    consent_key(ring, &format!("{client_uid}#session"))
}

/// `sid` of a login at a client: HMAC(ring `sid/v1`; tag, client UID), base64url.
#[must_use]
pub fn sid(ring: &KeyRing, tag: LoginTag, client_uid: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring.stable_mac(Purpose::SessionId, &[&tag.0, client_uid.as_bytes()]))
}

/// Seals a record: a version byte, then JSON.
pub(crate) fn seal(
    ring: &KeyRing,
    purpose: Purpose,
    place: &[&[u8]],
    record: &impl Serialize,
    rng: &mut impl CryptoRng,
) -> Vec<u8> {
    let mut plain = vec![VERSION];
    serde_json::to_writer(&mut plain, record).expect("records are plain data, a Vec takes all bytes");
    ring.seal(purpose, place, &plain, rng)
}

/// Opens what [`seal`] made.
pub(crate) fn unseal<T: DeserializeOwned>(
    ring: &KeyRing,
    purpose: Purpose,
    place: &[&[u8]],
    sealed: &[u8],
) -> Result<T, SealError> {
    let plain = ring.unseal(purpose, place, sealed)?;
    match plain.split_first() {
        Some((&VERSION, json)) => serde_json::from_slice(json).map_err(|_| SealError::Senseless),
        _ => Err(SealError::Senseless),
    }
}

#[cfg(test)]
mod tests {
    use oidc_crds::testing::SeededRng;

    use super::*;
    use crate::testing::{NOW, client, grant, other_ring, ring, session};

    const TAG: LoginTag = LoginTag([1; 16]);
    const OTHER: LoginTag = LoginTag([2; 16]);

    #[test]
    fn i8_a_session_opens_in_its_own_slot_only() {
        let sealed = session().seal(&ring(), TAG, &mut SeededRng::new(1));
        assert_eq!(Session::unseal(&ring(), TAG, &sealed), Ok(session()));
        assert_eq!(
            Session::unseal(&ring(), OTHER, &sealed),
            Err(SealError::Senseless)
        );
        assert_eq!(
            Session::unseal(&other_ring(), TAG, &sealed),
            Err(SealError::Senseless)
        );
        assert!(GrantRecord::unseal(&ring(), TAG, &Digest([0; 32]), &sealed).is_err());
        let subject = session().subject;
        assert!(!sealed.windows(subject.len()).any(|w| w == subject.as_bytes()));
    }

    #[test]
    fn i8_a_login_opens_for_its_user_and_tag_only() {
        let record = LoginRecord {
            device: "Firefox on Linux".to_owned(),
            address: Some("192.0.2.7".to_owned()),
            signed_in_at: NOW,
        };
        let sealed = record.seal(&ring(), "user", TAG, &mut SeededRng::new(1));
        assert_eq!(LoginRecord::unseal(&ring(), "user", TAG, &sealed), Ok(record));
        assert_eq!(
            LoginRecord::unseal(&ring(), "other", TAG, &sealed),
            Err(SealError::Senseless)
        );
        assert_eq!(
            LoginRecord::unseal(&ring(), "user", OTHER, &sealed),
            Err(SealError::Senseless)
        );
        assert!(!sealed.windows(7).any(|w| w == b"Firefox"));
    }

    #[test]
    fn tok_02_a_grant_opens_for_its_code_only() {
        let (code, other) = (Digest::of("a"), Digest::of("b"));
        let sealed = grant().seal(&ring(), TAG, &code, &mut SeededRng::new(1));
        assert_eq!(GrantRecord::unseal(&ring(), TAG, &code, &sealed), Ok(grant()));
        assert_eq!(
            GrantRecord::unseal(&ring(), TAG, &other, &sealed),
            Err(SealError::Senseless)
        );
        assert_eq!(
            GrantRecord::unseal(&ring(), OTHER, &code, &sealed),
            Err(SealError::Senseless)
        );
    }

    #[test]
    fn az_18_a_consent_opens_for_its_user_and_client_only() {
        let record = ConsentRecord {
            scope: vec!["openid".to_owned()],
            at: NOW,
        };
        let sealed = record.seal(&ring(), "user", "client", &mut SeededRng::new(1));
        let open = |user, client| ConsentRecord::unseal(&ring(), user, client, &sealed);
        assert_eq!(open("user", "client"), Ok(Some(record)));
        assert_eq!(open("other", "client"), Ok(None));
        assert_eq!(open("user", "other"), Err(SealError::Senseless));
    }

    #[test]
    fn a_later_version_and_garbage_are_refused() {
        let mut rng = SeededRng::new(1);
        let json = serde_json::to_vec(&session()).unwrap();
        for plain in [
            [&[2], json.as_slice()].concat(),
            json,
            vec![],
            vec![1],
            vec![1, b'{'],
        ] {
            let sealed = ring().seal(Purpose::Session, &[&TAG.0], &plain, &mut rng);
            assert_eq!(Session::unseal(&ring(), TAG, &sealed), Err(SealError::Senseless));
        }
        assert_eq!(Session::unseal(&ring(), TAG, b""), Err(SealError::Senseless));
    }

    #[test]
    fn names_are_stable_and_apart() {
        assert_eq!(user_key(&ring(), "a"), user_key(&ring(), "a"));
        assert_ne!(user_key(&ring(), "a"), user_key(&ring(), "b"));
        assert_ne!(user_key(&ring(), "a"), user_key(&other_ring(), "a"));
        assert_ne!(consent_key(&ring(), "a"), consent_key(&ring(), "b"));
        assert_ne!(consent_key(&ring(), "a"), user_key(&ring(), "a"));
    }

    #[test]
    fn a_sid_belongs_to_one_login_at_one_client() {
        let here = sid(&ring(), TAG, "client");
        assert_eq!(here.len(), 43);
        assert_eq!(here, sid(&ring(), TAG, "client"));
        assert_ne!(here, sid(&ring(), TAG, "other"));
        assert_ne!(here, sid(&ring(), OTHER, "client"));
    }

    #[test]
    fn tok_02_a_grant_holds_all_that_the_request_said() {
        let request = crate::testing::request();
        let client = client();
        let made = GrantRecord::new(&request, &client, "sid".to_owned(), NOW);
        assert_eq!(made.client_uid, client.grantee());
        assert_eq!(made.redirect_uri, request.redirect_uri);
        assert_eq!(made.code_challenge, request.code_challenge);
        assert_eq!(made.nonce, request.nonce);
        assert_eq!(made.scope, request.scope);
        assert_eq!(made.audience, request.audience);
        assert_eq!(made.issued_at, NOW);
        assert_eq!(made.expires_at.as_second(), NOW.as_second() + 60);
    }
}
