//! `kubectl oidc get-token`: signs a person in (RFC 8252), or a machine, and prints the token; as a credential
//! plugin of kubectl too.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use oidc_crds::rng::SystemRng;
use serde_json::json;

use self::cache::{Held, Key, Record, Slot};
use crate::access::Access;
use crate::installation::Which;
use crate::oidc::callback::{Expected, Listener};
use crate::oidc::id_token::{self, verify};
use crate::oidc::issuer::{Answer, Credentials, Issuer, Metadata, Tokens};
use crate::oidc::request::{Kept, authorize_url};
use crate::output::{Format, Output, write};
use crate::party::{Named, Party};
use crate::redirect::listen_at;
use crate::shell::now;

mod browser;
mod cache;
mod exec;

/// `get-token`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    named: Named,
    /// How to get it.
    #[arg(long, value_enum, default_value_t)]
    grant: Grant,
    /// A scope to ask for; may be repeated. Default: openid; of a machine, none.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Which token to print; default: id, of a machine: access.
    #[arg(long, value_enum)]
    token: Option<Kind>,
    /// Where to listen for the answer; default: the client's loopback redirect URI, or `http://127.0.0.1/callback`.
    /// Without a port, any that is free.
    #[arg(long, value_name = "URI")]
    redirect_uri: Option<String>,
    /// The program that opens the address; default: the system's.
    #[arg(long, value_name = "PROGRAM")]
    browser: Option<String>,
    /// Opens nothing: open the printed address yourself.
    #[arg(long, conflicts_with = "browser")]
    no_browser: bool,
    /// How long a person may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    login_timeout: u64,
    /// Signs in even if there is a token from before.
    #[arg(long)]
    fresh: bool,
    /// Keeps no tokens, and uses none from before.
    #[arg(long)]
    no_cache: bool,
    /// Prints an ExecCredential for kubectl; the default when kubectl asks ($KUBERNETES_EXEC_INFO).
    #[arg(long)]
    exec_credential: bool,
    #[command(flatten)]
    output: Output,
}

/// How tokens are got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Grant {
    /// A person signs in with a browser.
    #[default]
    AuthorizationCode,
    /// The client itself, with its secret.
    ClientCredentials,
}

/// Which token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Who it is; what kube-apiserver takes.
    Id,
    /// What APIs take.
    Access,
}

/// Runs the command.
pub(crate) async fn run(access: &Access, which: &Which, arguments: Arguments) -> Result<()> {
    let info = std::env::var(exec::VARIABLE).ok();
    let asked = exec::asked(info.as_deref())?;
    let as_credential = asked.is_some() || arguments.exec_credential;
    if asked.is_some() && arguments.named.client.is_some() && !access.is_given() {
        bail!(
            "kubectl asks for a credential, so the cluster cannot be asked about the OidcClient: name --issuer, \
             --client-id and --ca-file instead, or another --kubeconfig"
        );
    }
    let party = arguments.named.party(access, which, true).await?;
    let record = tokens(&party, &arguments).await?;
    let kind = arguments.token.unwrap_or(match arguments.grant {
        Grant::AuthorizationCode => Kind::Id,
        Grant::ClientCredentials => Kind::Access,
    });
    let held = match kind {
        Kind::Access => &record.access_token,
        Kind::Id => record
            .id_token
            .as_ref()
            .context("there is no ID token: ask for the scope openid, or use --token access")?,
    };
    if as_credential {
        return write(&format!(
            "{}\n",
            exec::credential(asked.as_deref(), &held.token, held.until())
        ));
    }
    match arguments.output.output {
        None => write(&format!("{}\n", held.token)),
        Some(Format::Json) => arguments.output.print(
            &json!({
                "idToken": record.id_token.as_ref().map(|held| &held.token),
                "accessToken": record.access_token.token,
                "expirationTimestamp": held.expires_at.to_string(),
                "subject": record.subject,
            }),
            String::new,
        ),
    }
}

/// Tokens that are good now: from before, by refreshing, or by signing in.
async fn tokens(party: &Party, arguments: &Arguments) -> Result<Record> {
    let session = Session::new(party, arguments);
    if arguments.no_cache {
        return session.begin().await;
    }
    let directory = cache::directory(|name| std::env::var_os(name).map(PathBuf::from))?;
    let slot = session.slot(directory).await?;
    let before = slot.read().filter(|_| !arguments.fresh);
    if let Some(record) = &before
        && record
            .id_token
            .as_ref()
            .unwrap_or(&record.access_token)
            .is_fresh(now())
        && record.access_token.is_fresh(now())
    {
        return Ok(record.clone());
    }
    let renewed = match &before {
        Some(record) => session.renew(record).await?,
        None => None,
    };
    let record = match renewed {
        Some(record) => record,
        None => {
            slot.forget()?;
            session.begin().await?
        }
    };
    slot.write(&record)?;
    Ok(record)
}

/// One client, one grant, one set of scopes.
struct Session<'a> {
    party: &'a Party,
    arguments: &'a Arguments,
    scopes: Vec<String>,
}

impl<'a> Session<'a> {
    fn new(party: &'a Party, arguments: &'a Arguments) -> Self {
        let mut scopes = arguments.scopes.clone();
        if scopes.is_empty() && arguments.grant == Grant::AuthorizationCode {
            scopes.push("openid".to_owned());
        }
        Self {
            party,
            arguments,
            scopes,
        }
    }

    /// The cache's place for it, once it is ours.
    async fn slot(&self, directory: PathBuf) -> Result<Slot> {
        let (issuer, client_id) = (self.party.issuer.clone(), self.party.client_id.clone());
        let (grant, scopes) = (format!("{:?}", self.arguments.grant), self.scopes.clone());
        let taking = tokio::task::spawn_blocking(move || {
            let key = Key {
                issuer: &issuer,
                client_id: &client_id,
                grant: &grant,
                scopes: &scopes,
            };
            Slot::take(&directory, &key)
        });
        taking.await.context("the cache was given up")?
    }

    async fn issuer(&self) -> Result<(Issuer, Metadata)> {
        let reach = &self.arguments.named.reach;
        let issuer = Issuer::new(&self.party.issuer, self.party.ca.as_deref(), reach).await?;
        let metadata = issuer.metadata().await?;
        Ok((issuer, metadata))
    }

    fn credentials(&self) -> Credentials<'_> {
        Credentials {
            client_id: &self.party.client_id,
            secret: self.party.secret.as_ref(),
            in_body: self.party.in_body,
        }
    }

    /// Signs in.
    async fn begin(&self) -> Result<Record> {
        let (issuer, metadata) = self.issuer().await?;
        match self.arguments.grant {
            Grant::AuthorizationCode => self.sign_in(&issuer, &metadata).await,
            Grant::ClientCredentials => {
                ensure!(
                    self.party.secret.is_some(),
                    "a client without a secret cannot have tokens for itself"
                );
                let scope = self.scopes.join(" ");
                let mut form = vec![("grant_type", "client_credentials")];
                if !scope.is_empty() {
                    form.push(("scope", &scope));
                }
                match issuer.token(&metadata, &self.credentials(), &form).await? {
                    Answer::Tokens(tokens) => record(*tokens, None, now()),
                    Answer::Refused(code, text) => bail!("{}", refusal(&code, &text)),
                }
            }
        }
    }

    /// A person, with a browser.
    async fn sign_in(&self, issuer: &Issuer, metadata: &Metadata) -> Result<Record> {
        let registered = self
            .party
            .redirect_uris
            .as_ref()
            .map(|(uris, native)| (&uris[..], *native));
        let at = listen_at(self.arguments.redirect_uri.as_deref(), registered)?;
        let listener = Listener::bind(&at).await?;
        let redirect_uri = at.uri(listener.port);
        let kept = Kept::draw(&mut SystemRng);
        let endpoint = &metadata.authorization_endpoint;
        let url = authorize_url(
            endpoint,
            &self.party.client_id,
            &redirect_uri,
            &self.scopes,
            &kept,
        )?;
        eprintln!("Sign in at {url}");
        if !self.arguments.no_browser && !browser::open(url.as_str(), self.arguments.browser.as_deref()) {
            eprintln!("No browser could be opened: open the address yourself.");
        }
        let expected = Expected {
            path: at.path.clone(),
            state: kept.state.clone(),
            issuer: self.party.issuer.clone(),
            names_itself: metadata.authorization_response_iss_parameter_supported,
        };
        let patience = Duration::from_secs(self.arguments.login_timeout);
        let code = tokio::time::timeout(patience, listener.answer(expected))
            .await
            .context("nobody signed in: try again, or allow more with --login-timeout")??;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", &kept.verifier),
        ];
        match issuer.token(metadata, &self.credentials(), &form).await? {
            Answer::Tokens(tokens) => {
                self.checked(*tokens, issuer, metadata, Some(&kept.nonce), None)
                    .await
            }
            Answer::Refused(code, text) => bail!("{}", refusal(&code, &text)),
        }
    }

    /// By the refresh token from before; `None` if there is none or it is good no more.
    async fn renew(&self, before: &Record) -> Result<Option<Record>> {
        let Some(refresh_token) = &before.refresh_token else {
            return Ok(None);
        };
        let (issuer, metadata) = self.issuer().await?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        match issuer.token(&metadata, &self.credentials(), &form).await? {
            Answer::Tokens(mut tokens) => {
                // RFC 6749 §6: where none comes, the old one stays good
                tokens.refresh_token.get_or_insert_with(|| refresh_token.clone());
                let subject = before.subject.as_deref();
                self.checked(*tokens, &issuer, &metadata, None, subject)
                    .await
                    .map(Some)
            }
            Answer::Refused(code, _) if code == "invalid_grant" => Ok(None),
            Answer::Refused(code, text) => bail!("{}", refusal(&code, &text)),
        }
    }

    async fn checked(
        &self,
        tokens: Tokens,
        issuer: &Issuer,
        metadata: &Metadata,
        nonce: Option<&str>,
        subject: Option<&str>,
    ) -> Result<Record> {
        let verified = match &tokens.id_token {
            None => None,
            Some(token) => {
                let keys = issuer.keys(metadata).await?;
                let expected = id_token::Expected {
                    issuer: &self.party.issuer,
                    client_id: &self.party.client_id,
                    nonce,
                    subject,
                };
                Some(verify(token, &keys, expected, now())?)
            }
        };
        record(tokens, verified, now())
    }
}

/// What is kept of an answer.
fn record(tokens: Tokens, verified: Option<id_token::Verified>, now: Timestamp) -> Result<Record> {
    // RFC 6749 §5.1: `expires_in` is recommended only; without it, nothing is assumed but a minute
    let lives = SignedDuration::from_secs(tokens.expires_in.unwrap_or(60).clamp(0, 10 * 365 * 86_400));
    let access = Held {
        token: tokens.access_token,
        expires_at: now
            .checked_add(lives)
            .context("the access token ends at no time")?,
    };
    let (subject, ends) = verified.map_or((None, None), |good| (Some(good.subject), Some(good.expires_at)));
    let id = tokens
        .id_token
        .zip(ends)
        .map(|(token, expires_at)| Held { token, expires_at });
    Ok(Record::new(subject, id, access, tokens.refresh_token))
}

/// A refusal of the token endpoint with what can be done about it.
fn refusal(code: &str, text: &str) -> String {
    let advice = match code {
        "invalid_client" => "the client's secret is not the issuer's: `kubectl oidc debug CLIENT` says why",
        "unauthorized_client" => "add the grant to spec.grantTypes of the OidcClient",
        "invalid_scope" => "add the scope to spec.scopes of the OidcClient",
        "invalid_grant" => "sign in again, within a minute",
        _ => "`kubectl oidc debug CLIENT` looks for the reason",
    };
    format!("the issuer refuses: {code}: {text}: {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_ends_when_the_issuer_says_so() {
        let tokens = |text: &str| serde_json::from_str::<Tokens>(text).unwrap();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let verified = id_token::Verified {
            subject: "jane".to_owned(),
            expires_at: at(900),
        };
        let kept = record(
            tokens(r#"{"access_token": "a", "expires_in": 300, "id_token": "i", "refresh_token": "r"}"#),
            Some(verified),
            at(100),
        )
        .unwrap();
        assert_eq!(kept.access_token.expires_at, at(400));
        assert_eq!(kept.id_token.unwrap().expires_at, at(900));
        assert_eq!(
            (kept.subject.as_deref(), kept.refresh_token.as_deref()),
            (Some("jane"), Some("r"))
        );
        let bare = record(
            tokens(r#"{"access_token": "a", "expires_in": -5}"#),
            None,
            at(100),
        )
        .unwrap();
        assert_eq!((bare.access_token.expires_at, bare.id_token), (at(100), None));
        assert!(!bare.access_token.is_fresh(at(100)));
    }
}
