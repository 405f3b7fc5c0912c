//! Passwords of users: hashed and sealed when their Secret changes, never else.

use oidc_crds::password::{check, fingerprint, hash, seal as seal_hash, unseal};
use oidc_crds::resources::oidc_user::SealedPassword;
use oidc_crds::resources::{OidcUser, OidcUserStatus};
use oidc_crds::rng::SystemRng;
use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::is_opaque;

use super::objects::{GivenSecret, Objects, record_name};
use super::state::State;
use crate::resources::directory::key;

/// The key of a password Secret.
const PASSWORD: &str = "password";

/// Brings the seals up to date with the Secrets, in the objects and the records. Returns what is wrong.
/// `weak`: whether short passwords will do.
pub fn seal(objects: &mut Objects, state: &mut State, ring: &KeyRing, weak: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let Objects { users, secrets, .. } = objects;
    for user in users {
        let name = record_name("OidcUser", &key(&user.metadata));
        let Some(record) = state.records.get_mut(&name) else {
            continue;
        };
        let secret = user.spec.password_secret_ref.as_ref().map(|reference| {
            let namespace = user.metadata.namespace.clone().unwrap_or_default();
            secrets.get(&(namespace, reference.name.clone()))
        });
        match secret {
            None => record.password = None,
            Some(None) => problems.push(format!(
                "{name}: its passwordSecretRef names a Secret that is not there"
            )),
            Some(Some(secret)) => match password(secret, weak) {
                // a password that is merely gone or odd is late: what was sealed stays
                Err((stays, problem)) => {
                    problems.push(format!("{name}: {problem}"));
                    record.password = record.password.take().filter(|_| stays);
                }
                Ok(password) => {
                    let fingerprint = fingerprint(&secret.uid, &secret.version.to_string());
                    let known = record.password.as_ref().is_some_and(|known| {
                        known.fingerprint == fingerprint && unseal(ring, &record.uid, &known.sealed).is_ok()
                    });
                    if !known {
                        let phc = hash(password, &mut SystemRng);
                        record.password = Some(SealedPassword {
                            sealed: seal_hash(ring, &record.uid, &phc, &mut SystemRng),
                            fingerprint,
                        });
                    }
                }
            },
        }
        put(user, record.password.clone());
    }
    problems
}

fn put(user: &mut OidcUser, password: Option<SealedPassword>) {
    user.status = Some(OidcUserStatus {
        password,
        ..OidcUserStatus::default()
    });
}

/// The password, or whether the former one stays and why there is none.
fn password(secret: &GivenSecret, weak: bool) -> Result<&str, (bool, String)> {
    if let Some(kind) = secret.kind.as_deref().filter(|kind| !is_opaque(Some(kind))) {
        let problem = format!("its password Secret is of type {kind}; only Opaque ones are taken");
        return Err((true, problem));
    }
    let text = secret
        .data
        .get(PASSWORD)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .filter(|text| !text.is_empty())
        .ok_or_else(|| {
            (
                true,
                format!("its password Secret has no text under `{PASSWORD}`"),
            )
        })?;
    match check(text, weak) {
        Ok(()) => Ok(text),
        // what was sealed while the listener was on loopback
        Err(problem) if check(text, true).is_ok() => Err((
            false,
            format!("its password {problem} (any will do on a loopback listener)"),
        )),
        Err(problem) => Err((true, format!("its password {problem}"))),
    }
}
