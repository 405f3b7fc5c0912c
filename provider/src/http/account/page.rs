//! The account page: the person's sessions, asked one by one, and their consents.

use std::collections::HashMap;

use axum::response::Response;
use http::StatusCode;
use oidc_protocol::pending::csrf_token;
use oidc_protocol::records::{ConsentRecord, consent_key, user_key};

use super::{Done, SignedIn};
use crate::app::App;
use crate::http::cookie::Browser;
use crate::http::flow::with_cookies;
use crate::http::moment::{Moment, path_of};
use crate::http::pages::{self, ApplicationLine, SessionLine, Time};
use crate::http::view::View;
use crate::sessions;
use crate::store::{StoreError, opened};
use crate::texts::Html;

/// The page.
///
/// # Errors
/// When the store is away, or what it holds makes no sense.
pub(super) async fn page(
    app: &App,
    view: &View,
    moment: &Moment,
    browser: &Browser,
    signed_in: &SignedIn,
    done: Done,
) -> Result<Response, StoreError> {
    let t = view.t;
    let Moment { ring, now, .. } = moment;
    let user = &signed_in.user;
    let mut logins = sessions::list(app, ring, user.uid(), *now).await?;
    // this one first, then those that were used last
    logins.sort_by_key(|login| (login.tag != signed_in.tag, std::cmp::Reverse(login.last_seen)));
    let lines = logins.iter().map(|login| {
        let this = login.tag == signed_in.tag;
        let device = pages::device(t, &login.record.device);
        let signed_in = Time::of(login.record.signed_in_at, t);
        let address = login.record.address.as_deref();
        SessionLine {
            id: login.tag.to_string(),
            address: address.map_or_else(Html::default, |address| (t.address)(&Html::text(address))),
            signed_in: (t.signed_in_since)(&signed_in.html()),
            last_seen: if this {
                Html::text(t.last_seen_now)
            } else {
                (t.last_seen)(&Time::of(login.last_seen, t).html())
            },
            device,
            this,
        }
    });

    let consents = app.store.consents(&user_key(ring, user.uid()), *now).await?;
    let consents: HashMap<_, _> = consents.into_iter().collect();
    // the store knows clients by HMAC only
    let clients = if consents.is_empty() {
        Vec::new()
    } else {
        app.clients.all()
    };
    let mut agreed = Vec::new();
    for client in &clients {
        if let Some(sealed) = consents.get(&consent_key(ring, client.grantee())) {
            let consent = ConsentRecord::unseal(ring, user.uid(), client.grantee(), sealed);
            agreed.extend(
                opened("consent", consent)?
                    .flatten()
                    .map(|consent| (client, consent)),
            );
        }
    }
    agreed.sort_by(|(one, _), (other, _)| {
        let key = |client: &oidc_crds::client::Client| {
            (
                client.display_name().to_lowercase(),
                client.client_id().to_owned(),
            )
        };
        key(one).cmp(&key(other))
    });
    let applications = agreed.iter().map(|(client, consent)| ApplicationLine {
        client_id: client.client_id(),
        name: client.display_name(),
        scopes: consent.scope.iter().map(|scope| pages::scope(t, scope)).collect(),
        since: (t.allowed_since)(&Html::text(client.namespace()), &Time::of(consent.at, t).html()),
    });

    let name = user.claims().get("name").and_then(|name| name.as_str());
    let mut who = Html::inside("strong", user.username());
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        who = who.and(&Html::text(&format!("({name})")));
    }
    let template = pages::Account {
        view,
        base: &format!("{}/account", path_of(moment.issuer())),
        csrf: &csrf_token(ring, &browser.digest()),
        who: (t.signed_in_as)(&who),
        notice: done.notice(t),
        sessions: lines.collect(),
        applications: applications.collect(),
    };
    let response = pages::page(view, StatusCode::OK, &template);
    Ok(with_cookies(response, browser.cookies(moment.issuer())))
}
