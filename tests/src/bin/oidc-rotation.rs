//! The long form of the proof of I3; `benches/rotation` sets its scene.
//!
//! `oidc-rotation [WINDOWS [DISTURBED [REVOKED]]]`: rotations with a quiet window before (9), rotations with
//! trouble (11), and revocations after them (10).

use std::time::Duration;

use anyhow::Result;
use oidc_e2e::rotation::disturb::{Disturbance, Kind};
use oidc_e2e::rotation::{Plan, prove};

/// In this order, and again from the start; the operator is killed twice in 11.
const TROUBLE: [Disturbance; 11] = [
    Disturbance(Kind::KillProvider, Duration::from_millis(500)),
    Disturbance(Kind::RollProviders, Duration::ZERO),
    Disturbance(Kind::KillOperator, Duration::from_millis(20)),
    Disturbance(Kind::DeleteProvider, Duration::from_millis(2000)),
    Disturbance(Kind::KillProvider, Duration::from_millis(3900)),
    Disturbance(Kind::RollProviders, Duration::from_millis(3500)),
    Disturbance(Kind::KillOperator, Duration::from_millis(3800)),
    Disturbance(Kind::DeleteProvider, Duration::ZERO),
    Disturbance(Kind::RollProviders, Duration::from_millis(1500)),
    Disturbance(Kind::DeleteProvider, Duration::from_millis(3900)),
    Disturbance(Kind::KillProvider, Duration::from_millis(4100)),
];

#[tokio::main]
async fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<usize>());
    let windows = numbers.next().transpose()?.unwrap_or(9);
    let disturbed = numbers.next().transpose()?.unwrap_or(TROUBLE.len());
    let revocations = numbers.next().transpose()?.unwrap_or(10);
    let outcome = prove(&Plan {
        machines: 120,
        logins: 40,
        lifetime: "5s".to_owned(),
        quiet: Some(Duration::from_secs(8)),
        windows,
        disturbances: TROUBLE.into_iter().cycle().take(disturbed).collect(),
        revocations,
    })
    .await?;
    println!("{outcome}");
    outcome.hold()
}
