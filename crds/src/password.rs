//! Passwords of users: argon2id (m = 19 456 KiB, t = 2, p = 1), sealed for the status.

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use rand_core::CryptoRng;

use crate::encoding::{base64url, from_base64url};
use crate::seal::{KeyRing, Purpose, SealError};

/// Memory in KiB, passes, lanes: OWASP's first choice for argon2id.
const COST: (u32, u32, u32) = (19_456, 2, 1);

/// What a password needs at least, in characters (NIST SP 800-63B §5.1.1.2).
pub const MIN_LENGTH: usize = 8;

/// The longest password that is hashed, in bytes.
pub const MAX_LENGTH: usize = 1024;

/// Long enough, but the first that anybody tries (NIST SP 800-63B §5.1.1.2); lower case. The demo user's
/// password is one of them.
const COMMON: [&str; 20] = [
    "00000000",
    "11111111",
    "12345678",
    "123456789",
    "1234567890",
    "987654321",
    "abcd1234",
    "admin123",
    "administrator",
    "baseball",
    "changeme",
    "football",
    "iloveyou",
    "passw0rd",
    "password",
    "password1",
    "password123",
    "qwerty123",
    "qwertyuiop",
    "trustno1",
];

/// The salt and the output are random: no password is known that gives them.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$4Wq5vRk0bYdZt8mJcX2hNw\
                     $k3Jm1xq0v7Vd2c8yQe5TgU9bRzLwHnAoPsF4iKtXh6M";

/// Whether a password may be used. `weak`: any text will do, because nobody else can try it.
///
/// # Errors
/// What is wrong with it, never the password.
pub fn check(password: &str, weak: bool) -> Result<(), String> {
    if password.is_empty() {
        return Err("is empty".to_owned());
    }
    if password.len() > MAX_LENGTH {
        return Err(format!("is longer than {MAX_LENGTH} bytes"));
    }
    if weak {
        return Ok(());
    }
    if password.chars().count() < MIN_LENGTH {
        return Err(format!("is too short: {MIN_LENGTH} characters are needed"));
    }
    if COMMON.contains(&password.to_lowercase().as_str()) {
        return Err("is one of the most common ones: choose another".to_owned());
    }
    Ok(())
}

/// Hashes a password; PHC string format. Takes tens of milliseconds and 19 MiB.
///
/// # Panics
/// When there is no memory for it.
pub fn hash(password: &str, rng: &mut impl CryptoRng) -> String {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).expect("the parameters are valid");
    let mut salt = [0; 16];
    rng.fill_bytes(&mut salt);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.as_bytes(), &salt)
        .expect("the salt's length is valid")
        .to_string()
}

/// Whether the password matches the PHC string; a string that is none matches nothing.
#[must_use]
pub fn verify(phc: &str, password: &str) -> bool {
    Argon2::default()
        .verify_password(password.as_bytes(), phc)
        .is_ok()
}

/// A PHC string that no password matches, with the present parameters: unknown users take as long.
#[must_use]
pub fn decoy() -> &'static str {
    DECOY
}

/// Seals a PHC string for the status of the user with this UID (base64url).
pub fn seal(ring: &KeyRing, user_uid: &str, phc: &str, rng: &mut impl CryptoRng) -> String {
    base64url(&ring.seal(Purpose::Password, &[user_uid.as_bytes()], phc.as_bytes(), rng))
}

/// Opens what [`seal`] made.
///
/// # Errors
/// When it was not made under this ring for this UID.
pub fn unseal(ring: &KeyRing, user_uid: &str, sealed: &str) -> Result<String, SealError> {
    let sealed = from_base64url(sealed).ok_or(SealError::Senseless)?;
    let phc = ring.unseal(Purpose::Password, &[user_uid.as_bytes()], &sealed)?;
    std::str::from_utf8(&phc)
        .map(str::to_owned)
        .map_err(|_| SealError::Senseless)
}

/// What a sealed digest was made from: `<uid>/<resourceVersion>` of the password Secret.
#[must_use]
pub fn fingerprint(secret_uid: &str, resource_version: &str) -> String {
    format!("{secret_uid}/{resource_version}")
}

#[cfg(test)]
mod tests {
    use argon2::PasswordHash;
    use jiff::Timestamp;

    use super::*;
    use crate::secrets::key_ring::KeyRingData;
    use crate::testing::SeededRng;

    fn ring(seed: u64) -> KeyRing {
        KeyRing::new(KeyRingData::generate(
            Timestamp::UNIX_EPOCH,
            &mut SeededRng::new(seed),
        ))
    }

    #[test]
    fn only_the_password_matches_its_hash() {
        let mut rng = SeededRng::new(1);
        let (one, two) = (hash("correct horse", &mut rng), hash("correct horse", &mut rng));
        assert_ne!(one, two, "each has its own salt");
        assert!(verify(&one, "correct horse"));
        assert!(!verify(&one, "correct horsf"));
        assert!(!verify(&one, ""));
    }

    #[test]
    fn a_password_needs_eight_characters_and_must_not_be_the_first_guess() {
        for good in ["ein Wort", "øøøøøøøø", "correct horse", &"x".repeat(MAX_LENGTH)] {
            assert_eq!(check(good, false), Ok(()));
        }
        for weak in ["password", "PassWord1", "seven77", "øøøøøøø"] {
            let problem = check(weak, false).unwrap_err();
            assert!(!problem.contains(weak), "{problem}");
            assert_eq!(check(weak, true), Ok(()));
        }
        for bad in [String::new(), "x".repeat(MAX_LENGTH + 1)] {
            assert!(check(&bad, false).is_err() && check(&bad, true).is_err());
        }
    }

    #[test]
    fn what_is_no_phc_string_matches_nothing() {
        for odd in [
            "",
            "password",
            "$argon2id$",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ",
        ] {
            assert!(!verify(odd, ""), "{odd}");
            assert!(!verify(odd, odd), "{odd}");
        }
    }

    #[test]
    fn the_decoy_costs_what_a_hash_costs() {
        let made = hash("x", &mut SeededRng::new(1));
        let (made, decoy) = (
            PasswordHash::new(&made).unwrap(),
            PasswordHash::new(decoy()).unwrap(),
        );
        assert_eq!(decoy.algorithm, made.algorithm);
        assert_eq!(decoy.version, made.version);
        assert_eq!(decoy.params.to_string(), made.params.to_string());
        assert_eq!(decoy.params.to_string(), "m=19456,t=2,p=1");
        assert_eq!(decoy.salt.unwrap().len(), made.salt.unwrap().len());
        assert_eq!(decoy.hash.unwrap().len(), made.hash.unwrap().len());
        assert!(!verify(super::decoy(), "x"));
    }

    #[test]
    fn a_seal_opens_for_its_user_and_ring_only() {
        let (ours, other) = (ring(1), ring(2));
        let sealed = seal(&ours, "uid-1", decoy(), &mut SeededRng::new(3));
        assert!(!sealed.contains("argon2"));
        assert_eq!(unseal(&ours, "uid-1", &sealed).unwrap(), decoy());
        assert_eq!(unseal(&ours, "uid-2", &sealed), Err(SealError::Senseless));
        assert_eq!(unseal(&other, "uid-1", &sealed), Err(SealError::Senseless));
        assert_eq!(unseal(&ours, "uid-1", "not sealed"), Err(SealError::Senseless));
        assert_eq!(unseal(&ours, "uid-1", ""), Err(SealError::Senseless));
    }
}
