//! What every store must do: on memory always, on Redis if `REDIS_URL` names one (with CI=true it must).
//!
//! To add a backend: a module like `memory`; to add a rule: a function in `store_contract/suite.rs` and
//! its name in [`rules`]. What only Redis can get wrong is in `store_contract/redis.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy's exception for tests leaves out what they call"
)]

use std::sync::Arc;

use oidc_provider::store::memory::MemoryStore;
use oidc_provider::store::redis::RedisStore;

#[path = "store_contract/link.rs"]
mod link;
#[path = "store_contract/proxy.rs"]
mod proxy;
#[path = "store_contract/redis.rs"]
mod redis_only;
#[path = "store_contract/suite.rs"]
mod suite;
#[path = "store_contract/support.rs"]
mod support;

/// One test per rule on the store that `$store` makes; it makes none where there is no server.
macro_rules! rules {
    ($store:expr; $($name:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            if let Some(store) = $store {
                suite::$name(Arc::new(store)).await;
            }
        })*
    };
    ($store:expr) => {
        rules! { $store;
            i1_code_is_taken_once_and_a_replay_revokes
            i1_of_a_thousand_redemptions_one_wins
            i1_same_attempt_gets_the_same_answer_for_ten_seconds
            i1_same_attempt_after_a_replay_is_a_replay
            i1_same_attempt_with_another_family_is_a_replay
            i1_expired_code_is_unknown
            i1_code_of_another_login_is_unknown
            i1_replay_is_noticed_as_long_as_the_family_could_live
            i1_writing_a_taken_code_again_changes_nothing
            i1_bound_code_needs_its_session
            i1_revoked_family_stays_revoked
            i2_equal_generation_rotates
            i2_two_refreshes_at_once_agree
            i2_many_refreshes_at_once_agree
            i2_repetition_within_grace_gets_the_same_successor
            i2_repetition_after_grace_revokes
            i2_older_generation_revokes_at_once
            i2_newer_generation_is_unknown_and_revokes_nothing
            i2_family_without_refresh_is_unknown
            i2_use_renews_the_idle_end_up_to_the_absolute_end
            i2_bound_family_ends_with_its_session
            i2_bound_family_survives_a_new_cookie_but_not_a_new_session
            i2_unbound_family_outlives_its_session
            i2_rotation_touches_the_session_of_a_bound_family_only
            refresh_state_is_of_the_current_generation_alone
            family_lives_until_the_last_access_token_ends
            session_is_read_with_its_cookie_only
            session_ends_by_idle_and_by_absolute_time
            session_is_ended_once
            session_copies_consents_and_forgets_them_when_replaced
            consent_for_the_session_alone_lives_on_when_it_is_replaced
            code_is_not_stored_without_a_session
            code_keeps_the_session_as_it_was
            grant_keeps_the_consent_and_stores_the_code
            grant_without_a_session_stores_nothing
            consents_are_remembered_per_user_until_they_end
            az_18_withdrawal_removes_the_consent_and_names_each_login_once
            az_18_a_login_that_is_kept_is_named_until_then_and_is_no_session
            az_18_a_forgotten_client_loses_its_codes_families_and_consents
            az_18_forgetting_a_client_touches_no_other_client_and_no_other_login
            index_returns_the_oldest_beyond_the_limit
            index_counts_a_login_once_and_forgets_ended_ones
            index_never_returns_the_login_that_enters
            ses_05_attempts_are_counted_per_account
            ses_05_an_attempt_whose_reply_is_lost_is_counted_once
            ses_05_of_many_attempts_at_once_the_free_ones_are_taken
            ses_05_a_known_browser_has_attempts_of_its_own
            ses_05_attempts_are_counted_per_address
            i5_pods_tell_what_they_let_through
            i5_what_is_told_again_is_counted_once
            i5_many_pods_tell_at_once
            uses_are_told_of_each_credential_and_process
            uses_need_the_report_before
            uses_are_kept_for_days_and_by_tag
            an_attempt_reads_the_consents
            index_lists_the_logins_of_its_user
            index_forgets_the_logins_of_its_user_only
            index_refuses_beyond_the_limit_where_it_must
            index_of_many_logins_at_once_keeps_its_limit
            session_tells_when_it_was_used_last
            ended_login_gets_no_session
            logins_that_begin_while_all_are_ended_are_ended_or_listed
            revoked_token_is_inactive_and_its_siblings_live
            revoked_token_of_no_login
            a_value_is_used_once
            of_many_at_once_one_is_the_first
            reg_01_a_registration_token_is_used_so_often
            reg_01_uses_that_are_known_otherwise_count
            reg_01_of_many_registrations_at_once_so_many_win
            records_may_be_empty_or_binary
            store_answers
        }
    };
}

mod memory {
    use super::*;

    rules!(Some(MemoryStore::new()));

    #[tokio::test]
    async fn live_sessions_are_counted() {
        suite::live_sessions_are_counted(Arc::new(MemoryStore::new())).await;
    }
}

mod redis {
    use super::*;

    rules!(support::redis_url(0).map(|url| RedisStore::connect(&url).unwrap()));
}
