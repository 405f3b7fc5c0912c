//! What security teams want to know, one line each at the target `audit`: who signed in, who allowed what to
//! whom, what was issued and what was revoked. The fields are an allow-list: names of clients, subjects of
//! people who proved who they are, the ServiceAccount and pod of a workload that did, the thumbprint of a
//! client's certificate, the address by the installation's rule; never what was typed.

use super::call::Call;
use crate::telemetry::AUDIT;

/// A login form was answered: `success`, `wrong_credentials`, `denied`, `limited`. `subject` only once the
/// person has proven who they are.
pub fn login(call: &Call, outcome: &'static str, subject: Option<&str>) {
    line(call, "login", outcome, subject);
}

/// A person was asked for consent, or took it back: `allowed`, `denied`, `withdrawn`.
pub fn consent(call: &Call, outcome: &'static str, subject: Option<&str>) {
    line(call, "consent", outcome, subject);
}

/// An answer with tokens left; `outcome` is the grant type.
pub fn token(call: &Call, grant_type: &'static str) {
    line(call, "token", grant_type, None);
}

/// A client revoked a token of its own: `refresh_token`, `access_token`.
pub fn revoked(call: &Call, what: &'static str) {
    line(call, "revoked", what, None);
}

/// A program `created`, `changed` or `deleted` its client; `token` is the name of its initial access token, where one is asked for.
pub fn registration(call: &Call, outcome: &'static str, token: Option<&str>) {
    tracing::info!(
        target: AUDIT,
        event = "registration",
        outcome,
        client_id = call.client().map(|client| client.client_id()),
        registration_token = token,
        address = call.address().map(tracing::field::display),
        "audit"
    );
}

/// A person ended sessions of theirs: `sign_out`, `sign_out_others`, `sign_out_everywhere`.
pub fn session(call: &Call, action: &'static str, subject: &str) {
    line(call, "session", action, Some(subject));
}

fn line(call: &Call, event: &'static str, outcome: &'static str, subject: Option<&str>) {
    tracing::info!(
        target: AUDIT,
        event,
        outcome,
        client_id = call.client().map(|client| client.client_id()),
        subject,
        service_account = call.workload().map(tracing::field::display),
        certificate = call.certificate(),
        address = call.address().map(tracing::field::display),
        "audit"
    );
}
