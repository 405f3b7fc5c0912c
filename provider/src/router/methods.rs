//! [`Methods`]: the handlers of one path, by method.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use http::{HeaderValue, Method};

use crate::app::App;

/// An answer to come.
type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler, whatever it extracts.
pub(super) type Erased = Box<dyn Fn(Request, Arc<App>) -> Answering + Send + Sync>;

/// The handlers of a path.
#[derive(Default)]
pub struct Methods {
    get: Option<Erased>,
    post: Option<Erased>,
    any: Option<Erased>,
}

/// GET, and HEAD by the same handler.
pub fn get<T: 'static>(handler: impl Handler<T, Arc<App>, Future = Answering>) -> Methods {
    Methods {
        get: Some(erased(handler)),
        ..Methods::default()
    }
}

/// POST.
pub fn post<T: 'static>(handler: impl Handler<T, Arc<App>, Future = Answering>) -> Methods {
    Methods::default().post(handler)
}

/// Whatever the method.
pub(super) fn any<T: 'static>(handler: impl Handler<T, Arc<App>, Future = Answering>) -> Methods {
    Methods {
        any: Some(erased(handler)),
        ..Methods::default()
    }
}

fn erased<T: 'static>(handler: impl Handler<T, Arc<App>, Future = Answering>) -> Erased {
    Box::new(move |request, app| handler.clone().call(request, app))
}

impl Methods {
    /// POST too.
    #[must_use]
    pub fn post<T: 'static>(mut self, handler: impl Handler<T, Arc<App>, Future = Answering>) -> Self {
        self.post = Some(erased(handler));
        self
    }

    pub(super) fn of(&self, method: &Method) -> Option<&Erased> {
        let own = match *method {
            Method::GET | Method::HEAD => &self.get,
            Method::POST => &self.post,
            _ => &None,
        };
        own.as_ref().or(self.any.as_ref())
    }

    /// The value of `Allow` (RFC 9110 §10.2.1).
    pub(super) fn allow(&self) -> HeaderValue {
        HeaderValue::from_static(match (&self.get, &self.post) {
            (Some(_), Some(_)) => "GET,HEAD,POST",
            (Some(_), None) => "GET,HEAD",
            (None, _) => "POST",
        })
    }
}
