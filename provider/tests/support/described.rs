//! Every answer that a test gets from the router must be as `/openapi.json` describes it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use http::Method;
use jsonschema::Validator;
use oidc_crds::names::Algorithm;
use oidc_crds::secrets::installation::{ClientCa, MutualTls};
use oidc_protocol::discovery::{self, Capabilities};
use oidc_provider::openapi::{Surface, document};
use serde_json::{Value, json};

use super::{Answer, ISSUER};

/// Where clients show certificates, if that is switched on.
pub fn mtls() -> MutualTls {
    MutualTls {
        url: format!("{ISSUER}:8443"),
        ca: Some(ClientCa::ConfigMap("client-ca".to_owned())),
        client_cert_header: false,
        trusted_proxies: Vec::new(),
    }
}

/// The description with everything switched on.
pub static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    let discovery = discovery::document(&Capabilities {
        issuer: ISSUER,
        algorithms: &Algorithm::ALL,
        registration: true,
        mtls: Some(&mtls()),
        scopes: &["api".to_owned()],
    });
    let mut description = document(&Surface {
        issuer: ISSUER,
        discovery: &discovery,
        registration: true,
        metrics: true,
    });
    // most tests have it switched off
    let required = &mut description["components"]["schemas"]["Discovery"]["required"];
    let required = required.as_array_mut().unwrap();
    let switched = [
        "registration_endpoint",
        "mtls_endpoint_aliases",
        "tls_client_certificate_bound_access_tokens",
    ];
    required.retain(|name| !switched.iter().any(|switched| name == switched));
    description
});

/// An answer that was got: the operation's path and method, the status, and the body.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
    pub method: String,
    pub status: u16,
    pub body: String,
}

thread_local! {
    static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(Vec::new()) };
}

/// What this test was answered so far.
pub fn seen() -> Vec<Seen> {
    SEEN.with_borrow(Clone::clone)
}

/// Follows a reference, if it is one.
pub fn resolve(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        Some(reference) => DESCRIPTION.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => value,
    }
}

/// Headers that mean something to whoever reads them: an answer that has one must be described with it.
const TELLING: [&str; 6] = [
    "location",
    "set-cookie",
    "etag",
    "retry-after",
    "www-authenticate",
    "access-control-allow-origin",
];

/// Compares an answer with what is described. Paths that are not described (below an issuer's path, of the
/// internal port) are left alone; that all of the main port are is a test of its own.
#[track_caller]
pub fn check(method: &Method, path: &str, answer: &Answer) {
    let path = path.split('?').next().unwrap();
    let path = match path.strip_prefix("/register/") {
        Some(id) if !id.is_empty() && !id.contains('/') => "/register/{client_id}",
        _ => path,
    };
    let Some(item) = DESCRIPTION["paths"].get(path) else {
        return;
    };
    let status = answer.status.as_u16();
    let method = match method.as_str() {
        "HEAD" => "get".to_owned(),
        other => other.to_lowercase(),
    };
    let Some(operation) = item.get(&method) else {
        let preflight = method == "options" && status == 204;
        let refused = status == 405 && answer.header("allow").is_some();
        let limits = matches!(status, 414 | 429 | 431);
        assert!(preflight || refused || limits, "{method} {path}: {answer:?}");
        return;
    };
    if status == 404 && matches!(path, "/register" | "/register/{client_id}" | "/metrics") {
        // not switched on
        return;
    }
    let place = format!("{method} {path} {status}");
    let response = operation["responses"]
        .get(status.to_string())
        .unwrap_or_else(|| panic!("{place} is not described: {answer:?}"));
    let response = resolve(response);
    let headers = response["headers"].as_object().unwrap();
    for (name, header) in headers {
        let header = resolve(header);
        match answer.header(name) {
            None => assert!(
                header["required"] != true,
                "{place}: {name} is missing: {answer:?}"
            ),
            Some(value) if header["schema"]["type"] == "integer" => {
                let value: i64 = value.parse().unwrap();
                valid(&format!("{place} {name}"), &header["schema"], &value.into());
            }
            Some(value) => valid(&format!("{place} {name}"), &header["schema"], &value.into()),
        }
    }
    for name in TELLING {
        let described = headers.keys().any(|header| header.eq_ignore_ascii_case(name));
        assert!(
            described || answer.header(name).is_none(),
            "{place}: {name} is not described: {answer:?}"
        );
    }
    if answer.text.is_empty() {
        // challenged without an error code (RFC 6750 §3.1)
        let challenged = status == 401 && (path == "/userinfo" || path.starts_with("/register"));
        let none = response.get("content").is_none();
        assert!(none || challenged || method == "get", "{place}: no body");
    } else {
        let media_type = answer.header("content-type").unwrap();
        let content = &response["content"][media_type];
        assert!(content.is_object(), "{place}: {media_type} is not described");
        let body = if media_type == "application/json" {
            answer.json()
        } else {
            answer.text.as_str().into()
        };
        valid(&place, &content["schema"], &body);
    }
    let seen = Seen {
        path: path.to_owned(),
        method,
        status,
        body: answer.text.clone(),
    };
    SEEN.with_borrow_mut(|all| all.push(seen));
}

/// Asserts that a value is of a schema of the description.
#[track_caller]
pub fn valid(place: &str, schema: &Value, value: &Value) {
    static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let validator = KNOWN
        .lock()
        .unwrap()
        .entry(schema.to_string())
        .or_insert_with(|| {
            let whole = json!({
                "allOf": [schema],
                "components": {"schemas": DESCRIPTION["components"]["schemas"]},
            });
            Arc::new(jsonschema::draft202012::new(&whole).unwrap())
        })
        .clone();
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{place}: {errors:?} in {value}");
}
