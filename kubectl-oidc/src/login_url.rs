//! `kubectl oidc login-url`: an address that a browser can open, to see what a client's people see.

use anyhow::{Result, bail};
use oidc_crds::rng::SystemRng;
use serde::Serialize;

use crate::access::Access;
use crate::installation::Which;
use crate::oidc::request::{Kept, authorize_url};
use crate::output::Output;
use crate::party::Named;
use crate::redirect::{is_registered, why_not};

/// `login-url`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    named: Named,
    /// A scope to ask for; may be repeated. Default: all of the client's.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Where the answer goes; default: the client's first redirect URI.
    #[arg(long, value_name = "URI")]
    redirect_uri: Option<String>,
    /// Shows the PKCE verifier too, which the code is redeemed with.
    #[arg(long)]
    show_verifier: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    url: String,
    redirect_uri: String,
    state: String,
    nonce: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_verifier: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(access: &Access, which: &Which, arguments: Arguments) -> Result<()> {
    let party = arguments.named.party(access, which, false).await?;
    let redirect_uri = match (arguments.redirect_uri, &party.redirect_uris) {
        (Some(asked), Some((registered, native))) if !is_registered(&asked, registered, *native) => {
            bail!("{}", why_not(&asked, registered))
        }
        (Some(asked), _) => asked,
        (None, Some((registered, _))) => match registered.first() {
            Some(first) => first.clone(),
            None => bail!("{}", why_not("", registered)),
        },
        (None, None) => bail!("name where the answer goes: --redirect-uri URI"),
    };
    let mut scopes = arguments.scopes;
    if scopes.is_empty() {
        scopes = party.scopes.clone().unwrap_or_else(|| vec!["openid".to_owned()]);
    }
    let kept = Kept::draw(&mut SystemRng);
    // the endpoint's place is known: the issuer need not be in reach from here
    let endpoint = format!("{}/authorize", party.issuer);
    let url = authorize_url(&endpoint, &party.client_id, &redirect_uri, &scopes, &kept)?;
    let answer = Answer {
        url: url.into(),
        redirect_uri,
        state: kept.state,
        nonce: kept.nonce,
        code_verifier: arguments.show_verifier.then_some(kept.verifier),
    };
    arguments.output.print(&answer, || match &answer.code_verifier {
        Some(verifier) => format!("{}\ncode_verifier: {verifier}\n", answer.url),
        None => format!("{}\n", answer.url),
    })
}
