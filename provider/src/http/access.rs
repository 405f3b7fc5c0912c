//! What userinfo, introspection and revocation share: an access token of ours, whose it is, and whether the
//! store still knows it.

use std::sync::Arc;

use jiff::Timestamp;
use oidc_crds::client::Client;
use oidc_protocol::handle::{Digest, TokenId};
use oidc_protocol::jwt::{AccessToken, verify_access_token};
use oidc_protocol::records::Session;
use oidc_protocol::token::opaque;

use super::moment::Moment;
use crate::app::App;
use crate::store::{StoreError, opened};

/// An access token whose signature holds, or that opened, and whose client is there.
pub struct Access {
    /// Its claims.
    pub token: AccessToken,
    /// The client that it was issued to: by UID, so that a re-created namesake inherits nothing.
    pub client: Arc<Client>,
    /// What its `jti` says.
    pub id: TokenId,
    /// The name of its `jti` in the store.
    pub jti: Digest,
}

/// What the store says of an access token.
pub enum State {
    /// It is good, and was made from this login.
    Login(Session),
    /// It is good, and belongs to the client itself.
    Client,
    /// It is revoked, or its session has ended.
    Revoked,
}

impl Access {
    /// Reads a token; `None` for anything that is not a good access token of ours. No round trip.
    #[must_use]
    pub fn read(app: &App, moment: &Moment, token: &str) -> Option<Self> {
        let (token, client) = if opaque::looks_like(token) {
            let (token, uid) = opaque::open(token, &moment.ring, moment.issuer(), moment.now)?;
            (token, app.clients.by_grantee(&uid)?)
        } else {
            let token = verify_access_token(token, &moment.keys.keys, moment.issuer(), moment.now)?;
            let client = app.clients.get(token.text("client_id"))?;
            (token, client)
        };
        let jti = token.text("jti");
        let id = TokenId::unseal(jti, &moment.ring, client.grantee())?;
        Some(Self {
            jti: Digest::of(jti),
            token,
            client,
            id,
        })
    }

    /// Asks the store: one round trip.
    ///
    /// # Errors
    /// When the store is away, or what it holds makes no sense.
    pub async fn state(&self, app: &App, moment: &Moment) -> Result<State, StoreError> {
        let Moment { ring, now, .. } = moment;
        match self.id {
            TokenId::Family(family) => {
                let Some(stored) = app.store.token_state(family, self.jti, *now).await? else {
                    return Ok(State::Revoked);
                };
                let session = opened("session", Session::unseal(ring, family.tag, &stored.session))?;
                Ok(session.map_or(State::Revoked, State::Login))
            }
            TokenId::Detached => {
                let revoked = app.store.detached_revoked(self.jti, *now).await?;
                Ok(if revoked { State::Revoked } else { State::Client })
            }
        }
    }

    /// When it ends by itself.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        Timestamp::from_second(self.token.expires_at()).unwrap_or(Timestamp::MAX)
    }
}
