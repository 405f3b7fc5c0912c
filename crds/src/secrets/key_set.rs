//! `<release>-key-set`: the signing keys, the truth about them. One data key `key-set.json`; unknown
//! members are ignored. The member `digest` is that of all others, so that an edit by hand is noticed.
//! [`Stored`] also reads a set whose private keys are encrypted.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Data, DataError};
use crate::encoding::hex;
use crate::jwk::PrivateJwk;
use crate::names::Algorithm;
use crate::resources::signing_key::Phase;

mod lost;
mod sealed;

pub use lost::LostKey;
pub use sealed::{SealedKeySet, Stored};

/// All keys of an installation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeySet {
    /// Version of this format: 1.
    pub version: u32,
    /// Counts the changes; only ever grows. Another envelope around the same keys is none.
    pub revision: u64,
    /// The keys, oldest first.
    pub keys: Vec<KeyState>,
    /// The algorithm for clients that name none.
    pub default_algorithm: Algorithm,
    /// Keys that statuses tell of and the set does not hold: that set was lost, or is an older one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostKey>,
    /// How long verifiers hold a JWKS; `None` in a set of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caches: Option<Caches>,
}

/// How long verifiers hold a JWKS, with a margin ([`shortest_publish_for`](crate::validate::shortest_publish_for)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Caches {
    /// By the `max-age` of now, in seconds.
    pub current: u64,
    /// By the longest of those that some cache may still go by, in seconds.
    pub longest: u64,
    /// Until when, if that is a former one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// One key: what [`schedule`](crate::schedule) decides about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyState {
    /// RFC 7638 thumbprint; empty while `Pending`.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Bits of an RSA key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rsa_bits: Option<u32>,
    /// Its phase.
    pub phase: Phase,
    /// The SigningKey that it was minted for.
    pub signing_key: Owner,
    /// `rotation.revision` of the spec that it was minted for.
    #[serde(default)]
    pub spec_revision: u64,
    /// When it was minted.
    pub created_at: Timestamp,
    /// When it was first published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,
    /// Not before this may a pod sign with it; 0 (the epoch) for the first key of an installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs_from: Option<Timestamp>,
    /// When it stopped signing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires_at: Option<Timestamp>,
    /// When everything that it signed has expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removable_at: Option<Timestamp>,
    /// The longest lifetime, in seconds, of anything that it signed.
    #[serde(default)]
    pub longest_lifetime: u64,
    /// Whether it was made elsewhere and imported.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    /// Whether it was revoked: not even hints are checked with it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// The private key while Published, Active or Retiring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk: Option<PrivateJwk>,
    /// The public key, kept after removal to check `id_token_hint`s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<Map<String, Value>>,
}

/// The SigningKey that a key belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl KeySet {
    /// Name of the data key.
    pub const DATA_KEY: &str = "key-set.json";

    /// The member that holds the SHA-256 of all others.
    const DIGEST: &str = "digest";

    /// Reads a Secret whose keys stand in the clear.
    ///
    /// # Errors
    /// When it is malformed, of a later version, or encrypted.
    pub fn from_data(data: &Data) -> Result<Self, DataError> {
        match Stored::from_data(data)? {
            Stored::Plain(set) => Ok(set),
            Stored::Sealed(_) => Err(wrong("its private keys are encrypted")),
        }
    }

    /// The data to write, with the keys in the clear.
    #[must_use]
    pub fn to_data(&self) -> Data {
        data_of(serde_json::to_value(self).expect("all members are JSON"))
    }

    /// A set of nothing but these keys.
    #[must_use]
    pub fn new(revision: u64, keys: Vec<KeyState>, default_algorithm: Algorithm) -> Self {
        Self {
            version: 1,
            revision,
            keys,
            default_algorithm,
            lost: Vec::new(),
            caches: None,
        }
    }

    /// Algorithms that some key signs with, also one that was lost and pods hold.
    #[must_use]
    pub fn algorithms(&self) -> BTreeSet<Algorithm> {
        let active = self.keys.iter().filter(|key| key.phase == Phase::Active);
        let held = self.lost.iter().filter(|key| key.signed && !key.revoked);
        let held = held
            .map(|key| key.algorithm)
            .filter(|algorithm| self.lacks(*algorithm));
        active.map(|key| key.algorithm).chain(held).collect()
    }

    /// The JWKS document: public members of Published, Active and Retiring keys, no duplicate kid
    /// (RFC 7517 §5).
    #[must_use]
    pub fn jwks(&self) -> Value {
        let mut seen = BTreeSet::new();
        let keys: Vec<Value> = self
            .keys
            .iter()
            .filter(|key| key.is_in_jwks() && seen.insert(key.kid.as_str()))
            .filter_map(|key| key.public.clone().map(Value::Object))
            .collect();
        serde_json::json!({ "keys": keys })
    }

    /// What a pod acknowledges: `<revision>-<first 16 hex digits of the SHA-256 of the public part>`.
    #[must_use]
    pub fn acknowledgement(&self) -> String {
        let public = serde_json::json!({
            "defaultAlgorithm": self.default_algorithm,
            "jwks": self.jwks(),
        });
        format!("{}-{}", self.revision, &digest_of(&public)[..16])
    }
}

impl KeyState {
    /// Whether verifiers see it.
    #[must_use]
    pub fn is_in_jwks(&self) -> bool {
        matches!(self.phase, Phase::Published | Phase::Active | Phase::Retiring)
    }

    /// Whether it has what its phase needs; `private`: whether it has its private half, which may be sealed.
    fn is_whole(&self, private: bool) -> bool {
        match self.phase {
            Phase::Pending => false,
            Phase::Removed => !self.kid.is_empty(),
            Phase::Published | Phase::Active | Phase::Retiring => {
                !self.kid.is_empty() && private && self.public.is_some()
            }
        }
    }
}

fn wrong(what: &str) -> DataError {
    DataError(format!("{}: {what}", KeySet::DATA_KEY))
}

/// The members of a stored set but the digest, which is right.
fn members_of(data: &Data) -> Result<Map<String, Value>, DataError> {
    /// What all versions have.
    #[derive(Deserialize)]
    struct Format {
        version: u32,
    }
    let bytes = data
        .get(KeySet::DATA_KEY)
        .ok_or_else(|| wrong("the data key is missing"))?;
    let format: Format = serde_json::from_slice(bytes).map_err(|_| wrong("is not a key set's JSON"))?;
    if format.version != 1 {
        return Err(wrong("has a format version that is not known here"));
    }
    // The text of serde's error could hold a value.
    let members: Value = serde_json::from_slice(bytes).map_err(|_| wrong(MALFORMED))?;
    let Value::Object(mut members) = members else {
        return Err(wrong(MALFORMED));
    };
    let digest = members.remove(KeySet::DIGEST);
    let rest = Value::Object(members);
    if digest.as_ref().and_then(Value::as_str) != Some(&digest_of(&rest)) {
        return Err(wrong("was edited by hand: its digest does not match"));
    }
    match rest {
        Value::Object(members) => Ok(members),
        _ => Err(wrong(MALFORMED)),
    }
}

const MALFORMED: &str = "is not a key set of version 1";

/// The data to write for these members.
fn data_of(mut members: Value) -> Data {
    let digest = digest_of(&members);
    members[KeySet::DIGEST] = digest.into();
    Data::from([(KeySet::DATA_KEY.to_owned(), members.to_string().into_bytes())])
}

/// The SHA-256 of a value in its canonical form, as hex.
fn digest_of(value: &Value) -> String {
    hex(digest(&SHA256, canonical(value).to_string().as_bytes()).as_ref())
}

/// The same value with the members of all objects sorted: whether JSON maps keep the order of insertion
/// depends on a build's features, and pods must agree with the operator.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<_, _> = members.iter().collect();
            let sorted = sorted
                .into_iter()
                .map(|(name, value)| (name.clone(), canonical(value)));
            Value::Object(sorted.collect())
        }
        Value::Array(values) => values.iter().map(canonical).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(super) fn key(algorithm: Algorithm, phase: Phase) -> KeyState {
        let jwk = PrivateJwk::generate(algorithm, None).unwrap();
        KeyState {
            kid: jwk.thumbprint().unwrap(),
            algorithm,
            rsa_bits: None,
            phase,
            signing_key: Owner {
                name: "main".to_owned(),
                uid: "1".to_owned(),
            },
            spec_revision: 0,
            created_at: Timestamp::UNIX_EPOCH,
            published_at: None,
            signs_from: None,
            retires_at: None,
            removable_at: None,
            longest_lifetime: 0,
            imported: false,
            revoked: false,
            public: Some(jwk.public().unwrap()),
            jwk: Some(jwk),
        }
    }

    pub(super) fn set(keys: Vec<KeyState>) -> KeySet {
        KeySet::new(7, keys, Algorithm::ES256)
    }

    /// Reads JSON as if it had been written as it is.
    fn read(json: &Value) -> Result<KeySet, DataError> {
        let mut json = json.clone();
        if json.is_object() {
            json[KeySet::DIGEST] = digest_of(&json).into();
        }
        let data = Data::from([(KeySet::DATA_KEY.to_owned(), json.to_string().into_bytes())]);
        KeySet::from_data(&data)
    }

    #[test]
    fn what_is_written_is_read() {
        let set = set(vec![
            key(Algorithm::ES256, Phase::Active),
            key(Algorithm::EdDSA, Phase::Published),
        ]);
        assert_eq!(KeySet::from_data(&set.to_data()).unwrap(), set);
    }

    #[test]
    fn unknown_members_are_ignored() {
        let mut json = serde_json::to_value(set(vec![key(Algorithm::ES256, Phase::Active)])).unwrap();
        json["later"] = json!(1);
        json["keys"][0]["later"] = json!({"a": 1});
        assert!(read(&json).is_ok());
    }

    #[test]
    fn an_edit_by_hand_is_noticed() {
        let data = set(vec![key(Algorithm::ES256, Phase::Active)]).to_data();
        let text = String::from_utf8(data[KeySet::DATA_KEY].clone()).unwrap();
        let edit = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            let edited = text.replacen(from, to, 1).into_bytes();
            KeySet::from_data(&Data::from([(KeySet::DATA_KEY.to_owned(), edited)]))
        };
        for (from, to) in [
            ("\"revision\":7", "\"revision\":8"),
            ("Active", "Retiring"),
            ("\"digest\":\"", "\"digest\":\"0"),
            ("\"digest\"", "\"digesd\""),
        ] {
            let error = edit(from, to).unwrap_err().to_string();
            assert!(error.contains("edited by hand"), "{error}");
        }
        assert!(edit("{", "{ ").is_ok(), "blanks say nothing");
    }

    #[test]
    fn malformed_data_is_refused_without_showing_it() {
        assert!(KeySet::from_data(&Data::new()).is_err());
        let good = serde_json::to_value(set(vec![key(Algorithm::ES256, Phase::Active)])).unwrap();
        let broken = |pointer: &str, value: Value| {
            let mut json = good.clone();
            *json.pointer_mut(pointer).unwrap() = value;
            json
        };
        for wrong in [
            json!({}),
            json!("canary"),
            broken("/version", json!(2)),
            broken("/revision", json!("canary")),
            broken("/defaultAlgorithm", json!("canary")),
            broken("/keys/0/phase", json!("canary")),
            broken("/keys/0/kid", json!("")),
            broken("/keys/0/jwk", json!("canary")),
            broken("/keys/0/jwk", Value::Null),
            broken("/keys/0/public", Value::Null),
            broken("/keys/0/phase", json!("Pending")),
        ] {
            let error = read(&wrong).unwrap_err().to_string();
            assert!(
                error.starts_with("key-set.json") && !error.contains("canary"),
                "{error}"
            );
        }
    }

    #[test]
    fn an_algorithm_whose_key_was_lost_is_offered_while_pods_sign_on_with_it() {
        let lost = |algorithm, revoked| LostKey {
            kid: "gone".to_owned(),
            algorithm,
            signing_key: "main".to_owned(),
            signed: true,
            revoked,
            replaced_at: None,
        };
        let mut set = set(vec![
            key(Algorithm::ES256, Phase::Published),
            key(Algorithm::EdDSA, Phase::Published),
        ]);
        set.lost = vec![lost(Algorithm::ES256, false), lost(Algorithm::ES384, false)];
        let both = [Algorithm::ES256, Algorithm::ES384];
        assert_eq!(set.algorithms(), both.into(), "nothing waits for the second");
        assert_eq!(read(&serde_json::to_value(&set).unwrap()).unwrap(), set);
        set.keys[0].phase = Phase::Active;
        assert_eq!(set.algorithms(), [Algorithm::ES256].into(), "the default signs");
        set.keys[0].phase = Phase::Published;
        set.lost = vec![lost(Algorithm::ES256, true)];
        assert_eq!(set.algorithms(), BTreeSet::new());
    }

    /// RFC 7517 §5: kids within a set are distinct; removed keys are not in it.
    #[test]
    fn the_jwks_has_each_published_key_once_and_nothing_private() {
        let twice = key(Algorithm::ES256, Phase::Active);
        let set = set(vec![
            twice.clone(),
            KeyState {
                phase: Phase::Retiring,
                ..twice.clone()
            },
            key(Algorithm::EdDSA, Phase::Published),
            key(Algorithm::EdDSA, Phase::Retiring),
            key(Algorithm::EdDSA, Phase::Removed),
        ]);
        let jwks = set.jwks();
        let keys = jwks["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 3);
        assert_eq!(keys[0]["kid"], *twice.kid);
        assert!(
            keys.iter()
                .all(|key| key.get("d").is_none() && key["use"] == "sig")
        );
    }

    #[test]
    fn an_acknowledgement_names_revision_and_public_part() {
        let first = set(vec![key(Algorithm::ES256, Phase::Active)]);
        let word = first.acknowledgement();
        let (revision, digest) = word.split_once('-').unwrap();
        assert_eq!((revision, digest.len()), ("7", 16));
        assert_eq!(
            KeySet::from_data(&first.to_data()).unwrap().acknowledgement(),
            word
        );
        let changed = [
            KeySet {
                revision: 8,
                ..first.clone()
            },
            KeySet {
                default_algorithm: Algorithm::RS256,
                ..first.clone()
            },
            set(vec![
                first.keys[0].clone(),
                key(Algorithm::EdDSA, Phase::Published),
            ]),
            set(vec![KeyState {
                phase: Phase::Removed,
                ..first.keys[0].clone()
            }]),
        ];
        for other in changed {
            assert_ne!(other.acknowledgement(), word);
        }
    }

    #[test]
    fn debug_shows_no_private_key() {
        let set = set(vec![key(Algorithm::EdDSA, Phase::Active)]);
        let d = serde_json::to_value(&set).unwrap()["keys"][0]["jwk"]["d"].clone();
        assert!(!format!("{set:?}").contains(d.as_str().unwrap()));
    }
}
