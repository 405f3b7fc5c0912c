//! Tokens between calls: one file for each issuer, client and set of scopes, for its owner only, and a lock
//! beside it, so that calls side by side sign in once.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use aws_lc_rs::digest::{SHA256, digest};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A token is not handed out in the last seconds of its life: it must arrive.
pub(super) const MARGIN: SignedDuration = SignedDuration::from_secs(10);

/// What is kept. Its Debug shows no token.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    /// The person; none for a client of its own.
    pub(super) subject: Option<String>,
    /// The ID token.
    pub(super) id_token: Option<Held>,
    /// The access token.
    pub(super) access_token: Held,
    /// The refresh token.
    pub(super) refresh_token: Option<String>,
}

/// A token and when it ends.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Held {
    /// The token.
    pub(super) token: String,
    /// When it ends.
    pub(super) expires_at: Timestamp,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Record(…)")
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held(…)")
    }
}

impl Held {
    /// Whether it may still be handed out.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.until() > now
    }

    /// How long it may be handed out.
    pub(super) fn until(&self) -> Timestamp {
        self.expires_at.checked_sub(MARGIN).unwrap_or(Timestamp::MIN)
    }
}

impl Record {
    const VERSION: u32 = 1;

    /// Of tokens that were checked.
    pub(super) fn new(
        subject: Option<String>,
        id_token: Option<Held>,
        access_token: Held,
        refresh_token: Option<String>,
    ) -> Self {
        Self {
            version: Self::VERSION,
            subject,
            id_token,
            access_token,
            refresh_token,
        }
    }
}

/// The place of one record, locked until it is dropped.
pub(super) struct Slot {
    file: PathBuf,
    _lock: File,
}

/// What tokens are kept by.
#[derive(Debug)]
pub(super) struct Key<'a> {
    /// The issuer.
    pub(super) issuer: &'a str,
    /// The client.
    pub(super) client_id: &'a str,
    /// The grant.
    pub(super) grant: &'a str,
    /// The scopes, in any order.
    pub(super) scopes: &'a [String],
}

impl Key<'_> {
    /// The file's name: nothing of it can be read from it, and nothing in it can lead elsewhere.
    fn file(&self) -> String {
        let mut scopes = self.scopes.to_vec();
        scopes.sort();
        scopes.dedup();
        let mut bytes = Vec::new();
        for part in [self.issuer, self.client_id, self.grant, &scopes.join(" ")] {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        let hash = digest(&SHA256, &bytes);
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The user's cache directory, by the environment `name → value`.
pub(super) fn directory(env: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    let env = |name: &str| env(name).filter(|path| path.is_absolute());
    let base = env("XDG_CACHE_HOME").or_else(|| env("LOCALAPPDATA")).or_else(|| {
        let below = if cfg!(target_os = "macos") {
            "Library/Caches"
        } else {
            ".cache"
        };
        env("HOME").map(|home| home.join(below))
    });
    base.map(|base| base.join("kubectl-oidc"))
        .context("there is no cache directory: set HOME, or use --no-cache")
}

impl Slot {
    /// Takes the place, after whoever has it. Blocks.
    pub(super) fn take(directory: &Path, key: &Key<'_>) -> Result<Self> {
        let name = key.file();
        let unusable = || {
            format!(
                "the cache {} cannot be used: mend its rights, or use --no-cache",
                directory.display()
            )
        };
        private_directory(directory).with_context(unusable)?;
        let lock = private_file(OpenOptions::new().create(true).truncate(false).write(true))
            .open(directory.join(format!("{name}.lock")))
            .with_context(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("another call signs in: waiting for it");
                lock.lock().with_context(unusable)?;
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(unusable),
        }
        Ok(Self {
            file: directory.join(format!("{name}.json")),
            _lock: lock,
        })
    }

    /// What is kept; `None` if it cannot be read, which is mended by signing in.
    pub(super) fn read(&self) -> Option<Record> {
        let text = fs::read(&self.file).ok()?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        (record.version == Record::VERSION).then_some(record)
    }

    /// Keeps a record; a reader sees the old one or the new one.
    pub(super) fn write(&self, record: &Record) -> Result<()> {
        let next = self.file.with_extension("next");
        let wrote = || -> Result<()> {
            let _ = fs::remove_file(&next); // so that the mode of a leftover does not stay
            let mut file = private_file(OpenOptions::new().create_new(true).write(true)).open(&next)?;
            file.write_all(&serde_json::to_vec(record)?)?;
            Ok(fs::rename(&next, &self.file)?)
        };
        wrote().with_context(|| format!("cannot write the cache {}", self.file.display()))
    }

    /// Forgets the record.
    pub(super) fn forget(&self) -> Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.file.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(unix)]
fn private_directory(directory: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    Ok(fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?)
}

#[cfg(unix)]
fn private_file(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private_directory(directory: &Path) -> Result<()> {
    Ok(fs::create_dir_all(directory)?)
}

#[cfg(not(unix))]
fn private_file(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key<'a>(scopes: &'a [String], client_id: &'a str) -> Key<'a> {
        Key {
            issuer: "https://i.example",
            client_id,
            grant: "authorization_code",
            scopes,
        }
    }

    fn held(seconds: i64) -> Held {
        Held {
            token: "canary".to_owned(),
            expires_at: Timestamp::from_second(seconds).unwrap(),
        }
    }

    /// A folder of the test's own, removed with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("kubectl-oidc-cache-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_kept_is_found_again_by_issuer_client_and_scopes() {
        let folder = Folder::new("found");
        let ab = ["a".to_owned(), "b".to_owned()];
        let ba = ["b".to_owned(), "a".to_owned()];
        let record = Record::new(Some("jane".to_owned()), Some(held(100)), held(50), None);
        Slot::take(&folder.0, &key(&ab, "app"))
            .unwrap()
            .write(&record)
            .unwrap();
        let read = |key: &Key<'_>| Slot::take(&folder.0, key).unwrap().read();
        assert_eq!(read(&key(&ba, "app")), Some(record));
        assert_eq!(read(&key(&ab[..1], "app")), None);
        assert_eq!(read(&key(&ab, "other")), None);
        let slot = Slot::take(&folder.0, &key(&ab, "app")).unwrap();
        slot.forget().unwrap();
        slot.forget().unwrap();
        assert_eq!(slot.read(), None);
        fs::write(&slot.file, "{\"version\": 2}").unwrap();
        assert_eq!(slot.read(), None, "a later version's record is not read");
    }

    #[cfg(unix)]
    #[test]
    fn i9_only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = Folder::new("mode");
        fs::create_dir_all(&folder.0).unwrap();
        let slot = Slot::take(&folder.0, &key(&[], "app")).unwrap();
        fs::write(slot.file.with_extension("next"), "left over").unwrap();
        slot.write(&Record::new(None, None, held(1), Some("r".to_owned())))
            .unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder.0), mode(&slot.file)), (0o700, 0o600));
        assert_eq!(
            format!("{:?} {:?}", slot.read(), held(1)),
            "Some(Record(…)) Held(…)"
        );
    }

    #[test]
    fn a_place_is_had_by_one_at_a_time() {
        let folder = Folder::new("lock");
        let first = Slot::take(&folder.0, &key(&[], "app")).unwrap();
        let (done, waits) = std::sync::mpsc::channel();
        let path = folder.0.clone();
        let second = std::thread::spawn(move || {
            let slot = Slot::take(&path, &key(&[], "app")).unwrap();
            done.send(slot.read()).unwrap();
        });
        Slot::take(&folder.0, &key(&[], "other")).unwrap();
        first.write(&Record::new(None, None, held(7), None)).unwrap();
        assert!(waits.try_recv().is_err(), "the second call waits");
        drop(first);
        assert_eq!(waits.recv().unwrap().unwrap().access_token, held(7));
        second.join().unwrap();
    }

    #[test]
    fn a_token_is_not_handed_out_in_its_last_seconds() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert!(held(100).is_fresh(at(89)));
        assert!(!held(100).is_fresh(at(90)));
        assert_eq!(held(100).until(), at(90));
    }

    #[test]
    fn the_directory_is_the_users() {
        let of = |variables: &[(&str, &str)]| {
            directory(|name| {
                variables
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| PathBuf::from(value))
            })
        };
        assert_eq!(
            of(&[("XDG_CACHE_HOME", "/c"), ("HOME", "/h")]).unwrap(),
            PathBuf::from("/c/kubectl-oidc")
        );
        assert!(
            of(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/h")])
                .unwrap()
                .starts_with("/h")
        );
        assert!(of(&[]).is_err());
    }
}
