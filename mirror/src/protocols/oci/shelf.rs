//! What is remembered between requests: the registry, and open layers of gzip.

use super::gzip::{self, Layer};
use super::registry::Registry;
use crate::conditional::Validators;
use crate::holdings::{Content, Data, Holdings, HoldingsError};
use crate::inventory::Inventory;
use crate::store::Store;
use hatchery_image::Sha256;
use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The registry that was made last, and what it was made from.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    known: Mutex<Option<Known>>,
    /// Layers of gzip that are being sent, an open file each.
    open: Mutex<HashMap<Sha256, Weak<File>>>,
}

#[derive(Debug)]
struct Known {
    inventory: Arc<Inventory>,
    list: gzip::List,
    registry: Arc<Registry>,
}

impl Shelf {
    /// What is offered now.
    pub(super) fn registry(&self, holdings: &Holdings) -> Result<Arc<Registry>, HoldingsError> {
        let inventory = holdings.inventory()?;
        let store = holdings.store();
        let list = gzip::List::read(store).map_err(|source| HoldingsError::Read {
            path: store.root().join(gzip::list_path()),
            source,
        })?;
        // Held while it is made, as the inventory is.
        let mut known = lock(&self.known);
        if let Some(known) = &*known
            && Arc::ptr_eq(&known.inventory, &inventory)
            && known.list == list
        {
            return Ok(Arc::clone(&known.registry));
        }
        let before = known.as_ref().map(|known| &*known.registry);
        let modified = holdings.modified()?.max(list.modified);
        let registry = Registry::build(&inventory, &list.layers(), before, modified);
        let registry = Arc::new(registry);
        *known = Some(Known {
            inventory,
            list,
            registry: Arc::clone(&registry),
        });
        Ok(registry)
    }
    /// A layer of gzip; none where its file is gone or has another size.
    pub(super) fn open(
        &self,
        store: &Store,
        layer: Layer,
    ) -> Result<Option<Content>, HoldingsError> {
        let path = gzip::layer_path(layer.sha256);
        let failed = |source| HoldingsError::Read {
            path: store.root().join(&path),
            source,
        };
        let Some(file) = store.open_file(&path).map_err(failed)? else {
            return Ok(None);
        };
        let metadata = file.metadata().map_err(failed)?;
        if metadata.len() != layer.size {
            tracing::error!(path = %path.display(), "a layer has not the size that its list says; it is not sent");
            return Ok(None);
        }
        let modified = metadata.modified().map_err(failed)?;
        Ok(Some(Content {
            media_type: "application/gzip".into(),
            length: layer.size,
            validators: Validators::new(layer.sha256.to_string(), modified),
            immutable: true,
            headers: Vec::new(),
            data: Data::File(self.share(layer.sha256, file)),
        }))
    }

    /// The file itself, or the one of the same digest that others read already.
    fn share(&self, digest: Sha256, file: File) -> Arc<File> {
        let mut open = lock(&self.open);
        if let Some(file) = open.get(&digest).and_then(Weak::upgrade) {
            return file;
        }
        open.retain(|_, file| file.strong_count() > 0);
        let file = Arc::new(file);
        open.insert(digest, Arc::downgrade(&file));
        file
    }
}

/// What is behind these locks is replaced whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
