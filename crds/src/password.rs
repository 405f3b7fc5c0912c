//! Passwords of users: argon2id (m = 19 456 KiB, t = 2, p = 1), sealed for the status.

use rand_core::CryptoRng;

use crate::seal::{KeyRing, SealError};

/// Hashes a password; PHC string format. Takes tens of milliseconds and 19 MiB.
pub fn hash(password: &str, rng: &mut impl CryptoRng) -> String {
    let _ = (password, rng);
    todo!()
}

/// Whether the password matches the PHC string; a string that is none matches nothing.
#[must_use]
pub fn verify(phc: &str, password: &str) -> bool {
    let _ = (phc, password);
    todo!()
}

/// A PHC string that no password matches, with the present parameters: unknown users take as long.
#[must_use]
pub fn decoy() -> &'static str {
    todo!()
}

/// Seals a PHC string for the status of the user with this UID (base64url).
pub fn seal(ring: &KeyRing, user_uid: &str, phc: &str, rng: &mut impl CryptoRng) -> String {
    let _ = (ring, user_uid, phc, rng);
    todo!()
}

/// Opens what [`seal`] made.
///
/// # Errors
/// When it was not made under this ring for this UID.
pub fn unseal(ring: &KeyRing, user_uid: &str, sealed: &str) -> Result<String, SealError> {
    let _ = (ring, user_uid, sealed);
    todo!()
}

/// What a sealed digest was made from: `<uid>/<resourceVersion>` of the password Secret.
#[must_use]
pub fn fingerprint(secret_uid: &str, resource_version: &str) -> String {
    format!("{secret_uid}/{resource_version}")
}
