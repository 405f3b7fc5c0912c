//! The rules. `now` is a parameter: nothing here waits.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use oidc_crds::uses::{KEPT, Run, SETTLED, Told};
use oidc_protocol::handle::{FamilyId, LoginTag};
use oidc_provider::store::{
    Account, Attempt, Indexed, LoginLimit, NewAttempt, NewCode, NewLogin, NewSession, NewUse, Redeemed,
    Report, Rotated, Rotation, Shared, Store, StoredSession, Used, UserKey,
};

use crate::support::*;

type AnyStore = Arc<dyn Store>;

pub async fn i1_code_is_taken_once_and_a_replay_revokes(store: AnyStore) {
    let login = log_in(&store).await;
    let family = login.open(&store, opening(login.tag)).await;
    assert!(is_active(&store, family, at(1)).await);
    for _ in 0..2 {
        let again = store
            .redeem_code(login.code, random(), opening(login.tag), at(2))
            .await
            .unwrap();
        assert!(again == Redeemed::Replayed(family));
        assert!(!is_active(&store, family, at(2)).await);
        assert!(rotate(&store, family, 0, at(2)).await == Rotated::Unknown);
    }
}

pub async fn i1_of_a_thousand_redemptions_one_wins(store: AnyStore) {
    let login = log_in(&store).await;
    let tasks = (0..1_000).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let opening = opening(login.tag);
            (
                opening.family,
                store
                    .redeem_code(login.code, random(), opening, at(1))
                    .await
                    .unwrap(),
            )
        })
    });
    let mut winners = HashSet::new();
    let mut replayed = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            (family, Redeemed::Taken(grant)) => {
                assert!(grant == login.grant());
                winners.insert(family);
            }
            (_, Redeemed::Replayed(family)) => replayed.push(family),
            (_, Redeemed::Unknown) => panic!("a taken code is not unknown"),
        }
    }
    assert_eq!((winners.len(), replayed.len()), (1, 999));
    assert!(replayed.iter().all(|family| winners.contains(family)));
    assert!(!is_active(&store, replayed[0], at(1)).await);
}

pub async fn i1_same_attempt_gets_the_same_answer_for_ten_seconds(store: AnyStore) {
    let login = log_in(&store).await;
    let (opening, attempt) = (opening(login.tag), random());
    for now in [ms(1_000), ms(1_000), ms(11_000)] {
        let answer = store
            .redeem_code(login.code, attempt, opening, now)
            .await
            .unwrap();
        assert!(answer == Redeemed::Taken(login.grant()));
        assert!(is_active(&store, opening.family, now).await);
    }
    let late = store
        .redeem_code(login.code, attempt, opening, ms(11_001))
        .await
        .unwrap();
    assert!(late == Redeemed::Replayed(opening.family));
    assert!(!is_active(&store, opening.family, ms(11_001)).await);
}

pub async fn i1_same_attempt_after_a_replay_is_a_replay(store: AnyStore) {
    let login = log_in(&store).await;
    let (first, attempt) = (opening(login.tag), random());
    store
        .redeem_code(login.code, attempt, first, at(1))
        .await
        .unwrap();
    store
        .redeem_code(login.code, random(), opening(login.tag), at(2))
        .await
        .unwrap();
    let again = store
        .redeem_code(login.code, attempt, first, at(2))
        .await
        .unwrap();
    assert!(again == Redeemed::Replayed(first.family));
    assert!(!is_active(&store, first.family, at(2)).await);
}

pub async fn i1_same_attempt_with_another_family_is_a_replay(store: AnyStore) {
    let login = log_in(&store).await;
    let (first, second, attempt) = (opening(login.tag), opening(login.tag), random());
    store
        .redeem_code(login.code, attempt, first, at(1))
        .await
        .unwrap();
    let again = store
        .redeem_code(login.code, attempt, second, at(1))
        .await
        .unwrap();
    assert!(again == Redeemed::Replayed(first.family));
    assert!(!is_active(&store, second.family, at(1)).await);
}

pub async fn i1_expired_code_is_unknown(store: AnyStore) {
    let (late, last) = (log_in(&store).await, log_in(&store).await);
    let taken = store
        .redeem_code(last.code, random(), opening(last.tag), ms(59_999))
        .await
        .unwrap();
    assert!(taken == Redeemed::Taken(last.grant()));
    let unknown = store
        .redeem_code(late.code, random(), opening(late.tag), ms(60_000))
        .await
        .unwrap();
    assert!(unknown == Redeemed::Unknown);
}

pub async fn i1_code_of_another_login_is_unknown(store: AnyStore) {
    let (login, other) = (log_in(&store).await, log_in(&store).await);
    let unknown = store
        .redeem_code(login.code, random(), opening(other.tag), at(1))
        .await
        .unwrap();
    assert!(unknown == Redeemed::Unknown);
    let unknown = store
        .redeem_code(digest(), random(), opening(login.tag), at(1))
        .await
        .unwrap();
    assert!(unknown == Redeemed::Unknown);
    login.open(&store, opening(login.tag)).await;
}

pub async fn i1_replay_is_noticed_as_long_as_the_family_could_live(store: AnyStore) {
    let login = log_in(&store).await;
    let mut terms = opening(login.tag);
    terms.refresh = None;
    let family = login.open(&store, terms).await;
    let last = store
        .redeem_code(login.code, random(), opening(login.tag), ms(299_999))
        .await
        .unwrap();
    assert!(last == Redeemed::Replayed(family));
    let over = store
        .redeem_code(login.code, random(), opening(login.tag), ms(300_000))
        .await
        .unwrap();
    assert!(over == Redeemed::Unknown);

    // refresh tokens end at 10 000 s; the access token of the last rotation lives 300 s more
    let login = log_in(&store).await;
    let mut terms = opening(login.tag);
    terms.refresh = Some((at(10_000), 10_000));
    terms.bound_to_session = false;
    let family = login.open(&store, terms).await;
    assert!(matches!(
        rotate(&store, family, 0, at(9_990)).await,
        Rotated::Rotated(_)
    ));
    assert!(is_active(&store, family, at(10_280)).await);
    let last = store
        .redeem_code(login.code, random(), opening(login.tag), at(10_280))
        .await
        .unwrap();
    assert!(last == Redeemed::Replayed(family));
    assert!(!is_active(&store, family, at(10_280)).await);
    let over = store
        .redeem_code(login.code, random(), opening(login.tag), at(10_300))
        .await
        .unwrap();
    assert!(over == Redeemed::Unknown);
}

pub async fn i1_writing_a_taken_code_again_changes_nothing(store: AnyStore) {
    let (login, family) = family(&store).await;
    store
        .authorize(login.tag, login.cookie, random(), Some(code(login.code)), at(2))
        .await
        .unwrap();
    let again = store
        .redeem_code(login.code, random(), opening(login.tag), at(2))
        .await
        .unwrap();
    assert!(again == Redeemed::Replayed(family));
}

pub async fn i1_bound_code_needs_its_session(store: AnyStore) {
    // ended
    let login = log_in(&store).await;
    store.end_session(login.tag, at(1)).await.unwrap();
    let unknown = store
        .redeem_code(login.code, random(), opening(login.tag), at(1))
        .await
        .unwrap();
    assert!(unknown == Redeemed::Unknown);
    // a session that comes after the ended one is another
    store
        .put_session(login.tag, session(digest()), at(1))
        .await
        .unwrap();
    let unknown = store
        .redeem_code(login.code, random(), opening(login.tag), at(1))
        .await
        .unwrap();
    assert!(unknown == Redeemed::Unknown);
    // not bound: the code was good and stays so
    let mut unbound = opening(login.tag);
    unbound.bound_to_session = false;
    login.open(&store, unbound).await;
    // the same person signed in again
    let login = log_in(&store).await;
    store
        .put_session(login.tag, session(digest()), at(1))
        .await
        .unwrap();
    login.open(&store, opening(login.tag)).await;
}

pub async fn i1_revoked_family_stays_revoked(store: AnyStore) {
    let (login, family) = family(&store).await;
    store.revoke_family(family).await.unwrap();
    store.revoke_family(family).await.unwrap();
    assert!(!is_active(&store, family, at(2)).await);
    assert!(rotate(&store, family, 0, at(2)).await == Rotated::Unknown);
    let again = store
        .redeem_code(login.code, random(), opening(login.tag), at(2))
        .await
        .unwrap();
    assert!(again == Redeemed::Replayed(family));
}

pub async fn i2_equal_generation_rotates(store: AnyStore) {
    let (login, family) = family(&store).await;
    for generation in 0..5 {
        let answer = rotate(&store, family, generation, at(2)).await;
        assert!(answer == Rotated::Rotated(login.grant()));
    }
    let absent = FamilyId {
        seed: random(),
        ..family
    };
    assert!(rotate(&store, absent, 0, at(2)).await == Rotated::Unknown);
}

pub async fn i2_two_refreshes_at_once_agree(store: AnyStore) {
    for _ in 0..20 {
        race(&store, 2).await;
    }
}

pub async fn i2_many_refreshes_at_once_agree(store: AnyStore) {
    race(&store, 200).await;
}

/// All present the same token, each under a ring version of its own: one rotates, and the others are told
/// the ring version of its successor.
async fn race(store: &AnyStore, count: u32) {
    let (login, family) = family(store).await;
    let tasks = (0..count).map(|n| {
        let store = Arc::clone(store);
        let rotation = Rotation {
            family,
            generation: 0,
            ring_version: 100 + n,
            grace: 10,
            tokens_until: at(400),
        };
        tokio::spawn(async move { (100 + n, store.rotate_refresh(rotation, at(2)).await.unwrap()) })
    });
    let (mut rotated, mut repeated) = (Vec::new(), Vec::new());
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            (version, Rotated::Rotated(grant)) if grant == login.grant() => rotated.push(version),
            (_, Rotated::Repeated(grant, version)) if grant == login.grant() => repeated.push(version),
            _ => panic!("neither rotated nor repeated"),
        }
    }
    assert_eq!((rotated.len(), repeated.len() + 1), (1, count as usize));
    assert!(repeated.iter().all(|version| *version == rotated[0]));
    assert!(matches!(
        rotate(store, family, 1, at(3)).await,
        Rotated::Rotated(_)
    ));
}

pub async fn i2_repetition_within_grace_gets_the_same_successor(store: AnyStore) {
    let (login, family) = family(&store).await;
    let turn = |generation, ring_version| Rotation {
        family,
        generation,
        ring_version,
        grace: 10,
        tokens_until: at(3_000),
    };
    let first = store.rotate_refresh(turn(0, 8), ms(2_000)).await.unwrap();
    assert!(first == Rotated::Rotated(login.grant()));
    for now in [ms(2_000), ms(12_000)] {
        let again = store.rotate_refresh(turn(0, 9), now).await.unwrap();
        assert!(again == Rotated::Repeated(login.grant(), 8));
    }
    // the repeated answer carries a fresh access token
    assert!(is_active(&store, family, ms(2_999_999)).await);
    let next = store.rotate_refresh(turn(1, 9), ms(12_000)).await.unwrap();
    assert!(next == Rotated::Rotated(login.grant()));
    // a repetition does not prolong the grace, and the ring version is the successor's
    let again = store.rotate_refresh(turn(1, 10), ms(12_000)).await.unwrap();
    assert!(again == Rotated::Repeated(login.grant(), 9));
}

pub async fn i2_repetition_after_grace_revokes(store: AnyStore) {
    let (login, family) = family(&store).await;
    rotate(&store, family, 0, ms(2_000)).await;
    assert!(rotate(&store, family, 0, ms(12_000)).await == Rotated::Repeated(login.grant(), 8));
    assert!(rotate(&store, family, 0, ms(12_001)).await == Rotated::Reused(family));
    assert!(rotate(&store, family, 1, ms(12_001)).await == Rotated::Unknown);
    assert!(!is_active(&store, family, ms(12_001)).await);
}

pub async fn i2_older_generation_revokes_at_once(store: AnyStore) {
    let (_, family) = family(&store).await;
    rotate(&store, family, 0, at(2)).await;
    rotate(&store, family, 1, at(2)).await;
    // its successor was used, so there is no grace
    assert!(rotate(&store, family, 0, at(2)).await == Rotated::Reused(family));
    assert!(rotate(&store, family, 2, at(2)).await == Rotated::Unknown);
    assert!(!is_active(&store, family, at(2)).await);
}

pub async fn i2_newer_generation_is_unknown_and_revokes_nothing(store: AnyStore) {
    let (_, family) = family(&store).await;
    for generation in [1, 2, u32::MAX] {
        assert!(rotate(&store, family, generation, at(2)).await == Rotated::Unknown);
    }
    assert!(matches!(
        rotate(&store, family, 0, at(2)).await,
        Rotated::Rotated(_)
    ));
}

pub async fn i2_family_without_refresh_is_unknown(store: AnyStore) {
    let login = log_in(&store).await;
    let mut terms = opening(login.tag);
    terms.refresh = None;
    let family = login.open(&store, terms).await;
    assert!(rotate(&store, family, 0, at(2)).await == Rotated::Unknown);
    assert!(is_active(&store, family, ms(299_999)).await);
    assert!(!is_active(&store, family, ms(300_000)).await);
}

pub async fn i2_use_renews_the_idle_end_up_to_the_absolute_end(store: AnyStore) {
    let terms = |tag| {
        let mut terms = opening(tag);
        terms.bound_to_session = false;
        terms
    };
    // opened at 1 s, idle 1 000 s
    let login = log_in(&store).await;
    let unused = login.open(&store, terms(login.tag)).await;
    assert!(rotate(&store, unused, 0, ms(1_001_000)).await == Rotated::Unknown);
    let login = log_in(&store).await;
    let used = login.open(&store, terms(login.tag)).await;
    for (generation, now) in (0..).zip((1..=9).map(|n| ms(n * 999_999 + 1_000))) {
        assert!(matches!(
            rotate(&store, used, generation, now).await,
            Rotated::Rotated(_)
        ));
    }
    assert!(matches!(
        rotate(&store, used, 9, ms(9_999_999)).await,
        Rotated::Rotated(_)
    ));
    assert!(rotate(&store, used, 10, ms(10_000_000)).await == Rotated::Unknown);
    // what has ended is not reuse either, and the last access token lives on
    assert!(rotate(&store, used, 0, ms(10_000_000)).await == Rotated::Unknown);
    assert!(is_active(&store, used, ms(10_000_000)).await);
}

pub async fn i2_bound_family_ends_with_its_session(store: AnyStore) {
    let (login, family) = family(&store).await;
    assert!(store.end_session(login.tag, at(2)).await.unwrap());
    assert!(!is_active(&store, family, at(2)).await);
    assert!(rotate(&store, family, 0, at(2)).await == Rotated::Unknown);
    // by time: the session ends at 3 600 s if nobody touches it
    let login = log_in(&store).await;
    let mut terms = opening(login.tag);
    terms.refresh = Some((at(10_000), 10_000));
    terms.tokens_until = at(10_000);
    let family = login.open(&store, terms).await;
    assert!(is_active(&store, family, ms(3_599_999)).await);
    assert!(!is_active(&store, family, ms(3_600_000)).await);
    assert!(rotate(&store, family, 0, ms(3_600_000)).await == Rotated::Unknown);
}

pub async fn i2_bound_family_survives_a_new_cookie_but_not_a_new_session(store: AnyStore) {
    let (login, family) = family(&store).await;
    store
        .put_session(login.tag, session(digest()), at(2))
        .await
        .unwrap();
    assert!(matches!(
        rotate(&store, family, 0, at(2)).await,
        Rotated::Rotated(_)
    ));
    store
        .put_session(login.tag, session(digest()), at(2))
        .await
        .unwrap();
    assert!(is_active(&store, family, at(2)).await);
    store.end_session(login.tag, at(3)).await.unwrap();
    store
        .put_session(login.tag, session(digest()), at(3))
        .await
        .unwrap();
    assert!(!is_active(&store, family, at(3)).await);
    assert!(rotate(&store, family, 1, at(3)).await == Rotated::Unknown);
}

pub async fn i2_unbound_family_outlives_its_session(store: AnyStore) {
    let login = log_in(&store).await;
    let mut terms = opening(login.tag);
    terms.bound_to_session = false;
    let family = login.open(&store, terms).await;
    store.end_session(login.tag, at(2)).await.unwrap();
    assert!(is_active(&store, family, at(2)).await);
    assert!(matches!(
        rotate(&store, family, 0, at(2)).await,
        Rotated::Rotated(_)
    ));
}

pub async fn i2_rotation_touches_the_session_of_a_bound_family_only(store: AnyStore) {
    for bound in [true, false] {
        let login = log_in(&store).await;
        let mut terms = opening(login.tag);
        (terms.refresh, terms.bound_to_session) = (Some((at(10_000), 10_000)), bound);
        let family = login.open(&store, terms).await;
        assert!(matches!(
            rotate(&store, family, 0, at(3_000)).await,
            Rotated::Rotated(_)
        ));
        let read = store
            .authorize(login.tag, login.cookie, random(), None, ms(6_599_999))
            .await
            .unwrap();
        assert_eq!(read.is_some(), bound);
    }
}

pub async fn refresh_state_is_of_the_current_generation_alone(store: AnyStore) {
    let (login, family) = family(&store).await;
    let state = async |generation, now| store.refresh_state(family, generation, now).await.unwrap();
    let terms = opening(login.tag);
    let (absolute, idle) = terms.refresh.unwrap();
    let ends = absolute.min(at(1) + SignedDuration::from_secs(i64::try_from(idle).unwrap()));
    for _ in 0..2 {
        assert!(
            state(0, at(2)).await == Some((login.grant(), ends)),
            "asking changes nothing"
        );
        assert!(state(1, at(2)).await.is_none(), "not made yet");
    }
    rotate(&store, family, 0, at(2)).await;
    assert!(state(0, at(2)).await.is_none(), "its successor is current");
    assert!(state(1, at(2)).await.is_some());
    store.end_session(login.tag, at(3)).await.unwrap();
    assert!(state(1, at(3)).await.is_none(), "it ended with its session");

    let (_, revoked) = crate::support::family(&store).await;
    store.revoke_family(revoked).await.unwrap();
    assert!(store.refresh_state(revoked, 0, at(2)).await.unwrap().is_none());

    let (_, old) = crate::support::family(&store).await;
    assert!(
        store.refresh_state(old, 0, ends).await.unwrap().is_none(),
        "it has ended"
    );

    let login = log_in(&store).await;
    let mut none = opening(login.tag);
    none.refresh = None;
    let family = login.open(&store, none).await;
    assert!(
        store.refresh_state(family, 0, at(2)).await.unwrap().is_none(),
        "it has none"
    );
}

pub async fn family_lives_until_the_last_access_token_ends(store: AnyStore) {
    let login = log_in(&store).await;
    let mut terms = opening(login.tag);
    terms.refresh = Some((at(100), 100));
    let family = login.open(&store, terms).await;
    let state = store.token_state(family, digest(), ms(299_999)).await.unwrap();
    assert!(state == Some(login.grant()));
    assert!(!is_active(&store, family, ms(300_000)).await);

    let login = log_in(&store).await;
    let family = login.open(&store, terms_of(&login)).await;
    // a rotation with a shorter access token takes nothing from an earlier one
    let short = Rotation {
        family,
        generation: 0,
        ring_version: 8,
        grace: 10,
        tokens_until: at(5),
    };
    store.rotate_refresh(short, at(2)).await.unwrap();
    assert!(is_active(&store, family, ms(299_999)).await);
}

fn terms_of(login: &Login) -> oidc_provider::store::Opening {
    let mut terms = opening(login.tag);
    terms.refresh = Some((at(100), 100));
    terms
}

pub async fn session_is_read_with_its_cookie_only(store: AnyStore) {
    let login = log_in(&store).await;
    let read = |tag, cookie| store.authorize(tag, cookie, random(), None, at(1));
    assert!(read(login.tag, login.cookie).await.unwrap().is_some());
    assert!(read(login.tag, digest()).await.unwrap().is_none());
    assert!(read(LoginTag(random()), login.cookie).await.unwrap().is_none());
    let cookie = digest();
    store
        .put_session(login.tag, session(cookie), at(1))
        .await
        .unwrap();
    assert!(
        read(login.tag, login.cookie).await.unwrap().is_none(),
        "the old cookie is over"
    );
    assert!(read(login.tag, cookie).await.unwrap().is_some());
}

pub async fn session_ends_by_idle_and_by_absolute_time(store: AnyStore) {
    let login = log_in(&store).await;
    let read = |now| store.authorize(login.tag, login.cookie, random(), None, now);
    assert!(read(ms(3_599_999)).await.unwrap().is_some());
    assert!(read(ms(7_199_998)).await.unwrap().is_some());
    // a clock that is behind takes nothing away
    assert!(read(at(3_600)).await.unwrap().is_some());
    assert!(read(ms(10_799_997)).await.unwrap().is_some());
    for hours in 3..10 {
        assert!(read(ms(hours * 3_599_999)).await.unwrap().is_some(), "{hours}");
    }
    assert!(read(ms(35_999_990)).await.unwrap().is_some());
    assert!(read(ms(35_999_999)).await.unwrap().is_some());
    assert!(read(at(36_000)).await.unwrap().is_none(), "absolute end");
    let login = log_in(&store).await;
    let late = store
        .authorize(login.tag, login.cookie, random(), None, ms(3_600_000))
        .await
        .unwrap();
    assert!(late.is_none(), "idle end");
}

pub async fn session_is_ended_once(store: AnyStore) {
    let login = log_in(&store).await;
    assert!(store.end_session(login.tag, at(1)).await.unwrap());
    assert!(!store.end_session(login.tag, at(1)).await.unwrap());
    assert!(
        store
            .authorize(login.tag, login.cookie, random(), None, at(1))
            .await
            .unwrap()
            .is_none()
    );
    let login = log_in(&store).await;
    assert!(
        !store.end_session(login.tag, at(3_600)).await.unwrap(),
        "it had ended by itself"
    );
}

pub async fn session_copies_consents_and_forgets_them_when_replaced(store: AnyStore) {
    let (tag, cookie) = (LoginTag(random()), digest());
    let (known, unknown) = (random(), random());
    let new = NewSession {
        consents: vec![(known, b"consent".to_vec())],
        ..session(cookie)
    };
    store.put_session(tag, new, at(0)).await.unwrap();
    let read = store
        .authorize(tag, cookie, known, None, at(1))
        .await
        .unwrap()
        .unwrap();
    assert!(read.consent.as_deref() == Some(b"consent"));
    let read = store
        .authorize(tag, cookie, unknown, None, at(1))
        .await
        .unwrap()
        .unwrap();
    assert!(read.consent.is_none());
    store.put_session(tag, session(cookie), at(1)).await.unwrap();
    let read = store
        .authorize(tag, cookie, known, None, at(1))
        .await
        .unwrap()
        .unwrap();
    assert!(read.consent.is_none());
}

pub async fn consent_for_the_session_alone_lives_on_when_it_is_replaced(store: AnyStore) {
    let login = log_in(&store).await;
    let (own, copied) = (random(), random());
    for (key, session_only) in [(own, true), (copied, false)] {
        let given = Some(consent(key, session_only));
        store
            .grant(login.tag, login.cookie, given, code(digest()), at(1))
            .await
            .unwrap();
    }
    let read = async |cookie, key, now| {
        let read = store.authorize(login.tag, cookie, key, None, now).await.unwrap();
        read.unwrap().consent
    };
    for (cookie, now) in [(digest(), at(2)), (digest(), at(3))] {
        assert!(store.put_session(login.tag, session(cookie), now).await.unwrap());
        assert!(read(cookie, own, now).await.as_deref() == Some(b"consent"));
        assert!(
            read(cookie, copied, now).await.is_none(),
            "the user's slot has it"
        );
    }
    // a session that has ended leaves nothing to the next one of its tag
    let (cookie, late) = (digest(), at(3 + 3_600));
    let next = NewSession {
        until: at(2 * SESSION_END),
        ..session(cookie)
    };
    store.put_session(login.tag, next, late).await.unwrap();
    assert!(read(cookie, own, late).await.is_none());
}

pub async fn code_is_not_stored_without_a_session(store: AnyStore) {
    let login = log_in(&store).await;
    let second = digest();
    let read = store
        .authorize(login.tag, digest(), random(), Some(code(second)), at(1))
        .await
        .unwrap();
    assert!(read.is_none());
    let mut terms = opening(login.tag);
    terms.bound_to_session = false;
    let unknown = store.redeem_code(second, random(), terms, at(1)).await.unwrap();
    assert!(unknown == Redeemed::Unknown);
}

pub async fn code_keeps_the_session_as_it_was(store: AnyStore) {
    let login = log_in(&store).await;
    let cookie = digest();
    let newer = NewSession {
        record: b"newer".to_vec(),
        ..session(cookie)
    };
    store.put_session(login.tag, newer, at(1)).await.unwrap();
    let family = login.open(&store, opening(login.tag)).await;
    let state = store.token_state(family, digest(), at(1)).await.unwrap();
    assert!(state == Some(login.grant()));
    let second = digest();
    let read = store
        .authorize(login.tag, cookie, random(), Some(code(second)), at(1))
        .await
        .unwrap();
    assert!(read.is_some_and(|read| read.record == b"newer"));
    match store
        .redeem_code(second, random(), opening(login.tag), at(1))
        .await
        .unwrap()
    {
        Redeemed::Taken(grant) => assert!(grant.session == b"newer"),
        _ => panic!("not taken"),
    }
}

pub async fn grant_keeps_the_consent_and_stores_the_code(store: AnyStore) {
    let login = log_in(&store).await;
    let (consent, first, second) = (random(), digest(), digest());
    let given = Some(self::consent(consent, false));
    let read = store
        .grant(login.tag, login.cookie, given, code(first), at(1))
        .await
        .unwrap();
    let expected = StoredSession {
        record: SESSION.to_vec(),
        consent: Some(b"consent".to_vec()),
    };
    assert!(read == Some(expected));
    let read = store
        .authorize(login.tag, login.cookie, consent, None, at(1))
        .await
        .unwrap()
        .unwrap();
    assert!(read.consent.as_deref() == Some(b"consent"));
    let read = store
        .grant(login.tag, login.cookie, None, code(second), at(1))
        .await
        .unwrap()
        .unwrap();
    assert!(read.consent.is_none());
    for code in [first, second] {
        let taken = store
            .redeem_code(code, random(), opening(login.tag), at(1))
            .await
            .unwrap();
        assert!(matches!(taken, Redeemed::Taken(_)));
    }
}

pub async fn grant_without_a_session_stores_nothing(store: AnyStore) {
    let login = log_in(&store).await;
    let (consent, second) = (random(), digest());
    let given = Some(self::consent(consent, false));
    let read = store
        .grant(login.tag, digest(), given, code(second), at(1))
        .await
        .unwrap();
    assert!(read.is_none());
    let read = store
        .authorize(login.tag, login.cookie, consent, None, at(1))
        .await
        .unwrap()
        .unwrap();
    assert!(read.consent.is_none());
    let unknown = store
        .redeem_code(second, random(), opening(login.tag), at(1))
        .await
        .unwrap();
    assert!(unknown == Redeemed::Unknown);
}

pub async fn consents_are_remembered_per_user_until_they_end(store: AnyStore) {
    let (user, other): (UserKey, UserKey) = (random(), random());
    let (first, second) = (random(), random());
    assert!(store.consents(&user, at(0)).await.unwrap().is_empty());
    store
        .remember_consent(&user, first, b"one".to_vec(), at(100), None, at(0))
        .await
        .unwrap();
    store
        .remember_consent(&user, second, b"two".to_vec(), at(50), None, at(0))
        .await
        .unwrap();
    let mut all = store.consents(&user, at(1)).await.unwrap();
    all.sort();
    let mut expected = vec![(first, b"one".to_vec()), (second, b"two".to_vec())];
    expected.sort();
    assert!(all == expected);
    assert!(store.consents(&other, at(1)).await.unwrap().is_empty());
    assert!(store.consents(&user, at(50)).await.unwrap() == [(first, b"one".to_vec())]);
    store
        .remember_consent(&user, first, b"three".to_vec(), at(200), None, at(50))
        .await
        .unwrap();
    assert!(store.consents(&user, ms(199_999)).await.unwrap() == [(first, b"three".to_vec())]);
    assert!(store.consents(&user, at(200)).await.unwrap().is_empty());
}

pub async fn index_returns_the_oldest_beyond_the_limit(store: AnyStore) {
    let (user, other): (UserKey, UserKey) = (random(), random());
    let tags: [LoginTag; 4] = std::array::from_fn(|_| LoginTag(random()));
    let enter = |n: usize, limit, now| enter_login(&store, &user, tags[n], at(1_000 - now), limit, at(now));
    assert!(enter(0, 2, 1).await.is_empty());
    assert!(enter(1, 2, 2).await.is_empty());
    assert!(
        enter_login(&store, &other, tags[3], at(1_000), 2, at(2))
            .await
            .is_empty()
    );
    // the newest ends first, and is not the oldest for that
    assert_eq!(enter(2, 2, 3).await, [tags[0]]);
    assert_eq!(enter(3, 2, 4).await, [tags[1]]);
    // out is out
    assert_eq!(enter(0, 3, 5).await, []);
    // a lower limit later
    assert_eq!(enter(1, 1, 6).await, [tags[2], tags[3], tags[0]]);
}

pub async fn index_counts_a_login_once_and_forgets_ended_ones(store: AnyStore) {
    let user: UserKey = random();
    let tags: [LoginTag; 4] = std::array::from_fn(|_| LoginTag(random()));
    let enter = |n: usize, until, now| enter_login(&store, &user, tags[n], at(until), 2, at(now));
    assert!(enter(0, 1_000, 1).await.is_empty());
    assert!(enter(1, 100, 2).await.is_empty());
    // signing in again: still two, and now the younger one; its end is never brought forward
    assert!(enter(0, 50, 3).await.is_empty());
    assert_eq!(enter(2, 200, 99).await, [tags[1]]);
    assert!(enter(0, 1_000, 100).await.is_empty());
    // 2 has ended at 200
    assert!(enter(3, 1_000, 200).await.is_empty());
    assert_eq!(enter(1, 1_000, 201).await, [tags[0]]);
}

pub async fn index_never_returns_the_login_that_enters(store: AnyStore) {
    let user: UserKey = random();
    let (first, second) = (LoginTag(random()), LoginTag(random()));
    assert!(
        enter_login(&store, &user, first, at(1_000), 1, at(10))
            .await
            .is_empty()
    );
    // a pod whose clock is behind
    assert_eq!(
        enter_login(&store, &user, second, at(1_000), 1, at(5)).await,
        [first]
    );
    assert_eq!(
        enter_login(&store, &user, first, at(1_000), 0, at(5)).await,
        [second]
    );
}

fn attempt(account: Account, browser: oidc_protocol::handle::Digest) -> NewAttempt {
    NewAttempt {
        account,
        browser,
        attempt: random(),
        free: 3,
    }
}

/// Milliseconds to wait; 0: the attempt is taken.
async fn wait(store: &AnyStore, new: NewAttempt, now: jiff::Timestamp) -> i64 {
    match store.begin_login(new, now).await.unwrap() {
        Attempt::Taken(_) => 0,
        Attempt::Wait(wait) => wait,
    }
}

pub async fn ses_05_attempts_are_counted_per_account(store: AnyStore) {
    let (shared, mut same_record): ([u8; 32], [u8; 32]) = (random(), random());
    same_record[..2].copy_from_slice(&shared[..2]);
    for (mine, other) in [
        (Account::Known(random()), Account::Known(random())),
        (Account::Unknown(random()), Account::Unknown(random())),
        // one record, two names: the next one takes its place
        (Account::Unknown(shared), Account::Unknown(same_record)),
    ] {
        let from_anywhere = || attempt(mine, digest());
        for _ in 0..3 {
            assert_eq!(wait(&store, from_anywhere(), at(1)).await, 0);
        }
        assert_eq!(wait(&store, from_anywhere(), at(1)).await, 1_000);
        // what is refused is not counted, and lengthens nothing
        assert_eq!(wait(&store, from_anywhere(), ms(1_999)).await, 1);
        assert_eq!(wait(&store, from_anywhere(), at(2)).await, 0);
        assert_eq!(wait(&store, from_anywhere(), at(3)).await, 1_000);
        assert_eq!(wait(&store, from_anywhere(), at(4)).await, 0);
        // forgotten after a quarter of an hour without any
        for _ in 0..3 {
            assert_eq!(wait(&store, from_anywhere(), at(904)).await, 0);
        }
        assert_eq!(wait(&store, from_anywhere(), at(904)).await, 1_000);
        assert_eq!(wait(&store, attempt(other, digest()), at(5)).await, 0);
    }
}

pub async fn ses_05_an_attempt_whose_reply_is_lost_is_counted_once(store: AnyStore) {
    for account in [Account::Known(random()), Account::Unknown(random())] {
        let new = attempt(account, digest());
        for _ in 0..9 {
            assert_eq!(wait(&store, new, at(1)).await, 0);
        }
        for _ in 0..2 {
            assert_eq!(wait(&store, attempt(account, digest()), at(1)).await, 0);
        }
        assert_eq!(wait(&store, attempt(account, digest()), at(1)).await, 1_000);
    }
}

pub async fn ses_05_of_many_attempts_at_once_the_free_ones_are_taken(store: AnyStore) {
    let account = Account::Known(random());
    let tasks = (0..100).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { wait(&store, attempt(account, digest()), at(1)).await })
    });
    let mut taken = 0;
    for task in tasks.collect::<Vec<_>>() {
        taken += usize::from(task.await.unwrap() == 0);
    }
    assert_eq!(taken, 3);
}

pub async fn ses_05_a_known_browser_has_attempts_of_its_own(store: AnyStore) {
    let user: UserKey = random();
    let account = Account::Known(user);
    let (home, stranger) = (digest(), digest());
    let log_in = |browser, now| {
        let new = NewLogin {
            browser,
            ..login(LoginTag(random()), at(10_000_000))
        };
        store.index_login(&user, new, limit(9), now)
    };
    log_in(home, at(0)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(wait(&store, attempt(account, stranger), at(1)).await, 0);
    }
    assert_eq!(wait(&store, attempt(account, stranger), at(1)).await, 1_000);
    // the owner's browser is let through, and its success frees no guesses for strangers
    for _ in 0..3 {
        assert_eq!(wait(&store, attempt(account, home), at(1)).await, 0);
    }
    assert_eq!(wait(&store, attempt(account, home), at(1)).await, 1_000);
    log_in(home, at(1)).await.unwrap();
    assert_eq!(wait(&store, attempt(account, home), at(1)).await, 0);
    assert_eq!(wait(&store, attempt(account, stranger), at(1)).await, 1_000);
    // a success from anywhere else forgets the attempts from anywhere else
    log_in(stranger, at(1)).await.unwrap();
    assert_eq!(wait(&store, attempt(account, digest()), at(1)).await, 0);
    // known for 90 days, and 20 of them
    let days = 90 * 86_400;
    let later = at(days);
    for _ in 0..3 {
        assert_eq!(wait(&store, attempt(account, digest()), later).await, 0);
    }
    assert_eq!(wait(&store, attempt(account, stranger), later).await, 0);
    assert_eq!(wait(&store, attempt(account, stranger), at(days + 1)).await, 0);
    assert_eq!(
        wait(&store, attempt(account, stranger), at(days + 1)).await,
        2_000
    );
    let first = digest();
    log_in(first, at(days + 2)).await.unwrap();
    for n in 0..19 {
        log_in(digest(), at(days + 3 + n)).await.unwrap();
    }
    let now = at(days + 30);
    for _ in 0..4 {
        wait(&store, attempt(account, digest()), now).await;
    }
    assert_eq!(wait(&store, attempt(account, first), now).await, 0);
    log_in(digest(), now).await.unwrap();
    for _ in 0..4 {
        wait(&store, attempt(account, digest()), now).await;
    }
    assert_eq!(wait(&store, attempt(account, first), now).await, 1_000);
}

pub async fn ses_05_attempts_are_counted_per_address(store: AnyStore) {
    let (address, other) = (random(), random());
    let take = |address, now| store.take_address(address, random(), 3, now);
    for _ in 0..3 {
        assert_eq!(take(address, at(1)).await.unwrap(), 0);
    }
    assert_eq!(take(address, at(1)).await.unwrap(), 300_000);
    assert_eq!(take(address, ms(301_000 - 1)).await.unwrap(), 1);
    assert_eq!(take(other, at(1)).await.unwrap(), 0);
    // an attempt whose reply is lost is counted once
    let attempt = random();
    for _ in 0..3 {
        let wait = store.take_address(address, attempt, 3, at(301)).await.unwrap();
        assert_eq!(wait, 0);
    }
    assert_eq!(take(address, at(301)).await.unwrap(), 300_000);
    for _ in 0..3 {
        assert_eq!(take(address, at(1_501)).await.unwrap(), 0);
    }
}

/// Random, so that tests on one server do not meet.
fn used(time: i64) -> Used {
    Used {
        which: Shared::TokenPerClient,
        bucket: u16::from_be_bytes(random()),
        time,
    }
}

pub async fn i5_pods_tell_what_they_let_through(store: AnyStore) {
    let one = used(3_000_001);
    let of_addresses = Used {
        which: Shared::RequestsPerAddress,
        ..one
    };
    let other = Used {
        bucket: one.bucket.wrapping_add(1),
        time: 5_000_005,
        ..one
    };
    let now = ms(10).as_microsecond();
    let tell = async |used: &[Used], at| store.share_limits(used, random(), at).await.unwrap();
    assert_eq!(tell(&[], ms(10)).await, []);
    let told = tell(&[one, of_addresses, other], ms(10)).await;
    assert_eq!(
        told,
        [now + 3_000_001, now + 3_000_001, now + 5_000_005].map(Some)
    );
    assert_eq!(tell(&[one], ms(10)).await, [Some(now + 6_000_002)]);
    // as time goes by, and for a clock that is behind
    assert_eq!(tell(&[other], ms(6_010)).await, [Some(now + 11_000_005)]);
    assert_eq!(tell(&[other], ms(10)).await, [Some(now + 16_000_010)]);
    // no farther than five minutes, and nothing from a clock that is far ahead
    let endless = Used { time: 1 << 50, ..one };
    assert_eq!(tell(&[endless], ms(10)).await, [Some(now + 300_000_000)]);
    assert_eq!(tell(&[one], ms(10)).await, [Some(now + 300_000_000)]);
    assert_eq!(tell(&[one], ms(10 - 60_000)).await, [Some(now + 300_000_000)]);
    assert_eq!(tell(&[one], ms(9 - 60_000)).await, [None]);
    assert_eq!(tell(&[one], ms(10)).await, [Some(now + 300_000_000)]);
}

/// A first report that says nothing.
pub fn report() -> Report<'static> {
    let now = at(0).as_second();
    Report {
        tag: random(),
        pod: random(),
        process: random(),
        number: 0,
        since: now - 30,
        until: now - 5,
        ended: false,
        uses: &[],
    }
}

fn run_of(report: &Report<'_>) -> Run {
    Run {
        pod: report.pod,
        process: report.process,
        since: report.since,
        until: report.until,
        ended: report.ended,
    }
}

/// In an order.
async fn uses_of(store: &AnyStore, tag: [u8; 16], after: i64, now: jiff::Timestamp) -> Option<Told> {
    let mut told = store.uses(tag, after, now).await.unwrap()?;
    told.uses.sort();
    told.runs.sort_by_key(|run| (run.since, run.until));
    Some(told)
}

pub async fn uses_are_told_of_each_credential_and_process(store: AnyStore) {
    let now = at(0).as_second();
    let names: [[u8; 16]; 2] = [random(), random()];
    let name = |of: usize| names[of];
    let mut first = report();
    assert_eq!(uses_of(&store, first.tag, 0, at(0)).await, None);
    let used = [(name(0), now - 10), (name(1), now - 20)];
    first.uses = &used;
    assert!(store.report_uses(first, at(0)).await.unwrap());
    let other = Report {
        tag: first.tag,
        since: now - 20,
        until: now + 60,
        ended: true,
        uses: &[(name(0), now - 15), (name(1), now + 50)],
        ..report()
    };
    assert!(store.report_uses(other, at(60)).await.unwrap());
    let told = uses_of(&store, first.tag, 0, at(60)).await.unwrap();
    // none becomes earlier
    let mut uses = vec![(name(0), now - 10), (name(1), now + 50)];
    uses.sort();
    let settled = i64::try_from(SETTLED.0).unwrap();
    let expected = Told {
        kept_since: now + settled,
        runs: vec![run_of(&first), run_of(&other)],
        uses,
    };
    assert_eq!(told, expected);
    let later = uses_of(&store, first.tag, now - 9, at(60)).await.unwrap();
    assert_eq!(later.uses, [(name(1), now + 50)]);
    assert_eq!(later.runs, expected.runs);
}

pub async fn uses_need_the_report_before(store: AnyStore) {
    let now = at(0).as_second();
    let name: [u8; 16] = random();
    let used = [(name, now)];
    let first = report();
    let numbered = |number: u32, until: i64| Report {
        number,
        until,
        uses: &used,
        ..first
    };
    assert!(!store.report_uses(numbered(1, now), at(1)).await.unwrap());
    assert_eq!(uses_of(&store, first.tag, 0, at(1)).await, None);
    assert!(store.report_uses(first, at(1)).await.unwrap());
    for (number, taken) in [
        (2, false),
        (1, true),
        (1, true),
        (2, true),
        (1, false),
        (4, false),
    ] {
        let until = now + i64::from(number);
        let told = store.report_uses(numbered(number, until), at(2)).await.unwrap();
        assert_eq!(told, taken, "{number}");
    }
    let told = uses_of(&store, first.tag, 0, at(2)).await.unwrap();
    assert_eq!(told.runs, [run_of(&numbered(2, now + 2))]);
    assert_eq!(told.uses, used);
    // another process of the same pod begins by itself
    let next = Report {
        process: random(),
        since: now + 10,
        until: now + 10,
        ..first
    };
    assert!(store.report_uses(next, at(10)).await.unwrap());
    let told = uses_of(&store, first.tag, 0, at(10)).await.unwrap();
    assert_eq!(told.runs, [run_of(&numbered(2, now + 2)), run_of(&next)]);
    // and one may begin anew
    assert!(store.report_uses(first, at(11)).await.unwrap());
    assert!(store.report_uses(numbered(1, now), at(11)).await.unwrap());
}

pub async fn uses_are_kept_for_days_and_by_tag(store: AnyStore) {
    let now = at(0).as_second();
    let kept = i64::try_from(KEPT.0).unwrap();
    let (old, new): ([u8; 16], [u8; 16]) = (random(), random());
    let first = Report {
        uses: &[(old, now)],
        ..report()
    };
    assert!(store.report_uses(first, at(0)).await.unwrap());
    assert_eq!(uses_of(&store, random(), 0, at(0)).await, None);
    let later = Report {
        tag: first.tag,
        since: now + kept,
        until: now + kept,
        uses: &[(new, now + kept)],
        ..report()
    };
    assert!(store.report_uses(later, at(kept - 1)).await.unwrap());
    let told = uses_of(&store, first.tag, 0, at(kept - 6)).await.unwrap();
    assert_eq!((told.uses.len(), told.runs.len()), (2, 2));
    let told = uses_of(&store, first.tag, 0, at(kept)).await.unwrap();
    assert_eq!(told.uses, [(new, now + kept)]);
    assert_eq!(told.runs, [run_of(&later)]);
}

pub async fn i5_what_is_told_again_is_counted_once(store: AnyStore) {
    let (one, attempt, now) = (used(7_000_000), random(), at(1).as_microsecond());
    for _ in 0..3 {
        let told = store.share_limits(&[one], attempt, at(1)).await.unwrap();
        assert_eq!(told, [Some(now + 7_000_000)]);
    }
    // somebody else told in between, and time went by
    store.share_limits(&[one], random(), at(1)).await.unwrap();
    let told = store.share_limits(&[one], attempt, at(1)).await.unwrap();
    assert_eq!(told, [Some(now + 14_000_000)]);
    let told = store.share_limits(&[one], attempt, at(60)).await.unwrap();
    assert_eq!(told, [Some(at(60).as_microsecond())]);
}

pub async fn i5_many_pods_tell_at_once(store: AnyStore) {
    let one = used(1_100_000);
    let tell = (0..100).map(|_| store.share_limits(std::slice::from_ref(&one), random(), at(1)));
    futures::future::try_join_all(tell).await.unwrap();
    let none = [Used { time: 0, ..one }];
    let told = store.share_limits(&none, random(), at(1)).await.unwrap();
    assert_eq!(told, [Some(at(1).as_microsecond() + 110_000_000)]);
}

pub async fn an_attempt_reads_the_consents(store: AnyStore) {
    let (user, consent) = (random(), random());
    store
        .remember_consent(&user, consent, b"one".to_vec(), at(100), None, at(0))
        .await
        .unwrap();
    let taken = store
        .begin_login(attempt(Account::Known(user), digest()), at(1))
        .await
        .unwrap();
    assert!(taken == Attempt::Taken(vec![(consent, b"one".to_vec())]));
    for none in [Account::Known(random()), Account::Unknown(random())] {
        let taken = store.begin_login(attempt(none, digest()), at(1)).await.unwrap();
        assert!(taken == Attempt::Taken(vec![]));
    }
}

pub async fn index_lists_the_logins_of_its_user(store: AnyStore) {
    let (user, other): (UserKey, UserKey) = (random(), random());
    let tags: [LoginTag; 4] = std::array::from_fn(|_| LoginTag(random()));
    enter_login(&store, &user, tags[0], at(1_000), 2, at(1)).await;
    enter_login(&store, &user, tags[1], at(100), 2, at(2)).await;
    enter_login(&store, &other, tags[2], at(1_000), 2, at(3)).await;
    let list = |user, now| listed(&store, user, now);
    assert_eq!(list(user, at(4)).await, [(tags[0], at(1)), (tags[1], at(2))]);
    assert_eq!(list(other, at(4)).await, [(tags[2], at(3))]);
    assert_eq!(list(random(), at(4)).await, []);
    // entered again: the younger one now, with a new record
    let again = NewLogin {
        record: b"another".to_vec(),
        ..login(tags[0], at(1_000))
    };
    store.index_login(&user, again, limit(2), at(5)).await.unwrap();
    let all = store.logins(&user, at(6)).await.unwrap();
    assert!(all[0].tag == tags[1] && all[0].record == LOGIN);
    assert!(all[1].tag == tags[0] && all[1].record == b"another" && all[1].entered_at == at(5));
    // what is taken out or has ended is not listed
    enter_login(&store, &user, tags[3], at(1_000), 2, at(7)).await;
    assert_eq!(list(user, at(8)).await, [(tags[0], at(5)), (tags[3], at(7))]);
    assert_eq!(list(user, ms(999_999)).await.len(), 2);
    assert_eq!(list(user, at(1_000)).await, []);
}

pub async fn index_forgets_the_logins_of_its_user_only(store: AnyStore) {
    let (user, other): (UserKey, UserKey) = (random(), random());
    let tags: [LoginTag; 4] = std::array::from_fn(|_| LoginTag(random()));
    for (n, user) in [user, user, user, other].into_iter().enumerate() {
        enter_login(&store, &user, tags[n], at(1_000), 3, at(1)).await;
    }
    let list = async |user| {
        let all = listed(&store, user, at(2)).await;
        all.into_iter().map(|(tag, _)| tag).collect::<HashSet<_>>()
    };
    for _ in 0..2 {
        store.forget_logins(&user, &[tags[0], tags[3]]).await.unwrap();
        assert_eq!(list(user).await, HashSet::from([tags[1], tags[2]]));
        assert_eq!(list(other).await, HashSet::from([tags[3]]));
    }
    store.forget_logins(&user, &[]).await.unwrap();
    store.forget_logins(&random(), &tags).await.unwrap();
    store.forget_logins(&user, &[tags[1], tags[2]]).await.unwrap();
    assert_eq!(list(user).await, HashSet::new());
    // there is room again
    let refuse = LoginLimit {
        most: 1,
        refuse: true,
    };
    let entered = store
        .index_login(&user, login(tags[0], at(1_000)), refuse, at(3))
        .await;
    assert_eq!(entered.unwrap(), Indexed::Entered(vec![]));
}

pub async fn index_refuses_beyond_the_limit_where_it_must(store: AnyStore) {
    let user: UserKey = random();
    let tags: [LoginTag; 4] = std::array::from_fn(|_| LoginTag(random()));
    let refuse = LoginLimit {
        most: 2,
        refuse: true,
    };
    let enter = async |n: usize, until, now| {
        let new = login(tags[n], at(until));
        store.index_login(&user, new, refuse, at(now)).await.unwrap()
    };
    let entered = Indexed::Entered(vec![]);
    assert_eq!(enter(0, 1_000, 1).await, entered);
    assert_eq!(enter(1, 100, 2).await, entered);
    assert_eq!(enter(2, 1_000, 3).await, Indexed::Full);
    let first_two = [(tags[0], at(1)), (tags[1], at(2))];
    assert_eq!(listed(&store, user, at(3)).await, first_two);
    // the same login once more is not one more
    assert_eq!(enter(0, 1_000, 4).await, entered);
    // 1 has ended at 100
    assert_eq!(enter(2, 1_000, 100).await, entered);
    assert_eq!(enter(3, 1_000, 101).await, Indexed::Full);
    // a limit that was lowered ends nobody
    let lower = LoginLimit { most: 1, ..refuse };
    let again = store.index_login(&user, login(tags[0], at(1_000)), lower, at(102));
    assert_eq!(again.await.unwrap(), entered);
    assert_eq!(listed(&store, user, at(102)).await.len(), 2);
    // ending the oldest on demand
    let evicted = enter_login(&store, &user, tags[3], at(1_000), 2, at(103)).await;
    assert_eq!(evicted, [tags[2]]);
}

pub async fn index_of_many_logins_at_once_keeps_its_limit(store: AnyStore) {
    for refuse in [false, true] {
        let user: UserKey = random();
        let limit = LoginLimit { most: 5, refuse };
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let store = Arc::clone(&store);
                let new = login(LoginTag(random()), at(1_000));
                tokio::spawn(async move { store.index_login(&user, new, limit, at(1)).await.unwrap() })
            })
            .collect();
        let (mut evicted, mut full) = (0, 0);
        for task in tasks {
            match task.await.unwrap() {
                Indexed::Entered(tags) => evicted += tags.len(),
                Indexed::Full => full += 1,
            }
        }
        assert_eq!((evicted, full), if refuse { (0, 45) } else { (45, 0) });
        assert_eq!(listed(&store, user, at(2)).await.len(), 5);
    }
}

pub async fn session_tells_when_it_was_used_last(store: AnyStore) {
    let login = log_in(&store).await;
    let seen = async |now| store.last_seen(login.tag, now).await.unwrap();
    assert_eq!(seen(at(5)).await, Some(at(0)));
    let read = store.session(login.tag, login.cookie, at(10)).await.unwrap();
    assert!(read.is_some_and(|session| session.record == SESSION && session.consent.is_none()));
    assert_eq!(seen(at(11)).await, Some(at(10)));
    // asking does not keep it alive, nor does somebody else's cookie, nor a pod whose clock is behind
    assert!(
        store
            .session(login.tag, digest(), at(20))
            .await
            .unwrap()
            .is_none()
    );
    store.session(login.tag, login.cookie, at(7)).await.unwrap();
    assert_eq!(seen(ms(3_609_999)).await, Some(at(10)));
    assert_eq!(seen(at(3_610)).await, None);
    assert_eq!(store.last_seen(LoginTag(random()), at(1)).await.unwrap(), None);
}

pub async fn ended_login_gets_no_session(store: AnyStore) {
    let (login, bound) = family(&store).await;
    assert!(store.end_login(login.tag, at(2)).await.unwrap());
    assert!(!is_active(&store, bound, at(2)).await);
    // whoever was just about to write it, because the person signed in at this very moment, may not
    let put = store.put_session(login.tag, session(digest()), at(2)).await;
    assert!(!put.unwrap());
    assert!(!store.end_login(login.tag, at(3)).await.unwrap());
    // a login that had no session yet
    let other = LoginTag(random());
    assert!(!store.end_login(other, at(2)).await.unwrap());
    assert!(!store.put_session(other, session(digest()), at(2)).await.unwrap());
    assert_eq!(store.last_seen(other, at(2)).await.unwrap(), None);
}

pub async fn logins_that_begin_while_all_are_ended_are_ended_or_listed(store: AnyStore) {
    let user: UserKey = random();
    let begin = |_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let tag = LoginTag(random());
            enter_login(&store, &user, tag, at(1_000), 1_000, at(1)).await;
            store.put_session(tag, session(digest()), at(1)).await.unwrap();
            tag
        })
    };
    let begun: Vec<_> = (0..200).map(begin).collect();
    let end = async {
        for _ in 0..3 {
            let tags: Vec<_> = listed(&store, user, at(1)).await;
            let tags: Vec<_> = tags.into_iter().map(|(tag, _)| tag).collect();
            for tag in &tags {
                store.end_login(*tag, at(1)).await.unwrap();
            }
            store.forget_logins(&user, &tags).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let (tags, ()) = tokio::join!(futures::future::join_all(begun), end);
    let left = listed(&store, user, at(1)).await;
    let left: HashSet<_> = left.into_iter().map(|(tag, _)| tag).collect();
    for tag in tags {
        let tag = tag.unwrap();
        let lives = store.last_seen(tag, at(1)).await.unwrap().is_some();
        assert_eq!(lives, left.contains(&tag));
    }
}

pub async fn revoked_token_is_inactive_and_its_siblings_live(store: AnyStore) {
    let (login, family) = family(&store).await;
    let (revoked, other) = (digest(), digest());
    for _ in 0..2 {
        store.revoke_token(family, revoked, at(300), at(2)).await.unwrap();
        assert!(store.token_state(family, revoked, at(2)).await.unwrap().is_none());
    }
    assert!(
        store
            .token_state(family, revoked, ms(299_999))
            .await
            .unwrap()
            .is_none()
    );
    assert!(store.token_state(family, other, at(2)).await.unwrap() == Some(login.grant()));
    assert!(matches!(
        rotate(&store, family, 0, at(2)).await,
        Rotated::Rotated(_)
    ));
    // one that has ended by itself leaves no mark
    store.revoke_token(family, other, at(2), at(2)).await.unwrap();
    assert!(store.token_state(family, other, at(2)).await.unwrap().is_some());
}

pub async fn revoked_token_of_no_login(store: AnyStore) {
    let (revoked, other) = (digest(), digest());
    assert!(!store.detached_revoked(revoked, at(1)).await.unwrap());
    store.revoke_detached(revoked, at(300), at(2)).await.unwrap();
    assert!(store.detached_revoked(revoked, ms(299_999)).await.unwrap());
    assert!(!store.detached_revoked(revoked, at(300)).await.unwrap());
    assert!(!store.detached_revoked(other, at(2)).await.unwrap());
    store.revoke_detached(other, at(2), at(2)).await.unwrap();
    assert!(!store.detached_revoked(other, at(2)).await.unwrap());
}

pub async fn a_value_is_used_once(store: AnyStore) {
    let (value, other, attempt) = (digest(), digest(), random());
    assert!(store.remember_once(value, attempt, at(300), at(1)).await.unwrap());
    // the answer was lost, and the store asked again
    assert!(store.remember_once(value, attempt, at(300), at(1)).await.unwrap());
    assert!(
        !store
            .remember_once(value, random(), at(300), at(2))
            .await
            .unwrap()
    );
    assert!(
        !store
            .remember_once(value, random(), at(900), ms(299_999))
            .await
            .unwrap()
    );
    assert!(
        store
            .remember_once(other, random(), at(300), at(2))
            .await
            .unwrap()
    );
}

pub async fn of_many_at_once_one_is_the_first(store: AnyStore) {
    let value = digest();
    let tries = (0..20).map(|_| store.remember_once(value, random(), at(300), at(1)));
    let first = futures::future::join_all(tries).await;
    assert_eq!(
        first.into_iter().filter(|first| *first.as_ref().unwrap()).count(),
        1
    );
}

pub async fn reg_01_a_registration_token_is_used_so_often(store: AnyStore) {
    let token = digest();
    let take = async |taken: NewUse, now| store.take_use(taken, now).await.unwrap();
    let first = new_use(token, 2, 0);
    assert!(take(first, at(1)).await);
    // the answer was lost, and the store asked again
    assert!(take(first, at(1)).await);
    let second = new_use(token, 2, 0);
    assert!(take(second, at(2)).await);
    assert!(!take(new_use(token, 2, 0), at(2)).await);
    assert!(take(first, at(2)).await, "it had its use");
    assert!(take(new_use(digest(), 2, 0), at(2)).await, "another token");
    // what made no client is given back, once
    for _ in 0..2 {
        store.return_use(token, second.attempt).await.unwrap();
        store.return_use(token, random()).await.unwrap();
    }
    assert!(take(new_use(token, 2, 0), at(3)).await);
    assert!(!take(new_use(token, 2, 0), at(3)).await);
    // somebody raised the number
    assert!(take(new_use(token, 3, 0), ms(299_999)).await);
    assert!(!take(new_use(token, 3, 0), ms(299_999)).await);
    // nothing is known of what has ended
    let again = NewUse {
        until: at(900),
        ..new_use(token, 1, 0)
    };
    assert!(take(again, at(300)).await);
    assert!(!take(new_use(token, 1, 0), at(300)).await);
    store.return_use(digest(), random()).await.unwrap();
}

pub async fn reg_01_uses_that_are_known_otherwise_count(store: AnyStore) {
    let token = digest();
    let take = async |most, known| store.take_use(new_use(token, most, known), at(1)).await.unwrap();
    assert!(!take(3, 3).await, "the store lost its data");
    assert!(take(3, 2).await);
    assert!(!take(3, 2).await && !take(3, 0).await);
    // the client that was made is known by now: it counts once
    assert!(take(4, 3).await);
    assert!(!take(4, 4).await && !take(4, 0).await);
    assert!(!take(6, 6).await);
    assert!(take(6, 4).await && take(6, 4).await);
    assert!(!take(6, 4).await);
}

pub async fn reg_01_of_many_registrations_at_once_so_many_win(store: AnyStore) {
    let token = digest();
    let tries = (0..40).map(|_| store.take_use(new_use(token, 7, 2), at(1)));
    let taken = futures::future::join_all(tries).await;
    assert_eq!(
        taken.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(),
        5
    );
}

pub async fn records_may_be_empty_or_binary(store: AnyStore) {
    let all: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    for record in [Vec::new(), all, b"\0\r\n".to_vec()] {
        let (tag, cookie, consent, id) = (LoginTag(random()), digest(), random(), digest());
        let new = NewSession {
            record: record.clone(),
            consents: vec![(consent, record.clone())],
            ..session(cookie)
        };
        store.put_session(tag, new, at(0)).await.unwrap();
        let code = NewCode {
            client: CLIENT,
            code: id,
            record: record.clone(),
            until: at(60),
        };
        let read = store
            .authorize(tag, cookie, consent, Some(code), at(1))
            .await
            .unwrap()
            .unwrap();
        assert!(read.record == record && read.consent.as_ref() == Some(&record));
        let (terms, user) = (opening(tag), random());
        match store.redeem_code(id, random(), terms, at(1)).await.unwrap() {
            Redeemed::Taken(grant) => assert!(grant.grant == record && grant.session == record),
            _ => panic!("not taken"),
        }
        let state = store
            .token_state(terms.family, digest(), at(1))
            .await
            .unwrap()
            .unwrap();
        assert!(state.grant == record && state.session == record && state.code == id);
        store
            .remember_consent(&user, consent, record.clone(), at(100), None, at(1))
            .await
            .unwrap();
        assert!(store.consents(&user, at(1)).await.unwrap() == [(consent, record)]);
    }
}

pub async fn store_answers(store: AnyStore) {
    store.ping().await.unwrap();
    assert!(["memory", "redis"].contains(&store.kind()));
}

/// On an empty store.
pub async fn live_sessions_are_counted(store: AnyStore) {
    let counts = async |expected: u64, now| {
        let wait = async {
            while store.active_sessions(now).await.unwrap() != expected {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait)
            .await
            .expect("the count");
    };
    counts(0, at(0)).await;
    let (first, second) = (log_in(&store).await, log_in(&store).await);
    counts(2, at(0)).await;
    store
        .put_session(first.tag, session(digest()), at(1))
        .await
        .unwrap();
    store.end_session(second.tag, at(1)).await.unwrap();
    counts(1, at(1)).await;
    let third = log_in(&store).await;
    counts(2, at(1)).await;
    // the first ends unused at 3 601 s; this touches the third
    store
        .authorize(third.tag, third.cookie, random(), None, at(3_000))
        .await
        .unwrap()
        .unwrap();
    counts(2, ms(3_600_999)).await;
    counts(1, at(3_601)).await;
    counts(0, at(6_600)).await;
}

pub async fn az_18_withdrawal_removes_the_consent_and_names_each_login_once(store: AnyStore) {
    let user: UserKey = random();
    let (consent, other) = (random(), random());
    assert!(
        store
            .withdraw_consent(&user, consent, at(0))
            .await
            .unwrap()
            .is_empty()
    );
    let tags: [LoginTag; 3] = [LoginTag(random()), LoginTag(random()), LoginTag(random())];
    for (key, offline) in [(consent, Some((tags[0], at(500)))), (other, None)] {
        store
            .remember_consent(&user, key, b"sealed".to_vec(), at(100), offline, at(0))
            .await
            .unwrap();
    }
    for tag in [tags[0], tags[1]] {
        enter_login(&store, &user, tag, at(300), 9, at(0)).await;
    }
    store.keep_login(&user, tags[2], at(400), at(0)).await.unwrap();
    for _ in 0..2 {
        let named = store.withdraw_consent(&user, consent, at(1)).await.unwrap();
        assert_eq!(named.len(), 3);
        assert_eq!(HashSet::from_iter(named), HashSet::from(tags));
        let left = store.consents(&user, at(1)).await.unwrap();
        assert_eq!(left, [(other, b"sealed".to_vec())]);
    }
}

pub async fn az_18_a_login_that_is_kept_is_named_until_then_and_is_no_session(store: AnyStore) {
    let user: UserKey = random();
    let tag = LoginTag(random());
    let named = async |now| store.withdraw_consent(&user, random(), at(now)).await.unwrap();
    enter_login(&store, &user, tag, at(50), 9, at(0)).await;
    store.keep_login(&user, tag, at(200), at(0)).await.unwrap();
    // shorter ones shorten nothing
    store.keep_login(&user, tag, at(100), at(0)).await.unwrap();
    store.forget_logins(&user, &[tag]).await.unwrap();
    assert!(store.logins(&user, at(1)).await.unwrap().is_empty());
    assert_eq!(named(199).await, [tag]);
    assert!(named(200).await.is_empty());
    // it takes no session's place
    let user: UserKey = random();
    store.keep_login(&user, tag, at(200), at(0)).await.unwrap();
    let next = LoginTag(random());
    assert!(
        enter_login(&store, &user, next, at(50), 1, at(1))
            .await
            .is_empty()
    );
}

pub async fn az_18_a_forgotten_client_loses_its_codes_families_and_consents(store: AnyStore) {
    let login = log_in(&store).await;
    let consents = [random(), random()];
    let pending = digest();
    store
        .grant(
            login.tag,
            login.cookie,
            Some(crate::support::consent(consents[0], false)),
            code(pending),
            at(1),
        )
        .await
        .unwrap();
    let alone = Some(crate::support::consent(consents[1], true));
    store
        .grant(login.tag, login.cookie, alone, code(digest()), at(1))
        .await
        .unwrap();
    let bound = login.open(&store, opening(login.tag)).await;
    let unbound = Login {
        code: digest(),
        ..login
    };
    store
        .authorize(login.tag, login.cookie, random(), Some(code(unbound.code)), at(1))
        .await
        .unwrap();
    let terms = oidc_provider::store::Opening {
        bound_to_session: false,
        ..opening(login.tag)
    };
    let unbound = unbound.open(&store, terms).await;
    // also when the session has ended
    for round in 0..2 {
        store
            .forget_client(login.tag, CLIENT, consents, at(2))
            .await
            .unwrap();
        for family in [bound, unbound] {
            assert!(!is_active(&store, family, at(2)).await);
            assert!(rotate(&store, family, 0, at(2)).await == Rotated::Unknown);
        }
        let answer = store
            .redeem_code(pending, random(), opening(login.tag), at(2))
            .await
            .unwrap();
        assert!(answer == Redeemed::Unknown);
        let again = store
            .redeem_code(login.code, random(), opening(login.tag), at(2))
            .await
            .unwrap();
        assert!(!matches!(again, Redeemed::Taken(_)));
        if round == 0 {
            for consent in consents {
                let session = store
                    .authorize(login.tag, login.cookie, consent, None, at(2))
                    .await
                    .unwrap();
                assert!(session.unwrap().consent.is_none());
            }
            store.end_session(login.tag, at(2)).await.unwrap();
        }
    }
}

pub async fn az_18_forgetting_a_client_touches_no_other_client_and_no_other_login(store: AnyStore) {
    let (login, mine) = family(&store).await;
    let (_, elsewhere) = family(&store).await;
    let consent = random();
    let theirs = Login {
        code: digest(),
        ..login
    };
    let foreign = NewCode {
        client: [8; 32],
        ..code(theirs.code)
    };
    store
        .grant(
            login.tag,
            login.cookie,
            Some(crate::support::consent(consent, false)),
            foreign,
            at(1),
        )
        .await
        .unwrap();
    let terms = oidc_provider::store::Opening {
        client: [8; 32],
        ..opening(login.tag)
    };
    let theirs = theirs.open(&store, terms).await;
    store
        .forget_client(login.tag, CLIENT, [random(), random()], at(2))
        .await
        .unwrap();
    assert!(!is_active(&store, mine, at(2)).await);
    assert!(is_active(&store, theirs, at(2)).await && is_active(&store, elsewhere, at(2)).await);
    let session = store
        .authorize(login.tag, login.cookie, consent, None, at(2))
        .await
        .unwrap();
    assert!(session.unwrap().consent.is_some());
}
