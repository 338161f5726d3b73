//! One file into the cache, resumed where an earlier try stopped.

use crate::client::Inner;
use crate::document::receive;
use crate::error::{Failure, Stop};
use crate::location::{displayed, join};
use crate::part::{Check, Found, Part};
use crate::watch::{Meter, Watch};
use crate::web::Resume;
use crate::{Cache, Client, Location, Request, TransferError, folder};
use hatchery_image::progress::{Interrupted, Stage, Unit};
use hatchery_image::{Progress, Sha256};
use reqwest::StatusCode;
use std::fs::File;
use std::sync::atomic::AtomicBool;
use url::Url;

/// How often in a row a broken transfer is taken up at the same location
/// while each try still brings new bytes.
const RESUMES_MAX: usize = 8;

/// Told of a file while it arrives: the file, to be read at any offset below
/// the number of bytes that are there, and that number, which becomes smaller
/// when a transfer has to begin anew. False ends the download.
pub type Arrival<'a> = &'a mut dyn FnMut(&File, u64) -> bool;

/// One file on its way into the cache.
struct Download<'a> {
    client: &'a Inner,
    request: &'a Request,
    size: u64,
    watch: Watch<'a>,
}

impl Client {
    /// A file into the cache, resuming what an earlier run began; `sha256`
    /// and `size` must be known. It is positioned at its beginning.
    ///
    /// # Errors
    /// What each location answered, or which path on this host refused.
    pub fn download(
        &self,
        request: &Request,
        cache: &Cache,
        progress: &Progress,
    ) -> Result<File, TransferError> {
        self.download_noted(request, cache, progress, Check::Digest, &mut |_, _| true)
    }

    /// The same for a caller that checks pieces of the file itself, as they
    /// arrive: `arrival` is told of them. The digest of a file that is handed
    /// out may be wrong, and it stays a partial one: when it was used, or was
    /// found to be wrong, [`Cache::forget_part`] is to be called.
    ///
    /// # Errors
    /// As [`Self::download`]; [`TransferError::Interrupted`] if `arrival`
    /// ended it.
    pub fn download_arriving(
        &self,
        request: &Request,
        cache: &Cache,
        progress: &Progress,
        arrival: Arrival<'_>,
    ) -> Result<File, TransferError> {
        self.download_noted(request, cache, progress, Check::Pieces, arrival)
    }

    fn download_noted(
        &self,
        request: &Request,
        cache: &Cache,
        progress: &Progress,
        check: Check,
        arrival: Arrival<'_>,
    ) -> Result<File, TransferError> {
        let running = progress.begin(Stage::Download, request.size, Unit::Bytes);
        let watch = Watch {
            progress,
            abandoned: &AtomicBool::new(false),
        };
        let mut meter = Meter::new(Some(&running));
        self.download_told(request, cache, check, &mut meter, watch, arrival)
    }

    /// The same, as part of something larger.
    pub(crate) fn download_one(
        &self,
        request: &Request,
        cache: &Cache,
        meter: &mut Meter<'_>,
        watch: Watch<'_>,
    ) -> Result<File, TransferError> {
        let check = Check::Digest;
        self.download_told(request, cache, check, meter, watch, &mut |_, _| true)
    }

    fn download_told(
        &self,
        request: &Request,
        cache: &Cache,
        check: Check,
        meter: &mut Meter<'_>,
        watch: Watch<'_>,
        arrival: Arrival<'_>,
    ) -> Result<File, TransferError> {
        let (Some(digest), Some(size)) = (request.sha256, request.size) else {
            return Err(TransferError::Unpinned {
                path: request.path.clone(),
            });
        };
        if let Some(file) = cache.open_verified(digest)? {
            meter.reached(size);
            return Ok(file);
        }
        let download = Download {
            client: &self.inner,
            request,
            size,
            watch,
        };
        let mut part = None;
        self.in_turn(request, watch, |location, path| match location {
            Location::Folder(folder) => {
                let there = folder::in_place(folder, path, request, (digest, check), meter, watch)?;
                if let Some(file) = there {
                    return Ok(file);
                }
                match opened(&mut part, cache, (digest, check), watch)? {
                    Err(file) => Ok(file),
                    Ok(part) => folder::copy(folder, path, request, part, meter, watch),
                }
            }
            Location::Http(_) if self.inner.settings.offline => Err(Failure::Offline.into()),
            Location::Http(base) => match opened(&mut part, cache, (digest, check), watch)? {
                Err(file) => Ok(file),
                Ok(part) => download.fetch_web(&join(base, path), part, meter, arrival),
            },
        })
        .inspect(|_| meter.reached(size))
    }
}

impl Download<'_> {
    /// From one web server: takes up a broken transfer while it gets on, and
    /// fetches a resumed file with a wrong digest anew, once.
    fn fetch_web(
        &self,
        url: &Url,
        part: &mut Part,
        meter: &mut Meter<'_>,
        arrival: Arrival<'_>,
    ) -> Result<File, Stop> {
        let mut resumes = 0;
        let mut anew = false;
        loop {
            if part.length() > self.size {
                part.restart()?;
            }
            let before = part.length();
            let arrived = if before == self.size {
                Ok(())
            } else {
                self.client.block_on(self.append(url, part, meter, arrival))
            };
            let whole = part.is_whole();
            match arrived.and_then(|()| part.commit()) {
                Ok(file) => return Ok(file),
                Err(Stop::Here(Failure::Digest { .. })) if !whole && !anew => anew = true,
                // The server cannot resume this: from the beginning, then.
                Err(Stop::Here(failure)) if before > 0 && cannot_resume(&failure) => {
                    part.restart()?;
                }
                Err(Stop::Here(failure))
                    if failure.is_transient()
                        && part.length() > before
                        && resumes < RESUMES_MAX =>
                {
                    resumes += 1;
                }
                Err(stop) => return Err(stop),
            }
        }
    }

    /// Asks for what is missing and appends what arrives.
    async fn append(
        &self,
        url: &Url,
        part: &mut Part,
        meter: &mut Meter<'_>,
        arrival: Arrival<'_>,
    ) -> Result<(), Stop> {
        let settings = &self.client.settings;
        let address = displayed(url);
        let resume = Resume {
            offset: part.length(),
            etag: part.etag(&address),
        };
        let opening = self
            .client
            .web
            .ask(url, Some(&resume), settings, self.watch)
            .await?;
        if opening.offset == 0 {
            part.restart()?;
        } else {
            part.continues();
        }
        part.note_etag(&address, opening.etag.as_deref());
        receive(opening, self.request, settings, self.watch, |chunk| {
            part.write(chunk)?;
            meter.reached(part.length());
            if arrival(part.reader(), part.length()) {
                return Ok(());
            }
            Err(Stop::Fatal(Interrupted.into()))
        })
        .await
    }
}

fn cannot_resume(failure: &Failure) -> bool {
    match failure {
        Failure::Range => true,
        Failure::Status(status) => *status == StatusCode::RANGE_NOT_SATISFIABLE,
        _ => false,
    }
}

/// The part of this file, opened when it is first needed; or the complete
/// file, if another process was faster.
fn opened<'a>(
    part: &'a mut Option<Box<Part>>,
    cache: &Cache,
    (digest, check): (Sha256, Check),
    watch: Watch<'_>,
) -> Result<Result<&'a mut Part, File>, TransferError> {
    if part.is_none() {
        match Part::open(cache, digest, check, watch)? {
            Found::Complete(file) => return Ok(Err(file)),
            Found::Open(found) => *part = Some(found),
        }
    }
    Ok(Ok(part.as_mut().expect("it was opened just now")))
}
