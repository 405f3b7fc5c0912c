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
    put: Option<Erased>,
    delete: Option<Erased>,
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

    /// PUT too.
    #[must_use]
    pub fn put<T: 'static>(mut self, handler: impl Handler<T, Arc<App>, Future = Answering>) -> Self {
        self.put = Some(erased(handler));
        self
    }

    /// DELETE too.
    #[must_use]
    pub fn delete<T: 'static>(mut self, handler: impl Handler<T, Arc<App>, Future = Answering>) -> Self {
        self.delete = Some(erased(handler));
        self
    }

    pub(super) fn of(&self, method: &Method) -> Option<&Erased> {
        let own = match *method {
            Method::GET | Method::HEAD => &self.get,
            Method::POST => &self.post,
            Method::PUT => &self.put,
            Method::DELETE => &self.delete,
            _ => &None,
        };
        own.as_ref().or(self.any.as_ref())
    }

    /// The value of `Allow` (RFC 9110 §10.2.1).
    pub(super) fn allow(&self) -> HeaderValue {
        let offered = [
            (&self.get, "GET,HEAD"),
            (&self.post, "POST"),
            (&self.put, "PUT"),
            (&self.delete, "DELETE"),
        ];
        let offered = offered.iter().filter(|(handler, _)| handler.is_some());
        let names: Vec<&str> = offered.map(|(_, names)| *names).collect();
        // letters and commas
        HeaderValue::try_from(names.join(",")).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}
