//! A small signed repository in a folder, laid out as Arch's mirrors are:
//! `NAME/os/x86_64` beneath the top, for `Server = TOP/$repo/os/$arch`.
//!
//! It is made in two steps, so that a test can spoil what lies between them:
//! [`PkgRepository::add`] and its like put packages in, and
//! [`PkgRepository::publish`] writes the database.

use super::compression::Compression;
use super::database::{self, Fields};
use super::key::Key;
use super::package::Pkg;
use std::fs;
use std::path::{Path, PathBuf};

/// The one architecture that Arch has.
pub const ARCHITECTURE: &str = "x86_64";

/// A repository.
#[derive(Clone, Debug)]
pub struct PkgRepository {
    folder: PathBuf,
    name: String,
    key: Key,
    compression: Compression,
    is_signed: bool,
    listed: Vec<Listed>,
}

/// A package as it is about to be put into a repository.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its folder in the database, `NAME-VERSION`.
    pub folder: String,
    /// What its file is called.
    pub file_name: String,
    /// What is in its file.
    pub bytes: Vec<u8>,
    /// What is in the file `.sig` beside it; none: there is no such file.
    pub signature: Option<Vec<u8>>,
    /// What the database says of it, the signature (`PGPSIG`) included.
    pub fields: Fields,
}

impl Listed {
    /// A package that is signed by a key, as it should be.
    #[must_use]
    pub fn new(package: &Pkg, key: &Key) -> Self {
        let bytes = package.bytes();
        let signature = key.sign(&bytes);
        Self {
            folder: format!("{}-{}", package.name(), package.version()),
            file_name: package.file_name(),
            fields: database::fields(package, &bytes, &signature),
            signature: Some(signature),
            bytes,
        }
    }

    /// Changes the values of a field, which is added if it is not there; with
    /// no values, it is removed.
    pub fn set(&mut self, field: &str, values: &[&str]) {
        let values: Vec<String> = values.iter().map(|&v| v.to_owned()).collect();
        if values.is_empty() {
            self.fields.retain(|(name, _)| name != field);
        } else if let Some(there) = self.fields.iter_mut().find(|(name, _)| name == field) {
            there.1 = values;
        } else {
            self.fields.push((field.to_owned(), values));
        }
    }

    /// Without any signature.
    pub fn unsign(&mut self) {
        self.signature = None;
        self.set("PGPSIG", &[]);
    }

    /// With this signature, in both places.
    pub fn sign_with(&mut self, signature: Vec<u8>) {
        let text = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            signature.as_slice(),
        );
        self.set("PGPSIG", &[&text]);
        self.signature = Some(signature);
    }
}

impl PkgRepository {
    /// One without packages, such as `core`, beneath the folder `top`.
    ///
    /// # Panics
    /// When its folder cannot be made.
    #[must_use]
    pub fn create(top: &Path, name: &str, key: &Key) -> Self {
        let folder = top.join(name).join("os").join(ARCHITECTURE);
        fs::create_dir_all(&folder).expect("the folder of a repository");
        Self {
            folder,
            name: name.to_owned(),
            key: key.clone(),
            compression: Compression::Gzip,
            is_signed: false,
            listed: Vec::new(),
        }
    }

    /// With a database that is compressed otherwise than with gzip.
    #[must_use]
    pub fn compressed(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// With a database that is signed, too; Arch's are not.
    #[must_use]
    pub fn signed(mut self) -> Self {
        self.is_signed = true;
        self
    }

    /// Puts a package in, and signs it.
    pub fn add(&mut self, package: &Pkg) {
        self.add_changed(package, |_| ());
    }

    /// Puts a package in that was changed once it was signed.
    pub fn add_changed(&mut self, package: &Pkg, change: impl FnOnce(&mut Listed)) {
        let mut listed = Listed::new(package, &self.key);
        change(&mut listed);
        self.put(listed);
    }

    /// Puts a package in as it is.
    ///
    /// # Panics
    /// When its files cannot be written.
    pub fn put(&mut self, mut listed: Listed) {
        let file = self.folder.join(&listed.file_name);
        fs::write(&file, &listed.bytes).expect("a package");
        // What is in the file is not needed any more.
        listed.bytes = Vec::new();
        let signature = self.folder.join(format!("{}.sig", listed.file_name));
        let _ = fs::remove_file(&signature);
        if let Some(bytes) = &listed.signature {
            fs::write(signature, bytes).expect("its signature");
        }
        self.listed.push(listed);
    }

    /// Writes the database, by the name that clients ask for and by the one
    /// that repo-add gives it. (On mirrors one is a link to the other; here
    /// none is, so that any server can hand them out.)
    pub fn publish(&self) {
        self.publish_bytes(&self.compression.pack(&self.database_tar()));
    }

    /// Writes these bytes as the database.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn publish_bytes(&self, bytes: &[u8]) {
        let long = format!("{}.db.tar{}", self.name, self.compression.suffix());
        for file in [self.database(), self.folder.join(long)] {
            fs::write(&file, bytes).expect("the database");
            if self.is_signed {
                let signature = format!("{}.sig", file.display());
                fs::write(signature, self.key.sign(bytes)).expect("its signature");
            }
        }
    }

    /// The database that [`PkgRepository::publish`] would compress.
    #[must_use]
    pub fn database_tar(&self) -> Vec<u8> {
        let mut listed: Vec<&Listed> = self.listed.iter().collect();
        listed.sort_by(|a, b| a.folder.cmp(&b.folder));
        database::tar(listed.into_iter())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its files lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of a package.
    #[must_use]
    pub fn file(&self, package: &Pkg) -> PathBuf {
        self.folder.join(package.file_name())
    }

    /// The file of the database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.folder.join(format!("{}.db", self.name))
    }

    /// The key that signs.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }
}
