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
    memory: Memory,
    leaf: Option<Data>,
    /// Whether bundles can be written.
    distributes: bool,
    /// What apps have.
    distributed: String,
    hosts: Vec<String>,
    now: Timestamp,
}

impl World {
    /// A fresh installation, reconciled.
    fn new() -> Self {
        let mut world = Self {
            ca: None,
            memory: Memory::default(),
            leaf: None,
            distributes: true,
            distributed: String::new(),
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
            memory: self.ca.as_ref().map(|_| self.memory).unwrap_or_default(),
            unconfirmed: false,
            ca_is_foreign: false,
            leaf: self.leaf.as_ref(),
        };
        let plan = plan(&names(), &self.hosts, &found, self.now).expect("a plan");
        assert!(plan.next > self.now, "it waits for something to come");
        if let Some((data, memory)) = &plan.ca {
            self.ca = Some(data.clone());
            self.memory = *memory;
        }
        self.leaf = plan.leaf.clone().or(self.leaf.take());
        let (ca, leaf) = (
            self.ca.as_ref().expect("there"),
            self.leaf.as_ref().expect("there"),
        );
        assert_eq!(text(leaf, BUNDLE).as_ref(), Some(&plan.bundle));
        let known = text(ca, BUNDLE).or(text(ca, CERTIFICATE));
        assert_eq!(known.as_ref(), Some(&plan.bundle));
        if self.distributes {
            self.distributed = plan.bundle.clone();
            if plan.unpublished.is_some() {
                self.memory.published = Some(self.now);
            }
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

    /// The CA under these keys.
    fn under(&self, keys: [&str; 2]) -> Option<Certificate> {
        let read = Ca::read(self.ca.as_ref().expect("there"), keys);
        read.ok().map(|ca| ca.certificate)
    }

    fn signs(&self) -> Certificate {
        self.under(SIGNS).expect("a CA")
    }

    /// Until a CA waits; that which signs meanwhile.
    fn until_one_waits(&mut self) -> Certificate {
        while self.under(NEXT).is_none() {
            self.after(DAY * 10);
        }
        self.signs()
    }
}

fn trusts(bundle_text: &str, leaf: &Certificate) -> bool {
    bundle(bundle_text).iter().any(|ca| ca.issued(leaf))
}

#[test]
fn a_fresh_installation_signs_at_once_and_then_rests() {
    let mut world = World::new();
    assert!(world.signs().issued(&world.served()));
    let again = world.step();
    assert!(again.ca.is_none() && again.leaf.is_none() && again.why.is_none());
    assert_eq!(bundle(&again.bundle).len(), 1);
    let kept = Found {
        ca: world.ca.as_ref(),
        memory: world.memory,
        unconfirmed: false,
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
    let old = world.until_one_waits();
    let new = world.under(NEXT).expect("one waits");
    assert!(
        world.now.duration_since(START) < DAY * 2450,
        "at two thirds of its life"
    );
    assert!(old.issued(&world.served()), "the new one does not sign yet");
    assert_eq!(
        world.signs().der,
        old.der,
        "an older operator goes on with what signs"
    );
    // Meanwhile the old one signs, whatever is needed.
    world.hosts.push("login.example.com".to_owned());
    let plan = world.after(DAY * 6);
    assert!(plan.why.is_some() && old.issued(&world.served()));
    assert_eq!(bundle(&plan.bundle).len(), 2);
    let plan = world.after(DAY);
    assert_eq!(plan.why, Some("the CA is another"));
    assert!(new.issued(&world.served()) && world.signs().der == new.der);
    assert!(world.under(NEXT).is_none());
    // The old one is kept and trusted until its last leaf is over.
    assert_eq!(bundle(&world.after(DAY * 89).bundle).len(), 2);
    assert_eq!(world.under(FORMER).expect("kept").der, old.der);
    assert_eq!(bundle(&world.after(DAY).bundle).len(), 1);
    assert!(world.under(FORMER).is_none());
    assert!(world.after(DAY).ca.is_none());
}

#[test]
fn the_week_counts_from_when_the_new_ca_is_in_every_bundle() {
    let mut world = World::new();
    world.after(DAY * 2400);
    world.distributes = false;
    let old = world.until_one_waits();
    let new = world.under(NEXT).expect("one waits").pem;
    for _ in 0..20 {
        let plan = world.after(DAY * 9);
        assert_eq!(plan.unpublished.as_ref(), Some(&new));
        assert!(old.issued(&world.served()));
    }
    world.distributes = true;
    world.step();
    assert!(world.after(DAY * 6).unpublished.is_none());
    assert!(old.issued(&world.served()));
    // what cannot be told now is not taken for granted
    world.now += DAY * 9;
    let found = Found {
        ca: world.ca.as_ref(),
        memory: world.memory,
        unconfirmed: true,
        ca_is_foreign: false,
        leaf: world.leaf.as_ref(),
    };
    let plan = plan(&names(), &world.hosts, &found, world.now).expect("a plan");
    assert!(plan.ca.is_none(), "it does not sign");
    world.step();
    assert!(!old.issued(&world.served()));

    // Where the CA was lost, its leaf stays as long.
    let mut world = World::new();
    let old = world.signs();
    world.distributes = false;
    world.ca = None;
    world.step();
    world.after(DAY * 20);
    assert!(old.issued(&world.served()));
    world.distributes = true;
    world.after(DAY);
    world.after(DAY * 6);
    assert!(old.issued(&world.served()));
    world.after(DAY);
    assert!(world.signs().issued(&world.served()));
}

#[test]
fn a_clock_that_was_years_ahead_costs_no_ca() {
    for years in [3, 7, 11, 25] {
        for (early, stays) in [(0, 0), (0, 3), (0, 30), (2450, 0), (2455, 30)] {
            let mut world = World::new();
            for _ in 0..early / 10 {
                world.after(DAY * 10);
            }
            let (real, old) = (world.now, world.signs());
            world.after(DAY * 365 * years);
            world.after(DAY * stays);
            world.after(DAY * stays);
            world.now = real + DAY;
            let plan = world.step();
            let leaf = world.served();
            assert_eq!(world.signs().der, old.der, "{years} years, {early} days");
            assert!(old.issued(&leaf) && leaf.begin <= world.now, "{years} years");
            assert!(trusts(&plan.bundle, &leaf));
            assert!(world.step().ca.is_none(), "and then it rests");
            for _ in 0..500 {
                world.after(DAY * 10);
                let leaf = world.served();
                assert!(leaf.begin <= world.now && world.now < leaf.end);
            }
        }
    }
}

#[test]
fn a_clock_that_begins_in_1970_costs_no_ca() {
    let mut world = World::new();
    let (real, old) = (world.now, world.signs());
    world.now = Timestamp::constant(60, 0);
    let plan = world.step();
    assert!(plan.why.is_some() && !plan.warnings.is_empty(), "loudly");
    assert!(world.served().begin <= world.now);
    assert!(trusts(&plan.bundle, &world.served()));
    world.now = real + DAY;
    world.step();
    assert_eq!(world.signs().der, old.der);
    assert!(old.issued(&world.served()));
}

#[test]
fn an_installation_by_a_fast_clock_begins_anew_when_it_is_right() {
    let mut world = World::new();
    world.now -= DAY * 365 * 5;
    let plan = world.step();
    assert!(!plan.warnings.is_empty(), "loudly");
    let leaf = world.served();
    assert!(leaf.begin <= world.now && world.signs().begin <= world.now);
    assert!(world.signs().issued(&leaf));
    assert!(world.step().ca.is_none(), "once");
    // a small step is none
    let mut world = World::new();
    world.now -= SignedDuration::from_mins(8);
    assert!(world.step().warnings.is_empty());
}

#[test]
fn nothing_changes_by_an_upgrade_from_a_ca_without_more() {
    for days in [0, 3, 59, 800] {
        let ca = Ca::generate(&names(), START).expect("a CA");
        let mut data = Data::new();
        ca.put(&mut data, SIGNS);
        let made = START + DAY * days;
        let hosts = ["oidc.identity.svc".to_owned()];
        let leaf = ca.issue(&hosts, made).expect("a leaf");
        let found = Found {
            ca: Some(&data),
            memory: Memory::default(),
            unconfirmed: false,
            ca_is_foreign: false,
            leaf: Some(&leaf),
        };
        let plan = plan(&names(), &hosts, &found, made + DAY * 30).expect("a plan");
        assert!(plan.ca.is_none() && plan.leaf.is_none() && plan.why.is_none());
        assert!(plan.unpublished.is_none() && plan.warnings.is_empty());
    }
}

/// The Secret's data of a CA of somebody's own.
fn own_ca(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Data {
    let key = KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "Example CA");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(9999, 12, 31);
    change(&mut params);
    let pem = params.self_signed(&key).expect("a CA").pem();
    Data::from([
        (CERTIFICATE.to_owned(), pem.trim_end().as_bytes().to_vec()),
        (KEY.to_owned(), key.serialize_pem().into_bytes()),
    ])
}

#[test]
fn a_ca_of_ones_own_signs_or_is_refused_without_a_write() {
    let world = World::new();
    let with = |data: &Data, foreign: bool, leaf: Option<&Data>| {
        let memory = Memory {
            published: None,
            signs_since: Some(START - DAY),
        };
        let found = Found {
            ca: Some(data),
            memory,
            unconfirmed: false,
            ca_is_foreign: foreign,
            leaf,
        };
        plan(&names(), &world.hosts, &found, START)
    };
    let plain = own_ca(|_| {});
    let organization = |params: &mut rcgen::CertificateParams| {
        params
            .distinguished_name
            .push(rcgen::DnType::OrganizationName, "Example");
    };
    let other_id = |params: &mut rcgen::CertificateParams| {
        params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![7; 20]);
    };
    let over = |params: &mut rcgen::CertificateParams| params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    for foreign in [true, false] {
        let made = with(&plain, foreign, world.leaf.as_ref()).expect("a plan");
        let leaf = made.leaf.expect("a leaf");
        assert!(made.problem.is_none());
        let again = with(&plain, foreign, Some(&leaf)).expect("a plan");
        assert!(again.leaf.is_none() && again.why.is_none(), "it rests");
        for refused in [own_ca(organization), own_ca(other_id)] {
            let plan = with(&refused, foreign, world.leaf.as_ref()).expect("a plan");
            assert!(plan.ca.is_none() && plan.leaf.is_none(), "nothing is written");
            assert!(plan.problem.expect("told").contains("does not verify"));
            assert!(trusts(&plan.bundle, &world.served()), "what is there goes on");
            assert!(with(&refused, foreign, None).is_err());
        }
    }
    let plan = with(&own_ca(over), true, world.leaf.as_ref()).expect("a plan");
    assert!(plan.problem.is_some() && plan.leaf.is_none() && plan.ca.is_none());
}

#[test]
fn after_the_loss_of_the_ca_its_leaf_stays_until_the_new_one_is_known() {
    let mut world = World::new();
    let old = world.signs();
    world.after(DAY * 50);
    let leaf = world.served();
    world.ca = None;
    let plan = world.step();
    assert_eq!(plan.why, None);
    assert_eq!(world.served().der, leaf.der);
    let trusted: Vec<_> = bundle(&plan.bundle).into_iter().map(|ca| ca.der).collect();
    assert_eq!(trusted, [old.der, world.signs().der]);
    assert!(world.step().ca.is_none(), "once");
    world.after(PUBLISH_FOR);
    assert!(world.signs().issued(&world.served()));
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
        memory: Memory::default(),
        unconfirmed: false,
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
    /// each leaf that some pod may still serve: over years, with CAs lost in between, an operator that is away for
    /// up to 13 days, and bundles that cannot be written at times.
    #[test]
    fn whoever_read_the_bundle_within_a_week_trusts_what_is_served(
        pauses in prop::collection::vec(1_i32..14, 800),
        losses in prop::collection::btree_set(50_usize..750, 0..4),
        failures in prop::collection::btree_set(1_usize..800, 0..300),
    ) {
        let mut world = World::new();
        let mut bundles: Vec<(Timestamp, String)> = Vec::new();
        let mut leaves: Vec<Certificate> = vec![world.served()];
        for (index, days) in pauses.iter().enumerate() {
            if losses.contains(&index) {
                world.ca = None;
            }
            // the leaf of a CA that was lost does not wait for ever
            let lost = losses.range(index.saturating_sub(3)..=index).next().is_some();
            world.distributes = lost || !failures.contains(&index);
            world.now += DAY * *days;
            bundles.push((world.now - SignedDuration::from_secs(1), world.distributed.clone()));
            let plan = world.step();
            bundles.push((world.now, world.distributed.clone()));
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
