//! The initial access token of a registration (RFC 7591 §3), where the installation asks for one.

use http::HeaderMap;
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::registration_tokens::RegistrationToken;
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::handle::Digest;
use oidc_protocol::userinfo::bearer;
use rand_core::Rng;
use tracing::warn;

use crate::app::App;
use crate::http::error::Failure;
use crate::http::extract::authorization;
use crate::store::NewUse;

/// A token that is good but for its uses, which are not counted yet.
pub(super) struct Permit(RegistrationToken);

/// A use of a token.
pub(super) struct Used {
    token: Digest,
    attempt: [u8; 16],
}

impl Permit {
    /// Reads the token; `None` where none is asked for.
    ///
    /// # Errors
    /// 401 without a token, or with one that is not good (RFC 6750 §3.1); 503 before the tokens are known.
    pub(super) fn read(app: &App, headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        if !app.installation.load().registers_by_token() {
            return Ok(None);
        }
        let Some(presented) = bearer(authorization(headers)?, None)? else {
            return Err(Failure::no_credentials());
        };
        let tokens = app.registration_tokens.load_full().ok_or_else(|| {
            let error = OAuthError::new(
                ErrorCode::TemporarilyUnavailable,
                "Not everything is read yet: try again in a few seconds.",
            );
            error.because("the Secret with the registration tokens was not read yet")
        })?;
        let token = tokens
            .find(presented)
            .ok_or_else(|| refused("the registration token is unknown".to_owned()))?;
        if token.expires_at() <= app.clock.now() {
            return Err(refused(format!(
                "the registration token {} has expired",
                token.name()
            )));
        }
        Ok(Some(Self(token.clone())))
    }

    /// The token's name.
    pub(super) fn name(&self) -> &str {
        self.0.name()
    }

    /// Takes one of the uses. The clients that the token made count too: a store may lose its data.
    ///
    /// # Errors
    /// 401 when none is left.
    pub(super) async fn take(&self, app: &App) -> Result<Used, Failure> {
        let name = self.name();
        let its = |client: &oidc_crds::client::Client| {
            let registration = client.registration();
            registration.is_some_and(|of| of.token.as_deref() == Some(name))
        };
        let known = app.clients.all().iter().filter(|client| its(client)).count();
        let mut used = Used {
            token: Digest::of(&format!("registration-token {name}")),
            attempt: [0; 16],
        };
        SystemRng.fill_bytes(&mut used.attempt);
        let taken = NewUse {
            token: used.token,
            attempt: used.attempt,
            most: self.0.uses(),
            known: u32::try_from(known).unwrap_or(u32::MAX),
            until: self.0.expires_at(),
        };
        if app.store.take_use(taken, app.clock.now()).await? {
            Ok(used)
        } else {
            Err(refused(format!("the registration token {name} is used up")))
        }
    }
}

impl Used {
    /// No client was made.
    pub(super) async fn give_back(self, app: &App) {
        if let Err(error) = app.store.return_use(self.token, self.attempt).await {
            warn!("a use of a registration token is lost: {error}");
        }
    }
}

/// All that is wrong with a token is one answer; the log says what it is.
fn refused(cause: String) -> Failure {
    let error = OAuthError::new(
        ErrorCode::InvalidToken,
        "The initial access token is not good, has expired, or was used as often as it may be.",
    );
    Failure::bearer(error.because(cause))
}
