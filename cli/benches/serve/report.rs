//! Figures of both, side by side.

use crate::process::{Cost, Kind, Scheme};

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

/// Where the servers' time goes: what a figure is limited by that depends on
/// them, and not on those who ask.
struct Limit {
    scheme: Scheme,
    what: &'static str,
    ours: Vec<Cost>,
    nginx: Vec<Cost>,
}

#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    limits: Vec<Limit>,
}

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
        let at = self.rows.iter().position(found).unwrap_or_else(|| {
            self.rows.push(Row {
                scheme,
                what,
                better,
                ours: Vec::new(),
                nginx: Vec::new(),
            });
            self.rows.len() - 1
        });
        match kind {
            Kind::Ours => self.rows[at].ours.push(figure),
            Kind::Nginx => self.rows[at].nginx.push(figure),
        }
    }

    pub(crate) fn limit(&mut self, scheme: Scheme, what: &'static str, kind: Kind, cost: Cost) {
        let found = |limit: &Limit| limit.scheme == scheme && limit.what == what;
        let at = self.limits.iter().position(found).unwrap_or_else(|| {
            self.limits.push(Limit {
                scheme,
                what,
                ours: Vec::new(),
                nginx: Vec::new(),
            });
            self.limits.len() - 1
        });
        match kind {
            Kind::Ours => self.limits[at].ours.push(cost),
            Kind::Nginx => self.limits[at].nginx.push(cost),
        }
    }

    /// Medians, and how many times as good ours is.
    pub(crate) fn print(self) {
        println!("\n  {:<34} {:>10} {:>10}", "", "ours", "nginx");
        for row in self.rows {
            let (ours, nginx) = (median(row.ours), median(row.nginx));
            let as_good = match row.better {
                Better::More => ours / nginx,
                Better::Less => nginx / ours,
            };
            let verdict = if as_good >= 1.0 { "met" } else { "MISSED" };
            let what = format!("{}: {}", row.scheme, row.what);
            println!("  {what:<34} {ours:>10.3} {nginx:>10.3}   {as_good:>6.2} as good, {verdict}");
        }
        println!("\n  what limits: the servers' processor time, in the program + in the kernel");
        for limit in self.limits {
            let what = format!("{}: {}", limit.scheme, limit.what);
            let (ours, nginx) = (cost(&limit.ours), cost(&limit.nginx));
            println!("  {what:<34} {ours:>17}   nginx {nginx:>17}");
        }
    }
}

fn cost(costs: &[Cost]) -> String {
    let program = median(costs.iter().map(|cost| cost.program).collect());
    let kernel = median(costs.iter().map(|cost| cost.kernel).collect());
    format!("{program:.2} + {kernel:.2}")
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
