use proptest::prelude::*;

use super::*;
use crate::secrets::key_ring::KeyRingData;
use crate::testing::SeededRng;

const NOW: i64 = 1_800_000_000;
const POD: PodName = [1; 16];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOW + second).unwrap()
}

fn run(pod: u8, process: u8, since: i64, until: i64, ended: bool) -> Run {
    Run {
        pod: [pod; 16],
        process: [process; 8],
        since: NOW + since,
        until: NOW + until,
        ended,
    }
}

fn told(runs: &[Run]) -> Told {
    Told {
        kept_since: NOW,
        runs: runs.to_vec(),
        uses: vec![],
    }
}

fn cover(ledger: &mut Ledger, runs: &[Run], counted: &[PodName], now: i64) -> Option<(i64, i64)> {
    let covered = ledger.cover(&told(runs), counted, at(now))?;
    Some((covered.from.as_second() - NOW, covered.to.as_second() - NOW))
}

#[test]
fn names_are_of_the_ring_the_client_and_the_credential() {
    let ring = |seed| KeyRing::new(KeyRingData::generate(at(0), &mut SeededRng::new(seed)));
    let (one, other) = (ring(1), ring(2));
    let name = use_name(&one, "u1", "c1");
    assert_eq!(use_name(&one, "u1", "c1"), name);
    for another in [
        use_name(&other, "u1", "c1"),
        use_name(&one, "u2", "c1"),
        use_name(&one, "u1", ""),
        use_name(&one, "u1c", "1"),
        pod_name(&one, "u1"),
    ] {
        assert_ne!(another, name);
    }
    assert_ne!(tag(&one), tag(&other));
}

#[test]
fn what_all_pods_have_reported_is_known() {
    let mut ledger = Ledger::default();
    let two = [run(1, 1, 0, 100, false), run(2, 1, 50, 90, false)];
    assert_eq!(cover(&mut ledger, &two, &[[1; 16], [2; 16]], 110), Some((1, 90)));
    assert_eq!(
        cover(&mut Ledger::default(), &[], &[], 110),
        Some((1, 110)),
        "nobody could use anything"
    );
}

#[test]
fn a_pod_that_has_not_reported_makes_everything_unknown() {
    let mut ledger = Ledger::default();
    let one = [run(1, 1, 0, 100, false)];
    assert_eq!(cover(&mut ledger, &one, &[[1; 16], [2; 16]], 110), None);
    // it never did, and nobody can ask it any more
    assert_eq!(
        cover(&mut ledger, &[run(1, 1, 0, 150, false)], &[[1; 16]], 160),
        None
    );
    let later = [run(1, 1, 0, 200, false)];
    assert_eq!(cover(&mut ledger, &later, &[[1; 16]], 210), Some((161, 200)));
}

#[test]
fn a_last_word_leaves_nothing_unknown() {
    let mut ledger = Ledger::default();
    let runs = [run(1, 1, 0, 80, true), run(2, 1, 60, 100, false)];
    assert_eq!(cover(&mut ledger, &runs, &[[2; 16]], 110), Some((1, 100)));
}

#[test]
fn a_pod_that_still_counts_after_a_last_word_may_serve_again() {
    let mut ledger = Ledger::default();
    let both = [[1; 16], [2; 16]];
    let runs = |until| [run(1, 1, 0, 80, true), run(2, 1, 0, until, false)];
    assert_eq!(cover(&mut ledger, &runs(200), &both, 210), Some((1, 80)));
    // what began then reports at last
    let [ended, other] = runs(400);
    let again = [ended, run(1, 2, 90, 390, false), other];
    assert_eq!(cover(&mut ledger, &again, &both, 410), Some((91, 390)));
    // or it never did, and the pod is gone
    let mut ledger = Ledger::default();
    assert_eq!(cover(&mut ledger, &runs(200), &both, 210), Some((1, 80)));
    assert_eq!(cover(&mut ledger, &runs(300), &[[2; 16]], 310), None);
    assert_eq!(cover(&mut ledger, &runs(400), &[[2; 16]], 410), Some((311, 400)));
}

#[test]
fn a_pod_that_vanished_is_unknown_until_that_was_seen() {
    let mut ledger = Ledger::default();
    let runs = |until| [run(1, 1, 0, 80, false), run(2, 1, 0, until, false)];
    assert_eq!(cover(&mut ledger, &runs(100), &[[2; 16]], 110), None);
    assert_eq!(cover(&mut ledger, &runs(200), &[[2; 16]], 210), Some((111, 200)));
    // whoever looks for the first time only knows since then
    let mut other = Ledger::default();
    assert_eq!(cover(&mut other, &runs(300), &[[2; 16]], 310), None);
    assert_eq!(cover(&mut other, &runs(400), &[[2; 16]], 410), Some((311, 400)));
}

#[test]
fn a_process_that_was_started_again_is_unknown_until_then() {
    let mut ledger = Ledger::default();
    let runs = [run(1, 1, 0, 80, false), run(1, 2, 95, 200, false)];
    assert_eq!(cover(&mut ledger, &runs, &[POD], 210), Some((96, 200)));
}

#[test]
fn what_the_store_no_longer_keeps_is_unknown() {
    let mut ledger = Ledger::default();
    let day = 86_400;
    let runs = [run(1, 1, 0, 9 * day, false)];
    assert_eq!(
        cover(&mut ledger, &runs, &[POD], 9 * day + 10),
        Some((day + 11, 9 * day))
    );
}

#[test]
fn unused_is_what_is_known_to_be() {
    let seen = |used: Option<i64>| Seen {
        credentials: used.map(|used| ("c".to_owned(), at(used))).into_iter().collect(),
        client: used.map(at),
        coverage: Some(Coverage {
            from: at(100),
            to: at(1000),
        }),
    };
    let asked = |since: i64, length: u64, now: i64| Unused {
        since: at(since),
        length: Seconds(length),
        now: at(now),
    };
    let is_unused = |seen: &Seen, since| seen.is_unused("c", None, asked(since, 600, 1060));
    assert!(is_unused(&seen(None), 0) && is_unused(&seen(None), 400));
    assert!(!is_unused(&seen(None), 401));
    assert!(is_unused(&seen(Some(399)), 0));
    assert!(!is_unused(&seen(Some(400)), 0));
    assert!(!seen(None).is_unused("c", None, asked(0, 901, 1060)));
    assert!(!seen(None).is_unused("c", Some(at(400)), asked(0, 600, 1060)));
    assert!(!seen(Some(400)).is_client_unused(None, asked(0, 600, 1060)));
    assert!(seen(Some(399)).is_client_unused(None, asked(0, 600, 1060)));
    // it may have been used since
    assert!(seen(None).is_unused("c", None, asked(0, 600, 1300)));
    assert!(!seen(None).is_unused("c", None, asked(0, 600, 1301)));
    let nothing = Seen::default();
    assert!(!is_unused(&nothing, 0) && !nothing.is_client_unused(None, asked(0, 0, 0)));
}

/// What may happen to an installation with three pods.
#[derive(Debug, Clone, Copy)]
enum Step {
    Pass(i64),
    Begin(usize),
    /// One that cannot reach the store yet.
    BeginCutOff(usize),
    Use(usize),
    Report(usize),
    /// With a last word.
    End(usize),
    Crash(usize),
    /// A crash after which the same pod goes on.
    Restart(usize),
    /// The same with a last word, and what goes on cannot reach the store yet.
    RestartCutOff(usize),
    StoreLost,
    Look,
    /// Another operator looks from now on.
    OtherLooks,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pod = || 0..3usize;
    let step = prop_oneof![
        4 => (0..400i64).prop_map(Step::Pass),
        2 => pod().prop_map(Step::Begin),
        1 => pod().prop_map(Step::BeginCutOff),
        4 => pod().prop_map(Step::Use),
        4 => pod().prop_map(Step::Report),
        1 => pod().prop_map(Step::End),
        1 => pod().prop_map(Step::Crash),
        1 => pod().prop_map(Step::Restart),
        2 => pod().prop_map(Step::RestartCutOff),
        1 => Just(Step::StoreLost),
        4 => Just(Step::Look),
        1 => Just(Step::OtherLooks),
    ];
    proptest::collection::vec(step, 0..60)
}

/// A process: its pod, its number, when it began, and its last use.
#[derive(Clone, Copy)]
struct Process {
    pod: u8,
    number: u8,
    since: i64,
    used: Option<i64>,
    /// By the operator that looks now.
    was_seen: bool,
}

#[derive(Default)]
struct World {
    now: i64,
    named: u8,
    pods: [Option<Process>; 3],
    kept_since: Option<i64>,
    runs: Vec<Run>,
    used: Option<i64>,
    ledger: Ledger,
    /// The last use that the operator ever heard of.
    heard: Option<i64>,
    /// The processes that ever did.
    reported: HashSet<u8>,
    /// What happened in truth: when, and by which process.
    uses: Vec<(i64, u8)>,
}

impl World {
    fn begin(&mut self, slot: usize, pod: Option<u8>, reports: bool) {
        self.named += 1;
        self.pods[slot] = Some(Process {
            pod: pod.unwrap_or(self.named),
            number: self.named,
            since: self.now,
            used: None,
            was_seen: false,
        });
        if reports {
            self.report(slot, false);
        }
    }

    /// It ends without a word. What never reported is missed if nobody looked, or if another follows it in a pod
    /// of which the store knows nothing.
    fn crash(&mut self, slot: usize, is_followed: bool) -> Option<Process> {
        let process = self.pods[slot].take()?;
        let is_known = self.runs.iter().any(|run| run.pod == [process.pod; 16]);
        if !self.reported.contains(&process.number) && (!process.was_seen || (is_followed && !is_known)) {
            self.uses.retain(|(_, by)| *by != process.number);
        }
        Some(process)
    }

    fn report(&mut self, slot: usize, ended: bool) {
        let Some(process) = self.pods[slot] else { return };
        self.reported.insert(process.number);
        self.kept_since.get_or_insert(self.now);
        self.used = self.used.max(process.used);
        let told = run(process.pod, process.number, process.since, self.now, ended);
        self.runs.retain(|run| run.process != told.process);
        self.runs.push(told);
    }

    fn look(&mut self) {
        let Some(kept_since) = self.kept_since else { return };
        let told = Told {
            kept_since: NOW + kept_since,
            runs: self.runs.clone(),
            uses: vec![],
        };
        let counted: Vec<PodName> = self.pods.iter().flatten().map(|live| [live.pod; 16]).collect();
        self.heard = self.heard.max(self.used);
        for process in self.pods.iter_mut().flatten() {
            process.was_seen = true;
        }
        let Some(coverage) = self.ledger.cover(&told, &counted, at(self.now)) else {
            return;
        };
        let missed = self.uses.iter().filter(|(used, _)| {
            let when = at(*used);
            (coverage.from..coverage.to).contains(&when) && self.heard < Some(*used)
        });
        assert_eq!(missed.count(), 0, "{coverage:?} {:?}", self.uses);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Pass(seconds) => self.now += seconds,
            Step::Begin(slot) if self.pods[slot].is_none() => self.begin(slot, None, true),
            Step::BeginCutOff(slot) if self.pods[slot].is_none() => self.begin(slot, None, false),
            Step::Begin(_) | Step::BeginCutOff(_) => {}
            Step::Use(slot) => {
                if let Some(process) = &mut self.pods[slot] {
                    process.used = Some(self.now);
                    self.uses.push((self.now, process.number));
                }
            }
            Step::Report(slot) => self.report(slot, false),
            Step::End(slot) => {
                self.report(slot, true);
                self.pods[slot] = None;
            }
            Step::Crash(slot) => {
                self.crash(slot, false);
            }
            Step::Restart(slot) => {
                if let Some(process) = self.crash(slot, true) {
                    self.begin(slot, Some(process.pod), true);
                }
            }
            Step::RestartCutOff(slot) => {
                self.report(slot, true);
                if let Some(process) = self.pods[slot] {
                    self.begin(slot, Some(process.pod), false);
                }
            }
            Step::StoreLost => {
                (self.kept_since, self.runs, self.used) = (None, vec![], None);
                (0..3).for_each(|slot| self.report(slot, false));
            }
            Step::Look => self.look(),
            // what it heard before is in status
            Step::OtherLooks => {
                self.ledger = Ledger::default();
                let mut told_of = self.reported.clone();
                for process in self.pods.iter_mut().flatten() {
                    process.was_seen = false;
                    told_of.insert(process.number);
                }
                // what ended without a report, only the one before saw
                self.uses.retain(|(_, by)| told_of.contains(by));
            }
        }
    }
}

proptest! {
    #[test]
    fn no_use_is_missed_in_what_is_said_to_be_known(steps in steps()) {
        let mut world = World::default();
        for step in steps {
            world.step(step);
        }
        world.look();
    }

    #[test]
    fn in_quiet_times_everything_comes_to_be_known(steps in steps()) {
        let mut world = World::default();
        for step in steps {
            world.step(step);
        }
        for slot in 0..3 {
            world.report(slot, false);
        }
        world.kept_since.get_or_insert(world.now);
        world.look();
        world.now += 1000;
        for slot in 0..3 {
            world.report(slot, false);
        }
        let told = Told {
            kept_since: NOW + world.kept_since.unwrap_or(0),
            runs: world.runs.clone(),
            uses: vec![],
        };
        let counted: Vec<PodName> = world.pods.iter().flatten().map(|live| [live.pod; 16]).collect();
        let coverage = world.ledger.cover(&told, &counted, at(world.now)).unwrap();
        prop_assert!(coverage.from <= at(world.now - 999));
        prop_assert_eq!(coverage.to, at(world.now));
    }
}
