//! The life of a client's credentials as a pure function. The operator and the standalone provider both
//! call it.

use jiff::Timestamp;
use rand_core::CryptoRng;

use crate::client::Client;
use crate::credentials::ClientSecret;
use crate::names::Seconds;
use crate::resources::Reason;
use crate::resources::oidc_client::Credential;
use crate::secrets::pepper::Pepper;

/// What is found where the client's secret should be.
#[derive(Debug, Clone)]
pub enum Found {
    /// No Secret.
    Nothing,
    /// Our Secret: the credential id that it names and the value that it holds.
    Ours {
        /// From the annotation.
        credential_id: Option<String>,
        /// From the data.
        secret: Option<ClientSecret>,
    },
    /// The Secret that `secretRef` names; `version` changes with its content (`<uid>/<resourceVersion>`).
    Given {
        /// Changes with the content.
        version: String,
        /// From the data; `None`: the key is missing.
        secret: Option<ClientSecret>,
    },
    /// `secretRef` names a Secret that is not there.
    GivenMissing,
}

/// What to do about the credentials.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The credentials as status must list them in the end.
    pub credentials: Vec<Credential>,
    /// A secret that must be in the app's Secret, with the id for the annotation.
    pub deliver: Option<Delivery>,
    /// Why, for Events; none if nothing changes.
    pub reasons: Vec<Reason>,
    /// When a credential retires next.
    pub next: Option<Timestamp>,
    /// A problem that leaves the client without working credentials.
    pub problem: Option<(Reason, String)>,
}

/// A secret on its way into the app's Secret.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The credential's id.
    pub credential_id: String,
    /// The secret.
    pub secret: ClientSecret,
    /// Whether status must list the new digest before the Secret is written (every one but the first).
    pub status_first: bool,
}

/// Decides what to do. `known` are the credentials in status.
pub fn decide(
    client: &Client,
    known: &[Credential],
    found: &Found,
    pepper: &Pepper,
    overlap: Seconds,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Decision {
    let _ = (client, known, found, pepper, overlap, now, rng);
    todo!()
}
