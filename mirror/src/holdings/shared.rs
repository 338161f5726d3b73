//! Files that are being sent, each open once: ten thousand downloads of one
//! take one descriptor.

use super::lock;
use super::opened::{Identity, Opened};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;
use std::sync::{Arc, Mutex, Weak};

/// Files that are being sent, by what they are called.
#[derive(Debug)]
pub(crate) struct SharedFiles<K>(Mutex<HashMap<K, (Identity, Weak<File>)>>);

impl<K> Default for SharedFiles<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> SharedFiles<K> {
    /// The file itself, or the same one that others read already.
    pub(crate) fn share<Q>(&self, name: &Q, opened: Opened) -> Arc<File>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        let mut open = lock(&self.0);
        if let Some((identity, file)) = open.get(name)
            && *identity == opened.identity
            && let Some(file) = file.upgrade()
        {
            return file;
        }
        open.retain(|_, (_, file)| file.strong_count() > 0);
        let file = Arc::new(opened.file);
        open.insert(name.to_owned(), (opened.identity, Arc::downgrade(&file)));
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::holdings::Holdings;
    use crate::store::Store;
    use std::path::Path;

    #[test]
    fn a_file_is_shared_until_another_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let holdings = Holdings::new(Store::create(folder.path()).unwrap());
        let write = |content: &[u8]| {
            hatchery_image::durable::write(&folder.path().join("layer"), content, 0o644).unwrap();
        };
        let files = SharedFiles::<String>::default();
        let share = || {
            let opened = holdings.open(Path::new("layer")).unwrap();
            files.share("layer", opened.unwrap())
        };
        write(b"a");
        let first = share();
        assert!(Arc::ptr_eq(&first, &share()));
        write(b"b");
        assert!(!Arc::ptr_eq(&first, &share()));
    }
}
