//! Reads what the scripts return, strictly: `None` is an answer that makes no sense.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oidc_crds::uses::{Run, Told};
use oidc_protocol::handle::{Digest, FamilyId, LoginTag};
use redis::Value;

use crate::store::{
    Attempt, ConsentKey, Indexed, Redeemed, Rotated, StoredGrant, StoredLogin, StoredSession,
};

/// The members of an array, one after another.
struct Members(std::vec::IntoIter<Value>);

impl Members {
    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Array(members) => Some(Self(members.into_iter())),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<i64> {
        number(self.0.next()?)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        bytes(self.0.next()?)
    }

    fn grant(&mut self, code: Digest) -> Option<StoredGrant> {
        Some(StoredGrant {
            code,
            grant: self.bytes()?,
            session: self.bytes()?,
        })
    }

    fn family(&mut self) -> Option<StoredGrant> {
        let code = Digest(self.bytes()?.try_into().ok()?);
        self.grant(code)
    }

    /// The whole, if there is no more.
    fn end<T>(mut self, whole: T) -> Option<T> {
        self.0.next().is_none().then_some(whole)
    }
}

/// Times; -1 is none.
pub(super) fn untils(value: Value) -> Option<Vec<Option<i64>>> {
    let Value::Array(members) = value else {
        return None;
    };
    let until = |member| match number(member)? {
        -1 => Some(None),
        until => (until >= 0).then_some(Some(until)),
    };
    members.into_iter().map(until).collect()
}

/// An integer.
pub(super) fn number(value: Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(number),
        _ => None,
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

/// Of `visit`: the session and when it ends, in milliseconds.
pub(super) fn visit(value: Value) -> Option<Option<(StoredSession, i64)>> {
    if value == Value::Nil {
        return Some(None);
    }
    let mut members = Members::of(value)?;
    let record = members.bytes()?;
    let consent = match members.0.next()? {
        Value::Nil => None,
        consent => Some(bytes(consent)?),
    };
    let ends = members.number()?;
    members.end(Some((StoredSession { record, consent }, ends)))
}

/// Of `redeem_code`.
pub(super) fn redeemed(value: Value, code: Digest, tag: LoginTag) -> Option<Redeemed> {
    let mut members = Members::of(value)?;
    let outcome = match members.number()? {
        0 => Redeemed::Unknown,
        1 => Redeemed::Taken(members.grant(code)?),
        2 => {
            let seed = BASE64_URL_SAFE_NO_PAD.decode(members.bytes()?).ok()?;
            Redeemed::Replayed(FamilyId {
                tag,
                seed: seed.try_into().ok()?,
            })
        }
        _ => return None,
    };
    members.end(outcome)
}

/// Of `rotate_refresh`: with it, when the session ends that was touched, in milliseconds.
pub(super) fn rotated(value: Value, family: FamilyId) -> Option<(Rotated, Option<i64>)> {
    let mut members = Members::of(value)?;
    let kind = members.number()?;
    let outcome = match kind {
        0 => (Rotated::Unknown, None),
        3 => (Rotated::Reused(family), None),
        1 | 2 => {
            let grant = members.family()?;
            let ring_version = u32::try_from(members.number()?).ok()?;
            let ends = members.number()?;
            if kind == 1 {
                (Rotated::Rotated(grant), (ends > 0).then_some(ends))
            } else {
                (Rotated::Repeated(grant, ring_version), None)
            }
        }
        _ => return None,
    };
    members.end(outcome)
}

/// Of `token_state`.
pub(super) fn state(value: Value) -> Option<Option<StoredGrant>> {
    if value == Value::Nil {
        return Some(None);
    }
    let mut members = Members::of(value)?;
    let grant = members.family()?;
    members.end(Some(grant))
}

/// Of `refresh_state`.
pub(super) fn refresh_state(value: Value) -> Option<Option<(StoredGrant, Timestamp)>> {
    if value == Value::Nil {
        return Some(None);
    }
    let mut members = Members::of(value)?;
    let grant = members.family()?;
    let ends = Timestamp::from_millisecond(members.number()?).ok()?;
    members.end(Some((grant, ends)))
}

/// Of `begin_login`: how long to wait, or 0 and the consents.
pub(super) fn attempt(value: Value) -> Option<Attempt> {
    let Value::Array(mut members) = value else {
        return None;
    };
    if members.is_empty() {
        return None;
    }
    let rest = members.split_off(1);
    match number(members.pop()?)? {
        0 => consents(Value::Array(rest)).map(Attempt::Taken),
        wait => (wait > 0 && rest.is_empty()).then_some(Attempt::Wait(wait)),
    }
}

/// Of `consents`.
pub(super) fn consents(value: Value) -> Option<Vec<(ConsentKey, Vec<u8>)>> {
    let mut members = Members::of(value)?;
    let mut consents = Vec::new();
    while let Some(key) = members.0.next() {
        consents.push((bytes(key)?.try_into().ok()?, members.bytes()?));
    }
    Some(consents)
}

/// Whether something was so: 1 or 0.
pub(super) fn yes(value: Value) -> Option<bool> {
    match number(value)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn tag(value: Value) -> Option<LoginTag> {
    Some(LoginTag(bytes(value)?.try_into().ok()?))
}

/// Of `index_login`.
pub(super) fn indexed(value: Value) -> Option<Indexed> {
    let mut members = Members::of(value)?;
    if yes(members.0.next()?)? {
        members.0.map(tag).collect::<Option<_>>().map(Indexed::Entered)
    } else {
        members.end(Indexed::Full)
    }
}

/// Of `withdraw_consent`.
pub(super) fn tags(value: Value) -> Option<Vec<LoginTag>> {
    Members::of(value)?.0.map(tag).collect()
}

/// Of `logins`.
pub(super) fn logins(value: Value) -> Option<Vec<StoredLogin>> {
    let mut members = Members::of(value)?;
    let mut logins = Vec::new();
    while let Some(first) = members.0.next() {
        let tag = tag(first)?;
        let entered_at = Timestamp::from_millisecond(members.number()?).ok()?;
        let record = members.bytes()?;
        logins.push(StoredLogin {
            tag,
            record,
            entered_at,
        });
    }
    Some(logins)
}

/// Of `uses`.
pub(super) fn uses(value: Value) -> Option<Option<Told>> {
    if value == Value::Nil {
        return Some(None);
    }
    let mut members = Members::of(value)?;
    let kept_since = members.number()?;
    let runs = Members::of(members.0.next()?)?
        .0
        .map(run)
        .collect::<Option<_>>()?;
    let mut list = Members::of(members.0.next()?)?;
    let mut uses = Vec::new();
    while let Some(name) = list.0.next() {
        // scores are texts
        let second = std::str::from_utf8(&list.bytes()?).ok()?.parse().ok()?;
        uses.push((bytes(name)?.try_into().ok()?, second));
    }
    members.end(Some(Told {
        kept_since,
        runs,
        uses,
    }))
}

fn run(value: Value) -> Option<Run> {
    let mut members = Members::of(value)?;
    let name: [u8; 24] = members.bytes()?.try_into().ok()?;
    let (pod, process) = name.split_first_chunk::<16>()?;
    let run = Run {
        pod: *pod,
        process: process.try_into().ok()?,
        since: members.number()?,
        until: members.number()?,
        ended: yes(members.0.next()?)?,
    };
    members.end(run)
}

/// Of `last_seen`.
pub(super) fn last_seen(value: Value) -> Option<Option<Timestamp>> {
    if value == Value::Nil {
        return Some(None);
    }
    Timestamp::from_millisecond(number(value)?).ok().map(Some)
}

/// Until when a token is revoked, in milliseconds: a version and a number, as the scripts pack them.
pub(super) fn revocation(until: i64) -> [u8; 9] {
    let mut packed = [1; 9];
    packed[1..].copy_from_slice(&until.to_be_bytes());
    packed
}

/// Reads a [`revocation`]; 0 if there is none.
pub(super) fn revoked_until(value: Value) -> Option<i64> {
    if value == Value::Nil {
        return Some(0);
    }
    match bytes(value)?.split_first_chunk::<1>()? {
        ([1], until) => Some(i64::from_be_bytes(until.try_into().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(bytes: &[u8]) -> Value {
        Value::BulkString(bytes.to_vec())
    }

    const TAG: LoginTag = LoginTag([7; 16]);
    const CODE: Digest = Digest([8; 32]);

    #[test]
    fn answers_of_the_right_shape_are_read() {
        let taken = redeemed(
            Value::Array(vec![Value::Int(1), bulk(b"g"), bulk(b"s")]),
            CODE,
            TAG,
        );
        let grant = StoredGrant {
            code: CODE,
            grant: b"g".to_vec(),
            session: b"s".to_vec(),
        };
        assert!(taken == Some(Redeemed::Taken(grant)));
        let name = BASE64_URL_SAFE_NO_PAD.encode([9; 16]);
        let replayed = redeemed(
            Value::Array(vec![Value::Int(2), bulk(name.as_bytes())]),
            CODE,
            TAG,
        );
        assert!(
            replayed
                == Some(Redeemed::Replayed(FamilyId {
                    tag: TAG,
                    seed: [9; 16]
                }))
        );
        assert!(visit(Value::Nil) == Some(None));
        assert_eq!(indexed(Value::Array(vec![Value::Int(0)])), Some(Indexed::Full));
        let entered = Value::Array(vec![Value::Int(1), bulk(&TAG.0)]);
        assert_eq!(indexed(entered), Some(Indexed::Entered(vec![TAG])));
        assert_eq!(last_seen(Value::Nil), Some(None));
        let process = vec![bulk(&[7; 24]), Value::Int(3), Value::Int(4), Value::Int(1)];
        let told = uses(Value::Array(vec![
            Value::Int(5),
            Value::Array(vec![Value::Array(process)]),
            Value::Array(vec![bulk(&[9; 16]), bulk(b"6")]),
        ]));
        let run = Run {
            pod: [7; 16],
            process: [7; 8],
            since: 3,
            until: 4,
            ended: true,
        };
        assert!(
            told == Some(Some(Told {
                kept_since: 5,
                runs: vec![run],
                uses: vec![([9; 16], 6)],
            }))
        );
        assert_eq!(revoked_until(bulk(&revocation(1_234))), Some(1_234));
        assert_eq!(revoked_until(Value::Nil), Some(0));
    }

    #[test]
    fn answers_of_a_wrong_shape_are_no_answers() {
        for value in [
            Value::Nil,
            Value::Okay,
            Value::Int(1),
            Value::Array(vec![]),
            Value::Array(vec![Value::Int(4)]),
            Value::Array(vec![Value::Int(1), bulk(b"g")]),
            Value::Array(vec![Value::Int(1), bulk(b"g"), bulk(b"s"), bulk(b"more")]),
            Value::Array(vec![Value::Int(2), bulk(b"not base64url!")]),
            Value::Array(vec![bulk(b"1"), bulk(b"g"), bulk(b"s")]),
        ] {
            assert!(redeemed(value.clone(), CODE, TAG).is_none());
            assert!(
                rotated(
                    value,
                    FamilyId {
                        tag: TAG,
                        seed: [0; 16]
                    }
                )
                .is_none()
            );
        }
        assert!(state(Value::Array(vec![bulk(b"short"), bulk(b"g"), bulk(b"s")])).is_none());
        for value in [
            Value::Array(vec![]),
            Value::Array(vec![Value::Int(2)]),
            Value::Array(vec![Value::Int(1), bulk(b"short")]),
            Value::Array(vec![Value::Int(0), bulk(&[7; 16])]),
        ] {
            assert!(indexed(value).is_none());
        }
        assert!(logins(Value::Array(vec![bulk(&[7; 16]), Value::Int(1)])).is_none());
        assert!(logins(Value::Array(vec![bulk(b"short"), Value::Int(1), bulk(b"r")])).is_none());
        assert!(last_seen(Value::Int(i64::MAX)).is_none());
        assert!(yes(Value::Int(2)).is_none());
        assert!(consents(Value::Array(vec![bulk(&[0; 32])])).is_none());
        assert!(revoked_until(bulk(b"")).is_none());
        assert!(revoked_until(bulk(&[2; 9])).is_none());
        for value in [
            Value::Nil,
            Value::Array(vec![]),
            Value::Array(vec![Value::Int(-1)]),
            Value::Array(vec![Value::Int(5), bulk(&[0; 32])]),
            Value::Array(vec![Value::Int(0), bulk(&[0; 32])]),
        ] {
            assert!(attempt(value).is_none());
        }
        assert!(visit(Value::Array(vec![bulk(b"r"), Value::Int(1), Value::Int(1)])).is_none());
        let list = Value::Array;
        for value in [
            list(vec![Value::Int(1), list(vec![])]),
            list(vec![Value::Int(1), list(vec![]), list(vec![bulk(&[0; 16])])]),
            list(vec![
                Value::Int(1),
                list(vec![]),
                list(vec![bulk(&[0; 16]), bulk(b"x")]),
            ]),
            list(vec![
                Value::Int(1),
                list(vec![list(vec![bulk(&[0; 24])])]),
                list(vec![]),
            ]),
        ] {
            assert!(uses(value).is_none());
        }
    }
}
