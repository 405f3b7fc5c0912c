//! What becomes known of a request while it is answered: for its log line, and for CORS.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use oidc_crds::cidr::masked;
use oidc_crds::client::Client;
use oidc_crds::language::Language;
use oidc_crds::rng::SystemRng;
use oidc_protocol::client_auth::service_account::Workload;
use rand_core::Rng;

use super::error::Failure;
use super::view::View;
use crate::look::{Look, PLAIN};

/// The header that carries the request's id, in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request.
enum Id {
    Given(String),
    /// ASCII.
    Own([u8; 16]),
}

/// One request. Handlers note what they learn; each fact is learnt once.
pub struct Call {
    id: Id,
    client: OnceLock<Arc<Client>>,
    grant: OnceLock<&'static str>,
    workload: OnceLock<Workload>,
    certificate: OnceLock<String>,
    address: Option<IpAddr>,
    /// The language that the browser prefers, and the one that was asked for by `ui_locales`.
    accepted: Language,
    look: Option<Arc<Look>>,
    asked: OnceLock<Language>,
}

impl Call {
    /// With the id that a proxy gave the request, if it is short and harmless, or else one of its own.
    #[must_use]
    pub fn new(headers: &HeaderMap) -> Self {
        let harmless = |id: &&str| {
            (8..=64).contains(&id.len())
                && id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        Self {
            id: given
                .filter(harmless)
                .map_or_else(|| Id::Own(own_id()), |id| Id::Given(id.to_owned())),
            client: OnceLock::new(),
            grant: OnceLock::new(),
            workload: OnceLock::new(),
            certificate: OnceLock::new(),
            address: None,
            accepted: Language::default(),
            look: None,
            asked: OnceLock::new(),
        }
    }

    /// With the address of whoever asks, by the rule of the installation; without a rule it is not known.
    #[must_use]
    pub fn from(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// With the language that the browser prefers and the installation's look; for pages only.
    #[must_use]
    pub fn for_page(mut self, language: Language, look: Arc<Look>) -> Self {
        self.accepted = language;
        self.look = Some(look);
        self
    }

    /// By this language the request was asked to be answered, if by any: it goes before the browser's.
    pub fn note_language(&self, language: Option<Language>) {
        if let Some(language) = language {
            let _ = self.asked.set(language);
        }
    }

    /// How pages look that answer it.
    #[must_use]
    pub fn view(&self) -> View {
        let language = self.asked.get().copied().unwrap_or(self.accepted);
        let look = self.look.as_ref().unwrap_or(&PLAIN);
        View::new(language, look.clone())
    }

    /// The address of whoever asks.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// What limits per address go by: the address, or the /64 network of an IPv6 one, which is one subscriber.
    #[must_use]
    pub fn network(&self) -> Option<IpAddr> {
        match self.address? {
            v4 @ IpAddr::V4(_) => Some(v4),
            v6 @ IpAddr::V6(_) => masked(v6, 64),
        }
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        match &self.id {
            Id::Given(id) => id,
            Id::Own(id) => std::str::from_utf8(id).unwrap_or_default(),
        }
    }

    /// The client is known now (not necessarily authenticated).
    pub fn note_client(&self, client: &Arc<Client>) {
        let _ = self.client.set(client.clone());
    }

    /// The client, if it became known.
    #[must_use]
    pub fn client(&self) -> Option<&Arc<Client>> {
        self.client.get()
    }

    /// The client is this workload of the cluster.
    pub fn note_workload(&self, workload: &Workload) {
        let _ = self.workload.set(workload.clone());
    }

    /// The workload of the cluster that the client is, if it became known.
    #[must_use]
    pub fn workload(&self) -> Option<&Workload> {
        self.workload.get()
    }

    /// The client holds the key of the certificate with this thumbprint (`x5t#S256`), and that counts.
    pub fn note_certificate(&self, thumbprint: String) {
        let _ = self.certificate.set(thumbprint);
    }

    /// The thumbprint of the client's certificate, if that counts.
    #[must_use]
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.get().map(String::as_str)
    }

    /// The grant type is known now.
    pub fn note_grant(&self, grant: &'static str) {
        let _ = self.grant.set(grant);
    }

    /// The grant type, if it became known.
    #[must_use]
    pub fn grant(&self) -> Option<&'static str> {
        self.grant.get().copied()
    }
}

/// An id that no other request has: counted from a random start, since it must be unique, not secret. The
/// factor is odd, so no two counts give the same, and neighbours look nothing alike.
fn own_id() -> [u8; 16] {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(SystemRng.next_u64()));
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    std::array::from_fn(|i| b"0123456789abcdef"[(id >> (60 - 4 * i)) as usize & 15])
}

/// The call of this request, as an argument of a handler.
#[derive(Clone)]
pub struct Calling(pub Arc<Call>);

impl<S: Send + Sync> FromRequestParts<S> for Calling {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Failure::broken("the route has no envelope"))
    }
}
