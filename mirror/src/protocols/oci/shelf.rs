//! What is remembered between requests: the registry, and open layers of gzip.

use super::gzip::{self, Layer, Layers};
use super::registry::Registry;
use crate::conditional::Validators;
use crate::faults;
use crate::holdings::{Content, Data, Holdings, HoldingsError, Identity, Opened, SharedFiles};
use crate::inventory::Inventory;
use hatchery_image::Sha256;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

/// The registry that was made last, and what it was made from.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    known: Mutex<Option<Known>>,
    /// Layers of gzip that are being sent.
    open: SharedFiles<Sha256>,
}

#[derive(Debug)]
struct Known {
    inventory: Arc<Inventory>,
    /// Which list of layers there was.
    list: Option<Identity>,
    registry: Arc<Registry>,
}

impl Shelf {
    /// What is offered now.
    pub(super) fn registry(&self, holdings: &Holdings) -> Result<Arc<Registry>, HoldingsError> {
        let inventory = holdings.inventory()?;
        let opened = holdings.open(&gzip::list_path()).unwrap_or_else(|error| {
            faults::tell(&format!(
                "no layer of gzip is offered: {}",
                faults::with_causes(&error)
            ));
            None
        });
        let list = opened.as_ref().map(|opened| opened.identity);
        // Held while it is made, as the inventory is.
        let mut known = lock(&self.known);
        if let Some(known) = &*known
            && Arc::ptr_eq(&known.inventory, &inventory)
            && known.list == list
        {
            return Ok(Arc::clone(&known.registry));
        }
        let before = known.as_ref().map(|known| &*known.registry);
        let written = opened.as_ref().map_or(UNIX_EPOCH, |opened| opened.modified);
        let modified = holdings.modified()?.max(written);
        let layers = opened.map(|opened| read(holdings, &opened));
        // What failed is tried again; what is damaged stays so.
        let (layers, list) = match layers {
            None => (Layers::new(), None),
            Some(Some(layers)) => (layers, list),
            Some(None) => (Layers::new(), None),
        };
        let registry = Registry::build(&inventory, &layers, before, modified);
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
        holdings: &Holdings,
        layer: Layer,
    ) -> Result<Option<Content>, HoldingsError> {
        let path = gzip::layer_path(layer.sha256);
        let Some(opened) = holdings.open(&path)? else {
            return Ok(None);
        };
        if opened.identity.size != layer.size {
            faults::tell(&format!(
                "{} has not the size that its list says; it is not sent",
                path.display()
            ));
            return Ok(None);
        }
        Ok(Some(Content {
            media_type: "application/gzip".into(),
            length: layer.size,
            validators: Validators::new(layer.sha256.to_string(), opened.modified),
            immutable: true,
            headers: Vec::new(),
            data: Data::File(self.open.share(&layer.sha256, opened)),
        }))
    }
}

/// What a list says, which is nothing where it is damaged; none where it cannot
/// be read now.
fn read(holdings: &Holdings, opened: &Opened) -> Option<Layers> {
    let bytes = holdings.read(&gzip::list_path(), opened, gzip::LIST_MAX);
    let (why, layers) = match bytes.map(|bytes| gzip::parse(&bytes)) {
        Ok(Some(layers)) => return Some(layers),
        Ok(None) => ("their list is damaged".to_owned(), Some(Layers::new())),
        Err(error) => {
            let damaged = (!error.may_pass()).then(Layers::new);
            (faults::with_causes(&error), damaged)
        }
    };
    faults::tell(&format!("no layer of gzip is offered: {why}"));
    layers
}

/// What is behind these locks is replaced whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
