//! The whole source against an API that is scripted at the level of HTTP.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use http::{Request, Response};
use jiff::Timestamp;
use oidc_crds::jwk::PrivateJwk;
use oidc_crds::names::{Algorithm, Seconds};
use oidc_crds::resources::SigningKeySpec;
use oidc_crds::schedule::{Acknowledgements, Terms, Wanted, schedule};
use oidc_crds::secrets::Data;
use oidc_crds::secrets::key_ring::KeyRingData;
use oidc_crds::secrets::key_set::{KeySet, Owner};
use oidc_crds::secrets::pepper::Pepper;
use oidc_crds::testing::SeededRng;
use serde_json::{Value, json};

use super::*;
use crate::keys::{Offers, Prepared};
use crate::store::memory::MemoryStore;

#[path = "kubernetes_acknowledge_tests.rs"]
mod acknowledge;

#[path = "kubernetes_client_ca_tests.rs"]
mod client_ca;

#[path = "kubernetes_envelope_tests.rs"]
mod envelope;

#[path = "kubernetes_registrar_tests.rs"]
mod registering;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// Changes an object.
type Edit = Box<dyn Fn(&mut Value) + Send>;

/// Lists and watches, as far as a pod needs them.
#[derive(Default)]
struct Api {
    /// Objects by path of their kind and namespace.
    objects: Mutex<BTreeMap<String, Vec<Value>>>,
    watches: Mutex<Vec<(String, UnboundedSender<Bytes>)>>,
    /// Paths that are refused for now.
    refused: Mutex<BTreeSet<String>>,
    /// No watch tells of what is created.
    slow: AtomicBool,
    /// What is created is answered never, and is there once somebody tried to delete it.
    late: AtomicBool,
    /// It, until then.
    coming: Mutex<Vec<(String, Value)>>,
    /// What somebody else writes just before the next PUTs.
    edits: Mutex<Vec<Edit>>,
}

impl Api {
    fn client(self: &Arc<Self>) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let api = api.clone();
            async move {
                let answer = match *request.method() {
                    http::Method::PATCH => api.apply(request).await,
                    http::Method::POST => api.create(request).await,
                    http::Method::PUT => api.replace(request).await,
                    http::Method::DELETE => api.remove(request).await,
                    http::Method::GET if place_of_client(request.uri().path()).is_some() => {
                        api.get(request.uri().path())
                    }
                    _ => api.answer(request.uri()),
                };
                Ok::<_, std::convert::Infallible>(answer)
            }
        });
        Client::new(service, "idp")
    }

    fn answer(&self, uri: &http::Uri) -> Response<Body> {
        let query: BTreeMap<String, String> =
            form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let path = uri.path().to_owned();
        if self.refused.lock().unwrap().contains(&path) {
            return forbidden();
        }
        if query.get("watch").map(String::as_str) == Some("true") {
            let (sender, events) = unbounded();
            self.watches.lock().unwrap().push((place(&path, &query), sender));
            return Response::new(Body::from_stream(events.map(Ok::<_, std::io::Error>)));
        }
        let objects = self.objects.lock().unwrap();
        let named = |object: &&Value| {
            let name = object["metadata"]["name"].as_str().unwrap();
            query
                .get("fieldSelector")
                .is_none_or(|selector| *selector == format!("metadata.name={name}"))
        };
        let labelled = |object: &&Value| {
            let wanted = query
                .get("labelSelector")
                .and_then(|selector| selector.split_once('='));
            wanted.is_none_or(|(label, value)| object["metadata"]["labels"][label] == value)
        };
        let within = |place: &str| place == path || path == CLIENTS && place.ends_with("/oidcclients");
        let places = objects.iter().filter(|(place, _)| within(place));
        let items: Vec<_> = places
            .flat_map(|(_, objects)| objects)
            .filter(named)
            .filter(labelled)
            .collect();
        let list =
            json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items});
        Response::new(Body::from(list.to_string()))
    }

    /// Server-side apply.
    async fn apply(&self, request: Request<kube::client::Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let (place, _) = path.rsplit_once('/').unwrap();
        if self.refused.lock().unwrap().contains(place) {
            return forbidden();
        }
        let body = request.into_body().collect_bytes().await.unwrap();
        let object: Value = serde_json::from_slice(&body).unwrap();
        self.put(place, object.clone());
        Response::new(Body::from(object.to_string()))
    }

    async fn create(&self, request: Request<kube::client::Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        if self.refused.lock().unwrap().contains(&path) {
            return forbidden();
        }
        let body = request.into_body().collect_bytes().await.unwrap();
        let mut object: Value = serde_json::from_slice(&body).unwrap();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        object["metadata"]["uid"] = format!("uid-{name}").into();
        object["metadata"]["resourceVersion"] = "2".into();
        object["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        if self.late.load(Ordering::Relaxed) {
            self.coming.lock().unwrap().push((path, object));
            return std::future::pending().await;
        }
        if self.slow.load(Ordering::Relaxed) {
            self.put_silently(&path, object.clone());
        } else {
            self.put(&path, object.clone());
        }
        Response::new(Body::from(object.to_string()))
    }

    /// One object.
    fn known(&self, path: &str) -> Option<Value> {
        let (place, name) = path.rsplit_once('/').unwrap();
        let objects = self.objects.lock().unwrap();
        let mut objects = objects.get(place)?.iter();
        objects.find(|object| object["metadata"]["name"] == name).cloned()
    }

    fn get(&self, path: &str) -> Response<Body> {
        match self.known(path) {
            Some(object) => Response::new(Body::from(object.to_string())),
            None => refused("NotFound", 404),
        }
    }

    /// PUT with the resourceVersion that was read.
    async fn replace(&self, request: Request<kube::client::Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect_bytes().await.unwrap();
        let mut object: Value = serde_json::from_slice(&body).unwrap();
        if let Some(edit) = self.edits.lock().unwrap().pop() {
            // somebody else was faster
            let mut known = self.known(&path).unwrap();
            edit(&mut known);
            known["metadata"]["resourceVersion"] = next(&known).into();
            self.put(place_of_client(&path).unwrap(), known);
        }
        let Some(known) = self.known(&path) else {
            return refused("NotFound", 404);
        };
        if known["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
            return refused("Conflict", 409);
        }
        object["metadata"]["resourceVersion"] = next(&known).into();
        self.put(place_of_client(&path).unwrap(), object.clone());
        Response::new(Body::from(object.to_string()))
    }

    async fn remove(&self, request: Request<kube::client::Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let (place, name) = path.rsplit_once('/').unwrap();
        let body = request.into_body().collect_bytes().await.unwrap();
        let only: Value = serde_json::from_slice(&body).unwrap_or_default();
        let Some(known) = self.known(&path) else {
            for (path, object) in self.coming.lock().unwrap().drain(..) {
                self.put(&path, object);
            }
            return refused("NotFound", 404);
        };
        for part in ["uid", "resourceVersion"] {
            let wanted = &only["preconditions"][part];
            if !wanted.is_null() && *wanted != known["metadata"][part] {
                return refused("Conflict", 409);
            }
        }
        self.delete(place, name);
        Response::new(Body::from(
            json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}).to_string(),
        ))
    }

    /// The Lease of the pod.
    fn lease(&self) -> Option<Value> {
        self.objects.lock().unwrap().get(LEASES)?.first().cloned()
    }

    /// What the pod has acknowledged.
    fn acknowledged(&self) -> Option<String> {
        Some(
            self.lease()?["metadata"]["annotations"]["oidc-operator.dev/key-set"]
                .as_str()?
                .to_owned(),
        )
    }

    fn put(&self, path: &str, object: Value) {
        self.put_silently(path, object.clone());
        self.tell(path, "MODIFIED", &object);
    }

    /// No watch tells of it.
    fn put_silently(&self, path: &str, object: Value) {
        let mut all = self.objects.lock().unwrap();
        let objects = all.entry(path.to_owned()).or_default();
        objects.retain(|known| known["metadata"]["name"] != object["metadata"]["name"]);
        objects.push(object);
    }

    fn delete(&self, path: &str, name: &str) {
        let mut all = self.objects.lock().unwrap();
        let objects = all.get_mut(path).unwrap();
        let at = objects
            .iter()
            .position(|known| known["metadata"]["name"] == name)
            .unwrap();
        let object = objects.remove(at);
        drop(all);
        self.tell(path, "DELETED", &object);
    }

    fn tell(&self, path: &str, kind: &str, object: &Value) {
        let name = object["metadata"]["name"].as_str().unwrap();
        let line = Bytes::from(format!("{}\n", json!({"type": kind, "object": object})));
        for (place, watch) in self.watches.lock().unwrap().iter() {
            let everywhere = place == CLIENTS && path.ends_with("/oidcclients");
            if place == path || *place == format!("{path}/{name}") || everywhere {
                let _ = watch.unbounded_send(line.clone());
            }
        }
    }

    /// The API server forgets where the watches were: they list anew.
    fn expire(&self) {
        let gone = json!({"type": "ERROR", "object": {
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "too old", "reason": "Expired", "code": 410
        }});
        for (_, watch) in self.watches.lock().unwrap().drain(..) {
            let _ = watch.unbounded_send(Bytes::from(format!("{gone}\n")));
        }
    }
}

/// The place of a client by its path.
fn place_of_client(path: &str) -> Option<&str> {
    let (place, _) = path.rsplit_once('/')?;
    place.ends_with("/oidcclients").then_some(place)
}

/// The resourceVersion after this one.
fn next(object: &Value) -> String {
    let version = object["metadata"]["resourceVersion"].as_str().unwrap();
    (version.parse::<u64>().unwrap() + 1).to_string()
}

fn forbidden() -> Response<Body> {
    refused("Forbidden", 403)
}

fn refused(reason: &str, code: u16) -> Response<Body> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no",
                        "reason": reason, "code": code});
    let mut answer = Response::new(Body::from(status.to_string()));
    *answer.status_mut() = code.try_into().unwrap();
    answer
}

fn place(path: &str, query: &BTreeMap<String, String>) -> String {
    let name = query
        .get("fieldSelector")
        .and_then(|selector| selector.strip_prefix("metadata.name="));
    name.map_or_else(|| path.to_owned(), |name| format!("{path}/{name}"))
}

const SECRETS: &str = "/api/v1/namespaces/idp/secrets";
const CLIENTS: &str = "/apis/oidc-operator.dev/v1alpha1/oidcclients";
const NAMESPACES: &str = "/api/v1/namespaces";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/idp/leases";
const CONFIG_MAPS: &str = "/api/v1/namespaces/idp/configmaps";

fn clients(namespace: &str) -> String {
    format!("/apis/oidc-operator.dev/v1alpha1/namespaces/{namespace}/oidcclients")
}

fn secret(name: &str, data: &Data) -> Value {
    let data: BTreeMap<_, _> = data
        .iter()
        .map(|(key, bytes)| (key, STANDARD.encode(bytes)))
        .collect();
    json!({"metadata": {"name": name, "namespace": "idp", "resourceVersion": "2"}, "data": data})
}

fn config_map(watch: &str) -> Value {
    config_map_for(&format!("{{watch: {watch}}}"))
}

fn config_map_for(namespaces: &str) -> Value {
    let text = format!(
        "release: oidc\nissuer: https://oidc.example.com\nclassName: oidc\ndefaultClass: true\n\
         namespaces: {namespaces}\njwksMaxAge: 300s\n"
    );
    json!({"metadata": {"name": "oidc-installation", "namespace": "idp", "resourceVersion": "2"},
           "data": {"installation.yaml": text}})
}

fn client(namespace: &str, name: &str, grants: Value) -> Value {
    json!({
        "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
        "metadata": {
            "name": name, "namespace": namespace, "uid": format!("uid-{name}"), "resourceVersion": "2",
            "creationTimestamp": "2026-01-01T00:00:00Z"
        },
        "spec": {"applicationType": "service", "grantTypes": grants},
    })
}

fn good(namespace: &str, name: &str) -> Value {
    client(namespace, name, json!(["client_credentials"]))
}

fn key_set() -> KeySet {
    let wanted = Wanted {
        owner: Owner {
            name: "main".to_owned(),
            uid: "key".to_owned(),
        },
        created_at: NOW,
        spec: SigningKeySpec {
            algorithm: Some(Algorithm::ES256),
            default: Some(true),
            ..SigningKeySpec::default()
        },
        import: None,
    };
    let terms = Terms {
        longest_token: Seconds(900),
        session: Seconds(86400),
        publish_for: Seconds(600),
        in_use: BTreeSet::new(),
        refused: BTreeMap::new(),
        revoked: BTreeSet::new(),
        cache: Seconds(361),
        lost: Vec::new(),
        first: true,
    };
    schedule(&[wanted], None, &Acknowledgements::default(), &terms, NOW)
        .next_set(None, PrivateJwk::generate)
        .unwrap()
        .unwrap()
}

fn certificate() -> Data {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Data::from([
        ("tls.crt".to_owned(), made.cert.pem().into_bytes()),
        (
            "tls.key".to_owned(),
            made.signing_key.serialize_pem().into_bytes(),
        ),
    ])
}

/// A pod and its API, with everything but the certificate.
fn start() -> (Arc<Api>, Arc<App>) {
    start_with(&config_map("[a]"), &key_set().to_data())
}

fn start_with(installation: &Value, keys: &Data) -> (Arc<Api>, Arc<App>) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (api, mut rng) = (Arc::new(Api::default()), SeededRng::new(1));
    api.put(CONFIG_MAPS, installation.clone());
    api.put(SECRETS, secret("oidc-key-set", keys));
    api.put(
        SECRETS,
        secret("oidc-key-ring", &KeyRingData::generate(NOW, &mut rng).to_data()),
    );
    api.put(
        SECRETS,
        secret("oidc-pepper", &Pepper::generate(NOW, &mut rng).to_data()),
    );
    api.put(SECRETS, secret("somebody-elses", &Data::new()));
    api.put(&clients("a"), good("a", "one"));
    api.put(&clients("b"), good("b", "two"));
    let installation = Installation::standalone("http://localhost", false);
    let app = Arc::new(App {
        registrar: Some(Arc::new(registrar::ClusterRegistrar)),
        ..App::new(installation, Arc::new(MemoryStore::default()))
    });
    app.cluster.connect(api.client());
    let home = Home {
        namespace: "idp".to_owned(),
        release: "oidc".to_owned(),
    };
    let (certificate, _) = watch::channel(None);
    tokio::spawn(run(app.clone(), api.client(), home, pod(), certificate));
    (api, app)
}

fn pod() -> Pod {
    Pod {
        name: "oidc-provider-0".to_owned(),
        uid: "uid-of-the-pod".to_owned(),
    }
}

/// An app with a key set in force.
fn serving() -> Arc<App> {
    let installation = Installation::standalone("http://localhost", false);
    let offers = Offers {
        registration: false,
        metrics: false,
    };
    let keys = Prepared::build(&key_set(), &installation, offers).unwrap();
    let app = Arc::new(App::new(installation, Arc::new(MemoryStore::default())));
    app.keys.publish(keys);
    app
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(20), wait).await;
    assert!(done.is_ok(), "not in time: {what}");
}

#[tokio::test]
async fn a_pod_is_ready_when_everything_was_read_and_not_before() {
    let (api, app) = start();
    until("the client is served", || app.clients.get("a.one").is_some()).await;
    assert!(!app.readiness.is_ready(), "the certificate is missing");
    api.put(SECRETS, secret("oidc-tls", &certificate()));
    until("it is ready", || app.readiness.is_ready()).await;
    assert!(app.keys.load().is_some() && app.ring.load().is_some() && app.pepper.load().is_some());
    assert_eq!(app.installation.load().issuer, "https://oidc.example.com");
    assert!(app.clients.get("b.two").is_none(), "its namespace is not served");
}

#[tokio::test]
async fn i4_deleted_refused_and_unreadable_clients_are_gone() {
    let (api, app) = start();
    let served = |name: &str| app.clients.get(&format!("a.{name}")).is_some();
    for name in ["deleted", "refused", "unreadable", "vanished"] {
        api.put(&clients("a"), good("a", name));
    }
    until("all are served", || app.clients.len() == 5).await;

    api.delete(&clients("a"), "deleted");
    api.put(
        &clients("a"),
        client("a", "refused", json!(["authorization_code"])),
    );
    api.put(&clients("a"), client("a", "unreadable", json!(["nonsense"])));
    until("three are gone", || app.clients.len() == 2).await;
    assert!(served("one") && served("vanished"));

    // what vanishes while a watch is down is not told, but the next list lacks it
    api.objects
        .lock()
        .unwrap()
        .get_mut(&clients("a"))
        .unwrap()
        .retain(|known| known["metadata"]["name"] != "vanished");
    api.expire();
    until("it is gone too", || !served("vanished")).await;
    assert!(served("one"));
}

#[tokio::test]
async fn a_deleted_or_broken_secret_leaves_the_last_good_one_in_force() {
    let (api, app) = start();
    api.put(SECRETS, secret("oidc-tls", &certificate()));
    until("it is ready", || app.readiness.is_ready()).await;
    let (keys, ring, pepper) = (app.keys.load(), app.ring.load_full(), app.pepper.load_full());
    for name in ["key-set", "key-ring", "pepper", "tls"] {
        api.delete(SECRETS, &format!("oidc-{name}"));
    }
    api.delete(CONFIG_MAPS, "oidc-installation");
    let held = |count: usize| {
        let text = app.metrics.encode(None);
        text.lines()
            .filter(|line| line.starts_with("oidc_last_good") && line.ends_with(" 1"))
            .count()
            == count
    };
    until("it is told", || held(5)).await;
    for name in ["key-set", "key-ring", "pepper"] {
        let odd = Data::from([(format!("{name}.json"), b"odd".to_vec())]);
        api.put(SECRETS, secret(&format!("oidc-{name}"), &odd));
    }
    api.put(SECRETS, secret("oidc-key-set", &Data::new()));
    let mut next = key_set();
    next.revision = 7;
    api.put(SECRETS, secret("oidc-tls", &certificate()));
    until("the certificate is good again", || held(4)).await;
    assert!(app.readiness.is_ready() && app.clients.get("a.one").is_some());
    assert!(Arc::ptr_eq(&keys.unwrap(), &app.keys.load().unwrap()));
    assert!(Arc::ptr_eq(&ring.unwrap(), &app.ring.load_full().unwrap()));
    assert!(Arc::ptr_eq(&pepper.unwrap(), &app.pepper.load_full().unwrap()));

    api.put(SECRETS, secret("oidc-key-set", &next.to_data()));
    until("the next key set is in force", || {
        app.keys.load().unwrap().keys.acknowledgement().starts_with("7-")
    })
    .await;
}

#[tokio::test]
async fn i7_an_installation_of_the_next_version_is_in_force_as_far_as_it_is_known() {
    let (api, app) = start();
    api.put(SECRETS, secret("oidc-tls", &certificate()));
    until("it is ready", || app.readiness.is_ready()).await;
    let mut map = config_map("[a]");
    let text = map["data"]["installation.yaml"].as_str().unwrap().to_owned();
    let next =
        format!("{text}mail: {{server: smtp.example.com}}\nlimits: {{loginPerAccount: 3, byCaptcha: 2}}\n");
    map["data"]["installation.yaml"] = json!(next);
    api.put(CONFIG_MAPS, map);
    until("what is known of it is in force", || {
        app.installation.load().limits.login_per_account == 3
    })
    .await;
    assert!(app.readiness.is_ready());
    let text = app.metrics.encode(None);
    assert!(
        !text
            .lines()
            .any(|line| line.starts_with("oidc_last_good") && line.ends_with(" 1")),
        "{text}"
    );
}

#[tokio::test]
async fn an_edited_installation_moves_the_watches_and_judges_everybody_again() {
    let (api, app) = start();
    until("the client is served", || app.clients.get("a.one").is_some()).await;
    api.put(CONFIG_MAPS, config_map("[b]"));
    until("the other is served", || app.clients.get("b.two").is_some()).await;
    assert!(app.clients.get("a.one").is_none());
    api.put(&clients("a"), good("a", "three"));
    api.put(&clients("b"), good("b", "four"));
    until("one more is served", || app.clients.get("b.four").is_some()).await;
    assert!(
        app.clients.get("a.three").is_none(),
        "nobody looks there any more"
    );
}

/// Puts an installation in force that cannot be followed until `refused` are answered again, and sees that
/// the client `a.one` is served all the while.
async fn moves(api: &Api, app: &App, namespaces: &str, refused: &[&str], watched: &str) {
    for path in refused {
        api.refused.lock().unwrap().insert((*path).to_owned());
    }
    api.put(CONFIG_MAPS, config_map_for(namespaces));
    until("the new installation is in force", || {
        format!("{:?}", app.installation.load().namespaces).contains(watched)
    })
    .await;
    // one more event shows that the change was gone through
    let pepper = app.pepper.load_full();
    api.put(
        SECRETS,
        secret(
            "oidc-pepper",
            &Pepper::generate(NOW, &mut SeededRng::new(7)).to_data(),
        ),
    );
    until("the pepper is read again", || {
        app.pepper.load_full().map(|p| Arc::as_ptr(&p)) != pepper.as_ref().map(Arc::as_ptr)
    })
    .await;
    assert!(
        app.clients.get("a.one").is_some(),
        "{namespaces}: nothing was listed yet"
    );
    for path in refused {
        api.refused.lock().unwrap().remove(*path);
    }
}

#[tokio::test]
async fn i7_nobody_is_unknown_while_the_watches_move() {
    let (api, app) = start();
    api.put(
        NAMESPACES,
        json!({"metadata": {"name": "a", "resourceVersion": "2", "labels": {"oidc": "served"}}}),
    );
    api.put(
        NAMESPACES,
        json!({"metadata": {"name": "b", "resourceVersion": "2"}}),
    );
    until("the client is served", || app.clients.get("a.one").is_some()).await;

    let selector = "{clusterWide: {selector: {matchLabels: {oidc: served}}}}";
    moves(&api, &app, selector, &[CLIENTS, NAMESPACES], "served").await;
    api.put(&clients("a"), good("a", "late"));
    until("the new watch is listened to", || {
        app.clients.get("a.late").is_some()
    })
    .await;
    assert!(
        app.clients.get("b.two").is_none(),
        "its namespace is not selected"
    );

    moves(&api, &app, "{clusterWide: {selector: null}}", &[], "None").await;
    until("all are served", || app.clients.get("b.two").is_some()).await;

    let a = clients("a");
    moves(&api, &app, "{watch: [a]}", &[&a], "Watch").await;
    api.delete(&a, "late");
    until("the new watch is listened to", || {
        app.clients.get("a.late").is_none()
    })
    .await;
    assert!(app.clients.get("a.one").is_some() && app.clients.get("b.two").is_none());
}

const CLASSES: &str = "/apis/oidc-operator.dev/v1alpha1/oidcclasses";

fn class(name: &str, serves: Value) -> Value {
    let mut spec = serves;
    spec["issuer"] = json!("https://oidc.example.com");
    spec["default"] = json!(true);
    spec["installation"] = json!({"namespace": "idp", "release": name});
    json!({
        "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClass",
        "metadata": {"name": name, "resourceVersion": "2"}, "spec": spec,
    })
}

#[tokio::test]
async fn whose_a_client_is_goes_by_the_classes_which_are_waited_for() {
    let everywhere = config_map_for("{clusterWide: {selector: null}}");
    let (api, app) = start_with(&everywhere, &key_set().to_data());
    api.refused.lock().unwrap().insert(CLASSES.to_owned());
    api.put(SECRETS, secret("oidc-tls", &certificate()));
    let is_served = |id: &str| app.clients.get(id).is_some();
    until("all else is there", || {
        is_served("a.one") && is_served("b.two") && api.acknowledged().is_some()
    })
    .await;
    assert!(!app.readiness.is_ready(), "the classes are not known");
    api.refused.lock().unwrap().remove(CLASSES);
    until("it is ready", || app.readiness.is_ready()).await;

    api.put(CLASSES, class("oidc", json!({"clusterWide": true})));
    api.put(CLASSES, class("b", json!({"watchNamespaces": ["a"]})));
    until("two lay claim to it", || !is_served("a.one")).await;
    assert!(is_served("b.two"));
    let selects = json!({"clusterWide": true, "namespaceSelector": {"matchLabels": {"team": "b"}}});
    api.put(CLASSES, class("b", selects));
    until("who selects leaves it", || is_served("a.one")).await;
    assert!(is_served("b.two"));
    api.put(CLASSES, class("b", json!({"clusterWide": true})));
    until("two lay claim to all", || {
        !is_served("a.one") && !is_served("b.two")
    })
    .await;
    api.delete(CLASSES, "b");
    until("all are served", || is_served("a.one") && is_served("b.two")).await;
}

const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/idp/endpointslices";

fn slice(name: &str, service: &str, ready: &[bool]) -> Value {
    let endpoints = ready.iter().enumerate().map(|(pod, ready)| {
        json!({"addresses": ["10.0.0.1"], "conditions": {"ready": ready}, "targetRef": {"uid": format!("pod-{pod}")}})
    });
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": name, "namespace": "idp", "resourceVersion": "2",
            "labels": {"kubernetes.io/service-name": service}},
        "endpoints": endpoints.collect::<Vec<_>>(),
    })
}

#[tokio::test]
async fn i5_limits_are_shared_by_the_ready_pods_of_the_service() {
    let (api, app) = start();
    api.refused.lock().unwrap().insert(SLICES.to_owned());
    api.put(SLICES, slice("other", "another-service", &[true; 9]));
    api.put(SLICES, slice("ours", "oidc", &[true, true, false]));
    api.put(SECRETS, secret("oidc-tls", &certificate()));
    until("it is ready all the same", || app.readiness.is_ready()).await;
    assert_eq!(app.pods.count(3), 3, "as many as are expected");
    api.refused.lock().unwrap().clear();
    until("two are known", || app.pods.count(3) == 2).await;
    api.put(SLICES, slice("ours", "oidc", &[true, true, true, true]));
    until("four are known", || app.pods.count(3) == 4).await;
    api.delete(SLICES, "ours");
    until("none is known but this one", || app.pods.count(3) == 1).await;
}
