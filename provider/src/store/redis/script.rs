//! The Lua scripts, and what is sent to Redis.

use std::sync::LazyLock;

use redis::{Cmd, cmd};

/// A script, sent by its hash; Redis gets the text when it does not know it.
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("../scripts/common.lua"), include_str!($file)))
        });)*

        /// Every script, to be made known to a new connection.
        pub(super) fn all() -> impl Iterator<Item = &'static Script> {
            [$(LazyLock::force(&$name)),*].into_iter()
        }
    };
}

scripts! {
    PUT_SESSION = "../scripts/put_session.lua";
    END_SESSION = "../scripts/end_session.lua";
    VISIT = "../scripts/visit.lua";
    REDEEM_CODE = "../scripts/redeem_code.lua";
    ROTATE_REFRESH = "../scripts/rotate_refresh.lua";
    REMEMBER_ONCE = "../scripts/remember_once.lua";
    TOKEN_STATE = "../scripts/token_state.lua";
    REFRESH_STATE = "../scripts/refresh_state.lua";
    BEGIN_LOGIN = "../scripts/begin_login.lua";
    TAKE_ADDRESS = "../scripts/take_address.lua";
    CONSENTS = "../scripts/consents.lua";
    REMEMBER_CONSENT = "../scripts/remember_consent.lua";
    KEEP_LOGIN = "../scripts/keep_login.lua";
    WITHDRAW_CONSENT = "../scripts/withdraw_consent.lua";
    FORGET_CLIENT = "../scripts/forget_client.lua";
    INDEX_LOGIN = "../scripts/index_login.lua";
    LOGINS = "../scripts/logins.lua";
    FORGET_LOGINS = "../scripts/forget_logins.lua";
    LAST_SEEN = "../scripts/last_seen.lua";
    END_LOGIN = "../scripts/end_login.lua";
    SHARE_LIMITS = "../scripts/share_limits.lua";
    TAKE_USE = "../scripts/take_use.lua";
    REPORT_USES = "../scripts/report_uses.lua";
    USES = "../scripts/uses.lua";
    COUNT_SESSIONS = "../scripts/count_sessions.lua";
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self {
            text,
            hash: redis::Script::new(text).get_hash().to_owned(),
        }
    }

    /// A call of it on these keys, which share a slot.
    pub(super) fn on(&'static self, keys: Vec<String>) -> Request {
        Request {
            script: Some(self),
            keys,
            args: Vec::new(),
        }
    }

    /// Makes Redis know it.
    pub(super) fn load(&self) -> Cmd {
        let mut load = cmd("SCRIPT");
        load.arg("LOAD").arg(self.text);
        load
    }
}

/// One round trip: a script with its keys and arguments, or a plain command.
pub(super) struct Request {
    script: Option<&'static Script>,
    keys: Vec<String>,
    args: Vec<Vec<u8>>,
}

impl Request {
    /// A command that needs no script; its words follow as arguments.
    pub(super) fn plain(name: &str) -> Self {
        Self {
            script: None,
            keys: Vec::new(),
            args: Vec::new(),
        }
        .bytes(name)
    }

    /// With one more argument.
    pub(super) fn bytes(mut self, value: impl Into<Vec<u8>>) -> Self {
        self.args.push(value.into());
        self
    }

    /// With one more argument, in decimal.
    pub(super) fn number(self, value: impl Into<i64>) -> Self {
        self.bytes(value.into().to_string())
    }

    /// What is sent; `whole`: with the script's text, because Redis did not know its hash.
    pub(super) fn command(&self, whole: bool) -> Cmd {
        let mut command = Cmd::new();
        if let Some(script) = self.script {
            if whole {
                command.arg("EVAL").arg(script.text);
            } else {
                command.arg("EVALSHA").arg(&script.hash);
            }
            command.arg(self.keys.len()).arg(&self.keys);
        }
        command.arg(&self.args);
        command
    }
}
