//! I3 under load; the long form is `benches/rotation`.

use std::time::Duration;

use anyhow::Result;
use oidc_e2e::rotation::disturb::{Disturbance, Kind};
use oidc_e2e::rotation::{Plan, prove};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_keys_rotate_under_load_and_no_verifier_turns_a_token_down() -> Result<()> {
    let outcome = prove(&Plan {
        machines: 40,
        logins: 15,
        lifetime: "10s".to_owned(),
        quiet: None,
        windows: 0,
        disturbances: vec![
            Disturbance(Kind::DeleteProvider, Duration::from_secs(2)),
            Disturbance(Kind::KillProvider, Duration::from_millis(9500)),
        ],
        revocations: 1,
    })
    .await?;
    println!("{outcome}");
    outcome.hold()
}
