//! What to write of CA and leaf: pure. A new CA is in every bundle for [`PUBLISH_FOR`] before it signs; until then
//! the former one signs, if its key is there, or the leaf that it signed stays. Former CAs stay in the bundles
//! until no leaf of theirs can be alive. Everything follows from the certificates' own times, so there is nothing
//! to remember.

use jiff::{SignedDuration, Timestamp};
use oidc_crds::secrets::Data;
use rcgen::KeyPair;

use super::authority::{Ca, LEAF_LIFE};
use super::certificate::{Certificate, bundle};
use super::{BUNDLE, CERTIFICATE, FORMER, KEY, SIGNS, text};
use crate::context::Names;

/// How long a new CA is in the bundles before it signs: mounts are brought up to date within minutes, but many
/// programs read them at their start alone.
pub(super) const PUBLISH_FOR: SignedDuration = SignedDuration::from_hours(24 * 7);
/// A leaf that waits for a new CA is replaced this long before its end at the latest.
const MARGIN: SignedDuration = SignedDuration::from_hours(24);

/// What there is.
pub(super) struct Found<'a> {
    /// Of the Secret of the CA.
    pub(super) ca: Option<&'a Data>,
    /// Whether that Secret is not ours to write.
    pub(super) ca_is_foreign: bool,
    /// Of the Secret of the leaf.
    pub(super) leaf: Option<&'a Data>,
}

/// What to write, first the CA, and what is in force then.
pub(super) struct Plan {
    pub(super) ca: Option<Data>,
    pub(super) leaf: Option<Data>,
    /// Why there is another leaf.
    pub(super) why: Option<&'static str>,
    /// What apps must trust: certificates in PEM, the one that issued the leaf first.
    pub(super) bundle: String,
    /// When to look again.
    pub(super) next: Timestamp,
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
    let (newest, former) = authorities(names, found, now)?;
    let signs_from = newest.made() + PUBLISH_FOR;
    // no leaf was signed by a former CA later than that
    let forget_at = signs_from + LEAF_LIFE;
    let signer = former.as_ref().unwrap_or(&newest);

    let mut trusted = vec![newest.certificate.clone()];
    if now < forget_at {
        let known = [found.ca, found.leaf].into_iter().flatten();
        let known = known.filter_map(|data| text(data, BUNDLE));
        let known = known.flat_map(|text| bundle(&text));
        let former = former.iter().map(|former| former.certificate.clone());
        for one in former.chain(known) {
            let is_new = trusted.iter().all(|other| other.der != one.der);
            if is_new && one.is_ca && one.end > now {
                trusted.push(one);
            }
        }
    }

    let wait = (now < signs_from).then_some((signs_from, &trusted[..]));
    let state = match found.leaf {
        None => Err("there is none"),
        Some(data) => renewal(data, &signer.certificate, wait, hosts, now),
    };
    let (mut leaf, due, why) = match (state, found.leaf) {
        (Ok(due), Some(data)) => (data.clone(), due, None),
        (state, _) => (signer.issue(hosts, now)?, now + LEAF_LIFE * 2 / 3, state.err()),
    };
    let served = text(&leaf, CERTIFICATE).and_then(|pem| Certificate::read(&pem));
    // a program that reads only the first certificate of a bundle goes on too
    trusted.sort_by_key(|ca| !served.as_ref().is_some_and(|leaf| ca.issued(leaf)));
    let bundle: String = trusted.iter().map(|ca| ca.pem.as_str()).collect();
    leaf.insert(BUNDLE.to_owned(), bundle.clone().into_bytes());

    let mut ca = found.ca.cloned().unwrap_or_default();
    newest.put(&mut ca, SIGNS);
    FORMER.iter().for_each(|key| drop(ca.remove(*key)));
    if let Some(former) = &former {
        former.put(&mut ca, FORMER);
    }
    ca.insert(BUNDLE.to_owned(), bundle.clone().into_bytes());

    let times = [due, newest.due(), signs_from, forget_at];
    let next = times.into_iter().filter(|at| *at > now).min();
    Ok(Plan {
        ca: (!found.ca_is_foreign && found.ca != Some(&ca)).then_some(ca),
        leaf: (found.leaf != Some(&leaf)).then_some(leaf),
        why,
        bundle,
        next: next.unwrap_or(due),
    })
}

/// The newest CA, and the one that signs until the newest does, if there is one.
fn authorities(names: &Names, found: &Found<'_>, now: Timestamp) -> Result<(Ca, Option<Ca>), String> {
    let Some(data) = found.ca else {
        return Ok((Ca::generate(names, now)?, None));
    };
    let newest = Ca::read(data, SIGNS)?;
    let can_sign = |ca: &Ca| ca.certificate.end > now + LEAF_LIFE;
    if now >= newest.due() && !found.ca_is_foreign {
        return Ok((Ca::generate(names, now)?, Some(newest).filter(can_sign)));
    }
    let former = if now < newest.made() + PUBLISH_FOR {
        Ca::read(data, FORMER).ok().filter(can_sign)
    } else {
        None
    };
    Ok((newest, former))
}

/// When the leaf is due, or why it must be made anew now. `wait`: until when leaves of other CAs that are trusted
/// stay, because the signer is not trusted everywhere yet.
fn renewal(
    data: &Data,
    signer: &Certificate,
    wait: Option<(Timestamp, &[Certificate])>,
    hosts: &[String],
    now: Timestamp,
) -> Result<Timestamp, &'static str> {
    let unreadable = "it cannot be read";
    let pem = text(data, CERTIFICATE).ok_or(unreadable)?;
    let key = text(data, KEY)
        .and_then(|key| KeyPair::from_pem(&key).ok())
        .ok_or(unreadable)?;
    let leaf = Certificate::read(&pem).ok_or(unreadable)?;
    if leaf.public_key != key.public_key_raw() {
        return Err("key and certificate do not belong together");
    }
    let (mut named, mut wanted) = (leaf.names.clone(), hosts.to_vec());
    named.sort();
    wanted.sort();
    if named != wanted {
        return Err("the names are others");
    }
    if now < leaf.begin {
        return Err("it is not valid yet");
    }
    if signer.issued(&leaf) {
        let due = leaf.begin + leaf.end.duration_since(leaf.begin) * 2 / 3;
        return if now < due {
            Ok(due)
        } else {
            Err("two thirds of its life are over")
        };
    }
    let due = wait
        .filter(|(_, trusted)| trusted.iter().any(|ca| ca.issued(&leaf)))
        .map(|(until, _)| until.min(leaf.end - MARGIN));
    due.filter(|due| now < *due).ok_or("the CA is another")
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
