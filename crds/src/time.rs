//! Small arithmetic with times. Private to the crate.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::names::Seconds;

/// A time so much later; at most the end of time.
pub(crate) fn later(at: Timestamp, by: Seconds) -> Timestamp {
    at.checked_add(by.span()).unwrap_or(Timestamp::MAX)
}

/// As the API server keeps times: whole seconds. A finer time would differ from itself when read again.
pub(crate) fn stored(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_length_of_time_overflows() {
        assert_eq!(later(Timestamp::UNIX_EPOCH, Seconds(5)).as_second(), 5);
        assert_eq!(later(Timestamp::UNIX_EPOCH, Seconds(u64::MAX)), Timestamp::MAX);
    }

    #[test]
    fn a_stored_time_is_read_as_it_was_written() {
        let time = stored(Timestamp::constant(1_800_000_000, 999_999_999));
        let text = serde_json::to_string(&time).unwrap();
        assert_eq!(serde_json::from_str::<Time>(&text).unwrap(), time);
    }
}
