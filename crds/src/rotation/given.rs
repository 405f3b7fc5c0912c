//! Secrets that a `secretRef` names: their ids, and which are good enough.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};

use crate::credentials::ClientSecret;
use crate::encoding::hex;
use crate::resources::oidc_client::Credential;

/// What a `secretRef`'s secret needs at least, where weak ones are not accepted: characters.
pub const MIN_LENGTH: usize = 32;

/// What a `secretRef`'s secret needs at least, where weak ones are not accepted: different characters.
pub const MIN_VARIETY: usize = 8;

/// Ids of credentials from a `secretRef`; the operator never delivers these.
pub(super) const GIVEN: &str = "ref-";

/// Ids of those among them that are good only as long as weak ones are accepted.
const GIVEN_WEAK: &str = "ref-weak-";

/// Whether a credential is good only as long as weak ones are accepted.
#[must_use]
pub fn is_weak(known: &Credential) -> bool {
    known.id.starts_with(GIVEN_WEAK)
}

/// The id of a `secretRef`'s credential.
pub(super) fn given_id(version: &str, attempt: u32, weak: bool) -> String {
    let text = match attempt {
        0 => version.to_owned(),
        _ => format!("{version}#{attempt}"),
    };
    let prefix = if weak { GIVEN_WEAK } else { GIVEN };
    format!("{prefix}{}", hex(&digest(&SHA256, text.as_bytes()).as_ref()[..8]))
}

/// A given secret that can be used, and whether it is weak; the message never holds it.
pub(super) fn judge(
    secret: Option<&ClientSecret>,
    accepts_weak: bool,
) -> Result<(&ClientSecret, bool), String> {
    let Some(secret) = secret.filter(|secret| !secret.expose().is_empty()) else {
        return Err("the Secret that `secretRef` names has no value under its key; add it".to_owned());
    };
    let text = secret.expose();
    // RFC 6749 §A.2: client-secret = *VSCHAR.
    if !text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err(
            "the secret that `secretRef` names may only have printable ASCII characters (RFC 6749 \
                    §A.2); often a line break at its end is what is wrong"
                .to_owned(),
        );
    }
    let variety: BTreeSet<u8> = text.bytes().collect();
    let weak = text.len() < MIN_LENGTH || variety.len() < MIN_VARIETY;
    if weak && !accepts_weak {
        return Err(format!(
            "the secret that `secretRef` names is weak: it needs {MIN_LENGTH} characters, {MIN_VARIETY} of \
             them different; for example the output of `openssl rand -hex 32`. Or have `weakSecrets` granted by the \
             installation"
        ));
    }
    Ok((secret, weak))
}
