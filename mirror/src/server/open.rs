//! A server that runs: its listeners, and what is changed about them and about
//! what connections begin with.

use super::address::Address;
use super::bind::{self, Bound};
use super::control::{Command, ReloadError};
use super::crew::Crew;
use super::door::Door;
use super::listener;
use super::options::Options;
use super::slots::{self, Slots};
use crate::body::Budget;
use crate::clients::{Guests, Pace};
use crate::connection::{self, Reception};
use crate::holdings::Holdings;
use crate::metrics::Metrics;
use crate::respond::{Desk, MAKERS};
use std::io;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

fn first_reception(holdings: Arc<Holdings>, options: &Options) -> Reception {
    let desk = Desk {
        holdings,
        answers: Arc::default(),
        makers: Arc::new(Semaphore::new(MAKERS)),
        budget: Arc::new(Budget::default()),
        ranges: options.ranges,
        public_url: options.public_url.clone(),
        now: options.now,
    };
    let slots = Slots::new(slots::affordable(options.connections.max(1)));
    let pace = Arc::new(Pace::new(options.per_client));
    let metrics = Arc::new(Metrics::new());
    reception(desk, slots, Guests::default(), pace, metrics, options)
}

/// What connections begin with after a change.
fn next_reception(before: &Reception, options: &Options) -> Reception {
    let desk = Desk {
        ranges: options.ranges,
        public_url: options.public_url.clone(),
        now: options.now,
        ..before.desk.clone()
    };
    let slots = before.slots.clone();
    slots.resize(slots::affordable(options.connections.max(1)));
    // Who asked too quickly before is not forgiven because a file changed.
    let pace = match *before.pace.limits() == options.per_client {
        true => Arc::clone(&before.pace),
        false => Arc::new(Pace::new(options.per_client)),
    };
    let (guests, metrics) = (before.guests.clone(), Arc::clone(&before.metrics));
    reception(desk, slots, guests, pace, metrics, options)
}

fn reception(
    desk: Desk,
    slots: Slots,
    guests: Guests,
    pace: Arc<Pace>,
    metrics: Arc<Metrics>,
    options: &Options,
) -> Reception {
    Reception {
        desk,
        access: Arc::clone(&options.access),
        metrics,
        lost_lines: options.lost_lines.clone(),
        patience: options.patience,
        handshake: options.handshake,
        drain: options.drain,
        slots,
        guests,
        pace,
        head: connection::head_limit(options.head),
        protocol: connection::protocol(&options.patience, options.head),
    }
}

/// A listener that is attended.
struct Attended {
    asked: Address,
    door: Arc<Door>,
    stop: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

/// A server that runs.
pub(super) struct Open {
    crew: Crew,
    reception: watch::Sender<Arc<Reception>>,
    attended: Vec<Attended>,
    /// Listeners that were taken away, and still have connections.
    leaving: Vec<JoinHandle<io::Result<()>>>,
}

impl Open {
    /// With nobody at any door yet. Needs a runtime.
    pub(super) fn new(crew: Crew, holdings: Arc<Holdings>, options: &Options) -> Self {
        Self {
            crew,
            reception: watch::Sender::new(Arc::new(first_reception(holdings, options))),
            attended: Vec::new(),
            leaving: Vec::new(),
        }
    }

    pub(super) fn attend(&mut self, bound: Bound) {
        let stop = watch::Sender::new(false);
        let (asked, door) = (bound.asked.clone(), Arc::clone(&bound.door));
        let (reception, stopping) = (self.reception.subscribe(), stop.subscribe());
        let (address, foreman) = (bound.address.clone(), self.crew.foreman());
        let task = tokio::spawn(async move {
            let attended = listener::attend(bound, foreman, reception, stopping).await;
            if let Err(error) = &attended {
                tracing::error!(%address, %error, "nobody is served there");
            }
            attended
        });
        self.attended.push(Attended {
            asked,
            door,
            stop,
            task,
        });
    }

    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Answer(answer) => self.crew.answer(answer),
            // Whoever asked may have gone.
            Command::Reload(options, answer) => drop(answer.send(self.reload(&options))),
        }
    }

    /// Changes everything that the options say, or nothing.
    fn reload(&mut self, options: &Options) -> Result<(), ReloadError> {
        if options.listeners.is_empty() {
            return Err(ReloadError::Nowhere);
        }
        let (mut kept, mut new) = (Vec::new(), Vec::new());
        for listener in &options.listeners {
            let is_it = |(at, attended): &(usize, &Attended)| {
                attended.asked == listener.address && !kept.iter().any(|(k, _)| k == at)
            };
            match self.attended.iter().enumerate().find(is_it) {
                Some((at, attended)) => kept.push((at, attended.door.prepare(listener)?)),
                None => new.push(bind::bind(listener)?),
            }
        }
        // From here on nothing fails.
        let before = Arc::clone(&self.reception.borrow());
        let next = next_reception(&before, options);
        self.reception.send_replace(Arc::new(next));
        let attended = std::mem::take(&mut self.attended);
        for (at, attended) in attended.into_iter().enumerate() {
            match kept.iter().find(|(k, _)| *k == at) {
                Some((_, manner)) => {
                    attended.door.change(manner.clone());
                    self.attended.push(attended);
                }
                None => {
                    attended.stop.send_replace(true);
                    self.leaving.push(attended.task);
                }
            }
        }
        self.leaving.retain(|task| !task.is_finished());
        new.into_iter().for_each(|bound| self.attend(bound));
        Ok(())
    }

    /// Reads the files of TLS again where they are others, and forgets
    /// clients that have been quiet and answers that are old.
    pub(super) fn look(&self) {
        self.reception.borrow().pace.clean();
        let answers = Arc::clone(&self.reception.borrow().desk.answers);
        let tls = self.attended.iter().filter_map(|a| a.door.manner().tls);
        let tls: Vec<_> = tls.collect();
        // Files may take their time.
        drop(tokio::task::spawn_blocking(move || {
            answers.forget_old();
            tls.iter().for_each(|tls| tls.look());
        }));
    }

    /// Lets everybody finish.
    pub(super) async fn close(self) -> io::Result<()> {
        for attended in &self.attended {
            attended.stop.send_replace(true);
        }
        let tasks = self.attended.into_iter().map(|attended| attended.task);
        let mut all = Ok(());
        for task in tasks.chain(self.leaving) {
            // One that failed is no reason to cut those that finish.
            let ended = task.await.map_err(io::Error::other).flatten();
            all = all.and(ended);
        }
        let crew = self.crew;
        let ended = tokio::task::spawn_blocking(|| crew.end()).await;
        all.and(ended.map_err(io::Error::other))
    }
}
