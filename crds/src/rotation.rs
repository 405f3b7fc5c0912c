//! The life of a client's credentials as a pure function: [`decide`]. The operator and the standalone
//! provider both call it.
//!
//! - A replaced credential is accepted for an overlap. A new digest is in status before its secret is
//!   delivered; only the first credential goes the other way, and a crash between its two writes is mended
//!   by computing the digest from the Secret.
//! - The Secret names the credential that it holds. What was minted after that one was never delivered.
//! - A Secret that is gone or was edited is made anew. A status that is empty, or digests under a pepper
//!   that is gone, are computed again from the Secret, and nothing is minted.
//! - A Secret that another installation wrote, before the client came from there, is made anew without an overlap.
//! - A `secretRef` that is late changes nothing.
//! - A replaced one that nobody uses any more retires early, where the spec asks for it and it is proven
//!   ([`uses`](crate::uses)).
//! - A generated secret is replaced when it is due ([`Due`]). The one that it replaces does not retire before
//!   the new one is in the Secret, so whatever fails between: what the Secret holds is accepted.

use jiff::Timestamp;
use rand_core::CryptoRng;

use crate::client::Client;
use crate::credentials::{self, ClientSecret};
use crate::encoding::from_base64url;
use crate::names::Seconds;
use crate::resources::Reason;
use crate::resources::oidc_client::Credential;
use crate::secrets::installation::Installation;
use crate::secrets::pepper::Pepper;
use crate::time::{later, stored};
use crate::uses::Seen;

mod due;
mod early;
mod finish;
mod given;

pub use due::Due;
pub use early::has_unused;
use given::{GIVEN, given_id, judge};
pub use given::{MIN_LENGTH, MIN_VARIETY, is_weak};

/// How many credentials of a client are kept; those that retire first go first.
pub const KEPT: usize = 4;

/// What is found where the client's secret should be.
#[derive(Debug, Clone)]
pub enum Found {
    /// No Secret.
    Nothing,
    /// Our Secret: the credential id that it names and the value that it holds.
    Ours {
        /// From the annotation.
        credential_id: Option<String>,
        /// From the data.
        secret: Option<ClientSecret>,
    },
    /// Our Secret, as another installation wrote it: what that one issued is not good here.
    Foreign,
    /// The Secret that `secretRef` names; `version` changes with its content (`<uid>/<resourceVersion>`).
    Given {
        /// Changes with the content.
        version: String,
        /// From the data; `None`: the key is missing.
        secret: Option<ClientSecret>,
    },
    /// `secretRef` names a Secret that is not there.
    GivenMissing,
    /// `secretRef` names a Secret of this type, which may not be referred to
    /// ([`is_opaque`](crate::secrets::is_opaque)).
    GivenOfType(String),
    /// `secretRef` names a Secret of the installation, which does this there.
    GivenReserved(String),
}

/// What an installation says about credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long a replaced secret is still accepted.
    pub overlap: Seconds,
    /// Whether a `secretRef` may hold a weak secret.
    pub weak_secrets: bool,
}

impl Terms {
    /// Those of an installation for the clients of a namespace.
    #[must_use]
    pub fn of(installation: &Installation, namespace: &str) -> Self {
        Self {
            overlap: installation.lifetimes.secret_overlap,
            weak_secrets: installation.accepts_weak_secrets(namespace),
        }
    }
}

/// What status says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// The credentials, oldest first.
    pub credentials: &'a [Credential],
    /// The last [`Rotation::now`](crate::client::Rotation::now) that was seen to.
    pub now: Option<&'a str>,
    /// What is known of uses; `None`: nothing.
    pub uses: Option<&'a Seen>,
}

/// What to do about the credentials.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The credentials as status must list them in the end, oldest first; equal to the known ones if
    /// nothing changes. Times are whole seconds, as the API server keeps them.
    pub credentials: Vec<Credential>,
    /// As status must list them until the delivery is done, where status goes first; else the same.
    pub before: Vec<Credential>,
    /// The last [`Rotation::now`](crate::client::Rotation::now) that was seen to, with these credentials.
    pub now: Option<String>,
    /// A secret that must be written into the app's Secret, with the id for the annotation. `None`: the
    /// secret that is there stays, or the client has none of ours.
    pub deliver: Option<Delivery>,
    /// Why, for Events; none if nothing changes.
    pub reasons: Vec<Reason>,
    /// Why the secret was replaced, if it was due.
    pub due: Option<Due>,
    /// Ids of replaced secrets that retire early, because nobody used them.
    pub unused: Vec<String>,
    /// When a credential retires next.
    pub next: Option<Timestamp>,
    /// When the secret is due to be replaced next.
    pub next_rotation: Option<Timestamp>,
    /// A problem that waits for somebody; the client has no other credentials than those listed.
    pub problem: Option<(Reason, String)>,
}

/// A secret on its way into the app's Secret.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The credential's id.
    pub credential_id: String,
    /// The secret.
    pub secret: ClientSecret,
    /// Whether status must list the new digest before the Secret is written (every one but the first).
    pub status_first: bool,
}

/// Decides what to do.
pub fn decide(
    client: &Client,
    known: Known<'_>,
    found: &Found,
    pepper: &Pepper,
    terms: &Terms,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Decision {
    let mut life = Life {
        client,
        pepper,
        terms,
        now,
        first: known.credentials.is_empty(),
        handled: known.now,
        uses: known.uses,
        credentials: known.credentials.to_vec(),
        reasons: Vec::new(),
        deliver: None,
        held: None,
        due: None,
        unused: Vec::new(),
        problem: None,
    };
    life.drop_weak();
    match found {
        _ if !client.has_secret() => life.retire_all(),
        Found::Nothing => life.mint(Reason::SecretCreated, rng),
        Found::Ours {
            credential_id,
            secret,
        } => {
            life.ours(credential_id.as_deref(), secret.as_ref(), rng);
        }
        Found::Foreign => {
            life.retire_all();
            life.mint(Reason::SecretUpdated, rng);
        }
        Found::Given { version, secret } => life.given(version, secret.as_ref()),
        Found::GivenMissing => {
            let message = "the Secret that `secretRef` names is not there; create it".to_owned();
            life.problem = Some((Reason::SecretNotFound, message));
        }
        Found::GivenOfType(kind) => {
            let message = format!(
                "the Secret that `secretRef` names is of type {kind}; only Opaque ones are taken: copy the \
                 value into one"
            );
            life.problem = Some((Reason::SecretInvalid, message));
        }
        Found::GivenReserved(what) => {
            let message =
                format!("the Secret that `secretRef` names {what}, and is no client's: name another");
            life.problem = Some((Reason::SecretInvalid, message));
        }
    }
    life.finish()
}

/// A decision in the making.
struct Life<'a> {
    client: &'a Client,
    pepper: &'a Pepper,
    terms: &'a Terms,
    now: Timestamp,
    /// Whether status knows no credential.
    first: bool,
    /// The last `rotation.now` that was seen to.
    handled: Option<&'a str>,
    uses: Option<&'a Seen>,
    /// Oldest first.
    credentials: Vec<Credential>,
    reasons: Vec<Reason>,
    deliver: Option<Delivery>,
    /// The id of the good credential that our Secret holds, when another is to be delivered.
    held: Option<String>,
    due: Option<Due>,
    unused: Vec<String>,
    problem: Option<(Reason, String)>,
}

impl Life<'_> {
    /// A client that authenticates otherwise has none.
    fn retire_all(&mut self) {
        if !self.first {
            self.reason(Reason::CredentialRetired);
        }
        self.credentials.clear();
    }

    /// Weak ones are refused at once when they are not accepted any more, whatever overlap there is and whatever
    /// the Secret holds by now.
    fn drop_weak(&mut self) {
        if self.terms.weak_secrets {
            return;
        }
        let count = self.credentials.len();
        self.credentials.retain(|known| !is_weak(known));
        if self.credentials.len() < count {
            self.reason(Reason::CredentialRetired);
        }
    }

    /// Our Secret is there, with this id in its annotation and this secret in its data.
    fn ours(&mut self, id: Option<&str>, secret: Option<&ClientSecret>, rng: &mut impl CryptoRng) {
        let id = id.filter(|id| is_id(id));
        let secret = secret.filter(|secret| is_generated(secret));
        let at = id.and_then(|id| self.credentials.iter().position(|known| known.id == id));
        match (at, secret) {
            (Some(at), Some(secret)) if self.holds(at, secret) => {
                self.restore(at, secret);
                let undelivered = self.drop_undelivered(at);
                self.settle(at);
                self.due = due::of(
                    self.client.rotation(),
                    &self.credentials[at],
                    self.handled,
                    self.now,
                );
                if undelivered || self.due.is_some() {
                    self.held = Some(self.credentials[at].id.clone());
                    self.mint(Reason::SecretUpdated, rng);
                } else {
                    self.retire_unused(at);
                }
            }
            // Status is empty beside a Secret of ours.
            (_, Some(secret)) if self.first => {
                let lost = id.is_none();
                let id = id.map_or_else(|| credentials::credential_id(rng), str::to_owned);
                self.add(&id, secret);
                self.reason(Reason::DigestsRestored);
                self.deliver = lost.then(|| Delivery {
                    credential_id: id,
                    secret: secret.clone(),
                    status_first: true,
                });
            }
            // It was edited, or names a credential that nobody knows.
            _ => {
                if let Some(at) = at {
                    self.drop_undelivered(at);
                }
                self.mint(Reason::SecretUpdated, rng);
            }
        }
    }

    /// The Secret that `secretRef` names is there.
    fn given(&mut self, version: &str, secret: Option<&ClientSecret>) {
        let (secret, weak) = match judge(secret, self.terms.weak_secrets) {
            Ok(judged) => judged,
            Err(message) => {
                // one that was good enough before is refused at once, whatever overlap there is
                let (pepper, uid) = (self.pepper, self.client.uid());
                let refused = |known: &Credential| {
                    secret.is_some_and(|secret| credentials::matches(pepper, uid, known, secret))
                };
                self.credentials.retain(|known| !refused(known));
                self.problem = Some((Reason::SecretInvalid, message));
                return;
            }
        };
        let id = given_id(version, 0, weak);
        let same_value =
            |known: &Credential| credentials::matches(self.pepper, self.client.uid(), known, secret);
        // Its digest is under a pepper that is gone, so the version has to do.
        let same_version = |known: &Credential| known.id == id && !self.has_pepper(known);
        let known = &self.credentials;
        let at = known
            .iter()
            .position(same_value)
            .or_else(|| known.iter().position(same_version));
        if let Some(at) = at {
            self.restore(at, secret);
            self.settle(at);
            return;
        }
        // One version gives two values when `secretRef` comes to name another key of the Secret.
        let is_free = |id: &String| known.iter().all(|known| known.id != *id);
        let id = (0..)
            .map(|n| given_id(version, n, weak))
            .find(is_free)
            .unwrap_or(id);
        self.add(&id, secret);
        if self.first {
            self.reason(Reason::DigestsRestored);
        }
        self.settle(self.credentials.len() - 1);
    }

    /// Draws a new credential, current from now on and to be delivered.
    fn mint(&mut self, why: Reason, rng: &mut impl CryptoRng) {
        let (id, secret) = (credentials::credential_id(rng), ClientSecret::generate(rng));
        self.add(&id, &secret);
        self.settle(self.credentials.len() - 1);
        self.reason(why);
        self.deliver = Some(Delivery {
            credential_id: id,
            secret,
            status_first: !self.first,
        });
    }

    fn add(&mut self, id: &str, secret: &ClientSecret) {
        self.credentials.push(Credential {
            id: id.to_owned(),
            digest: credentials::digest(self.pepper, self.client.uid(), id, secret),
            created_at: stored(self.now),
            retires_at: None,
            last_used_at: None,
        });
    }

    /// Makes one credential the current one: all others retire, if that is not planned already.
    fn settle(&mut self, current: usize) {
        let own = self.client.rotation().and_then(|rotation| rotation.overlap);
        let retires_at = stored(later(self.now, own.unwrap_or(self.terms.overlap)));
        let mut rotated = false;
        for (at, known) in self.credentials.iter_mut().enumerate() {
            if at == current {
                known.retires_at = None;
            } else if known.retires_at.is_none() {
                known.retires_at = Some(retires_at.clone());
                rotated = true;
            }
        }
        if rotated {
            // A shorter overlap is for those too that were replaced earlier: one of them may be why.
            for known in &mut self.credentials {
                known.retires_at = known.retires_at.take().map(|at| at.min(retires_at.clone()));
            }
        }
        if rotated {
            self.reason(Reason::CredentialRotated);
        }
    }

    /// Whether a credential is that of the secret in our Secret. If its pepper is gone, that cannot be
    /// told, and the Secret is believed.
    fn holds(&self, at: usize, secret: &ClientSecret) -> bool {
        let known = &self.credentials[at];
        !self.has_pepper(known) || credentials::matches(self.pepper, self.client.uid(), known, secret)
    }

    fn has_pepper(&self, known: &Credential) -> bool {
        self.pepper.key(credentials::pepper_id(&known.digest)).is_some()
    }

    /// Computes a digest again that is not under the current pepper.
    fn restore(&mut self, at: usize, secret: &ClientSecret) {
        let known = &mut self.credentials[at];
        if credentials::pepper_id(&known.digest) != self.pepper.current() {
            known.digest = credentials::digest(self.pepper, self.client.uid(), &known.id, secret);
            self.reason(Reason::DigestsRestored);
        }
    }

    /// Drops generated credentials that are newer than the one which the Secret names.
    fn drop_undelivered(&mut self, named: usize) -> bool {
        let before = self.credentials.len();
        let mut at = 0;
        self.credentials.retain(|known| {
            at += 1;
            at - 1 <= named || known.id.starts_with(GIVEN)
        });
        self.credentials.len() < before
    }

    fn reason(&mut self, reason: Reason) {
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}

/// Whether an annotation can be a generated credential's id.
fn is_id(id: &str) -> bool {
    id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a secret can be one that we generated.
fn is_generated(secret: &ClientSecret) -> bool {
    from_base64url(secret.expose()).is_some_and(|bytes| bytes.len() == 32)
}

#[cfg(test)]
mod tests;
