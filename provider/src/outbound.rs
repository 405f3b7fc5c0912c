//! The only way out: what a client's spec names is fetched under guard, because whoever writes a spec must not
//! make the provider reach what they cannot reach themselves (SSRF). https to a listed host, to addresses that
//! are public or listed, on a connection of its own; no proxies, no redirects, little time, little room, and a few
//! at once.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use oidc_crds::cidr::Cidr;
use oidc_crds::secrets::installation::Installation;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::ACCEPT;
use reqwest::{Certificate, Client, StatusCode, redirect};
use tokio::sync::Semaphore;
use url::{Host, Url};

use crate::fetched::Failure;

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a fetch may take in all.
const PATIENCE: Duration = Duration::from_secs(3);
/// The largest answer, in bytes.
const MOST: usize = 64 * 1024;
/// How many fetches there may be at once: slow hosts must not take more of the pod than that.
const AT_ONCE: usize = 16;

/// How names become addresses.
pub type Lookup = Box<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Fetches documents that others name.
pub struct Outbound {
    guard: Arc<Guard>,
    roots: Option<Vec<Certificate>>,
    /// Made at the first use: it reads the system's certificates.
    client: OnceLock<Result<Client, String>>,
    places: Arc<Semaphore>,
}

/// Looks at every address before it is connected to: the one that was looked at is the one that is used, so a
/// name that is asked for again and answers otherwise (DNS rebinding) gains nothing.
struct Guard {
    lookup: Lookup,
    /// Addresses that may be reached although they are not public.
    allowed: ArcSwap<Vec<Cidr>>,
}

impl Default for Outbound {
    fn default() -> Self {
        let lookup = |host: String| -> BoxFuture<'static, _> {
            Box::pin(async move {
                let found = tokio::net::lookup_host((host, 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            })
        };
        Self::new(Box::new(lookup), None)
    }
}

impl Outbound {
    /// With another way to find addresses, and trusting these certificates alone (`None`: those of the system).
    #[must_use]
    pub fn new(lookup: Lookup, roots: Option<Vec<Certificate>>) -> Self {
        let guard = Guard {
            lookup,
            allowed: ArcSwap::default(),
        };
        Self {
            guard: Arc::new(guard),
            roots,
            client: OnceLock::new(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Fetches a document; ends within 3 s. Nothing is done, and no place taken, before it is polled.
    ///
    /// # Errors
    /// Why there is none, for the log; [`Failure::Busy`] if too many are being fetched.
    pub fn get(
        &self,
        url: &str,
        installation: &Installation,
    ) -> impl Future<Output = Result<Vec<u8>, Failure>> + Send + use<> {
        self.guard
            .allowed
            .store(Arc::new(installation.outbound.addresses.clone()));
        let (ready, places) = (self.ready(url, installation), self.places.clone());
        async move {
            let (client, url) = ready?;
            // not before: whoever only waits for somebody else's fetch must not take a place from others
            let _place = places.try_acquire_owned().map_err(|_| Failure::Busy)?;
            let late = |_| Err("it takes too long".to_owned());
            let read = tokio::time::timeout(PATIENCE, read(client, url)).await;
            Ok(read.unwrap_or_else(late)?)
        }
    }

    /// Everything that can be judged before anything is sent.
    fn ready(&self, url: &str, installation: &Installation) -> Result<(Client, Url), String> {
        let url = Url::parse(url).map_err(|error| format!("the address is none: {error}"))?;
        if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() {
            return Err("the address is not https, or names a user".to_owned());
        }
        let host = url.host().ok_or("the address has no host")?;
        if !installation.may_fetch_from(&host.to_string()) {
            return Err("the installation does not list the host (outbound.hosts)".to_owned());
        }
        // names are judged when they are resolved, addresses never are
        match host {
            Host::Ipv4(address) => judge(address.into(), &installation.outbound.addresses)?,
            Host::Ipv6(address) => judge(address.into(), &installation.outbound.addresses)?,
            Host::Domain(_) => {}
        }
        Ok((self.client()?, url))
    }

    fn client(&self) -> Result<Client, String> {
        let build = || {
            let mut builder = Client::builder()
                .dns_resolver(self.guard.clone())
                .https_only(true)
                .no_proxy()
                .redirect(redirect::Policy::none())
                .referer(false)
                .http1_only()
                // a kept connection would be one that nobody looked at
                .pool_max_idle_per_host(0)
                .connect_timeout(CONNECT)
                .timeout(PATIENCE);
            if let Some(roots) = &self.roots {
                builder = builder.tls_certs_only(roots.clone());
            }
            builder.build().map_err(|error| told(&error))
        };
        self.client.get_or_init(build).clone()
    }
}

/// Whether an address may be reached.
fn judge(address: IpAddr, allowed: &[Cidr]) -> Result<(), String> {
    let address = address.to_canonical();
    let listed = allowed.iter().any(|range| range.contains(address));
    if listed || is_public(address) {
        Ok(())
    } else {
        Err(format!(
            "{address} is not public, and the installation does not list it (outbound.addresses)"
        ))
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.lookup)(name.as_str().to_owned());
        let allowed = self.allowed.load_full();
        Box::pin(async move {
            let found = found.await?;
            // one bad address among good ones is a trick
            for address in &found {
                judge(*address, &allowed)?;
            }
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

async fn read(client: Client, url: Url) -> Result<Vec<u8>, String> {
    let request = client.get(url).header(ACCEPT, "application/json");
    let mut answer = request.send().await.map_err(|error| told(&error))?;
    if answer.status() != StatusCode::OK {
        return Err(format!("the answer has the status {}", answer.status().as_u16()));
    }
    let mut document = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| told(&error))? {
        if document.len() + chunk.len() > MOST {
            return Err("the answer has more than 64 KiB".to_owned());
        }
        document.extend_from_slice(&chunk);
    }
    Ok(document)
}

/// The innermost reason: the outer ones repeat the address.
fn told(error: &reqwest::Error) -> String {
    let mut reason: &dyn Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

/// Whether an address belongs to the internet at large (RFC 6890): no machine's own, no private network, no
/// cloud's metadata, nothing reserved, and none that embeds another address.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // global unicast is 2000::/3; of that 2001::/23 is for protocols (Teredo), 2001:db8::/32 for documents, 2002::/16
    // embeds IPv4, and 3fff::/20 is for documents
    (0x2000..=0x3fff).contains(&a)
        && !(a == 0x2001 && (b < 0x200 || b == 0x0db8))
        && a != 0x2002
        && !(a == 0x3fff && b < 0x1000)
}

#[cfg(test)]
#[path = "outbound_tests.rs"]
mod tests;
