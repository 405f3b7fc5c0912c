//! What memory costs, counted: exact and free of the machine's noise. `benches/run allocations` prints the
//! lines; the limits here have some headroom.

use std::io;

use allocation_counter::{AllocationInfo, measure};
use oidc_crds::resources::OidcClient;
use oidc_crds::secrets::installation::Installation;
use oidc_provider::clients::ClientIndex;
use oidc_provider::config::{Log, LogFormat};
use oidc_provider::resources::directory::{Delta, Directory};
use oidc_provider::resources::kept::Kept;
use oidc_provider::telemetry;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use super::support::*;

/// What one request costs, from the router to the head and body of the answer, its log lines included.
/// `ask` makes each request; the first ones fill what is filled once.
fn of_request(runtime: &Runtime, app: &TestApp, mut ask: impl FnMut() -> Ask) -> AllocationInfo {
    let mut least = None::<AllocationInfo>;
    for _ in 0..5 {
        let (request, router) = (ask().build(), app.router.clone());
        let mut response = None;
        let cost = measure(|| response = Some(runtime.block_on(router.oneshot(request)).unwrap()));
        assert_eq!(response.unwrap().status(), 200);
        least = match least {
            Some(known) if known.count_total <= cost.count_total => Some(known),
            _ => Some(cost),
        };
    }
    least.unwrap()
}

#[test]
fn a_request_costs_few_allocations() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let log = Log {
        filter: "info".to_owned(),
        format: LogFormat::Json,
    };
    let logging = telemetry::subscriber(&log, io::sink).unwrap();
    tracing::dispatcher::with_default(&logging, || {
        let mut app = TestApp::new();
        app.set_client(
            "es256",
            json!({"redirectUris": [REDIRECT], "scopes": ["openid", "profile"],
            "grantTypes": ["authorization_code", "refresh_token", "client_credentials"],
            "tokens": {"accessTokenSigningAlg": "ES256", "idTokenSignedResponseAlg": "ES256"}}),
        );
        let redeem = || {
            let code = runtime.block_on(async {
                let mut browser = Browser::new(&app);
                browser.code("es256", &[("scope", "openid profile")]).await
            });
            Ask::post("/token").basic("es256").form(&[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", REDIRECT),
                ("code_verifier", VERIFIER),
            ])
        };
        let refresh = || {
            let tokens = runtime.block_on(app.sign_in("es256", "openid profile"));
            let form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", &tokens.refresh),
            ];
            Ask::post("/token").basic("es256").form(&form)
        };
        let code = of_request(&runtime, &app, redeem);
        let refreshed = of_request(&runtime, &app, refresh);
        // Only now: one session more, and the oldest would end.
        let tokens = runtime.block_on(app.sign_in("es256", "openid profile"));
        let client = || {
            let form = [("grant_type", "client_credentials")];
            Ask::post("/token").basic("es256").form(&form)
        };
        let introspect = || {
            let form = [("token", &tokens.access)];
            Ask::post("/introspect").basic("es256").form(&form)
        };
        let rows = [
            (
                "discovery",
                16,
                of_request(&runtime, &app, || Ask::get("/.well-known/openid-configuration")),
            ),
            ("jwks", 16, of_request(&runtime, &app, || Ask::get("/jwks.json"))),
            ("client_credentials", 50, of_request(&runtime, &app, client)),
            ("code", 120, code),
            ("refresh", 115, refreshed),
            ("introspection", 120, of_request(&runtime, &app, introspect)),
            (
                "userinfo",
                90,
                of_request(&runtime, &app, || Ask::get("/userinfo").bearer(&tokens.access)),
            ),
        ];
        for (name, _, cost) in &rows {
            println!(
                "allocations of {name}: {}, {} bytes",
                cost.count_total, cost.bytes_total
            );
        }
        for (name, most, cost) in rows {
            assert!(
                cost.count_total <= most,
                "{name}: {} allocations",
                cost.count_total
            );
        }
    });
}

const CLIENTS: usize = 1000;

/// As the API server tells it, with what `kubectl apply` and the operator leave on it.
fn object(number: usize) -> OidcClient {
    let name = format!("client-{number:05}");
    let note = "x".repeat(800);
    serde_json::from_value(json!({
        "apiVersion": "oidc-operator.dev/v1alpha1",
        "kind": "OidcClient",
        "metadata": {
            "name": name, "namespace": "team-a", "uid": format!("5f0c3a52-0000-4000-8000-0000000{number:05}"),
            "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "123456", "generation": 1,
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": note},
            "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": note}}],
        },
        "spec": {
            "displayName": format!("Application {number}"),
            "redirectUris": [format!("https://{name}.example.com/callback")],
            "grantTypes": ["authorization_code", "refresh_token", "client_credentials"],
            "scopes": ["openid", "profile", "email"],
        },
        "status": {
            "clientId": format!("team-a.{name}"),
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"},
            ],
            "credentials": [{
                "id": "0123456789abcdef",
                "digest": "0123456789abcdef:0123456789abcdef0123456789abcdef0123456789a",
                "createdAt": "2026-01-01T00:00:00Z",
            }],
            "secret": {"name": format!("{name}-oidc"), "uid": "u", "resourceVersion": "1"},
        },
    }))
    .unwrap()
}

#[test]
fn a_client_takes_little_memory() {
    let installation = Installation::standalone("https://id.example.com", false);
    let (mut directory, index) = (Directory::new(installation), ClientIndex::default());
    let kept = measure(|| {
        let objects = (0..CLIENTS).map(|number| Kept::of(object(number))).collect();
        directory.clients(None, Delta::Reset(objects));
    });
    let served = measure(|| index.publish(directory.settle().clients));
    assert_eq!(index.len(), CLIENTS);
    let each = |bytes: i64| bytes / i64::try_from(CLIENTS).unwrap();
    let (kept, served) = (each(kept.bytes_current), each(served.bytes_current));
    println!(
        "bytes a client: {kept} kept, {served} served, {} in all",
        kept + served
    );
    assert!(kept + served <= 1750, "{kept} + {served} bytes a client");
}
