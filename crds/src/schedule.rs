//! The phases of signing keys as a pure function of specs, known keys, acknowledgements and time:
//! [`schedule`]. The operator and the standalone provider both call it, then [`Schedule::next_set`], which
//! mints what is to be minted, and write that.
//!
//! ```text
//! Pending ──mint──> Published ──promote──> Active ──replaced──> Retiring ──expired──> Removed ──> dropped
//!    └── first key of an installation ───────^        └── superseded before it signed ──^
//! ```
//! - A key signs only once it has been published for `publishFor`, every counted pod has acknowledged a set
//!   that holds it, and what verifiers read of the last one before that has expired. So nothing is signed
//!   that a verifier could not check.
//! - At most one key of an algorithm is Active. It signs on until its successor is Active.
//! - A key leaves the JWKS only when everything that it signed has expired, counted from when every pod
//!   has acknowledged that it no longer signs.
//! - A revoked key is Removed at once. Where it signed, the next key signs without waiting.
//! - Clocks may be set back: nothing is due later by that than its own wait, and nothing ends sooner.
//! - A SigningKey that comes back under another UID has the keys that it had.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::client::Client;
use crate::jwk::{KeyError, PrivateJwk};
use crate::names::{Algorithm, Seconds};
use crate::resources::Reason;
use crate::resources::SigningKeySpec;
use crate::resources::signing_key::Phase;
use crate::secrets::installation::Lifetimes;
use crate::secrets::key_set::{Caches, KeySet, KeyState, LostKey, Owner};
use crate::time::stored;

mod adopt;
mod caches;
mod clock;
mod ends;
mod imports;
mod lost;
mod report;
mod revoke;
mod status;
mod steps;

pub use lost::lost_keys;
pub use status::status_of;

/// What is added to the lifetime of what a key signed: clocks differ, and pods take time to hear.
pub const SKEW: Seconds = Seconds(10);

/// A SigningKey as the schedule sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Which object.
    pub owner: Owner,
    /// When it was created: of two for one algorithm the older rules.
    pub created_at: Timestamp,
    /// Its spec, already validated.
    pub spec: SigningKeySpec,
    /// What its `secretRef` gives; `None`: it has none, so its keys are generated.
    pub import: Option<Import>,
}

impl Wanted {
    /// Of two the lesser is the older.
    fn age(&self) -> (Timestamp, &Owner) {
        (self.created_at, &self.owner)
    }

    /// The kid of the key that it imports.
    fn imports(&self) -> Option<String> {
        match &self.import {
            Some(Import::Key(jwk)) => jwk.thumbprint().ok(),
            _ => None,
        }
    }
}

/// What a SigningKey's `secretRef` gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Import {
    /// A good key for its algorithm ([`import`](crate::jwk::import)).
    Key(PrivateJwk),
    /// No key: why, for the condition.
    Missing(Reason, String),
}

/// Which pods have acknowledged which key set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Acknowledgements {
    /// Pods whose word counts, with what each has acknowledged ([`KeySet::acknowledgement`]); empty: nobody
    /// has to be waited for.
    pub pods: Vec<(String, Option<String>)>,
    /// When a JWKS that a verifier read before the last of them changed its word is too old to be used;
    /// `None`: no pod changed it lately.
    pub caches_expire: Option<Timestamp>,
}

impl Acknowledgements {
    /// Pods that have not acknowledged this set; without one, all of them.
    pub fn missing(&self, set: Option<&KeySet>) -> impl Iterator<Item = &str> {
        let word = set.map(KeySet::acknowledgement);
        let missing = self.pods.iter();
        let missing = missing.filter(move |(_, said)| *said != word || word.is_none());
        missing.map(|(pod, _)| pod.as_str())
    }
}

/// What the schedule must know beside the keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// The longest lifetime of anything that may be signed: access and ID tokens.
    pub longest_token: Seconds,
    /// The absolute lifetime of sessions: as long are removed keys' public halves kept.
    pub session: Seconds,
    /// `publishFor` where a SigningKey gives none.
    pub publish_for: Seconds,
    /// Algorithms that accepted clients name.
    pub in_use: BTreeSet<Algorithm>,
    /// UIDs of SigningKeys that exist, but whose spec is refused, with when each was created: nothing is minted
    /// for them, the keys that they have go on, and no younger one takes their algorithm.
    pub refused: BTreeMap<String, Timestamp>,
    /// Kids that any SigningKey revokes, refused ones too.
    pub revoked: BTreeSet<String>,
    /// How long verifiers may hold a JWKS, with a margin
    /// ([`shortest_publish_for`](crate::validate::shortest_publish_for)).
    pub cache: Seconds,
    /// Keys that statuses tell of and the set does not hold ([`lost_keys`]).
    pub lost: Vec<LostKey>,
    /// Whether this is the very first start: no key set, no key in any status, no pod with a revision.
    pub first: bool,
}

/// What the accepted clients ask of the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// Algorithms that they name.
    pub algorithms: BTreeSet<Algorithm>,
    /// The longest lifetime of their tokens.
    pub longest_token: Seconds,
}

impl Demand {
    /// Of these clients.
    #[must_use]
    pub fn of<'a>(clients: impl IntoIterator<Item = &'a Client>) -> Self {
        let mut demand = Self::default();
        for client in clients {
            let named = [client.id_token_alg(), client.access_token_alg()];
            demand.algorithms.extend(named.into_iter().flatten());
            demand.longest_token = demand.longest_token.max(client.longest_token());
        }
        demand
    }

    /// Of clients that are not known: they may name any algorithm.
    #[must_use]
    pub fn anything() -> Self {
        Self {
            algorithms: BTreeSet::from(Algorithm::ALL),
            longest_token: Seconds(0),
        }
    }

    /// Adds what other clients ask.
    pub fn join(&mut self, other: &Self) {
        self.algorithms.extend(&other.algorithms);
        self.longest_token = self.longest_token.max(other.longest_token);
    }

    /// The longest lifetime of anything signed: what clients choose, and what the next one gets.
    #[must_use]
    pub fn longest_token(&self, lifetimes: &Lifetimes) -> Seconds {
        self.longest_token
            .max(lifetimes.access_token)
            .max(lifetimes.id_token)
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The keys as they must become, oldest first. Those in phase `Pending` are to be minted by the caller
    /// with [`fill`]; they may not be written before.
    pub keys: Vec<KeyState>,
    /// The algorithm for clients that name none; `None`: there is no SigningKey and never was.
    pub default_algorithm: Option<Algorithm>,
    /// What is known of keys that were lost.
    pub lost: Vec<LostKey>,
    /// How long verifiers hold a JWKS.
    pub caches: Caches,
    /// Whether anything differs from the given set.
    pub changed: bool,
    /// When the next step is due, if time alone brings it.
    pub next: Option<Timestamp>,
    /// What happened or is waited for, per SigningKey's name, for conditions and Events. A deleted
    /// SigningKey can be among them.
    pub notes: Vec<(String, Reason, String)>,
    /// The next step of each SigningKey, by name, for people: `status.nextStep`.
    pub steps: BTreeMap<String, String>,
    /// Until when the key that a SigningKey will sign with waits for caches, by the SigningKey's name.
    pub waits: BTreeMap<String, Timestamp>,
}

/// What is told of a key that waits for caches.
#[must_use]
pub fn waits_for_caches(kid: &str, until: Timestamp) -> String {
    format!(
        "key {kid} waits until {} for JWKS caches to expire",
        stored(until).0
    )
}

/// The next state of all keys. `set` is the key set as it is (`None`: there is none).
#[must_use]
pub fn schedule(
    wanted: &[Wanted],
    set: Option<&KeySet>,
    acknowledgements: &Acknowledgements,
    terms: &Terms,
    now: Timestamp,
) -> Schedule {
    let mut plan = steps::Plan::new(wanted, set, acknowledgements, terms, now);
    plan.adopt();
    plan.believe_clock();
    plan.revoke();
    plan.drop_superseded();
    plan.import();
    plan.promote();
    plan.mint();
    plan.choose_default();
    plan.replace_revoked();
    plan.retire();
    plan.remove();
    plan.forget_lost();
    plan.finish()
}

/// Completes a `Pending` key: sets `kid`, `jwk`, `public` and the phase that the schedule meant it to have,
/// which is `Active` if `signsFrom` is given (the first key of an installation) and else `Published`.
///
/// # Errors
/// When the key is not `Pending` or the JWK is of another algorithm.
pub fn fill(key: &mut KeyState, jwk: PrivateJwk) -> Result<(), KeyError> {
    if key.phase != Phase::Pending {
        return Err(KeyError("the key was minted already".to_owned()));
    }
    if jwk.algorithm()? != key.algorithm {
        return Err(KeyError(format!("a key for {} was asked for", key.algorithm)));
    }
    key.kid = jwk.thumbprint()?;
    key.public = Some(jwk.public()?);
    key.jwk = Some(jwk);
    key.phase = match key.signs_from {
        Some(_) => Phase::Active,
        None => Phase::Published,
    };
    Ok(())
}

impl Schedule {
    /// The set to write: mints with `generate` (say [`PrivateJwk::generate`], which takes long for RSA) and
    /// counts the revision on. `None`: nothing is to be written.
    ///
    /// # Errors
    /// What `generate` returns.
    pub fn next_set(
        mut self,
        former: Option<&KeySet>,
        mut generate: impl FnMut(Algorithm, Option<u32>) -> Result<PrivateJwk, KeyError>,
    ) -> Result<Option<KeySet>, KeyError> {
        let Some(default_algorithm) = self.default_algorithm.filter(|_| self.changed) else {
            return Ok(None);
        };
        for key in self.keys.iter_mut().filter(|key| key.phase == Phase::Pending) {
            let jwk = generate(key.algorithm, key.rsa_bits)?;
            fill(key, jwk)?;
        }
        Ok(Some(KeySet {
            version: 1,
            revision: former.map_or(0, |set| set.revision) + 1,
            keys: self.keys,
            default_algorithm,
            lost: self.lost,
            caches: Some(self.caches),
        }))
    }
}

#[cfg(test)]
mod tests;
