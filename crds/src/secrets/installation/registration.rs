//! Who may register clients by HTTP (RFC 7591).

use serde::{Deserialize, Serialize};

use super::{Installation, Namespaces};
use crate::names::Seconds;
use crate::validate::text;

/// Clients may be registered by HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// By whom.
    pub mode: RegistrationMode,
    /// The namespace that they are made in.
    pub namespace: String,
    /// How old one gets that nobody ever used, before the operator deletes it; absent: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_unused: Option<Seconds>,
}

/// Who may register clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RegistrationMode {
    /// Everybody, as often as the limits per address allow.
    Open,
    /// Whoever has an initial access token
    /// ([`RegistrationTokens`](crate::secrets::registration_tokens::RegistrationTokens)).
    Token,
}

impl Registration {
    pub(super) fn check(&self, installation: &Installation, wrong: &mut Vec<String>) {
        let quoted = text::quoted(&self.namespace);
        if !text::is_dns_label(&self.namespace) {
            wrong.push(format!("registration.namespace: {quoted} is no namespace"));
        } else if let Namespaces::Watch(names) = &installation.namespaces
            && !names.contains(&self.namespace)
        {
            wrong.push(format!(
                "registration.namespace: {quoted} is not among namespaces.watch: add it"
            ));
        }
        let (least, most) = (Seconds(300), Seconds(366 * 86400));
        if let Some(length) = self.expire_unused
            && !(least..=most).contains(&length)
        {
            wrong.push(format!(
                "registration.expireUnused: {length} is not within {least} and {most}"
            ));
        }
        let limited = installation.client_address.is_some() && installation.limits.requests_per_address > 0;
        if self.mode == RegistrationMode::Open && !limited {
            wrong.push(
                "registration.mode: open needs clientAddress and limits.requestsPerAddress, or a stranger could \
                 register without end"
                    .to_owned(),
            );
        }
    }
}
