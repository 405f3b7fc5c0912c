//! The one place that asks the system for the time; everything that decides takes it as a parameter.

use jiff::Timestamp;

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "the shell's clock; everything that decides takes `now`"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
