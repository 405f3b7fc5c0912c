//! Rotations that are due: by `rotation.now` and by `rotation.interval`.

use super::*;

const INTERVAL: i64 = 10_000;

fn every() -> Rotation {
    Rotation {
        interval: Some(Seconds(10_000)),
        ..Rotation::default()
    }
}

fn word(word: &str) -> Option<Box<str>> {
    Some(word.into())
}

fn current(world: &World) -> String {
    world.written.clone().unwrap().id
}

#[test]
fn each_new_word_rotates_once() {
    let mut world = World::settled();
    for text in ["2026-11-25", "again", "2026-11-25"] {
        let old = world.value();
        world.rotation.now = word(text);
        world.pass(10);
        let decision = world.reconcile();
        assert_eq!(decision.due, Some(Due::Requested));
        assert_eq!(
            decision.reasons,
            [Reason::CredentialRotated, Reason::SecretUpdated]
        );
        assert!(decision.deliver.unwrap().status_first);
        assert_ne!(world.value().expose(), old.expose());
        assert!(world.accepts(&old) && world.accepts(&world.value()));
        assert_eq!(world.handled.as_deref(), Some(text));
        assert_calm(&mut world);
    }
    // No word asks for nothing, and the one that was there before is not new.
    for now in [None, word("2026-11-25")] {
        world.rotation.now = now;
        assert_calm(&mut world);
    }
}

#[test]
fn a_word_that_is_there_from_the_start_is_noted() {
    let mut world = World::new();
    world.rotation.now = word("1");
    let decision = world.reconcile();
    assert_eq!(decision.due, None);
    assert_eq!(world.handled.as_deref(), Some("1"));
    assert_calm(&mut world);
}

#[test]
fn a_word_beside_an_emptied_status_is_noted_and_rotates_nothing() {
    let mut world = World::settled();
    world.rotation.now = word("1");
    world.reconcile();
    let value = world.value();
    (world.known, world.handled) = (vec![], None);
    let decision = world.reconcile();
    assert_eq!(decision.reasons, [Reason::DigestsRestored]);
    assert_eq!(world.value().expose(), value.expose());
    assert_eq!(world.handled.as_deref(), Some("1"));
    assert_calm(&mut world);
}

#[test]
fn a_secret_that_is_made_anew_needs_no_rotation_beside() {
    let mut world = World::settled();
    world.rotation.now = word("1");
    world.written = None;
    let decision = world.reconcile();
    assert_eq!((decision.due, world.handled.as_deref()), (None, Some("1")));
    assert_eq!(world.known.len(), 2);
    assert_calm(&mut world);
}

#[test]
fn an_interval_rotates_exactly_and_makes_up_once_what_was_missed() {
    let mut world = World::new();
    world.rotation = every();
    let decision = world.reconcile();
    assert_eq!(decision.next_rotation.unwrap(), stored(at(INTERVAL)).0);
    let first = current(&world);
    world.pass(INTERVAL - 1);
    assert_calm(&mut world);
    world.pass(1);
    let decision = world.reconcile();
    assert_eq!(decision.due, Some(Due::Scheduled));
    assert_eq!(decision.next_rotation.unwrap(), stored(at(2 * INTERVAL)).0);
    assert_eq!(decision.next.unwrap(), stored(at(INTERVAL + 3600)).0);
    assert_ne!(current(&world), first);
    assert_calm(&mut world);
    // The operator was away for three intervals and a half.
    world.pass(INTERVAL * 7 / 2);
    let decision = world.reconcile();
    assert_eq!(decision.due, Some(Due::Scheduled));
    assert_eq!(
        decision.next_rotation.unwrap(),
        stored(at(INTERVAL + INTERVAL * 7 / 2 + INTERVAL)).0
    );
    assert_calm(&mut world);
}

#[test]
fn an_interval_counts_from_the_last_rotation_whatever_its_cause() {
    let mut world = World::settled();
    world.rotation = every();
    assert_eq!(world.reconcile().next_rotation.unwrap(), stored(at(INTERVAL)).0);
    world.pass(5000);
    world.rotation.now = word("1");
    assert_eq!(
        world.reconcile().next_rotation.unwrap(),
        stored(at(5000 + INTERVAL)).0
    );
    world.rotation.interval = None;
    assert_eq!(world.reconcile().next_rotation, None);
}

#[test]
fn the_held_secret_does_not_retire_before_the_new_one_is_delivered() {
    for overlap in [None, Some(Seconds(0)), Some(Seconds(60))] {
        let mut world = World::settled();
        let old = world.value();
        world.rotation.overlap = overlap;
        world.rotation.now = word("1");
        let decision = world.decide(&world.found());
        // The operator dies after the first write, and is away for long.
        world.apply(&decision, 1);
        let undelivered = decision.deliver.unwrap().secret;
        assert!(world.accepts(&old) && world.accepts(&undelivered));
        world.pass(100_000);
        assert!(world.accepts(&old));
        let decision = world.reconcile();
        assert_eq!(decision.due, None, "the word was seen to");
        assert!(!world.accepts(&undelivered) && world.accepts(&world.value()));
        assert_ne!(world.value().expose(), old.expose());
        // Only now it retires, and has the whole overlap.
        assert_eq!(world.accepts(&old), overlap != Some(Seconds(0)));
        assert_calm(&mut world);
    }
}

#[test]
fn a_crash_before_the_last_write_lets_the_old_one_retire_afterwards() {
    let mut world = World::settled();
    let old = world.value();
    world.rotation.now = word("1");
    let decision = world.decide(&world.found());
    world.apply(&decision, 2);
    let value = world.value();
    assert_ne!(value.expose(), old.expose());
    let decision = world.reconcile();
    assert!(decision.deliver.is_none());
    assert_eq!(decision.reasons, [Reason::CredentialRotated]);
    assert_eq!(decision.next.unwrap(), stored(at(3600)).0);
    assert_eq!(world.value().expose(), value.expose());
    assert!(world.accepts(&old) && world.accepts(&value));
    assert_calm(&mut world);
}

#[test]
fn without_overlap_nothing_older_is_accepted_after_a_rotation() {
    let mut world = World::settled();
    let mut old = vec![world.value()];
    for text in ["1", "2"] {
        world.rotation.now = word(text);
        world.reconcile();
        old.push(world.value());
    }
    assert!(old.iter().all(|secret| world.accepts(secret)));
    world.rotation.overlap = Some(Seconds(0));
    assert_calm(&mut world);
    world.rotation.now = word("leaked");
    let decision = world.reconcile();
    assert_eq!(
        decision.reasons,
        [
            Reason::CredentialRotated,
            Reason::SecretUpdated,
            Reason::CredentialRetired
        ]
    );
    assert!(!old.iter().any(|secret| world.accepts(secret)));
    assert!(world.accepts(&world.value()));
    assert_eq!(world.known.len(), 1);
    assert_calm(&mut world);
}

#[test]
fn a_credential_of_a_clock_that_was_far_ahead_is_replaced() {
    let mut world = World::settled();
    world.pass(100 * INTERVAL);
    world.rotation.now = word("1");
    world.reconcile();
    // The clock is set right, and somebody sets an interval.
    world.pass(-100 * INTERVAL);
    world.rotation = every();
    assert_eq!(world.reconcile().due, Some(Due::Scheduled));
    assert_eq!(world.reconcile().next_rotation.unwrap(), stored(at(INTERVAL)).0);
    assert_calm(&mut world);
}

#[test]
fn a_given_secret_is_never_due() {
    let mut world = World::new();
    let found = given("u/1", STRONG);
    let decision = world.decide(&found);
    world.apply(&decision, ALL);
    world.rotation = Rotation {
        now: word("1"),
        ..every()
    };
    world.pass(INTERVAL);
    let decision = world.decide(&found);
    assert!(decision.deliver.is_none() && decision.next_rotation.is_none());
}

#[derive(Debug, Clone)]
enum Step {
    Reconcile,
    /// The operator dies after so many writes.
    Crash(usize),
    Word(u8),
    Interval(Option<u64>),
    Overlap(Option<u64>),
    DeleteSecret,
    EditSecret(u64),
    LoseStatus,
    /// The clock goes on, or is set back.
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Reconcile),
        4 => (0..ALL).prop_map(Step::Crash),
        3 => (0_u8..4).prop_map(Step::Word),
        1 => proptest::option::of(3601_u64..20_000).prop_map(Step::Interval),
        1 => proptest::option::of(0_u64..3600).prop_map(Step::Overlap),
        1 => Just(Step::DeleteSecret),
        1 => (100_u64..200).prop_map(Step::EditSecret),
        1 => Just(Step::LoseStatus),
        3 => (-5000_i64..20_000).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Whatever is edited, whenever the operator dies, and whatever the clock does: what the Secret holds
    /// is accepted as long as nobody else wrote to the Secret or the status.
    #[test]
    fn what_the_secret_holds_is_always_accepted(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        // Whether nobody but the operator has written since it last was done.
        let mut ours = true;
        for step in steps {
            match step {
                Step::Reconcile => {
                    let words = world.handled.clone();
                    let decision = world.reconcile();
                    ours = true;
                    let asked = world.rotation.now.as_deref();
                    prop_assert!(asked.is_none() || world.handled.as_deref() == asked);
                    if decision.due == Some(Due::Requested) {
                        prop_assert_ne!(&world.handled, &words);
                    }
                    prop_assert_eq!(world.known.iter().filter(|c| c.retires_at.is_none()).count(), 1);
                    prop_assert_eq!(&world.known.last().unwrap().id, &current(&world));
                    assert_calm(&mut world);
                }
                Step::Crash(writes) => {
                    let decision = world.decide(&world.found());
                    world.apply(&decision, writes);
                }
                Step::Word(text) => world.rotation.now = (text > 0).then(|| text.to_string().into()),
                Step::Interval(seconds) => world.rotation.interval = seconds.map(Seconds),
                Step::Overlap(seconds) => world.rotation.overlap = seconds.map(Seconds),
                Step::DeleteSecret => (world.written, ours) = (None, false),
                Step::EditSecret(seed) => {
                    if let Some(written) = &mut world.written {
                        written.value = ClientSecret::generate(&mut SeededRng::new(seed));
                        ours = false;
                    }
                }
                Step::LoseStatus => (world.known, world.handled, ours) = (vec![], None, false),
                Step::Pass(seconds) => world.pass(seconds),
            }
            prop_assert!(world.known.len() <= KEPT);
            if ours && world.written.is_some() && !world.known.is_empty() {
                prop_assert!(world.accepts(&world.value()));
            }
        }
    }
}
