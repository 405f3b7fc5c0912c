//! What an `OidcClient` gets when a program registers it (RFC 7591), and how that changes when the program changes it
//! (RFC 7592): a registration of its own, with digests of what only the answers tell. Both registrars, in the cluster
//! and standalone, come here.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rand_core::CryptoRng;

use crate::client::registration_scope;
use crate::credentials::{ClientSecret, Kind, credential_id, decoy, digest_of, is_digest_of};
use crate::names::{LABEL_REGISTERED, REGISTERED, Seconds};
use crate::resources::oidc_client::{Registration, RegistrationAccess};
use crate::resources::{OidcClient, limits};
use crate::secrets::installation::Registration as Rules;
use crate::secrets::pepper::Pepper;
use crate::time::later;
use crate::uses::{RECENT, Seen, Unused};

/// How long the registration access token is still accepted that a change replaced: whoever did not get the answer
/// asks again with it.
pub const OVERLAP: SignedDuration = SignedDuration::from_mins(5);

/// What only the answer tells.
#[derive(Debug)]
pub struct Issued {
    /// The client's new secret; `None`: it has none, or goes on with the one that it has.
    pub secret: Option<ClientSecret>,
    /// The registration access token.
    pub access: ClientSecret,
}

/// Gives an object, which has its namespace and name, a registration. `token`: the name of the initial access token
/// that it is made with.
pub fn register(
    object: &mut OidcClient,
    has_secret: bool,
    token: Option<String>,
    pepper: &Pepper,
    rng: &mut impl CryptoRng,
) -> Issued {
    let mut registration = Registration {
        id: credential_id(rng),
        token,
        ..Registration::default()
    };
    let scope = scope(object);
    let issued = issue(&mut registration, has_secret, &scope, pepper, rng);
    object.spec.registration = Some(Box::new(registration));
    issued
}

/// Whether the object has a registration that a token opens at `now`.
#[must_use]
pub fn opens(object: &OidcClient, token: &ClientSecret, pepper: &Pepper, now: Timestamp) -> bool {
    let registration = object.spec.registration.as_deref();
    accepts(registration, &scope(object), token, pepper, now)
}

/// Whether a registration accepts a registration access token at `now`; `scope` as in
/// [`registration_scope`]. Without a registration it takes the time that it takes with one.
#[must_use]
pub fn accepts(
    registration: Option<&Registration>,
    scope: &str,
    token: &ClientSecret,
    pepper: &Pepper,
    now: Timestamp,
) -> bool {
    let Some(registration) = registration.filter(|registration| !registration.access.is_empty()) else {
        let nobody = decoy();
        let _ = is_digest_of(Kind::Access, &nobody.digest, pepper, scope, &nobody.id, token);
        return false;
    };
    let mut accepted = false;
    for known in &registration.access {
        let equal = is_digest_of(
            Kind::Access,
            &known.digest,
            pepper,
            scope,
            &registration.id,
            token,
        );
        accepted |= equal & known.is_accepted(now);
    }
    accepted
}

/// Whether this is the secret that the object's registration was told.
#[must_use]
pub fn has_secret(object: &OidcClient, secret: &ClientSecret, pepper: &Pepper) -> bool {
    let registration = object.spec.registration.as_deref();
    registration.is_some_and(|registration| {
        registration.secret_digest.as_ref().is_some_and(|digest| {
            is_digest_of(
                Kind::Secret,
                digest,
                pepper,
                &scope(object),
                &registration.id,
                secret,
            )
        })
    })
}

/// Brings the registration up to date with a changed spec: a secret if it is to have one and has none, and a new
/// registration access token. Those of before are accepted for [`OVERLAP`] more at most, the presented one among
/// them. `None`, and nothing changes, for an object without a registration.
pub fn renew(
    object: &mut OidcClient,
    has_secret: bool,
    presented: &ClientSecret,
    pepper: &Pepper,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Option<Issued> {
    let scope = scope(object);
    let registration = object.spec.registration.as_deref_mut()?;
    let id = registration.id.clone();
    registration.access.retain(|known| known.is_accepted(now));
    let end = now + OVERLAP;
    for known in &mut registration.access {
        let end = known
            .retires_at
            .as_ref()
            .map_or(end, |planned| planned.0.min(end));
        known.retires_at = Some(Time(end));
    }
    // newest first, but for the one that somebody has for sure
    registration
        .access
        .sort_by_key(|known| !is_digest_of(Kind::Access, &known.digest, pepper, &scope, &id, presented));
    let issued = issue(registration, has_secret, &scope, pepper, rng);
    registration.access.truncate(limits::REGISTRATION_ACCESS);
    Some(issued)
}

fn issue(
    registration: &mut Registration,
    has_secret: bool,
    scope: &str,
    pepper: &Pepper,
    rng: &mut impl CryptoRng,
) -> Issued {
    let make = |kind, secret: &ClientSecret, id: &str| digest_of(kind, pepper, scope, id, secret);
    let secret = (has_secret && registration.secret_digest.is_none()).then(|| ClientSecret::generate(rng));
    if let Some(secret) = &secret {
        registration.secret_digest = Some(make(Kind::Secret, secret, &registration.id));
    } else if !has_secret {
        registration.secret_digest = None;
    }
    let access = ClientSecret::generate(rng);
    let newest = RegistrationAccess {
        digest: make(Kind::Access, &access, &registration.id),
        retires_at: None,
    };
    registration.access.insert(0, newest);
    Issued { secret, access }
}

/// What becomes of an object that may never have been used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays: it was used, no program registered it, or nobody asked.
    Stays,
    /// That is to be asked again then.
    Again(Timestamp),
    /// It is to be deleted.
    Expired,
}

/// The longest time that something can be proven to be unused in: uses are kept a day longer.
const PROVABLE: Seconds = Seconds(7 * 86400);

/// When to look again while it is not proven.
const LATER: Seconds = Seconds(60);

/// What becomes of an object, given the installation's rules and what is known of its uses. It expires only if it
/// is proven that nobody used it: for as long as the rules say, or for the last seven days of that if they say more,
/// and for five minutes beyond. What is known may be that old, and a deletion is final: whoever deletes asks the pods
/// anew right before, and decides on their answer.
#[must_use]
pub fn fate(object: &OidcClient, rules: Option<&Rules>, seen: &Seen, now: Timestamp) -> Fate {
    let metadata = &object.metadata;
    let made = metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(LABEL_REGISTERED))
        .is_some_and(|by| by == REGISTERED);
    let made = made && object.spec.registration.is_some();
    let rules = rules.filter(|rules| made && metadata.namespace.as_ref() == Some(&rules.namespace));
    let (Some(length), Some(created)) = (
        rules.and_then(|rules| rules.expire_unused),
        metadata.creation_timestamp.as_ref(),
    ) else {
        return Fate::Stays;
    };
    let noted = object
        .status
        .as_ref()
        .and_then(|status| status.last_used_at.as_ref());
    if noted.is_some() || seen.client.is_some() {
        return Fate::Stays;
    }
    let end = later(later(created.0, length), RECENT);
    if now < end {
        return Fate::Again(end);
    }
    let unused = Unused {
        since: created.0,
        length: length.min(PROVABLE),
        now,
    };
    let is_reached = seen.coverage.is_some_and(|known| known.to >= end);
    if is_reached && seen.is_client_unused(None, unused) {
        Fate::Expired
    } else {
        Fate::Again(later(now, LATER))
    }
}

impl RegistrationAccess {
    fn is_accepted(&self, now: Timestamp) -> bool {
        self.retires_at.as_ref().is_none_or(|at| at.0 > now)
    }
}

/// What the digests of the object's registration are bound to.
fn scope(object: &OidcClient) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    registration_scope(&part(&object.metadata.namespace), &part(&object.metadata.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::OidcClientSpec;
    use crate::secrets::installation::RegistrationMode;
    use crate::testing::SeededRng;
    use crate::uses::Coverage;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn pepper() -> Pepper {
        Pepper::generate(NOW, &mut SeededRng::new(1))
    }

    fn object(name: &str) -> OidcClient {
        let mut object = OidcClient::new(name, OidcClientSpec::default());
        object.metadata.namespace = Some("apps".to_owned());
        object
    }

    fn registered(rng: &mut SeededRng) -> (OidcClient, Issued) {
        let mut object = object("one");
        let issued = register(&mut object, true, Some("ci".to_owned()), &pepper(), rng);
        (object, issued)
    }

    fn of(object: &OidcClient) -> &Registration {
        object.spec.registration.as_deref().unwrap()
    }

    fn at(minutes: i64) -> Timestamp {
        NOW + SignedDuration::from_mins(minutes)
    }

    #[test]
    fn reg_03_the_token_opens_its_own_registration_only() {
        let mut rng = SeededRng::new(2);
        let (object, issued) = registered(&mut rng);
        let told = serde_json::to_string(&object).unwrap() + &format!("{issued:?}");
        let secret = issued.secret.unwrap();
        for secret in [&secret, &issued.access] {
            assert!(
                secret.expose().len() >= 43 && !told.contains(secret.expose()),
                "i9"
            );
        }
        assert_eq!(of(&object).token.as_deref(), Some("ci"));
        assert!(opens(&object, &issued.access, &pepper(), NOW));
        // the client's secret is no such token, nor the other way round
        assert!(!opens(&object, &secret, &pepper(), NOW));
        assert!(has_secret(&object, &secret, &pepper()) && !has_secret(&object, &issued.access, &pepper()));
        // copied to another name or namespace, under another id or pepper, it opens nothing
        let mut copy = self::object("two");
        copy.spec.registration.clone_from(&object.spec.registration);
        assert!(!opens(&copy, &issued.access, &pepper(), NOW));
        let mut copy = object.clone();
        copy.metadata.namespace = Some("others".to_owned());
        assert!(!opens(&copy, &issued.access, &pepper(), NOW));
        let mut copy = object.clone();
        copy.spec.registration.as_mut().unwrap().id = "other".to_owned();
        assert!(!opens(&copy, &issued.access, &pepper(), NOW));
        let other = Pepper::generate(NOW, &mut SeededRng::new(9));
        assert!(!opens(&object, &issued.access, &other, NOW));
        // without a registration, or one from before there were tokens
        assert!(!opens(&self::object("one"), &issued.access, &pepper(), NOW));
        let mut old = object;
        old.spec.registration.as_mut().unwrap().access.clear();
        assert!(!opens(&old, &issued.access, &pepper(), NOW));
        let empty = ClientSecret::new(String::new());
        assert!(!opens(&old, &empty, &pepper(), NOW));
    }

    #[test]
    fn reg_03_a_change_rotates_the_token_and_a_lost_answer_locks_nobody_out() {
        let mut rng = SeededRng::new(3);
        let (mut object, first) = registered(&mut rng);
        let renew_by = |object: &mut OidcClient, by: &ClientSecret, now, rng: &mut SeededRng| {
            renew(object, true, by, &pepper(), now, rng).unwrap()
        };
        let second = renew_by(&mut object, &first.access, at(0), &mut rng);
        assert!(second.secret.is_none(), "it goes on with its secret");
        assert!(has_secret(&object, first.secret.as_ref().unwrap(), &pepper()));
        let accepted = |object: &OidcClient, token: &ClientSecret, now| opens(object, token, &pepper(), now);
        assert!(accepted(&object, &first.access, at(4)) && !accepted(&object, &first.access, at(5)));
        assert!(accepted(&object, &second.access, at(1_000)));
        // the answer was lost: again with the first, as often as need be, but not for longer than before
        let mut last = None;
        for _ in 0..6 {
            last = Some(renew_by(&mut object, &first.access, at(3), &mut rng));
        }
        assert!(accepted(&object, &first.access, at(4)) && !accepted(&object, &first.access, at(5)));
        assert!(!accepted(&object, &second.access, at(5)));
        assert!(of(&object).access.len() <= limits::REGISTRATION_ACCESS);
        let last = last.unwrap();
        assert!(accepted(&object, &last.access, at(1_000)));
        // what has ended is not kept
        renew_by(&mut object, &last.access, at(60), &mut rng);
        assert_eq!(of(&object).access.len(), 2);
    }

    #[test]
    fn reg_03_a_client_gets_a_secret_when_it_begins_to_need_one_and_loses_it_when_it_does_not() {
        let mut rng = SeededRng::new(4);
        let (mut object, first) = registered(&mut rng);
        let none = renew(&mut object, false, &first.access, &pepper(), NOW, &mut rng).unwrap();
        assert!(none.secret.is_none() && of(&object).secret_digest.is_none());
        let again = renew(&mut object, true, &none.access, &pepper(), NOW, &mut rng).unwrap();
        let secret = again.secret.unwrap();
        assert!(has_secret(&object, &secret, &pepper()));
        assert!(!has_secret(&object, first.secret.as_ref().unwrap(), &pepper()));
        assert!(renew(&mut self::object("one"), true, &secret, &pepper(), NOW, &mut rng).is_none());
    }

    fn fate_of(
        change: impl FnOnce(&mut OidcClient, &mut Rules),
        coverage: Option<(i64, i64)>,
        used: Option<i64>,
        minutes: i64,
    ) -> Fate {
        let (mut object, _) = registered(&mut SeededRng::new(5));
        object.metadata.creation_timestamp = Some(Time(NOW));
        let labels = object.metadata.labels.get_or_insert_default();
        labels.insert(LABEL_REGISTERED.to_owned(), REGISTERED.to_owned());
        let mut rules = Rules {
            mode: RegistrationMode::Token,
            namespace: "apps".to_owned(),
            expire_unused: Some(Seconds(3600)),
        };
        change(&mut object, &mut rules);
        let seen = Seen {
            client: used.map(at),
            coverage: coverage.map(|(from, to)| Coverage {
                from: at(from),
                to: at(to),
            }),
            ..Seen::default()
        };
        fate(&object, Some(&rules), &seen, at(minutes))
    }

    #[test]
    fn reg_01_a_client_that_was_never_used_expires_once_that_is_proven() {
        let unchanged = |_: &mut OidcClient, _: &mut Rules| {};
        // an hour, and five minutes beyond
        assert_eq!(fate_of(unchanged, Some((-10, 64)), None, 64), Fate::Again(at(65)));
        assert_eq!(fate_of(unchanged, Some((-10, 65)), None, 65), Fate::Expired);
        // not proven: nothing is known, the last minutes are not, the first were lost
        let again = |minutes: i64| Fate::Again(at(minutes + 1));
        assert_eq!(fate_of(unchanged, None, None, 90), again(90));
        assert_eq!(fate_of(unchanged, Some((-10, 60)), None, 65), again(65));
        assert_eq!(fate_of(unchanged, Some((-10, 64)), None, 66), again(66));
        assert_eq!(fate_of(unchanged, Some((-10, 84)), None, 90), again(90));
        assert_eq!(fate_of(unchanged, Some((30, 80)), None, 80), again(80));
        assert_eq!(fate_of(unchanged, Some((30, 90)), None, 90), Fate::Expired);
        // used, noted or not yet
        assert_eq!(fate_of(unchanged, Some((-10, 90)), Some(5), 90), Fate::Stays);
        let noted = |object: &mut OidcClient, _: &mut Rules| {
            let status = object.status.get_or_insert_default();
            status.last_used_at = Some(Time(at(5)));
        };
        assert_eq!(fate_of(noted, Some((10, 900)), None, 900), Fate::Stays);
    }

    #[test]
    fn reg_01_only_what_a_program_registered_expires_and_only_where_it_is_asked_for() {
        let due = Some((-10, 90));
        let stays = |change: fn(&mut OidcClient, &mut Rules)| {
            assert_eq!(fate_of(change, due, None, 90), Fate::Stays);
        };
        stays(|_, rules| rules.expire_unused = None);
        stays(|_, rules| rules.namespace = "others".to_owned());
        stays(|object, _| object.metadata.labels = None);
        stays(|object, _| {
            let labels = object.metadata.labels.get_or_insert_default();
            labels.insert(LABEL_REGISTERED.to_owned(), "somebody-else".to_owned());
        });
        stays(|object, _| object.spec.registration = None);
        // longer than can be proven: the last seven days are
        let (day, year) = (1440, 366);
        let long = |_: &mut OidcClient, rules: &mut Rules| rules.expire_unused = Some(Seconds(30 * 86400));
        let known = |to: i64| Some((to - 8 * day, to));
        let end = 30 * day + 5;
        assert_eq!(
            fate_of(long, known(29 * day), None, 29 * day),
            Fate::Again(at(end))
        );
        assert_eq!(fate_of(long, known(end), None, end), Fate::Expired);
        assert_eq!(fate_of(long, known(year * day), None, year * day), Fate::Expired);
        let (object, _) = registered(&mut SeededRng::new(5));
        assert_eq!(fate(&object, None, &Seen::default(), NOW), Fate::Stays);
    }
}
