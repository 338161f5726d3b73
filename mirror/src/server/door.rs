//! How those who come in at a listener are served, which may change while it
//! listens.

use super::bind::ListenError;
use super::options::Listener;
use super::tls::Tls;
use std::sync::{Arc, PoisonError, RwLock};

/// What may change about a listener while it listens.
#[derive(Debug)]
pub(crate) struct Door(RwLock<Manner>);

/// How those who come in are served.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// What TLS is spoken with; none for plain HTTP.
    pub(crate) tls: Option<Arc<Tls>>,
    /// Whether they may see the metrics.
    pub(crate) shows_metrics: bool,
}

impl Manner {
    fn new(listener: &Listener, tls: Option<Arc<Tls>>) -> Self {
        let is_local = listener.address.is_local();
        Self {
            tls,
            shows_metrics: listener.metrics.unwrap_or(is_local),
        }
    }
}

impl Door {
    /// Reads the files of TLS, if there are any.
    pub(crate) fn new(listener: &Listener) -> Result<Self, ListenError> {
        let tls = load_tls(listener)?;
        Ok(Self(RwLock::new(Manner::new(listener, tls))))
    }

    pub(crate) fn manner(&self) -> Manner {
        let manner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        manner.clone()
    }

    /// What a listener that stays is to be served with. Files that were used
    /// already and are broken now are no reason not to go on with what they
    /// held.
    pub(crate) fn prepare(&self, listener: &Listener) -> Result<Manner, ListenError> {
        let tls = match self.manner().tls {
            Some(tls) if Some(tls.files()) == listener.tls.as_ref() => {
                tls.look();
                Some(tls)
            }
            _ => load_tls(listener)?,
        };
        Ok(Manner::new(listener, tls))
    }

    /// Whoever connects from now on is served so.
    pub(crate) fn change(&self, manner: Manner) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = manner;
    }
}

/// Reads the files of a listener's TLS, if it has any.
fn load_tls(listener: &Listener) -> Result<Option<Arc<Tls>>, ListenError> {
    let load = |files| Tls::load(files).map(Arc::new);
    let tls = listener.tls.clone().map(load).transpose();
    tls.map_err(|source| ListenError::Tls {
        address: listener.address.clone(),
        source: Box::new(source),
    })
}
