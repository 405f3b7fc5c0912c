//! `oidc-operator run`: what the chart's operator pods run. Everything is in the library.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    // Before anything can open a connection: which of the possible providers rustls uses.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = match oidc_operator::Settings::from_process() {
        Ok(settings) => settings,
        Err(stop) => return stop.report(),
    };
    match oidc_operator::run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
