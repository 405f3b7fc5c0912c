//! The names of keys: `oidc:`, a kind, the slot in braces, and what tells keys of one slot apart.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use oidc_protocol::handle::{Digest, FamilyId, LoginTag};

use crate::store::{Account, Shared, UserKey};

pub(super) fn text(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn session_key(tag: LoginTag) -> String {
    format!("oidc:s:{{{}}}", text(&tag.0))
}

pub(super) fn barred_key(tag: LoginTag) -> String {
    format!("oidc:e:{{{}}}", text(&tag.0))
}

pub(super) fn code_key(tag: LoginTag, code: Digest) -> String {
    format!("oidc:c:{{{}}}:{}", text(&tag.0), text(&code.0))
}

pub(super) fn family_key(family: FamilyId) -> String {
    format!("oidc:f:{{{}}}:{}", text(&family.tag.0), text(&family.seed))
}

pub(super) fn clients_key(tag: LoginTag) -> String {
    format!("oidc:x:{{{}}}", text(&tag.0))
}

pub(super) fn token_key(tag: LoginTag, jti: Digest) -> String {
    format!("oidc:j:{{{}}}:{}", text(&tag.0), text(&jti.0))
}

pub(super) fn detached_key(jti: Digest) -> String {
    format!("oidc:j:{{{}}}", text(&jti.0))
}

pub(super) fn used_key(value: Digest) -> String {
    format!("oidc:o:{{{}}}", text(&value.0))
}

/// Of the uses of a registration token.
pub(super) fn uses_key(token: Digest) -> String {
    format!("oidc:rt:{{{}}}", text(&token.0))
}

pub(super) fn user_key(kind: &str, user: &UserKey) -> String {
    format!("oidc:{kind}:{{{}}}", text(user))
}

/// The keys of attempts: from anywhere, from this browser, the known browsers, and the consents. Those of a
/// name that nobody has lie in one slot, and only the first of them is ever written.
pub(super) fn attempt_keys(account: Account, browser: Digest) -> Vec<String> {
    let browser = text(&browser.0);
    match account {
        Account::Known(user) => {
            let attempts = user_key("ua", &user);
            let own = format!("{attempts}:{browser}");
            vec![attempts, own, user_key("ub", &user), user_key("uc", &user)]
        }
        Account::Unknown(name) => {
            let attempts = format!("oidc:un:{{limit}}:{}", Account::bucket(&name));
            let [own, known, consents] =
                ["own", "known", "consents"].map(|what| format!("{attempts}:{what}"));
            vec![attempts, own, known, consents]
        }
    }
}

/// Of what pods tell of a limit.
pub(super) fn limit_key(which: Shared, bucket: u16) -> String {
    let kind = match which {
        Shared::TokenPerClient => "lc",
        Shared::RequestsPerAddress => "lr",
    };
    format!("oidc:{kind}:{{limit}}:{bucket}")
}

/// Of last uses, and of the processes that report them.
pub(super) fn uses_keys(tag: &[u8; 16]) -> Vec<String> {
    let tag = text(tag);
    ["uu", "up"]
        .map(|kind| format!("oidc:{kind}:{{uses}}:{tag}"))
        .into()
}

/// Of an attempt to tell it.
pub(super) fn telling_key(attempt: &[u8; 16]) -> String {
    format!("oidc:lx:{{limit}}:{}", text(attempt))
}
