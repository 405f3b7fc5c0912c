//! The rules of an installation. Each message begins with the member.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{ClientAddress, Installation, Lifetimes, Limits, NamespaceGrant, Namespaces};
use crate::names::Seconds;
use crate::validate::{text, uri};

impl Installation {
    /// Notes everything that is wrong.
    pub(super) fn check(&self, wrong: &mut Vec<String>) {
        for (member, value) in [("release", &self.release), ("className", &self.class_name)] {
            if !text::is_dns_label(value) {
                wrong.push(format!("{member}: {} is no DNS label", text::quoted(value)));
            }
        }
        if let Err(why) = uri::issuer(&self.issuer) {
            wrong.push(format!("issuer: {} {why}", text::quoted(&self.issuer)));
        }
        match &self.namespaces {
            Namespaces::Watch(names) => check_names(names, wrong),
            Namespaces::ClusterWide { selector } => check_selector(selector.as_ref(), wrong),
        }
        if !(Seconds(1)..=Seconds(86400)).contains(&self.jwks_max_age) {
            wrong.push(format!(
                "jwksMaxAge: {} is not within 1s and 1d",
                self.jwks_max_age
            ));
        }
        self.lifetimes.check(wrong);
        self.limits.check(wrong);
        self.outbound.check(wrong);
        self.pages.check(wrong);
        if let Some(ClientAddress::Forwarded(forwarded)) = &self.client_address
            && forwarded.trusted_proxies.is_empty()
        {
            wrong.push("clientAddress.forwarded.trustedProxies: is empty: name the proxies".to_owned());
        }
        self.allowed.check(wrong);
        for (index, grant) in self.grants.iter().enumerate() {
            grant.check(index, wrong);
        }
        if let Some(registration) = &self.registration {
            registration.check(self, wrong);
        }
        if let Some(mtls) = &self.mtls {
            mtls.check(self, wrong);
        }
        if let Some(tls) = &self.tls
            && !text::is_dns_name(&tls.secret_name)
        {
            wrong.push(format!(
                "tls.secretName: {} cannot be the name of a Secret",
                text::quoted(&tls.secret_name)
            ));
        }
        if let Some(redis) = &self.redis
            && !text::is_dns_name(&redis.secret_name)
        {
            wrong.push(format!(
                "redis.secretName: {} cannot be the name of a Secret",
                text::quoted(&redis.secret_name)
            ));
        }
        for name in &self.trust.config_map_namespaces {
            if !text::is_dns_label(name) {
                let quoted = text::quoted(name);
                wrong.push(format!("trust.configMapNamespaces: {quoted} is no namespace"));
            }
        }
        if let Some(envelope) = &self.envelope {
            let name = &envelope.secret_name;
            let quoted = text::quoted(name);
            if !text::is_dns_name(name) {
                wrong.push(format!(
                    "envelope.secretName: {quoted} cannot be the name of a Secret"
                ));
            } else if self.made_secrets().any(|own| own == *name) {
                wrong.push(format!(
                    "envelope.secretName: {quoted} is another Secret of the installation: make one of its own"
                ));
            }
        }
    }
}

fn check_names(names: &[String], wrong: &mut Vec<String>) {
    if names.is_empty() {
        wrong.push("namespaces.watch: is empty: name a namespace".to_owned());
    }
    let mut seen = BTreeSet::new();
    for name in names {
        if !text::is_dns_label(name) {
            wrong.push(format!(
                "namespaces.watch: {} is no namespace",
                text::quoted(name)
            ));
        }
        if !seen.insert(name) {
            wrong.push(format!("namespaces.watch: {} is there twice", text::quoted(name)));
        }
    }
}

/// A rule that nobody understands must not serve or refuse namespaces in silence.
fn check_selector(selector: Option<&LabelSelector>, wrong: &mut Vec<String>) {
    let rules = selector.and_then(|selector| selector.match_expressions.as_ref());
    for rule in rules.into_iter().flatten() {
        let values = rule.values.as_ref().is_some_and(|values| !values.is_empty());
        let good = match rule.operator.as_str() {
            "In" | "NotIn" => values,
            "Exists" | "DoesNotExist" => !values,
            _ => false,
        };
        if !good {
            wrong.push(format!(
                "namespaces.clusterWide.selector: the rule for {} is none: In and NotIn have values, Exists and DoesNotExist none",
                text::quoted(&rule.key)
            ));
        }
    }
}

impl Lifetimes {
    fn check(&self, wrong: &mut Vec<String>) {
        let (minute, day) = (60, 86400);
        let year = 366 * day;
        for (member, value, least, most) in [
            ("code", self.code, 1, 10 * minute),
            ("accessToken", self.access_token, 1, Self::LONGEST_TOKEN.0),
            ("idToken", self.id_token, 1, Self::LONGEST_TOKEN.0),
            ("refreshToken", self.refresh_token, 1, Self::LONGEST_REFRESH.0),
            (
                "refreshTokenIdle",
                self.refresh_token_idle,
                1,
                self.refresh_token.0,
            ),
            ("session", self.session, 1, year),
            ("sessionIdle", self.session_idle, 1, self.session.0),
            ("refreshGrace", self.refresh_grace, 0, 10 * minute),
            ("secretOverlap", self.secret_overlap, 0, year),
        ] {
            if !(least..=most).contains(&value.0) {
                wrong.push(format!(
                    "lifetimes.{member}: {value} is not within {} and {}",
                    Seconds(least),
                    Seconds(most)
                ));
            }
        }
        if !(1..=1000).contains(&self.sessions_per_user) {
            wrong.push(format!(
                "lifetimes.sessionsPerUser: {} is not within 1 and 1000",
                self.sessions_per_user
            ));
        }
    }
}

impl Limits {
    fn check(&self, wrong: &mut Vec<String>) {
        let million = 1_000_000;
        for (member, value, least, most, off) in [
            ("loginPerAccount", self.login_per_account, 3, 1_000, false),
            ("loginPerAddress", self.login_per_address, 10, million, true),
            ("requestsPerAddress", self.requests_per_address, 10, million, true),
            ("tokenPerClient", self.token_per_client, 10, 10 * million, true),
            ("pods", self.pods, 1, 1_000, false),
        ] {
            let good = (least..=most).contains(&value) || off && value == 0;
            if !good {
                let or = if off { ", nor 0 for no limit" } else { "" };
                wrong.push(format!(
                    "limits.{member}: {value} is not within {least} and {most}{or}"
                ));
            }
        }
    }
}

impl NamespaceGrant {
    fn check(&self, index: usize, wrong: &mut Vec<String>) {
        let mut refuse = |member: &str, value: &str, why: &str| {
            wrong.push(format!("grants[{index}].{member}: {} {why}", text::quoted(value)));
        };
        if self.namespaces.is_empty() {
            refuse("namespaces", "[]", "is empty: name a namespace, or write \"*\"");
        }
        for name in &self.namespaces {
            if name != "*" && !text::is_dns_label(name) {
                refuse("namespaces", name, "is neither a namespace nor \"*\"");
            }
        }
        for name in &self.service_account_namespaces {
            if name != "*" && !text::is_dns_label(name) {
                refuse(
                    "serviceAccountNamespaces",
                    name,
                    "is neither a namespace nor \"*\"",
                );
            }
        }
        for scope in &self.scopes {
            if !text::is_scope(scope) {
                refuse("scopes", scope, "is no scope");
            }
        }
        let lists = [
            ("audiences", &self.audiences),
            ("resourceServerFor", &self.resource_server_for),
        ];
        for (member, list) in lists {
            for audience in list {
                if let Err(why) = uri::audience(audience) {
                    refuse(member, audience, &why);
                }
            }
        }
        for pattern in &self.redirect_hosts {
            if let Err(why) = pattern.check() {
                refuse("redirectHosts", pattern.as_str(), &why);
            }
        }
        let maxima = self.lifetimes;
        for (member, value, most) in [
            ("accessToken", maxima.access_token, Lifetimes::LONGEST_TOKEN),
            ("idToken", maxima.id_token, Lifetimes::LONGEST_TOKEN),
            ("refreshToken", maxima.refresh_token, Lifetimes::LONGEST_REFRESH),
            (
                "refreshTokenIdle",
                maxima.refresh_token_idle,
                Lifetimes::LONGEST_REFRESH,
            ),
        ] {
            if let Some(value) = value
                && !(Seconds(1)..=most).contains(&value)
            {
                let why = format!("is not within 1s and {most}");
                refuse(&format!("lifetimes.{member}"), &value.to_string(), &why);
            }
        }
        for (member, list) in [
            ("secretLabels", &self.secret_labels),
            ("secretAnnotations", &self.secret_annotations),
        ] {
            for pattern in list {
                let part = |b: u8| b.is_ascii_alphanumeric() || b"-_./*".contains(&b);
                if pattern.is_empty() || !pattern.bytes().all(part) {
                    refuse(
                        member,
                        pattern,
                        "is no pattern: letters, digits, -, _, ., / and *",
                    );
                }
            }
        }
        for pattern in &self.client_ids {
            let part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*');
            if pattern.is_empty() || !pattern.bytes().all(part) {
                refuse("clientIds", pattern, "is no pattern: letters, digits, -, _ and *");
            }
        }
    }
}
