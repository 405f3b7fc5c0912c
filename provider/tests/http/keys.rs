//! What becomes of tokens when the key set changes.

use oidc_crds::resources::signing_key::Phase;
use oidc_crds::secrets::key_set::KeyState;
use serde_json::json;

use super::support::*;

/// As the schedule leaves a revoked key.
fn revoke(key: &mut KeyState) {
    key.phase = Phase::Removed;
    key.revoked = true;
    (key.jwk, key.public) = (None, None);
}

#[tokio::test]
async fn i3_what_a_revoked_key_signed_is_refused_at_once() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid").await;
    assert_eq!(app.introspect("web", &tokens.access).await["active"], true);
    // The key of RS256, which signed all of it.
    app.set_keys(|set| revoke(&mut set.keys[0]));
    assert_eq!(
        app.introspect("web", &tokens.access).await,
        json!({"active": false})
    );
    app.userinfo(&tokens.access).await.is_error(401, "invalid_token");
    let jwks = app.send(Ask::get("/jwks.json")).await.json();
    assert_eq!(jwks["keys"].as_array().map(Vec::len), Some(1));
    // Not even a hint: whoever has the key could make one for anybody.
    let hint = format!("/end_session?id_token_hint={}", tokens.id);
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    let page = browser.send(Ask::get(&hint)).await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("The Web App"), "{page:?}");
}

#[tokio::test]
async fn i3_what_a_retiring_key_signed_is_good_until_it_expires() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid").await;
    app.set_keys(|set| set.keys[0].phase = Phase::Retiring);
    assert_eq!(app.introspect("web", &tokens.access).await["active"], true);
    assert_eq!(app.userinfo(&tokens.access).await.json(), json!({"sub": "jdoe"}));
}
