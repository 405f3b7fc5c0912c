//! [`State`]: what must outlive the process, in a folder of its own: keys, seals, generated Secrets, the
//! UID of each object. Each file is replaced as a whole, so that a process that is killed leaves either
//! the old or the new one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Digest, SHA256, digest};
use jiff::Timestamp;
use oidc_crds::resources::oidc_client::Credential;
use oidc_crds::resources::oidc_user::SealedPassword;
use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::key_ring::KeyRingData;
use oidc_crds::secrets::key_set::KeySet;
use oidc_crds::secrets::pepper::Pepper;
use oidc_crds::secrets::{Data, DataError};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

/// What is known of an object beside its manifest: what the API server would know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its UID.
    pub uid: String,
    /// When it was first seen.
    pub created_at: Timestamp,
    /// Of a Secret: counts its changes.
    #[serde(default)]
    pub version: u64,
    /// Of a Secret: the stamp of the file that it was last read from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stamp: String,
    /// Of a client: the digests of its secrets.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub credentials: Box<[Credential]>,
    /// Of a client: the last `rotation.now` that was seen to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<String>,
    /// Of a client: the name that its generated Secret was last written under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Of a user: the sealed password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SealedPassword>,
}

/// The records, by `<kind>/<namespace>/<name>`.
pub type Records = BTreeMap<String, Record>;

/// The folder.
pub struct State {
    folder: PathBuf,
    /// Held while the process lives; the system frees it, however the process ends.
    _lock: File,
    /// What is known of the objects.
    pub records: Records,
    /// Of the file's text.
    saved: Option<Digest>,
}

const RECORDS: &str = "objects.json";
const SECRETS: &str = "secrets";

impl State {
    /// Opens the folder, which is made if need be, for this process alone.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn open(folder: &Path) -> Result<Self, String> {
        private_folder(folder)
            .and_then(|()| private_folder(&folder.join(SECRETS)))
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let lock = lock(folder)?;
        let mut state = Self {
            folder: folder.to_owned(),
            _lock: lock,
            records: Records::new(),
            saved: None,
        };
        state.write(Path::new(".gitignore"), b"*\n")?;
        if let Some(bytes) = state.read(Path::new(RECORDS))? {
            let wrong = |_| state.odd(RECORDS, "is malformed");
            state.records = serde_json::from_slice(&bytes).map_err(wrong)?;
            state.saved = Some(digest(&SHA256, &bytes));
        }
        Ok(state)
    }

    /// The key ring, made if there is none.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn key_ring(&self, now: Timestamp, rng: &mut impl CryptoRng) -> Result<KeyRing, String> {
        let ring = match self.load(KeyRingData::DATA_KEY, KeyRingData::from_data)? {
            Some(ring) => ring,
            None => {
                let ring = KeyRingData::generate(now, rng);
                self.save(&ring.to_data())?;
                ring
            }
        };
        Ok(KeyRing::new(ring))
    }

    /// The pepper, made if there is none.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn pepper(&self, now: Timestamp, rng: &mut impl CryptoRng) -> Result<Pepper, String> {
        match self.load(Pepper::DATA_KEY, Pepper::from_data)? {
            Some(pepper) => Ok(pepper),
            None => {
                let pepper = Pepper::generate(now, rng);
                self.save(&pepper.to_data())?;
                Ok(pepper)
            }
        }
    }

    /// The key set, if there is one.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn key_set(&self) -> Result<Option<KeySet>, String> {
        self.load(KeySet::DATA_KEY, KeySet::from_data)
    }

    /// Writes the key set.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn save_key_set(&self, keys: &KeySet) -> Result<(), String> {
        self.save(&keys.to_data())
    }

    /// Writes the records if they changed.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn save_records(&mut self) -> Result<(), String> {
        let text = serde_json::to_vec_pretty(&self.records).map_err(|error| error.to_string())?;
        let digest = digest(&SHA256, &text);
        if self.saved.as_ref().map(Digest::as_ref) != Some(digest.as_ref()) {
            self.write(Path::new(RECORDS), &text)?;
            self.saved = Some(digest);
        }
        Ok(())
    }

    /// Where a generated Secret lies.
    #[must_use]
    pub fn secret_path(&self, namespace: &str, name: &str) -> PathBuf {
        self.folder.join(secret_file(namespace, name))
    }

    /// The manifest of a generated Secret.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn secret(&self, namespace: &str, name: &str) -> Result<Option<String>, String> {
        let bytes = self.read(&secret_file(namespace, name))?;
        // what is no text was edited, and is made anew
        Ok(bytes.map(|bytes| String::from_utf8(bytes).unwrap_or_default()))
    }

    /// Writes the manifest of a generated Secret.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn save_secret(&self, namespace: &str, name: &str, manifest: &str) -> Result<(), String> {
        self.write(&secret_file(namespace, name), manifest.as_bytes())
    }

    /// Removes the Secrets that belong to no client any more.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn keep_secrets(&self, keep: &BTreeSet<PathBuf>) -> Result<(), String> {
        let folder = self.folder.join(SECRETS);
        let wrong = |error: io::Error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            if path.extension().is_some_and(|extension| extension == "yaml") && !keep.contains(&path) {
                fs::remove_file(&path).map_err(wrong)?;
            }
        }
        Ok(())
    }

    fn odd(&self, name: &str, what: &str) -> String {
        format!(
            "{}: {what}; remove it to begin anew",
            self.folder.join(name).display()
        )
    }

    fn load<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&Data) -> Result<T, DataError>,
    ) -> Result<Option<T>, String> {
        let Some(bytes) = self.read(Path::new(name))? else {
            return Ok(None);
        };
        parse(&Data::from([(name.to_owned(), bytes)]))
            .map(Some)
            .map_err(|_| self.odd(name, "is malformed"))
    }

    /// Data of one key, whose name is the file's.
    fn save(&self, data: &Data) -> Result<(), String> {
        data.iter()
            .try_for_each(|(name, bytes)| self.write(Path::new(name), bytes))
    }

    fn read(&self, name: &Path) -> Result<Option<Vec<u8>>, String> {
        let path = self.folder.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    fn write(&self, name: &Path, bytes: &[u8]) -> Result<(), String> {
        let path = self.folder.join(name);
        replace(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// A namespace has no dot, so the two names can be told apart.
fn secret_file(namespace: &str, name: &str) -> PathBuf {
    Path::new(SECRETS).join(format!("{namespace}.{name}.yaml"))
}

/// Made for, and readable by, nobody else.
fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn lock(folder: &Path) -> Result<File, String> {
    let path = folder.join("lock");
    let wrong = |error: io::Error| format!("{}: {error}", path.display());
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(format!(
            "--state: {} is in use by another process",
            folder.display()
        )),
        Err(TryLockError::Error(error)) => Err(wrong(error)),
    }
}

/// Writes beside the file, then puts it in its place: nobody ever sees half of it, not even after a
/// power failure.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.new"));
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use oidc_crds::testing::SeededRng;

    use super::*;
    use crate::testing::TempDir;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_written_outlives_the_process_and_is_for_its_owner_only() {
        let folder = TempDir::new();
        let path = folder.path().join("state");
        let mut rng = SeededRng::new(1);
        let mut state = State::open(&path).unwrap();
        let ring = state.key_ring(NOW, &mut rng).unwrap();
        let pepper = state.pepper(NOW, &mut rng).unwrap();
        let record = Record {
            uid: "u".to_owned(),
            created_at: NOW,
            version: 3,
            stamp: "s".to_owned(),
            credentials: Box::default(),
            rotated: Some("a".to_owned()),
            secret: Some("a-oidc".to_owned()),
            password: None,
        };
        state.records.insert("Secret/default/a".to_owned(), record);
        state.save_records().unwrap();
        state.save_secret("default", "a-oidc", "text").unwrap();
        let records = state.records.clone();
        drop(state);

        // what a killed process leaves is in nobody's way
        fs::write(path.join(".objects.json.new"), "half").unwrap();
        let state = State::open(&path).unwrap();
        assert_eq!(state.records, records);
        assert!(state.key_ring(NOW, &mut rng).unwrap().data() == ring.data());
        assert_eq!(state.pepper(NOW, &mut rng).unwrap().current(), pepper.current());
        assert_eq!(
            state.secret("default", "a-oidc").unwrap().as_deref(),
            Some("text")
        );
        assert_eq!((mode(&path), mode(&path.join("secrets"))), (0o700, 0o700));
        for name in [
            "key-ring.json",
            "pepper.json",
            "objects.json",
            "secrets/default.a-oidc.yaml",
        ] {
            assert_eq!(mode(&path.join(name)), 0o600, "{name}");
        }
        assert_eq!(fs::read_to_string(path.join(".gitignore")).unwrap(), "*\n");
    }

    #[test]
    fn one_process_at_a_time() {
        let folder = TempDir::new();
        let state = State::open(folder.path()).unwrap();
        assert!(State::open(folder.path()).err().unwrap().contains("in use"));
        drop(state);
        assert!(State::open(folder.path()).is_ok());
    }

    #[test]
    fn a_malformed_file_is_named_without_showing_it() {
        let folder = TempDir::new();
        for name in ["objects.json", "key-ring.json", "pepper.json", "key-set.json"] {
            let path = folder.path().join(name);
            fs::write(&path, "\"canary\"").unwrap();
            let opened = State::open(folder.path()).and_then(|state| {
                let mut rng = SeededRng::new(1);
                state.key_ring(NOW, &mut rng)?;
                state.pepper(NOW, &mut rng)?;
                state.key_set().map(drop)
            });
            let error = opened.unwrap_err();
            assert!(error.contains(name) && !error.contains("canary"), "{error}");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn only_secrets_of_clients_are_kept() {
        let folder = TempDir::new();
        let state = State::open(folder.path()).unwrap();
        state.save_secret("default", "a", "a").unwrap();
        state.save_secret("default", "b", "b").unwrap();
        state
            .keep_secrets(&BTreeSet::from([state.secret_path("default", "b")]))
            .unwrap();
        assert_eq!(state.secret("default", "a").unwrap(), None);
        assert!(state.secret("default", "b").unwrap().is_some());
    }
}
