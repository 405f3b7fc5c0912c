//! [`Files`]: the manifests of a folder. A file that cannot be read keeps its last good version; the log
//! names file, line and field, once.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use oidc_crds::resources::{OidcClient, OidcUser, SigningKey};
use tracing::{error, info, warn};

use super::manifest::{self, Object, Secret};
use super::objects::record_name;
use crate::resources::directory::key;
use crate::resources::kept::Kept;

/// The longest manifest, in bytes.
const LIMIT: u64 = 4 * 1024 * 1024;

/// The manifests of a folder.
pub struct Files {
    folder: PathBuf,
    files: BTreeMap<PathBuf, File>,
    /// Whether the folder itself could not be read the last time.
    lost: bool,
}

/// A manifest.
struct File {
    stamp: String,
    digest: Vec<u8>,
    objects: Box<[Known]>,
    /// Whether `objects` are those of an earlier version, or none.
    broken: bool,
}

/// An object of a manifest, in little room: there may be thousands.
pub enum Known {
    /// A client.
    Client(Kept<OidcClient>),
    /// A user.
    User(Kept<OidcUser>),
    /// A signing key.
    Key(Box<SigningKey>),
    /// A Secret.
    Secret(Box<Secret>),
}

impl Known {
    /// The name of its record.
    #[must_use]
    pub fn record_name(&self) -> String {
        match self {
            Self::Client(client) => record_name("OidcClient", client.key()),
            Self::User(user) => record_name("OidcUser", user.key()),
            Self::Key(object) => record_name("SigningKey", &key(&object.metadata)),
            Self::Secret(secret) => record_name("Secret", &key(&secret.metadata)),
        }
    }
}

impl From<Object> for Known {
    fn from(object: Object) -> Self {
        match object {
            Object::Client(client) => Self::Client(Kept::of(*client)),
            Object::User(user) => Self::User(Kept::of(*user)),
            Object::Key(key) => Self::Key(key),
            Object::Secret(secret) => Self::Secret(secret),
        }
    }
}

/// An object with the file's stamp, which changes whenever the file is written.
pub struct Found<'a> {
    /// The object.
    pub object: &'a Known,
    /// The stamp.
    pub stamp: &'a str,
}

impl Files {
    /// Of a folder, not read yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            files: BTreeMap::new(),
            lost: false,
        }
    }

    /// Reads what changed. Whether anything did that matters.
    pub fn scan(&mut self) -> bool {
        let present = match list(&self.folder) {
            Ok(present) => present,
            Err(error) => {
                if !self.lost {
                    error!(
                        "{}: {error}; what was read of it stays in force",
                        self.folder.display()
                    );
                }
                self.lost = true;
                return false;
            }
        };
        self.lost = false;
        let before = self.files.len();
        self.files.retain(|path, _| present.contains_key(path));
        let mut changed = self.files.len() != before;
        for (path, metadata) in present {
            changed |= self.read(path, &metadata);
        }
        changed
    }

    /// Whether every file was read in its present version, so that what is not there is really gone.
    #[must_use]
    pub fn all_read(&self) -> bool {
        !self.lost && self.files.values().all(|file| !file.broken)
    }

    /// All objects, in the order of the files' names.
    pub fn objects(&self) -> impl Iterator<Item = Found<'_>> {
        self.files.values().flat_map(|file| {
            file.objects.iter().map(|object| Found {
                object,
                stamp: &file.stamp,
            })
        })
    }

    fn read(&mut self, path: PathBuf, metadata: &Metadata) -> bool {
        let stamp = stamp(metadata);
        if self.files.get(&path).is_some_and(|file| file.stamp == stamp) {
            return false;
        }
        let file = self.files.entry(path.clone()).or_insert_with(|| File {
            stamp: String::new(),
            digest: Vec::new(),
            objects: Box::default(),
            broken: true,
        });
        let text = match text(&path, metadata) {
            Ok(text) => text,
            Err(error) => {
                error!("{}: {error}{}", path.display(), consequence(file));
                (file.stamp, file.broken) = (stamp, true);
                // whatever comes next is another version, even if it is the last good one
                file.digest.clear();
                return false;
            }
        };
        file.stamp = stamp;
        let digest = digest(&SHA256, text.as_bytes()).as_ref().to_vec();
        if file.digest == digest {
            return false;
        }
        file.digest = digest;
        match manifest::read(&text) {
            Ok(manifest) => {
                for (line, kind) in manifest.others {
                    warn!("{}:{line}: a {kind} is of no use here", path.display());
                }
                if file.broken && !file.objects.is_empty() {
                    info!("{}: is good again", path.display());
                }
                file.objects = manifest.objects.into_iter().map(Known::from).collect();
                file.broken = false;
                true
            }
            Err(faults) => {
                for fault in &faults {
                    error!("{}:{fault}{}", path.display(), consequence(file));
                }
                file.broken = true;
                false
            }
        }
    }
}

fn consequence(file: &File) -> &'static str {
    if file.objects.is_empty() {
        ""
    } else {
        "; the last good version stays in force"
    }
}

/// The manifests that are there. Hidden files are editors' and ours.
fn list(folder: &Path) -> io::Result<BTreeMap<PathBuf, Metadata>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        let manifest = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if hidden || !manifest {
            continue;
        }
        // it may be gone by now
        if let Ok(metadata) = fs::metadata(&path)
            && metadata.is_file()
        {
            files.insert(path, metadata);
        }
    }
    Ok(files)
}

fn text(path: &Path, metadata: &Metadata) -> Result<String, String> {
    if metadata.len() > LIMIT {
        return Err(format!("is longer than {LIMIT} bytes"));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "is no UTF-8 text".to_owned())
}

/// Changes with every write, and nothing can set it back: the time of the inode's last change.
fn stamp(metadata: &Metadata) -> String {
    format!(
        "{}-{}-{}-{}",
        metadata.ino(),
        metadata.ctime(),
        metadata.ctime_nsec(),
        metadata.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    const GOOD: &str =
        "apiVersion: oidc-operator.dev/v1alpha1\nkind: OidcUser\nmetadata: {name: a}\nspec: {}\n";

    fn names(files: &Files) -> Vec<String> {
        let names = files.objects().map(|found| found.object.record_name());
        names
            .map(|name| name.rsplit('/').next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_broken_file_keeps_its_last_good_version_and_a_removed_one_nothing() {
        let folder = TempDir::new();
        let path = folder.path().join("a.yaml");
        let mut files = Files::new(folder.path());
        assert!(!files.scan() && files.all_read());

        fs::write(&path, GOOD).unwrap();
        assert!(files.scan() && files.all_read());
        assert_eq!(names(&files), ["a"]);
        assert!(!files.scan(), "nothing changed");

        fs::write(&path, "spec: [").unwrap();
        assert!(!files.scan() && !files.all_read());
        assert_eq!(names(&files), ["a"]);

        fs::write(&path, GOOD.replace("name: a", "name: b")).unwrap();
        assert!(files.scan() && files.all_read());
        assert_eq!(names(&files), ["b"]);

        fs::remove_file(&path).unwrap();
        assert!(files.scan());
        assert!(names(&files).is_empty());
    }

    #[test]
    fn a_file_that_can_be_read_again_is_good_again() {
        let folder = TempDir::new();
        let path = folder.path().join("a.yaml");
        let mut files = Files::new(folder.path());
        fs::write(&path, GOOD).unwrap();
        assert!(files.scan() && files.all_read());
        fs::write(&path, [0xff; 3]).unwrap();
        assert!(!files.scan() && !files.all_read());
        assert_eq!(names(&files), ["a"]);
        fs::write(&path, GOOD).unwrap();
        files.scan();
        assert!(files.all_read(), "what is gone from now on is really gone");
        assert_eq!(names(&files), ["a"]);
    }

    #[test]
    fn a_lost_folder_changes_nothing() {
        let folder = TempDir::new();
        let inner = folder.path().join("manifests");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("a.yml"), GOOD).unwrap();
        let mut files = Files::new(&inner);
        files.scan();
        fs::rename(&inner, folder.path().join("elsewhere")).unwrap();
        assert!(!files.scan() && !files.all_read());
        assert_eq!(names(&files), ["a"]);
    }

    #[test]
    fn only_visible_yaml_files_are_manifests() {
        let folder = TempDir::new();
        for name in [".a.yaml", "a.yaml~", "a.txt", "a.yaml.swp"] {
            fs::write(folder.path().join(name), GOOD).unwrap();
        }
        fs::create_dir(folder.path().join("folder.yaml")).unwrap();
        let mut files = Files::new(folder.path());
        assert!(!files.scan());
        assert!(names(&files).is_empty());
    }
}
