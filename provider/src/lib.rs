//! The provider: a shell around the pure crates `oidc-protocol` and `oidc-crds`.
//!
//! | module | what |
//! |---|---|
//! | [`app`] | everything a request needs: one `Arc<App>`, no globals |
//! | [`router`] | one table: path → handler → layers |
//! | [`http`] | one file an endpoint: extract, call, respond |
//! | [`clients`], [`users`], [`keys`] | lock-free snapshots that requests read |
//! | [`uses`] | which credential was used last when, told to the store once a minute |
//! | [`cluster`], [`client_keys`], [`fetched`] | keys that others publish: the cluster, clients |
//! | [`mtls`] | certificates of clients, from the connection or a proxy |
//! | [`outbound`] | the guarded way out |
//! | [`resources`] | where the snapshots come from: the cluster, or a folder |
//! | [`registration`] | what is asked before a program gets a client |
//! | [`store`] | what must be shared or used once: one method = one atomic step |
//! | [`sessions`] | the logins of a user, listed and ended from elsewhere |
//! | [`serve`], [`dev`] | the two ways to run: a pod of a cluster, or standalone |
//! | [`texts`], [`look`] | what people read, in each language, and how it looks |
//! | [`server`], [`tls`] | listeners and the certificate |
//! | [`config`] | settings of the process |
//! | [`telemetry`], [`metrics`] | logs, and numbers |
//!
//! A request goes `server` → `router` → `http::<endpoint>` → `oidc_protocol`, with `clients`, `users`,
//! `keys` and `store` at its side. A change of a resource goes `resources` → snapshots; the next request
//! sees it.
//!
//! To add an endpoint: its rules in `oidc_protocol::<endpoint>`, its file in `http/`, a row in [`router`],
//! a line in the discovery document, its tests in `tests/http/<endpoint>.rs`.

pub mod app;
pub mod client_keys;
pub mod clients;
pub mod cluster;
pub mod config;
pub mod dev;
pub mod fetched;
pub mod http;
pub mod keys;
pub mod look;
pub mod metrics;
pub mod mtls;
pub mod openapi;
pub mod outbound;
pub mod rate;
pub mod registration;
pub mod resources;
pub mod router;
pub mod serve;
pub mod server;
pub mod sessions;
pub mod store;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod texts;
pub mod tls;
pub mod users;
pub mod uses;

use std::ffi::OsString;
use std::process::ExitCode;

use config::{Command, Settings, Stop};

/// Runs the program: reads settings, starts, serves until it is told to stop.
///
/// The exit code is 0 after an orderly end, 1 otherwise, with one line on standard error that says why.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the program's edge"
)]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let settings = match Settings::read(arguments) {
        Ok(settings) => settings,
        Err(Stop::Told(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(Stop::Wrong(line)) => {
            eprintln!("oidc-provider: {line}");
            return ExitCode::FAILURE;
        }
    };
    match start(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("oidc-provider: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(settings: Settings) -> anyhow::Result<()> {
    // dropped last: then everything is written
    let _flush = telemetry::start(&settings.log).map_err(anyhow::Error::msg)?;
    // only one is compiled in, but libraries ask for the default
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        anyhow::bail!("another TLS provider is installed");
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(4))
        .max_blocking_threads(32)
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        match settings.command {
            Command::Serve(settings) => serve::serve(settings).await,
            Command::Dev(settings) => dev::dev(settings).await,
        }
    });
    // threads that still wait for something are not waited for
    runtime.shutdown_background();
    served
}

/// Waits for SIGTERM or SIGINT.
async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
