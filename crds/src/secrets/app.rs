//! The Secret that an application gets. To add a key, add it here only.

use super::Data;
use crate::client::Client;
use crate::credentials::ClientSecret;
use crate::secrets::installation::Installation;

/// The data of an app's Secret, with keys that suit `envFrom`: `CLIENT_ID`, `CLIENT_SECRET` (unless the
/// client is public), `ISSUER_URL`, `AUTHORIZATION_URL`, `TOKEN_URL`, `USERINFO_URL`, `JWKS_URL`,
/// `INTROSPECTION_URL`, `REVOCATION_URL`, `DISCOVERY_URL`, and with a CA `CA_CRT` and `ca.crt`.
#[must_use]
pub fn data(
    client: &Client,
    secret: Option<&ClientSecret>,
    installation: &Installation,
    ca: Option<&str>,
) -> Data {
    let _ = (client, secret, installation, ca);
    todo!()
}

/// The secret that an app's Secret holds.
#[must_use]
pub fn client_secret(data: &Data) -> Option<ClientSecret> {
    let _ = data;
    todo!()
}
