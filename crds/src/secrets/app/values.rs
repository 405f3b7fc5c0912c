//! What an application may be told: the values that keys and templates name. To add one, add it here only.

use crate::client::Client;
use crate::credentials::ClientSecret;
use crate::secrets::installation::Installation;

/// A value, by the name that specs use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// The client's id.
    ClientId,
    /// Its secret, if it authenticates with one.
    ClientSecret,
    /// The issuer.
    IssuerUrl,
    /// `authorization_endpoint`.
    AuthorizationUrl,
    /// `token_endpoint`.
    TokenUrl,
    /// `userinfo_endpoint`.
    UserinfoUrl,
    /// `jwks_uri`.
    JwksUrl,
    /// `introspection_endpoint`.
    IntrospectionUrl,
    /// `revocation_endpoint`.
    RevocationUrl,
    /// `end_session_endpoint`.
    EndSessionUrl,
    /// The discovery document.
    DiscoveryUrl,
    /// The CA of the issuer's https as PEM; not of a public one.
    CaCrt,
    /// The scopes that the client may ask for, with blanks between.
    Scopes,
    /// The first redirect URI, if there is one.
    RedirectUri,
}

impl Value {
    const NAMES: [(&str, Self); 14] = [
        ("CLIENT_ID", Self::ClientId),
        ("CLIENT_SECRET", Self::ClientSecret),
        ("ISSUER_URL", Self::IssuerUrl),
        ("AUTHORIZATION_URL", Self::AuthorizationUrl),
        ("TOKEN_URL", Self::TokenUrl),
        ("USERINFO_URL", Self::UserinfoUrl),
        ("JWKS_URL", Self::JwksUrl),
        ("INTROSPECTION_URL", Self::IntrospectionUrl),
        ("REVOCATION_URL", Self::RevocationUrl),
        ("END_SESSION_URL", Self::EndSessionUrl),
        ("DISCOVERY_URL", Self::DiscoveryUrl),
        ("CA_CRT", Self::CaCrt),
        ("SCOPES", Self::Scopes),
        ("REDIRECT_URI", Self::RedirectUri),
    ];

    /// The value of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }

    /// All names, for messages.
    #[must_use]
    pub fn names() -> String {
        Self::NAMES.map(|(name, _)| name).join(", ")
    }

    /// Whether the client proves at this address who it is, or shows what is bound to that.
    fn is_of_the_client(self) -> bool {
        matches!(
            self,
            Self::TokenUrl | Self::UserinfoUrl | Self::IntrospectionUrl | Self::RevocationUrl
        )
    }

    /// The path under the issuer, of an address.
    fn path(self) -> Option<&'static str> {
        Some(match self {
            Self::AuthorizationUrl => "/authorize",
            Self::TokenUrl => "/token",
            Self::UserinfoUrl => "/userinfo",
            Self::JwksUrl => "/jwks.json",
            Self::IntrospectionUrl => "/introspect",
            Self::RevocationUrl => "/revoke",
            Self::EndSessionUrl => "/end_session",
            Self::DiscoveryUrl => "/.well-known/openid-configuration",
            _ => return None,
        })
    }
}

/// The values of one client.
pub(super) struct Values<'a> {
    client: &'a Client,
    secret: Option<&'a ClientSecret>,
    ca: Option<&'a str>,
    issuer: &'a str,
    made: Vec<(Value, String)>,
}

impl<'a> Values<'a> {
    pub(super) fn of(
        client: &'a Client,
        secret: Option<&'a ClientSecret>,
        installation: &'a Installation,
        ca: Option<&'a str>,
    ) -> Self {
        let issuer = &installation.issuer;
        let own = installation.endpoints_of(client);
        let address = |(_, value): &(&str, Value)| {
            let base = if value.is_of_the_client() { own } else { issuer };
            Some((*value, format!("{base}{}", value.path()?)))
        };
        let mut made: Vec<(Value, String)> = Value::NAMES.iter().filter_map(address).collect();
        made.push((Value::Scopes, client.scopes().join(" ")));
        Self {
            client,
            secret: secret.filter(|_| client.has_secret()),
            ca,
            issuer,
            made,
        }
    }

    pub(super) fn get(&self, value: Value) -> Option<&str> {
        match value {
            Value::ClientId => Some(self.client.client_id()),
            Value::ClientSecret => self.secret.map(ClientSecret::expose),
            Value::IssuerUrl => Some(self.issuer),
            Value::CaCrt => self.ca,
            Value::RedirectUri => self.client.redirect_uris().first().map(String::as_str),
            made => {
                let found = self.made.iter().find(|(value, _)| *value == made);
                found.map(|(_, text)| text.as_str())
            }
        }
    }
}
