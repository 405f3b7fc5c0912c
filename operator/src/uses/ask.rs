//! The request to a pod's internal port: plain HTTP to its own address, with a question that only whoever holds the
//! key ring can make, and an answer that only they can read.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use oidc_crds::rng::SystemRng;
use oidc_crds::seal::KeyRing;
use oidc_crds::uses::{Ask, Told, open_answer, seal_ask};
use rand_core::Rng;
use tokio::net::TcpStream;

use crate::context::now;
use crate::signing_key::pods::is_ready;

/// How many pods are asked at most, until one answers.
const TRIES: usize = 3;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer, in bytes: 100 000 clients with four credentials each.
const MOST: usize = 16 << 20;
/// The internal port, where the pod does not name another.
const PORT: u16 = 9090;

/// Asks ready pods, in no order, until one answers; `None` if none is ready.
///
/// # Errors
/// Why the last one did not.
pub(super) async fn any(pods: &[Pod], ring: &KeyRing, after: i64) -> Result<Option<Told>, String> {
    let mut failure = None;
    let mut ready: Vec<&Pod> = pods.iter().filter(|pod| is_ready(pod)).collect();
    for _ in 0..TRIES.min(ready.len()) {
        let chosen = ready.swap_remove(SystemRng.next_u32() as usize % ready.len());
        let asked = tokio::time::timeout(PATIENCE, one(chosen, ring, after));
        let answer = asked.await.unwrap_or_else(|_| Err("it takes too long".into()));
        match answer {
            Ok(told) => return Ok(Some(told)),
            Err(error) => failure = Some(format!("{}: {error}", chosen.name_any())),
        }
    }
    failure.map_or(Ok(None), Err)
}

async fn one(pod: &Pod, ring: &KeyRing, after: i64) -> Result<Told, String> {
    let address = address(pod).ok_or("it has no address")?;
    let uid = pod.uid().ok_or("it has no UID")?;
    let mut nonce = [0; 16];
    SystemRng.fill_bytes(&mut nonce);
    let ask = Ask { nonce, after };
    let bearer = seal_ask(ring, &uid, ask, now(), &mut SystemRng);
    let answer = get(address, &bearer).await?;
    open_answer(ring, &uid, ask, &answer).ok_or_else(|| "its answer does not open".into())
}

async fn get(address: SocketAddr, bearer: &str) -> Result<Vec<u8>, String> {
    let text = |error: hyper::Error| error.to_string();
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(text)?;
    let request = Request::get("/uses")
        .header(HOST, address.to_string())
        .header(AUTHORIZATION, format!("Bearer {bearer}"))
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    // with the sender goes the connection
    let exchange = async move {
        let answer = sender.send_request(request).await.map_err(text)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answers {}", answer.status()));
        }
        let bytes = to_bytes(Body::new(answer.into_body()), MOST).await;
        bytes.map(Vec::from).map_err(|error| error.to_string())
    };
    let (answer, _) = tokio::join!(exchange, async { connection.await.ok() });
    answer
}

/// Where its internal port is.
fn address(pod: &Pod) -> Option<SocketAddr> {
    let ip: IpAddr = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    let named = ports.find(|port| port.name.as_deref() == Some("internal"));
    let port = named.and_then(|port| u16::try_from(port.container_port).ok());
    Some(SocketAddr::new(ip, port.unwrap_or(PORT)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_asked_at_its_own_address() {
        let pod = |ip: &str, ports: serde_json::Value| -> Pod {
            serde_json::from_value(json!({
                "metadata": {"name": "a"}, "status": {"podIP": ip},
                "spec": {"containers": [{"name": "provider", "ports": ports}]},
            }))
            .expect("a Pod")
        };
        let told = |pod: &Pod| address(pod).map(|address| address.to_string());
        let ports = json!([
            {"name": "https", "containerPort": 8443}, {"name": "internal", "containerPort": 9191},
        ]);
        assert_eq!(told(&pod("10.0.0.7", ports)).as_deref(), Some("10.0.0.7:9191"));
        assert_eq!(
            told(&pod("fd00::7", json!([]))).as_deref(),
            Some("[fd00::7]:9090")
        );
        assert_eq!(told(&Pod::default()), None);
    }
}
