//! Medians, ratios and goals.

/// What a ratio should be at most.
pub(crate) struct Goal {
    /// How the peer's name begins.
    peer: &'static str,
    most: f64,
}

impl Goal {
    pub(crate) const fn new(peer: &'static str, most: f64) -> Self {
        Self { peer, most }
    }
}

/// The times of ours and of each peer, in seconds.
pub(crate) struct Times {
    title: &'static str,
    ours: Vec<f64>,
    peers: Vec<(String, Vec<f64>)>,
}

impl Times {
    pub(crate) const fn new(title: &'static str) -> Self {
        Self {
            title,
            ours: Vec::new(),
            peers: Vec::new(),
        }
    }

    pub(crate) fn ours(&mut self, seconds: f64) {
        self.ours.push(seconds);
    }

    pub(crate) fn peer(&mut self, name: &str, seconds: f64) {
        match self.peers.iter_mut().find(|(known, _)| known == name) {
            Some((_, times)) => times.push(seconds),
            None => self.peers.push((name.to_owned(), vec![seconds])),
        }
    }

    /// `floor` is what decompressing alone takes, in seconds.
    pub(crate) fn print(self, goals: &[Goal], floor: f64) {
        let ours = median(self.ours);
        println!("\n  {:<44} {ours:>7.3}", self.title);
        for (name, times) in self.peers {
            let theirs = median(times);
            let ratio = ours / theirs;
            let goal = goals.iter().find(|g| name.starts_with(g.peer));
            let verdict = match goal {
                Some(g) if ratio <= g.most => format!("   goal {:.3} met", g.most),
                Some(g) => format!("   goal {:.3} MISSED", g.most),
                None => String::new(),
            };
            println!("  {name:<44} {theirs:>7.3}   ratio {ratio:.3}{verdict}");
        }
        println!(
            "  {:<44} {floor:>7.3}",
            "what limits: decompressing by one thread"
        );
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
