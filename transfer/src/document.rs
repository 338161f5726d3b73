//! Small documents, in memory.

use crate::client::STALL_BYTES;
use crate::error::{Failure, Stop};
use crate::location::join;
use crate::watch::Watch;
use crate::web::{Opening, Resume, broken};
use crate::{Client, Location, Request, Settings, TransferError, folder};
use hatchery_image::{Progress, RelativePath, Sha256};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Most bytes that are reserved on a server's word.
const RESERVE_MAX: u64 = 1 << 20;

impl Client {
    /// A small document, in memory.
    ///
    /// # Errors
    /// What each location answered.
    pub fn get(&self, request: &Request, progress: &Progress) -> Result<Vec<u8>, TransferError> {
        self.get_checked(request, progress, |_, bytes| {
            Ok::<_, std::convert::Infallible>(bytes)
        })
    }

    /// A small document that `check` accepts; a location whose document it
    /// does not accept counts as failed, and the next one is tried. The error
    /// of `check` is kept in [`Failure::Refused`].
    ///
    /// # Errors
    /// What each location answered.
    pub fn get_checked<T, E: std::error::Error + Send + Sync + 'static>(
        &self,
        request: &Request,
        progress: &Progress,
        mut check: impl FnMut(&Location, Vec<u8>) -> Result<T, E>,
    ) -> Result<T, TransferError> {
        let watch = Watch {
            progress,
            abandoned: &AtomicBool::new(false),
        };
        self.in_turn(request, watch, |location, path| {
            let bytes = self.get_once(location, path, request, watch)?;
            check(location, bytes).map_err(|e| Stop::Here(Failure::Refused(e.into())))
        })
    }

    /// The end of a file of known size, from `offset` on, in memory, checked
    /// as in [`Self::get_checked`]. A server that hands out whole files only
    /// counts as failed.
    ///
    /// # Errors
    /// What each location answered.
    pub fn get_end<T, E: std::error::Error + Send + Sync + 'static>(
        &self,
        request: &Request,
        offset: u64,
        progress: &Progress,
        mut check: impl FnMut(Vec<u8>) -> Result<T, E>,
    ) -> Result<T, TransferError> {
        let watch = Watch {
            progress,
            abandoned: &AtomicBool::new(false),
        };
        self.in_turn(request, watch, |location, path| {
            let bytes = match location {
                Location::Folder(folder) => folder::end(folder, path, request, offset, watch)?,
                Location::Http(_) if self.inner.settings.offline => {
                    return Err(Failure::Offline.into());
                }
                Location::Http(base) => self.inner.block_on(async {
                    let url = join(base, path);
                    let resume = Resume { offset, etag: None };
                    let settings = &self.inner.settings;
                    let web = &self.inner.web;
                    let opening = web.ask(&url, Some(&resume), settings, watch).await?;
                    if opening.offset != offset {
                        return Err(Failure::NoRanges.into());
                    }
                    collect(opening, request, settings, watch).await
                })?,
            };
            check(bytes).map_err(|e| Stop::Here(Failure::Refused(e.into())))
        })
    }

    fn get_once(
        &self,
        location: &Location,
        path: &RelativePath,
        request: &Request,
        watch: Watch<'_>,
    ) -> Result<Vec<u8>, Stop> {
        let bytes = match location {
            Location::Folder(folder) => folder::read(folder, path, request, watch)?,
            Location::Http(_) if self.inner.settings.offline => {
                return Err(Failure::Offline.into());
            }
            Location::Http(base) => self.inner.block_on(async {
                let url = join(base, path);
                let settings = &self.inner.settings;
                let opening = self.inner.web.ask(&url, None, settings, watch).await?;
                collect(opening, request, settings, watch).await
            })?,
        };
        if let Some(expected) = request.size.filter(|size| *size != bytes.len() as u64) {
            let found = bytes.len() as u64;
            return Err(Failure::Length { found, expected }.into());
        }
        if let Some(expected) = request.sha256 {
            let found = Sha256::of(&bytes);
            if found != expected {
                return Err(Failure::Digest { found, expected }.into());
            }
        }
        Ok(bytes)
    }
}

async fn collect(
    opening: Opening,
    request: &Request,
    settings: &Settings,
    watch: Watch<'_>,
) -> Result<Vec<u8>, Stop> {
    let reserve = opening.length.unwrap_or(0).min(RESERVE_MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(reserve).unwrap_or(0));
    receive(opening, request, settings, watch, |chunk| {
        bytes.extend_from_slice(chunk);
        Ok(())
    })
    .await?;
    Ok(bytes)
}

/// Hands the body on, piece by piece, within all limits.
pub(crate) async fn receive(
    mut opening: Opening,
    request: &Request,
    settings: &Settings,
    watch: Watch<'_>,
    mut take: impl FnMut(&[u8]) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let most = request.most();
    let mut position = opening.offset;
    if let Some(length) = opening.length {
        let found = position.saturating_add(length);
        match request.size {
            Some(expected) if found != expected => {
                return Err(Failure::Length { found, expected }.into());
            }
            None if found > most => return Err(Failure::TooLong(most).into()),
            _ => {}
        }
    }
    let announced = opening.length.map(|length| position + length);
    let mut period = Instant::now();
    let mut in_period = 0;
    loop {
        let left = settings.stall.saturating_sub(period.elapsed());
        let next = match watch.within(left, opening.response.chunk()).await {
            Err(Stop::Here(Failure::Stalled(_))) => {
                return Err(Failure::Stalled(settings.stall).into());
            }
            other => other?,
        };
        match next {
            Ok(Some(chunk)) => {
                position += chunk.len() as u64;
                if position > most {
                    return Err(Failure::TooLong(most).into());
                }
                take(&chunk)?;
                in_period += chunk.len() as u64;
                if in_period >= STALL_BYTES {
                    in_period = 0;
                    period = Instant::now();
                }
            }
            Ok(None) => break,
            Err(error) => return Err(cut_short(error, position, request.size.or(announced))),
        }
    }
    match request.size {
        Some(expected) if position < expected => Err(Failure::Truncated {
            got: position,
            expected,
        }
        .into()),
        _ => Ok(()),
    }
}

/// A body that broke off: how far it came says more than how.
fn cut_short(error: reqwest::Error, got: u64, expected: Option<u64>) -> Stop {
    match expected {
        Some(expected) if got < expected => Failure::Truncated { got, expected }.into(),
        _ => broken(error).into(),
    }
}
