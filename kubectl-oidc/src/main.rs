//! `kubectl oidc`: a plugin of kubectl for people who use or run oidc-operator.
//!
//! | module | what |
//! |---|---|
//! | [`access`], [`installation`] | the way to the API server, and which installation is meant |
//! | [`status`], [`rotate`] | what there is; the next key |
//! | [`registration_token`] | initial access tokens of registration |
//! | [`login_url`], [`get_token`] | signing in, by [`oidc`] as the client that [`party`] names |
//! | [`debug`] | every reason why a login could fail |
//! | [`redirect`] | redirect URIs and near misses |
//! | [`output`], [`shell`] | tables and JSON; the clock |
//!
//! What decides are functions of values, tested beside them; what asks the API server, the issuer or the
//! system is thin. To add a command: a module with `Arguments` and `run`, a variant of [`Command`], a section in
//! docs/kubectl.md.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod access;
mod debug;
mod get_token;
mod installation;
mod login_url;
mod oidc;
mod output;
mod party;
mod redirect;
mod registration_token;
mod rotate;
mod shell;
mod status;

/// Looks at an installation of oidc-operator, rotates its keys, signs in, and says why a login fails.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-oidc",
    bin_name = "kubectl oidc",
    version,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    access: access::Access,
    #[command(flatten)]
    which: installation::Which,
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Shows signing keys, clients and pods, as far as your rights reach.
    Status(status::Arguments),
    /// Rotates a signing key.
    Rotate(rotate::Arguments),
    /// Makes an initial access token, with which programs register themselves, and prints it.
    RegistrationToken(registration_token::Arguments),
    /// Prints an address that signs in for a client, with PKCE, state and nonce.
    LoginUrl(login_url::Arguments),
    /// Signs in and prints the token; also as a credential plugin of kubectl.
    GetToken(Box<get_token::Arguments>),
    /// Walks every reason why a login of a client could fail, and says what to do.
    Debug(debug::Arguments),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // it is there already only if somebody else installed the same
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli {
        access,
        which,
        command,
    } = cli;
    match command {
        Command::Status(arguments) => status::run(&access.connect().await?, &which, arguments).await?,
        Command::Rotate(arguments) => {
            rotate::run(&access.connect().await?, &which, arguments, shell::now()).await?
        }
        Command::RegistrationToken(arguments) => {
            registration_token::run(&access.connect().await?, &which, arguments, shell::now()).await?
        }
        Command::LoginUrl(arguments) => login_url::run(&access, &which, arguments).await?,
        Command::GetToken(arguments) => get_token::run(&access, &which, *arguments).await?,
        Command::Debug(arguments) => return debug::run(&access.connect().await?, &which, arguments).await,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
