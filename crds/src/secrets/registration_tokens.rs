//! `<release>-registration-tokens`: the initial access tokens of registration (RFC 7591 §3). People write it: one
//! data key for each token, named like the token, with a small JSON as its value. A token that breaks a rule is
//! left out and told; the others are good.

use std::collections::BTreeSet;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::Data;
use crate::encoding::from_hex;
use crate::rotation::{MIN_LENGTH, MIN_VARIETY};
use crate::validate::text;

/// An initial access token: what is known of it. `Debug` shows its name only.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistrationToken {
    name: String,
    digest: [u8; 32],
    uses: u32,
    expires_at: Timestamp,
}

impl fmt::Debug for RegistrationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegistrationToken({})", self.name)
    }
}

/// The tokens that are good, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistrationTokens(Vec<RegistrationToken>);

/// A value as people write it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    /// The token itself, or …
    #[serde(default)]
    token: Option<String>,
    /// … its SHA-256 in hex.
    #[serde(default)]
    digest: Option<String>,
    uses: u32,
    expires_at: Timestamp,
}

impl RegistrationToken {
    /// How often a token may be used at most.
    pub const MOST_USES: u32 = 10_000;

    /// Its name, which the clients that it made carry; the value of a label.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many clients may be made with it.
    #[must_use]
    pub fn uses(&self) -> u32 {
        self.uses
    }

    /// When it ends.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    fn read(name: &str, value: &[u8]) -> Result<Self, String> {
        if name.is_empty() || !text::is_label_text(name) {
            return Err(
                "a name has at most 63 letters, digits, -, _ and ., and a letter or digit at both ends"
                    .to_owned(),
            );
        }
        // what a parser says of a value may repeat it, and here that is a secret
        let value: Zeroizing<Vec<u8>> = Zeroizing::new(value.to_vec());
        let form = "is no JSON like {\"token\": \"…\", \"uses\": 1, \"expiresAt\": \"2030-01-01T00:00:00Z\"}";
        let members: Value = serde_json::from_slice(&value).map_err(|_| form.to_owned())?;
        let written = Written::deserialize(members)
            .map_err(|_| format!("{form}, with digest instead of token if you like"))?;
        if !(1..=Self::MOST_USES).contains(&written.uses) {
            return Err(format!("uses is not within 1 and {}", Self::MOST_USES));
        }
        let digest = match (written.token.map(Zeroizing::new), written.digest) {
            (Some(token), None) => {
                strong(&token)?;
                sha256(&token)
            }
            (None, Some(digest)) => Some(digest)
                .filter(|digest| digest.len() == 64)
                .and_then(|digest| from_hex(&digest)?[..].try_into().ok())
                .ok_or("digest is no SHA-256 in hex, as sha256sum prints it".to_owned())?,
            _ => return Err("needs either token or digest".to_owned()),
        };
        Ok(Self {
            name: name.to_owned(),
            digest,
            uses: written.uses,
            expires_at: written.expires_at,
        })
    }
}

impl RegistrationTokens {
    /// The name of the Secret.
    #[must_use]
    pub fn secret_name(release: &str) -> String {
        format!("{release}-registration-tokens")
    }

    /// Reads the Secret, and says of each token that is not good why; never its value.
    #[must_use]
    pub fn from_data(data: &Data) -> (Self, Vec<String>) {
        let (mut good, mut refused) = (Vec::<RegistrationToken>::new(), Vec::new());
        for (name, value) in data {
            match RegistrationToken::read(name, value) {
                Ok(token) if good.iter().any(|known| known.digest == token.digest) => {
                    refused.push(format!(
                        "{}: is the same token as another one",
                        text::quoted(name)
                    ));
                }
                Ok(token) => good.push(token),
                Err(why) => refused.push(format!("{}: {why}", text::quoted(name))),
            }
        }
        (Self(good), refused)
    }

    /// The token that was presented, whether or not it has expired. The time taken depends on the number of tokens
    /// and on the length of what was presented only.
    #[must_use]
    pub fn find(&self, presented: &str) -> Option<&RegistrationToken> {
        let made = sha256(presented);
        let mut found = u64::MAX;
        for (index, token) in (0_u64..).zip(&self.0) {
            let equal: Choice = token.digest.ct_eq(&made);
            found = u64::conditional_select(&found, &index, equal);
        }
        self.0.get(usize::try_from(found).ok()?)
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(RegistrationToken::name)
    }
}

fn sha256(token: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

/// Whether a token can be sent, and may be hard to guess: as far as its form tells.
fn strong(token: &str) -> Result<(), String> {
    // RFC 6750 §2.1: b64token
    let body = token.trim_end_matches('=');
    let sendable = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    if !body.bytes().all(sendable) {
        return Err(
            "token may only have letters, digits and -._~+/, and = at its end (RFC 6750 §2.1)".to_owned(),
        );
    }
    let variety: BTreeSet<u8> = body.bytes().collect();
    if body.len() < MIN_LENGTH || variety.len() < MIN_VARIETY {
        return Err(format!(
            "token is weak: it needs {MIN_LENGTH} characters, {MIN_VARIETY} of them different; for example the \
             output of `openssl rand -hex 32`"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TOKEN: &str = "canary-0123456789abcdef0123456789abcdef";
    const UNTIL: &str = "2030-01-01T00:00:00Z";

    fn read(values: &[(&str, String)]) -> (RegistrationTokens, Vec<String>) {
        let data = values.iter();
        RegistrationTokens::from_data(
            &data
                .map(|(name, value)| ((*name).to_owned(), value.clone().into_bytes()))
                .collect(),
        )
    }

    fn one(value: &Value) -> (RegistrationTokens, Vec<String>) {
        read(&[("ci", value.to_string())])
    }

    #[test]
    fn reg_01_a_token_is_found_by_itself_or_by_its_digest() {
        let (tokens, refused) = one(&json!({"token": TOKEN, "uses": 3, "expiresAt": UNTIL}));
        assert_eq!(refused, [""; 0]);
        let found = tokens.find(TOKEN).unwrap();
        assert_eq!((found.name(), found.uses()), ("ci", 3));
        assert_eq!(found.expires_at(), UNTIL.parse().unwrap());
        for other in ["", "canary", &TOKEN[1..], &format!("{TOKEN}=")] {
            assert!(tokens.find(other).is_none(), "{other}");
        }
        // printf %s abc | sha256sum
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let (tokens, refused) = one(&json!({"digest": digest, "uses": 1, "expiresAt": UNTIL}));
        assert_eq!(refused, [""; 0]);
        assert!(tokens.find("abc").is_some() && tokens.find(digest).is_none());
        assert!(RegistrationTokens::default().find(TOKEN).is_none());
    }

    #[test]
    fn reg_01_of_many_tokens_each_is_found() {
        let token = |n: usize| format!("{TOKEN}-{n}");
        let names: Vec<String> = (0..20).map(|n| format!("token-{n:02}")).collect();
        let value = |n: usize| json!({"token": token(n), "uses": 1, "expiresAt": UNTIL}).to_string();
        let values: Vec<_> = (0..20).map(|n| (names[n].as_str(), value(n))).collect();
        let (tokens, refused) = read(&values);
        assert!(refused.is_empty() && tokens.names().eq(names.iter().map(String::as_str)));
        for (n, name) in names.iter().enumerate() {
            assert_eq!(tokens.find(&token(n)).unwrap().name(), name);
        }
    }

    #[test]
    fn i9_what_is_wrong_is_told_without_the_token_and_the_others_are_good() {
        let short = "canary-012345678";
        for (value, why) in [
            (json!({"token": short, "uses": 1, "expiresAt": UNTIL}), "weak"),
            (
                json!({"token": "canary-".repeat(9), "uses": 1, "expiresAt": UNTIL}),
                "weak",
            ),
            (
                json!({"token": format!("{TOKEN}\n"), "uses": 1, "expiresAt": UNTIL}),
                "RFC 6750",
            ),
            (
                json!({"token": TOKEN, "digest": "00", "uses": 1, "expiresAt": UNTIL}),
                "either",
            ),
            (json!({"uses": 1, "expiresAt": UNTIL}), "either"),
            (
                json!({"digest": "canary", "uses": 1, "expiresAt": UNTIL}),
                "SHA-256",
            ),
            (json!({"token": TOKEN, "uses": 0, "expiresAt": UNTIL}), "uses"),
            (
                json!({"token": TOKEN, "uses": 10_001, "expiresAt": UNTIL}),
                "uses",
            ),
            (
                json!({"token": TOKEN, "uses": TOKEN, "expiresAt": UNTIL}),
                "no JSON like",
            ),
            (json!({"token": TOKEN, "uses": 1}), "no JSON like"),
            (
                json!({"token": TOKEN, "uses": 1, "expiresAt": TOKEN}),
                "no JSON like",
            ),
            (
                json!({"token": TOKEN, "use": 1, "uses": 1, "expiresAt": UNTIL}),
                "no JSON like",
            ),
            (json!(TOKEN), "no JSON like"),
        ] {
            let good = json!({"token": format!("{TOKEN}2"), "uses": 1, "expiresAt": UNTIL}).to_string();
            let (tokens, refused) = read(&[("bad", value.to_string()), ("good", good)]);
            assert!(tokens.names().eq(["good"]), "{value}");
            let [told] = &refused[..] else {
                panic!("{refused:?}");
            };
            assert!(told.starts_with("`bad`") && told.contains(why), "{value}: {told}");
            assert!(!told.contains("canary"), "{told}");
        }
        let (tokens, refused) = read(&[("ci", TOKEN.to_owned()), ("-", "{}".to_owned())]);
        assert!(tokens.names().next().is_none() && refused.len() == 2);
        assert!(!format!("{refused:?}").contains("canary"));
        let value = json!({"token": TOKEN, "uses": 1, "expiresAt": UNTIL}).to_string();
        let (tokens, refused) = read(&[("a", value.clone()), ("b", value)]);
        assert!(tokens.names().eq(["a"]) && refused[0].contains("same token"));
        assert!(!format!("{tokens:?}").contains("canary"));
    }
}
