//! Where a person goes who cannot go on here: on the error page, if anything is proven to go back to.

use oidc_crds::client::Client;
use oidc_protocol::authorize::{Reply, ReturnTo};
use oidc_protocol::error::{ErrorCode, OAuthError};

use super::moment::{Moment, path_of};
use super::view::View;
use crate::texts::Html;

/// A way back. Nothing that only a request says is ever in it.
#[derive(Clone)]
pub enum WayBack {
    /// The account page: the one page of ours that everybody can begin with.
    Account(String),
    /// The application.
    Client {
        /// Its name.
        name: String,
        /// Its home page; or its redirect URI, where it learns that nothing came of its request.
        to: Reply,
    },
}

impl WayBack {
    /// To our own account page.
    #[must_use]
    pub fn account(moment: &Moment) -> Self {
        Self::Account(format!("{}/account", path_of(moment.issuer())))
    }

    /// To a client: its home page, where the person starts again, or else its redirect URI if that is proven,
    /// with an error and the client's own `state`.
    #[must_use]
    pub fn client(client: &Client, return_to: Option<&ReturnTo>) -> Option<Self> {
        let late = OAuthError::new(ErrorCode::AccessDenied, "The person did not go on in time.");
        let to = match client.client_uri() {
            Some(home) => Reply::Redirect(home.to_owned()),
            None => return_to?.with_error(&late),
        };
        Some(Self::Client {
            name: client.display_name().to_owned(),
            to,
        })
    }

    /// What the link or button says.
    pub(crate) fn label(&self, view: &View) -> Html {
        match self {
            Self::Account(_) => Html::text(view.t.account),
            Self::Client { name, .. } => (view.t.go_to)(&Html::text(name)),
        }
    }

    /// The address of a link.
    pub(crate) fn link(&self) -> Option<&str> {
        match self {
            Self::Account(address) => Some(address),
            Self::Client { to, .. } => match to {
                Reply::Redirect(address) => Some(address),
                Reply::Post { .. } => None,
            },
        }
    }

    /// Address and fields of a form, for a client that takes answers by POST only.
    pub(crate) fn form(&self) -> Option<(&str, &[(String, String)])> {
        match self {
            Self::Client {
                to: Reply::Post { action, fields },
                ..
            } => Some((action, fields)),
            _ => None,
        }
    }
}
