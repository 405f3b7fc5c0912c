//! How long verifiers hold a JWKS: after `jwks.maxAge` was lowered, for a while still as long as before.

use jiff::Timestamp;

use crate::names::Seconds;
use crate::secrets::key_set::Caches;
use crate::time::later;

/// How long a pod can go by the former `max-age`: as long as a dead watch goes unnoticed.
const UNNOTICED: Seconds = Seconds(30);

/// `before`: as it was noted; `current`: by the `max-age` of now, with a margin.
pub(super) fn at(before: Option<Caches>, current: Seconds, now: Timestamp) -> Caches {
    let settled = Caches {
        current: current.0,
        longest: current.0,
        until: None,
    };
    let Some(before) = before.filter(|before| before.longest > current.0) else {
        return settled;
    };
    let latest = later(later(now, Seconds(before.longest)), UNNOTICED);
    // Noted by a clock that was ahead, it would last as long.
    let until = before.until.map_or(latest, |until| until.min(latest));
    // Lowered once more, while the longest still counts.
    let until = if current.0 < before.current { latest } else { until };
    if until <= now {
        return settled;
    }
    Caches {
        current: current.0,
        longest: before.longest,
        until: Some(until),
    }
}
