//! One JSON object a line. `advance` says how much is done in all, not how
//! much more, and comes at most ten times a second a stage, so that a reader
//! may miss some and a fast download does not drown it.

use super::tally::Tally;
use hatchery_image::progress::{Event, Stage, Unit};
use serde::Serialize;
use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often a stage may say how far it is.
const EVERY: Duration = Duration::from_millis(100);

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Line {
    Begin {
        stage: Stage,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
        unit: Unit,
    },
    Advance {
        stage: Stage,
        done: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
        unit: Unit,
    },
    Message {
        stage: Stage,
        text: String,
    },
    Warning {
        text: String,
    },
    End {
        stage: Stage,
        done: u64,
        unit: Unit,
        seconds: f64,
    },
}

/// Writes JSON lines to `to`.
pub(crate) fn report<W: Write + Send>(to: W) -> impl Fn(Event) + Send + Sync {
    let state = Mutex::new((to, Tally::default(), HashMap::<Stage, Instant>::new()));
    move |event| {
        let Ok(mut state) = state.lock() else { return };
        let (to, tally, spoke) = &mut *state;
        let Some(line) = line(tally, spoke, event) else {
            return;
        };
        if let Ok(text) = serde_json::to_string(&line) {
            let _ = writeln!(to, "{text}");
        }
    }
}

fn line(tally: &mut Tally, spoke: &mut HashMap<Stage, Instant>, event: Event) -> Option<Line> {
    Some(match event {
        Event::Begin { stage, total, unit } => {
            if !tally.begin(stage, total, unit) {
                return None;
            }
            Line::Begin { stage, total, unit }
        }
        Event::Advance { stage, by } => {
            let count = tally.advance(stage, by)?;
            let spoke = spoke.entry(stage).or_insert_with(|| Instant::now() - EVERY);
            if spoke.elapsed() < EVERY {
                return None;
            }
            *spoke = Instant::now();
            Line::Advance {
                stage,
                done: count.done,
                total: count.total,
                unit: count.unit,
            }
        }
        Event::Message { stage, text } => Line::Message { stage, text },
        Event::Warning { text } => Line::Warning { text },
        Event::End { stage } => {
            let count = tally.end(stage)?;
            spoke.remove(&stage);
            Line::End {
                stage,
                done: count.done,
                unit: count.unit,
                seconds: (count.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advances_are_sums_and_are_thinned_out() {
        let (mut tally, mut spoke) = (Tally::default(), HashMap::new());
        let mut said = Vec::new();
        let mut say = |event| {
            said.extend(
                line(&mut tally, &mut spoke, event).map(|l| serde_json::to_value(l).unwrap()),
            );
        };
        let stage = Stage::Unpack;
        say(Event::Begin {
            stage,
            total: Some(9),
            unit: Unit::Bytes,
        });
        say(Event::Advance { stage, by: 2 });
        say(Event::Advance { stage, by: 3 });
        say(Event::End { stage });
        assert_eq!(said.len(), 3, "{said:?}");
        assert_eq!(
            said[1],
            serde_json::json!({"event": "advance", "stage": "unpack", "done": 2, "total": 9, "unit": "bytes"})
        );
        assert_eq!(
            (&said[2]["event"], &said[2]["done"]),
            (&"end".into(), &5.into())
        );
    }
}
