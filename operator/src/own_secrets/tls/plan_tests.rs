use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn names() -> Names {
    Names {
        release: "oidc".into(),
        namespace: "identity".into(),
        pod: "p".into(),
    }
}

/// The two Secrets, and the time.
struct World {
    ca: Option<Data>,
    leaf: Option<Data>,
    hosts: Vec<String>,
    now: Timestamp,
}

impl World {
    /// A fresh installation, reconciled.
    fn new() -> Self {
        let mut world = Self {
            ca: None,
            leaf: None,
            hosts: vec!["oidc.identity.svc".to_owned()],
            now: START,
        };
        world.step();
        world
    }

    /// One reconcile; what was planned.
    fn step(&mut self) -> Plan {
        let found = Found {
            ca: self.ca.as_ref(),
            ca_is_foreign: false,
            leaf: self.leaf.as_ref(),
        };
        let plan = plan(&names(), &self.hosts, &found, self.now).expect("a plan");
        assert!(plan.next > self.now, "it waits for something to come");
        self.ca = plan.ca.clone().or(self.ca.take());
        self.leaf = plan.leaf.clone().or(self.leaf.take());
        for data in [&self.ca, &self.leaf] {
            assert_eq!(
                text(data.as_ref().expect("there"), BUNDLE).as_ref(),
                Some(&plan.bundle)
            );
        }
        let trusted = bundle(&plan.bundle);
        assert!(trusted[0].issued(&self.served()), "the issuer is first");
        plan
    }

    fn after(&mut self, wait: SignedDuration) -> Plan {
        self.now += wait;
        self.step()
    }

    /// The leaf that is served.
    fn served(&self) -> Certificate {
        let data = self.leaf.as_ref().expect("there");
        Certificate::read(&text(data, CERTIFICATE).expect("text")).expect("a certificate")
    }

    fn newest(&self) -> Certificate {
        Ca::read(self.ca.as_ref().expect("there"), SIGNS)
            .expect("a CA")
            .certificate
    }
}

fn trusts(bundle_text: &str, leaf: &Certificate) -> bool {
    bundle(bundle_text).iter().any(|ca| ca.issued(leaf))
}

#[test]
fn a_fresh_installation_signs_at_once_and_then_rests() {
    let mut world = World::new();
    assert!(world.newest().issued(&world.served()));
    let again = world.step();
    assert!(again.ca.is_none() && again.leaf.is_none() && again.why.is_none());
    assert_eq!(bundle(&again.bundle).len(), 1);
    let kept = Found {
        ca: world.ca.as_ref(),
        ca_is_foreign: true,
        leaf: world.leaf.as_ref(),
    };
    let years = world.now + DAY * 3000;
    let plan = plan(&names(), &world.hosts, &kept, years).expect("a plan");
    assert!(
        plan.ca.is_none(),
        "a foreign CA is not replaced, though it is due"
    );
    assert_eq!(plan.why, Some("two thirds of its life are over"));
}

#[test]
fn the_leaf_is_renewed_at_two_thirds_of_its_life_or_when_it_does_not_fit() {
    let mut world = World::new();
    let first = world.served();
    assert_eq!(world.after(DAY * 59).why, None);
    assert_eq!(world.after(DAY).why, Some("two thirds of its life are over"));
    assert_ne!(world.served().der, first.der);
    world.hosts.push("login.example.com".to_owned());
    assert_eq!(world.step().why, Some("the names are others"));
    let other = World::new();
    let mixed = other.leaf.as_ref().expect("there")[KEY].clone();
    world.leaf.as_mut().expect("there").insert(KEY.to_owned(), mixed);
    assert_eq!(
        world.step().why,
        Some("key and certificate do not belong together")
    );
    world.leaf = Some(Data::new());
    assert_eq!(world.step().why, Some("it cannot be read"));
    world.leaf = None;
    assert_eq!(world.step().why, Some("there is none"));
    world.leaf = other.leaf;
    world.hosts.pop();
    world.now += PUBLISH_FOR;
    assert_eq!(world.step().why, Some("the CA is another"));
}

#[test]
fn a_ca_that_is_due_is_published_before_it_signs_and_the_old_one_stays_after() {
    let mut world = World::new();
    let old = world.newest();
    while world.newest().der == old.der {
        world.after(DAY * 10);
    }
    let made = world.now;
    assert!(
        made.duration_since(START) < DAY * 2450,
        "at two thirds of its life"
    );
    assert!(old.issued(&world.served()), "the new one does not sign yet");
    // Meanwhile the old one signs, whatever is needed.
    world.hosts.push("login.example.com".to_owned());
    let plan = world.after(DAY * 6);
    assert!(plan.why.is_some() && old.issued(&world.served()));
    assert_eq!(bundle(&plan.bundle).len(), 2);
    let plan = world.after(DAY);
    assert_eq!(plan.why, Some("the CA is another"));
    assert!(world.newest().issued(&world.served()));
    assert!(
        FORMER
            .iter()
            .all(|key| !world.ca.as_ref().expect("there").contains_key(*key))
    );
    // The old one is trusted until its last leaf is over.
    assert_eq!(bundle(&world.after(DAY * 89).bundle).len(), 2);
    assert_eq!(bundle(&world.after(DAY).bundle).len(), 1);
    assert!(world.after(DAY).ca.is_none());
}

#[test]
fn after_the_loss_of_the_ca_its_leaf_stays_until_the_new_one_is_known() {
    let mut world = World::new();
    let old = world.newest();
    world.after(DAY * 50);
    let leaf = world.served();
    world.ca = None;
    let plan = world.step();
    assert_eq!(plan.why, None);
    assert_eq!(world.served().der, leaf.der);
    let trusted: Vec<_> = bundle(&plan.bundle).into_iter().map(|ca| ca.der).collect();
    assert_eq!(trusted, [old.der, world.newest().der]);
    assert!(world.step().ca.is_none(), "once");
    world.after(PUBLISH_FOR);
    assert!(world.newest().issued(&world.served()));
}

#[test]
fn a_leaf_that_ends_sooner_does_not_wait() {
    let mut world = World::new();
    // Nobody was there to renew it, and then the CA was lost.
    world.now += DAY * 87;
    world.ca = None;
    assert_eq!(world.step().why, None);
    assert_eq!(world.after(DAY).why, None);
    assert_eq!(
        world.after(DAY).why,
        Some("the CA is another"),
        "a day before its end"
    );
    // With both Secrets gone nothing of the past is trusted: the way out after a theft.
    world.ca = None;
    world.leaf = None;
    assert_eq!(bundle(&world.step().bundle).len(), 1);
}

#[test]
fn what_is_no_ca_is_never_replaced_and_never_trusted() {
    let mut world = World::new();
    let text = format!("garbage {}{}", world.served().pem, "-----BEGIN CERTIFICATE-----");
    world
        .ca
        .as_mut()
        .expect("there")
        .insert(BUNDLE.to_owned(), text.into_bytes());
    let plan = world.step();
    assert_eq!(bundle(&plan.bundle).len(), 1);
    let broken = Data::from([(CERTIFICATE.to_owned(), b"x".to_vec())]);
    let found = Found {
        ca: Some(&broken),
        ca_is_foreign: false,
        leaf: world.leaf.as_ref(),
    };
    assert!(plan_is_refused(&found, world.now));
}

fn plan_is_refused(found: &Found<'_>, now: Timestamp) -> bool {
    plan(&names(), &["a.example".to_owned()], found, now).is_err()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5))]

    /// Whoever read a bundle within the last week trusts the leaf that is served, and whoever reads one now trusts
    /// each leaf that some pod may still serve: over years, with CAs lost in between and an operator that is away
    /// for days.
    #[test]
    fn whoever_read_the_bundle_within_a_week_trusts_what_is_served(
        pauses in prop::collection::vec(1_i32..6, 900),
        losses in prop::collection::btree_set(50_usize..850, 0..4),
    ) {
        let mut world = World::new();
        let mut bundles: Vec<(Timestamp, String)> = Vec::new();
        let mut leaves: Vec<Certificate> = vec![world.served()];
        for (index, days) in pauses.iter().enumerate() {
            if losses.contains(&index) {
                world.ca = None;
            }
            let plan = world.after(DAY * *days);
            bundles.push((world.now, plan.bundle.clone()));
            bundles.retain(|(read, _)| world.now.duration_since(*read) <= PUBLISH_FOR);
            let served = world.served();
            for (read, text) in &bundles {
                prop_assert!(trusts(text, &served), "read at {read}, now {}", world.now);
            }
            leaves.push(served);
            leaves.dedup_by(|a, b| a.der == b.der);
            leaves.retain(|leaf| leaf.end > world.now);
            for leaf in &leaves {
                prop_assert!(trusts(&plan.bundle, leaf), "a leaf until {} at {}", leaf.end, world.now);
            }
        }
    }
}
