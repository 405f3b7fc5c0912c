//! One table: path → endpoint → handler. Every row is wrapped by the [envelope](crate::http::envelope).

use std::collections::HashMap;
use std::sync::Arc;

use crate::app::App;
use crate::http::envelope::{Counts, Endpoint};
use crate::http::error::{Failure, Speaks};
use crate::http::headers::Cors;
use crate::http::register::manage;
use crate::http::{
    account, authorize, consent, discovery, end_session, health, introspect, jwks, login, openapi, pages,
    register, revoke, token, userinfo, uses,
};

use methods::{Methods, any, get, post};
use service::{Row, Served};

pub use service::{Connection, Connections, Router};

pub mod methods;
mod service;

/// The place of metadata documents (RFC 8615).
const WELL_KNOWN: &str = "/.well-known/";

/// The main port, as in the cluster.
pub fn router(app: Arc<App>) -> Router {
    main_table(app).finish()
}

/// The only port of a standalone provider: the main port's endpoints, and the metrics.
pub fn standalone(app: Arc<App>) -> Router {
    standalone_table(app).finish()
}

/// The paths of [`standalone`], as its table has them: what must know all of them reads them here.
#[must_use]
pub fn paths(app: Arc<App>) -> Vec<&'static str> {
    let table = standalone_table(app);
    let below = table.below.into_values().map(|(name, _)| name);
    table.rows.into_keys().chain(below).collect()
}

fn standalone_table(app: Arc<App>) -> Table {
    main_table(app).row(METRICS, get(health::metrics))
}

/// The port that asks clients for certificates: the endpoints that `mtls_endpoint_aliases` lists, and no page.
pub fn mutual(app: Arc<App>) -> Router {
    of_clients(Table::new(app)).finish()
}

/// The internal port.
pub fn internal(app: Arc<App>) -> Router {
    Table::new(app)
        .row(quiet("/health"), get(health::get))
        .row(quiet("/health/live"), get(health::live))
        .row(quiet("/health/ready"), get(health::ready))
        .row(METRICS, get(health::metrics))
        .row(quiet("/uses"), get(uses::get))
        .finish()
}

const METRICS: Endpoint = quiet("/metrics");

fn main_table(app: Arc<App>) -> Table {
    of_clients(Table::new(app))
        .row(document("/.well-known/openid-configuration"), get(discovery::get))
        .row(
            document("/.well-known/oauth-authorization-server"),
            get(discovery::get),
        )
        .row(document("/jwks.json"), get(jwks::get))
        .row(document("/openapi.json"), get(openapi::get))
        .row(flow("/authorize"), get(authorize::any).post(authorize::any))
        .row(flow("/login"), get(pages::hello).post(login::post))
        .row(flow("/consent"), post(consent::post))
        .row(page("/end_session"), get(end_session::any).post(end_session::any))
        .row(page("/end_session/confirm"), post(end_session::confirm))
        .row(page("/account"), get(account::get))
        .row(page("/account/sign-out"), post(account::sign_out))
        .row(page("/account/withdraw"), post(account::withdraw))
        .row(
            page("/account/sign-out-everywhere"),
            post(account::sign_out_everywhere),
        )
        .row(counted(json("/register", Cors::No)), post(register::post))
        .below(
            "/register",
            counted(json("/register/{client_id}", Cors::No)),
            get(manage::get).put(manage::put).delete(manage::delete),
        )
        .row(quiet("/health"), get(health::get))
        .row(page("/"), get(pages::hello))
}

/// With the endpoints at which clients prove who they are, or show what is bound to that.
fn of_clients(table: Table) -> Table {
    use Cors::{ByClient, No};
    table
        .row(json("/token", ByClient), post(token::post))
        .row(
            json("/userinfo", ByClient),
            get(userinfo::any).post(userinfo::any),
        )
        .row(json("/introspect", No), post(introspect::post))
        .row(json("/revoke", ByClient), post(revoke::post))
}

const fn endpoint(name: &'static str, speaks: Speaks, cors: Cors) -> Endpoint {
    Endpoint {
        name,
        speaks,
        cors,
        counts: Counts::Failures,
        interactive: false,
        quiet: false,
    }
}

const fn json(name: &'static str, cors: Cors) -> Endpoint {
    endpoint(name, Speaks::Json, cors)
}

/// Each request counts: strangers may use it.
const fn counted(endpoint: Endpoint) -> Endpoint {
    Endpoint {
        counts: Counts::All,
        ..endpoint
    }
}

const fn page(name: &'static str) -> Endpoint {
    Endpoint {
        counts: Counts::All,
        ..endpoint(name, Speaks::Html, Cors::No)
    }
}

const fn flow(name: &'static str) -> Endpoint {
    Endpoint {
        interactive: true,
        ..page(name)
    }
}

/// A public document that every verifier and client asks for again and again.
const fn document(name: &'static str) -> Endpoint {
    Endpoint {
        cors: Cors::Any,
        ..quiet(name)
    }
}

const fn quiet(name: &'static str) -> Endpoint {
    Endpoint {
        quiet: true,
        counts: Counts::No,
        ..endpoint(name, Speaks::Json, Cors::No)
    }
}

/// A router in the making. Its rows are reached below the issuer's path, if it has one, and at the root too:
/// a proxy may strip the path.
pub struct Table {
    app: Arc<App>,
    rows: HashMap<&'static str, Row>,
    /// Endpoints with one more segment, by the path before it.
    below: HashMap<&'static str, (&'static str, Row)>,
}

impl Table {
    /// Without rows.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Self {
            app,
            rows: HashMap::new(),
            below: HashMap::new(),
        }
    }

    /// A path, which is also the endpoint's name.
    #[must_use]
    pub fn row(mut self, endpoint: Endpoint, methods: Methods) -> Self {
        let row = Row::new(&self.app, endpoint, methods);
        self.rows.insert(endpoint.name, row);
        self
    }

    /// A path with one more segment, whatever it is: [`below`] reads it.
    #[must_use]
    pub fn below(mut self, parent: &'static str, endpoint: Endpoint, methods: Methods) -> Self {
        let row = Row::new(&self.app, endpoint, methods);
        self.below.insert(parent, (endpoint.name, row));
        self
    }

    /// With an answer for all other paths.
    #[must_use]
    pub fn finish(self) -> Router {
        let other = endpoint("other", Speaks::WhatIsAccepted, Cors::No);
        let nothing = any(async || Failure::not_found());
        Router::new(Served {
            other: Row::new(&self.app, other, nothing),
            app: self.app,
            rows: self.rows,
            below: self
                .below
                .into_iter()
                .map(|(path, (_, row))| (path, row))
                .collect(),
        })
    }
}

/// The last segment of a path, for endpoints that stand [`below`](Table::below) another.
#[must_use]
pub fn below(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(_, last)| last)
}

/// The path in the table for a path that was asked for; `None`: the same.
fn rewrite(path: &str, prefix: &str) -> Option<String> {
    // an authority written with a trailing slash asks for `//.well-known/…`, and some add one at the end
    let tidy = path.trim_start_matches('/').trim_end_matches('/');
    if prefix.is_empty() && tidy.len() + 1 == path.len() {
        return None;
    }
    let is_well_known = tidy.starts_with(&WELL_KNOWN[1..]);
    if prefix.is_empty() && !is_well_known {
        return None;
    }
    let mut of_table = if is_well_known {
        format!("/{tidy}")
    } else {
        path.to_owned()
    };
    if !prefix.is_empty() {
        if let Some(rest) = of_table
            .strip_prefix(prefix)
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        {
            of_table = if rest.is_empty() {
                "/".to_owned()
            } else {
                rest.to_owned()
            };
            let tidy = of_table.trim_end_matches('/');
            if tidy.starts_with(WELL_KNOWN) {
                of_table = tidy.to_owned();
            }
        } else if of_table.starts_with(WELL_KNOWN)
            && let Some(document) = of_table.strip_suffix(prefix)
        {
            // RFC 8414 §3.1 inserts the well-known part before the path
            of_table = document.to_owned();
        }
    }
    (of_table != path).then_some(of_table)
}

#[cfg(test)]
mod tests {
    use super::rewrite;

    #[test]
    fn paths_below_an_issuer() {
        let same = |path: &str, prefix: &str| assert_eq!(rewrite(path, prefix), None, "{path}");
        let other = |path: &str, prefix: &str, to: &str| {
            assert_eq!(rewrite(path, prefix).as_deref(), Some(to), "{path}");
        };
        same("/token", "");
        same("/token/", "");
        same("//token", "");
        same("/token", "/id");
        same("/idea/token", "/id");
        other("/id/token", "/id", "/token");
        other("/id", "/id", "/");
        let openid = "/.well-known/openid-configuration";
        let oauth = "/.well-known/oauth-authorization-server";
        same(openid, "");
        other(&format!("/{openid}"), "", openid);
        other(&format!("{openid}/"), "", openid);
        other(&format!("/id{openid}"), "/id", openid);
        other(&format!("/id{openid}/"), "/id", openid);
        other(&format!("{oauth}/id"), "/id", oauth);
        other(&format!("{openid}/id"), "/id", openid);
    }
}
