//! Goals for the figures, and whether they are met.

use std::time::Duration;

use super::measure::Measured;
use super::tool::Tool;
use super::{Figures, Row};
use crate::bench::goals::Goal;

/// The maximum number of serial round trips for one host.
const ROUND_TRIPS: f64 = 11.0;
/// Maximum ratio of our wall time to that of the script with `xargs ssh`.
const XARGS: f64 = 1.1;
/// Minimum factors by which we are faster than these.
const ANSIBLE: f64 = 30.0;
const PYINFRA: f64 = 4.0;
/// The maximum CPU time of the controller per host.
const CPU: Duration = Duration::from_millis(10);
/// The maximum memory of the controller, in KiB.
const MEMORY_KIB: u64 = 30 * 1024;

impl Row {
    /// The run of the median wall time.
    pub(super) fn median(&self) -> &Measured {
        let mut runs: Vec<&Measured> = self.runs.iter().collect();
        runs.sort_by_key(|run| run.wall);
        runs[(runs.len() - 1) / 2]
    }

    /// The median of one figure of all runs.
    pub(super) fn median_of<T: Ord + Copy>(&self, figure: impl Fn(&Measured) -> T) -> T {
        let mut figures: Vec<T> = self.runs.iter().map(figure).collect();
        figures.sort();
        figures[(figures.len() - 1) / 2]
    }

    /// The negotiated key exchange. The wire may miss it in some of the runs.
    pub(super) fn key_exchange(&self) -> &str {
        let mut seen = self.runs.iter().filter_map(|run| run.kex.as_deref());
        seen.next().unwrap_or("not seen")
    }
}

impl Figures {
    /// Serial round trips for one host, from the additional time that a longer wire costs.
    pub(super) fn round_trips(&self, tool: Tool) -> Option<f64> {
        let (short, long) = self.one_host.iter().find(|(one, ..)| *one == tool)?.1;
        let longer = long.as_secs_f64() - short.as_secs_f64();
        Some(longer / super::LONG.as_secs_f64())
    }

    fn row(&self, tool: Tool, round_trip: Duration) -> Option<&Row> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.tool == tool && row.round_trip == round_trip)
    }

    /// The wall time of another tool, in multiples of Stagecraft's, over the same wire.
    pub(super) fn ratio(&self, tool: Tool, round_trip: Duration) -> Option<f64> {
        let wall = |tool| Some(self.row(tool, round_trip)?.median().wall.as_secs_f64());
        Some(wall(tool)? / wall(Tool::Stagecraft)?)
    }

    /// The key exchanges of Stagecraft and another tool.
    fn key_exchanges(&self, tool: Tool, round_trip: Duration) -> String {
        let of = |tool| {
            let row = self.row(tool, round_trip);
            row.map_or("not seen", Row::key_exchange)
        };
        format!("{} beside {}", of(Tool::Stagecraft), of(tool))
    }

    /// All goals. Unmeasured figures have none.
    pub(super) fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        if let Some(trips) = self.round_trips(Tool::Stagecraft) {
            goals.push(Goal {
                text: format!("{trips:.1} serial round trips for a host, at most {ROUND_TRIPS}"),
                is_met: trips <= ROUND_TRIPS,
            });
        }
        for row in self.rows.iter().filter(|row| row.tool == Tool::Stagecraft) {
            let at = format!("with {} ms", row.round_trip.as_millis());
            let connections = row.median().connections;
            goals.push(Goal {
                text: format!(
                    "{at} {connections} connections to {} hosts, one for each",
                    self.hosts
                ),
                is_met: connections == self.hosts,
            });
            if let Some(ratio) = self.ratio(Tool::Xargs, row.round_trip) {
                let ours = 1.0 / ratio;
                let keys = self.key_exchanges(Tool::Xargs, row.round_trip);
                goals.push(Goal {
                    text: format!(
                        "{at} {ours:.2} times the wall time of `xargs ssh`, at most {XARGS} ({keys})"
                    ),
                    is_met: ours <= XARGS,
                });
            }
            for (tool, least) in [(Tool::Ansible, ANSIBLE), (Tool::Pyinfra, PYINFRA)] {
                if let Some(ratio) = self.ratio(tool, row.round_trip) {
                    let keys = self.key_exchanges(tool, row.round_trip);
                    goals.push(Goal {
                        text: format!(
                            "{at} {ratio:.1} times as fast as {}, at least {least} ({keys})",
                            tool.title()
                        ),
                        is_met: ratio >= least,
                    });
                }
            }
            let cpu = row.median_of(|run| run.controller) / self.hosts;
            goals.push(Goal {
                text: format!(
                    "{at} {:.1} ms of the controller's CPU for a host, at most {}",
                    cpu.as_secs_f64() * 1e3,
                    CPU.as_millis()
                ),
                is_met: cpu <= CPU,
            });
            let memory = row
                .runs
                .iter()
                .map(|run| run.resident_kib)
                .max()
                .unwrap_or_default();
            goals.push(Goal {
                text: format!(
                    "{at} {}.{} MiB in the controller, all that is resident, at most {}",
                    memory / 1024,
                    memory % 1024 * 10 / 1024,
                    MEMORY_KIB / 1024
                ),
                is_met: memory <= MEMORY_KIB,
            });
        }
        goals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(wall_ms: u64) -> Measured {
        Measured {
            wall: Duration::from_millis(wall_ms),
            controller: Duration::from_millis(200),
            hosts: Duration::ZERO,
            other: Duration::ZERO,
            peak_kib: 8 * 1024,
            resident_kib: 20 * 1024,
            connections: 50,
            kex: None,
        }
    }

    fn row(tool: Tool, walls: &[u64]) -> Row {
        Row {
            tool,
            round_trip: Duration::ZERO,
            runs: walls.iter().map(|wall| measured(*wall)).collect(),
        }
    }

    fn missed(figures: &Figures) -> Vec<String> {
        let goals = figures.goals().into_iter();
        goals
            .filter(|goal| !goal.is_met)
            .map(|goal| goal.text)
            .collect()
    }

    #[test]
    fn medians_are_compared_over_the_same_wire() {
        let mut figures = Figures {
            hosts: 50,
            rows: vec![
                row(Tool::Stagecraft, &[3000, 9000, 2000]),
                row(Tool::Xargs, &[2900]),
                row(Tool::Ansible, &[90_000]),
                row(Tool::Pyinfra, &[11_999]),
            ],
            one_host: vec![(
                Tool::Stagecraft,
                (Duration::from_millis(400), Duration::from_millis(5900)),
            )],
        };
        figures.rows[3].runs[0].kex = Some("curve25519".to_owned());
        assert_eq!(
            missed(&figures),
            ["with 0 ms 4.0 times as fast as pyinfra, at least 4 (not seen beside curve25519)"]
        );
        figures.one_host[0].1.1 = Duration::from_millis(5951);
        figures.rows[1].runs[0].wall = Duration::from_millis(2700);
        figures.rows[0].runs[2].kex = Some("mlkem".to_owned());
        figures.rows.truncate(2);
        assert_eq!(
            missed(&figures),
            [
                "11.1 serial round trips for a host, at most 11",
                "with 0 ms 1.11 times the wall time of `xargs ssh`, at most 1.1 (mlkem beside not seen)"
            ]
        );
    }
}
