//! Figures of both, side by side.

use crate::process::{Kind, Scheme};

/// Which of two figures is the better one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
}

struct Row {
    scheme: Scheme,
    what: &'static str,
    better: Better,
    ours: Vec<f64>,
    nginx: Vec<f64>,
}

#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn add(
        &mut self,
        scheme: Scheme,
        what: &'static str,
        better: Better,
        kind: Kind,
        figure: f64,
    ) {
        let found = |row: &Row| row.scheme == scheme && row.what == what;
        let at = self.0.iter().position(found).unwrap_or_else(|| {
            self.0.push(Row {
                scheme,
                what,
                better,
                ours: Vec::new(),
                nginx: Vec::new(),
            });
            self.0.len() - 1
        });
        match kind {
            Kind::Ours => self.0[at].ours.push(figure),
            Kind::Nginx => self.0[at].nginx.push(figure),
        }
    }

    /// Medians, and how many times as good ours is.
    pub(crate) fn print(self) {
        println!("\n  {:<34} {:>10} {:>10}", "", "ours", "nginx");
        for row in self.0 {
            let (ours, nginx) = (median(row.ours), median(row.nginx));
            let as_good = match row.better {
                Better::More => ours / nginx,
                Better::Less => nginx / ours,
            };
            let verdict = if as_good >= 1.0 { "met" } else { "MISSED" };
            let what = format!("{}: {}", row.scheme, row.what);
            println!("  {what:<34} {ours:>10.3} {nginx:>10.3}   {as_good:>6.2} as good, {verdict}");
        }
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
