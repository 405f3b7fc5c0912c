//! What to write of CA and leaf: pure. A new CA is in every bundle for [`PUBLISH_FOR`] before it signs; until then
//! the present one signs, or, where that is lost, the leaf that it signed stays. CAs of the past stay in the bundles
//! until no leaf of theirs can be alive.
//!
//! No step of the clock destroys what can sign: a CA that begins in the future is put aside, and the one that it
//! took over from is kept beside it as long as it is trusted. The CA that signs is always under the keys that an
//! older operator reads.

use jiff::{SignedDuration, Timestamp};
use oidc_crds::secrets::Data;
use rcgen::KeyPair;

use super::authority::{Ca, LEAF_LIFE};
use super::certificate::{Certificate, after, bundle};
use super::{BUNDLE, CERTIFICATE, FORMER, KEY, NEXT, SIGNS, text};
use crate::context::Names;

/// How long a new CA is in the bundles before it signs: mounts are brought up to date within minutes, but many
/// programs read them at their start alone.
pub(super) const PUBLISH_FOR: SignedDuration = SignedDuration::from_hours(24 * 7);
/// A leaf that waits for a new CA is replaced this long before its end at the latest.
const MARGIN: SignedDuration = SignedDuration::from_hours(24);
/// A CA that ends sooner signs nothing more.
const LEAST: SignedDuration = SignedDuration::from_hours(48);
/// Clocks of two operators may differ.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// What cannot be told from the certificates: annotations of the CA's Secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// When the CA that waits was first in every bundle.
    pub(super) published: Option<Timestamp>,
    /// Since when the CA that signs does so; `None`: since it was made.
    pub(super) signs_since: Option<Timestamp>,
}

/// What there is.
pub(super) struct Found<'a> {
    /// Of the Secret of the CA.
    pub(super) ca: Option<&'a Data>,
    /// Of that Secret's annotations.
    pub(super) memory: Memory,
    /// Whether it cannot be told now that the CA which waits is in every bundle still.
    pub(super) unconfirmed: bool,
    /// Whether that Secret is not ours to write.
    pub(super) ca_is_foreign: bool,
    /// Of the Secret of the leaf.
    pub(super) leaf: Option<&'a Data>,
}

/// What to write, first the CA, and what is in force then.
pub(super) struct Plan {
    pub(super) ca: Option<(Data, Memory)>,
    pub(super) leaf: Option<Data>,
    /// Why there is another leaf.
    pub(super) why: Option<&'static str>,
    /// What apps must trust: certificates in PEM, the one that issued the leaf first.
    pub(super) bundle: String,
    /// The CA that waits until it has been in every bundle for long enough, if it is not known yet to be in all.
    pub(super) unpublished: Option<String>,
    /// What somebody should know.
    pub(super) warnings: Vec<&'static str>,
    /// Why nothing is written, though it should be.
    pub(super) problem: Option<String>,
    /// When to look again.
    pub(super) next: Timestamp,
}

/// The CAs that there are.
struct Authorities {
    signing: Ca,
    next: Option<Ca>,
    /// The one that signed before.
    former: Option<Ca>,
    memory: Memory,
    warnings: Vec<&'static str>,
}

/// Plans.
///
/// # Errors
/// What is wrong with the Secret of the CA, or why nothing can be made.
pub(super) fn plan(
    names: &Names,
    hosts: &[String],
    found: &Found<'_>,
    now: Timestamp,
) -> Result<Plan, String> {
    let mut all = authorities(names, found, now)?;
    // no leaf was signed by another CA later than that
    let forget_at = |all: &Authorities| {
        let made = after(all.signing.made(), PUBLISH_FOR);
        after(all.memory.signs_since.unwrap_or(made), LEAF_LIFE)
    };
    if now >= forget_at(&all) {
        all.former = None;
    }
    let mut trusted = trusted(found, &all, now < forget_at(&all), now);

    let state = match found.leaf {
        None => Err(Renew::because("there is none")),
        Some(data) => {
            let published = all.memory.published.filter(|_| !found.unconfirmed);
            renewal(data, &all, &trusted, published, hosts, now)
        }
    };
    let (mut leaf, due, why) = match (state, found.leaf) {
        (Ok(due), Some(data)) => (data.clone(), due, None),
        (state, _) => {
            let leaf = match all.signing.issue(hosts, now) {
                Ok(leaf) if can_sign(&all.signing, now) => leaf,
                Ok(_) => {
                    return refused(
                        found,
                        "it is over, or not valid yet, and not ours to replace",
                        now,
                    );
                }
                Err(problem) => return refused(found, &problem, now),
            };
            let why = state.err();
            if why.as_ref().is_none_or(|why| !why.own) && all.memory.signs_since.is_none() {
                all.memory.signs_since = Some(now);
            }
            let end = served(&leaf).map_or(now, |leaf| leaf.due());
            (leaf, end, why.map(|why| why.why))
        }
    };
    let served = served(&leaf);
    let own = served
        .as_ref()
        .is_some_and(|leaf| all.signing.certificate.issued(leaf));
    let waits = all.next.as_ref().or((!own).then_some(&all.signing));
    if waits.is_none() {
        all.memory.published = None;
    }
    let published = all.memory.published;
    let unpublished = waits.filter(|_| published.is_none() && !found.ca_is_foreign);
    let unpublished = unpublished.map(|ca| ca.certificate.pem.clone());
    let signs_from = waits.and(published).map(|at| after(at, PUBLISH_FOR));

    // a program that reads only the first certificate of a bundle goes on too
    trusted.sort_by_key(|ca| !served.as_ref().is_some_and(|leaf| ca.issued(leaf)));
    let bundle: String = trusted.iter().map(Certificate::block).collect();
    leaf.insert(BUNDLE.to_owned(), bundle.clone().into_bytes());

    let times = [
        Some(due),
        Some(all.signing.due()),
        signs_from,
        Some(forget_at(&all)),
    ];
    let next = times.into_iter().flatten().filter(|at| *at > now).min();
    let ca = (all.data(found.ca, trusted.len(), &bundle), all.memory);
    let same = found.ca == Some(&ca.0) && found.memory == ca.1;
    Ok(Plan {
        ca: (!found.ca_is_foreign && !same).then_some(ca),
        leaf: (found.leaf != Some(&leaf)).then_some(leaf),
        why,
        bundle,
        unpublished,
        warnings: all.warnings,
        problem: None,
        next: next.unwrap_or(due),
    })
}

/// A CA that cannot be used and is somebody's: what is there goes on, and nothing is written.
fn refused(found: &Found<'_>, problem: &str, now: Timestamp) -> Result<Plan, String> {
    let bundle = found.leaf.and_then(|leaf| text(leaf, BUNDLE));
    Ok(Plan {
        ca: None,
        leaf: None,
        why: None,
        bundle: bundle.ok_or_else(|| problem.to_owned())?,
        unpublished: None,
        warnings: Vec::new(),
        problem: Some(problem.to_owned()),
        next: after(now, MARGIN),
    })
}

fn served(leaf: &Data) -> Option<Certificate> {
    Certificate::read(&text(leaf, CERTIFICATE)?)
}

fn begun(ca: &Ca, now: Timestamp) -> bool {
    ca.certificate.begin <= after(now, SKEW)
}

fn can_sign(ca: &Ca, now: Timestamp) -> bool {
    begun(ca, now) && ca.certificate.end > after(now, LEAST)
}

/// The CAs as they must be now.
fn authorities(names: &Names, found: &Found<'_>, now: Timestamp) -> Result<Authorities, String> {
    let Some(data) = found.ca else {
        return Ok(Authorities {
            signing: Ca::generate(names, now)?,
            next: None,
            former: None,
            memory: Memory::default(),
            warnings: Vec::new(),
        });
    };
    let mut all = Authorities {
        signing: Ca::read(data, SIGNS)?,
        next: Ca::read(data, NEXT).ok(),
        former: Ca::read(data, FORMER).ok(),
        memory: found.memory,
        warnings: Vec::new(),
    };
    if found.ca_is_foreign {
        all.memory.published = Some(all.signing.made());
        return Ok(all);
    }
    // a clock that was ahead wrote it
    all.memory.published = all.memory.published.filter(|at| *at <= after(now, SKEW));
    let published = all.memory.published.filter(|_| !found.unconfirmed);
    let published = published.is_some_and(|at| after(at, PUBLISH_FOR) <= now);
    let usable = can_sign(&all.signing, now);
    match all.next.take() {
        Some(next) if can_sign(&next, now) && (published || !usable) => {
            if !published {
                all.warnings
                    .push("the CA is over, and the next one signs, though not all may know it yet");
            }
            let past = all.sign_with(next, now);
            all.former = Some(past);
        }
        next => all.next = next,
    }
    if can_sign(&all.signing, now) {
        let due = now >= all.signing.due();
        if due && !all.next.as_ref().is_some_and(|next| begun(next, now)) {
            all.next = Some(Ca::generate(names, now)?);
            all.memory.published = None;
        }
        return Ok(all);
    }
    let other = match all.former.take() {
        Some(former) if can_sign(&former, now) => {
            all.warnings
                .push("the CA is not valid now (was the clock set?): the one before it signs again");
            former
        }
        former => {
            all.former = former;
            all.warnings
                .push("the CA is not valid now (was the clock set?): a new one is made and signs at once");
            Ca::generate(names, now)?
        }
    };
    let past = all.sign_with(other, now);
    if begun(&past, now) {
        all.former = Some(past);
    } else {
        all.next = Some(past);
    }
    Ok(all)
}

impl Authorities {
    /// Another CA signs from now on; the one that did.
    fn sign_with(&mut self, other: Ca, now: Timestamp) -> Ca {
        self.memory = Memory {
            published: None,
            signs_since: Some(now),
        };
        std::mem::replace(&mut self.signing, other)
    }

    /// What the Secret must hold. One that an older operator made stays as it is while nothing changes.
    fn data(&self, found: Option<&Data>, trusted: usize, bundle: &str) -> Data {
        let mut data = found.cloned().unwrap_or_default();
        self.signing.put(&mut data, SIGNS);
        for (ca, keys) in [(&self.next, NEXT), (&self.former, FORMER)] {
            match ca {
                Some(ca) => ca.put(&mut data, keys),
                None => keys.iter().for_each(|key| drop(data.remove(*key))),
            }
        }
        if trusted > 1 || data.contains_key(BUNDLE) {
            data.insert(BUNDLE.to_owned(), bundle.as_bytes().to_vec());
        }
        data
    }
}

/// The CAs of the bundles. `past`: whether leaves of others may be alive.
fn trusted(found: &Found<'_>, all: &Authorities, past: bool, now: Timestamp) -> Vec<Certificate> {
    let mut trusted = vec![all.signing.certificate.clone()];
    let kept = [&all.next, &all.former].into_iter().flatten();
    // one that seems to be over may not be, by a clock that is right
    trusted.extend(kept.map(|ca| ca.certificate.clone()));
    let known = [found.ca, found.leaf].into_iter().flatten().filter(|_| past);
    let known = known.filter_map(|data| text(data, BUNDLE));
    for one in known.flat_map(|text| bundle(&text)) {
        let is_new = trusted.iter().all(|other| other.der != one.der);
        if is_new && one.is_ca && one.end > now {
            trusted.push(one);
        }
    }
    trusted
}

/// Why a leaf must be made anew.
struct Renew {
    why: &'static str,
    /// Whether the CA that signs issued it.
    own: bool,
}

impl Renew {
    fn because(why: &'static str) -> Self {
        Self { why, own: false }
    }
}

/// When the leaf is due, or why it must be made anew now. While the CA is new, the leaf of another one that is
/// trusted stays.
fn renewal(
    data: &Data,
    all: &Authorities,
    trusted: &[Certificate],
    published: Option<Timestamp>,
    hosts: &[String],
    now: Timestamp,
) -> Result<Timestamp, Renew> {
    let unreadable = || Renew::because("it cannot be read");
    let leaf = served(data).ok_or_else(unreadable)?;
    let key = text(data, KEY)
        .and_then(|key| KeyPair::from_pem(&key).ok())
        .ok_or_else(unreadable)?;
    let own = all.signing.certificate.issued(&leaf);
    let anew = |why| Err(Renew { why, own });
    if leaf.public_key != key.public_key_raw() {
        return anew("key and certificate do not belong together");
    }
    let (mut named, mut wanted) = (leaf.names.clone(), hosts.to_vec());
    named.sort();
    wanted.sort();
    if named != wanted {
        return anew("the names are others");
    }
    if now < leaf.begin {
        return anew("it is not valid yet");
    }
    if own {
        return if now < leaf.due() {
            Ok(leaf.due())
        } else {
            anew("two thirds of its life are over")
        };
    }
    let waits = all.memory.signs_since.is_none() && trusted.iter().any(|ca| ca.issued(&leaf));
    let published = published.map(|at| after(at, PUBLISH_FOR));
    let end = after(leaf.end, -MARGIN);
    let due = published.map_or(end, |at| at.min(end));
    if waits && now < due {
        Ok(due)
    } else {
        anew("the CA is another")
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
