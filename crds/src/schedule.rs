//! The phases of signing keys as a pure function of specs, known keys, acknowledgements and time. The
//! operator and the standalone provider both call it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::names::{Algorithm, Seconds};
use crate::resources::Reason;
use crate::resources::SigningKeySpec;
use crate::secrets::key_set::{KeySet, KeyState, Owner};

/// A SigningKey as the schedule sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Which object.
    pub owner: Owner,
    /// When it was created: of two for one algorithm the older rules.
    pub created_at: Timestamp,
    /// Its spec, already validated.
    pub spec: SigningKeySpec,
}

/// Which pods have acknowledged which key set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Acknowledgements {
    /// Pods whose word counts, with what each has acknowledged ([`KeySet::acknowledgement`]); empty: nobody
    /// has to be waited for.
    pub pods: Vec<(String, Option<String>)>,
}

/// What the schedule must know beside the keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// The longest lifetime of anything signed: access and ID tokens.
    pub longest_token: Seconds,
    /// The absolute lifetime of sessions: as long are removed keys' public halves kept.
    pub session: Seconds,
    /// `publishFor` where a SigningKey gives none.
    pub publish_for: Seconds,
    /// Algorithms that accepted clients name.
    pub in_use: BTreeSet<Algorithm>,
    /// Whether this is the very first start: no key set, no key in any status, no pod with a revision.
    pub first: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The keys as they must become. Those in phase `Pending` are to be minted by the caller (fill `kid`,
    /// `jwk`, `public`) and then published or activated by calling [`mint`].
    pub keys: Vec<KeyState>,
    /// The algorithm for clients that name none.
    pub default_algorithm: Option<Algorithm>,
    /// Whether anything differs from the given keys.
    pub changed: bool,
    /// When the next step is due, if time alone brings it.
    pub next: Option<Timestamp>,
    /// What happened or is waited for, per SigningKey's name, for conditions and Events.
    pub notes: Vec<(String, Reason, String)>,
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
    let _ = (wanted, set, acknowledgements, terms, now);
    todo!()
}
