//! The provider: a shell around the pure crates `oidc-protocol` and `oidc-crds`.
//!
//! | module | what |
//! |---|---|
//! | [`app`] | everything a request needs: one `Arc<App>`, no globals |
//! | [`router`] | one table: path → handler → layers |
//! | [`http`] | one file an endpoint: extract, call, respond |
//! | [`clients`], [`users`], [`keys`] | lock-free snapshots that requests read |
//! | [`resources`] | where the snapshots come from: the cluster, or a folder |
//! | [`store`] | what must be shared or used once: one method = one atomic step |
//! | [`config`] | settings of the process |
//! | [`telemetry`], [`metrics`] | logs, and numbers |
//!
//! To add an endpoint: its rules in `oidc_protocol::<endpoint>`, its file in `http/`, a row in [`router`],
//! a line in the discovery document, its tests in `tests/http/<endpoint>.rs`.

pub mod app;
pub mod clients;
pub mod config;
pub mod http;
pub mod keys;
pub mod metrics;
pub mod resources;
pub mod router;
pub mod store;
pub mod telemetry;
pub mod users;
