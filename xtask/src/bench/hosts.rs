//! The cost of finding fifty hosts unchanged, compared with peers that do the same work.

mod fingerprint;
mod goals;
mod group;
mod lab;
mod line;
mod measure;
mod page;
mod tool;

use std::env;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use self::lab::{Guard, Lab, Outside};
use self::line::Line;
use self::measure::{Bench, Measured};
use self::tool::{Peers, Tool};
use super::{PAGE, page as pages};
use crate::measure as release;
use crate::process::{root, run};

/// The number of hosts on the page.
const HOSTS: u32 = 50;
/// The additional round-trip time.
const ROUND_TRIPS: [Duration; 2] = [Duration::ZERO, Duration::from_millis(50)];
/// A round-trip time that is long enough to count round trips by it.
const LONG: Duration = Duration::from_millis(500);
/// The image of `cargo xtask lab image`.
const IMAGE: &str = "stagecraft-lab:debian-13";
/// Says that this process has its own network namespace; the value is the one outside.
const INSIDE: &str = "STAGECRAFT_BENCH_OUTSIDE";

/// All runs of a tool over one wire.
#[derive(Debug)]
struct Row {
    tool: Tool,
    round_trip: Duration,
    runs: Vec<Measured>,
}

/// All results.
#[derive(Debug)]
struct Figures {
    hosts: u32,
    rows: Vec<Row>,
    /// For one host, the shortest wall times without and with the long wire.
    one_host: Vec<(Tool, (Duration, Duration))>,
}

/// The options of the command line.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    hosts: u32,
    image: String,
    tools: Vec<Tool>,
}

impl Options {
    /// Whether this is the run that the page shows. No goal is about mitogen.
    fn is_whole(&self) -> bool {
        let has = |tool: &Tool| self.tools.contains(tool) || *tool == Tool::Mitogen;
        self.hosts == HOSTS && Tool::ALL.iter().all(has)
    }

    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self {
            hosts: HOSTS,
            image: IMAGE.to_owned(),
            tools: Vec::new(),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if *argument == "--image" {
                let image = rest.next().context("--image needs a name")?;
                (*image).clone_into(&mut options.image);
            } else if let Ok(hosts) = argument.parse() {
                ensure!((1..=200).contains(&hosts), "from 1 to 200 hosts: {hosts}");
                options.hosts = hosts;
            } else if let Some(tool) = Tool::ALL.iter().find(|tool| tool.name() == *argument) {
                options.tools.push(*tool);
            } else {
                bail!("`{argument}` is neither a number of hosts nor a tool");
            }
        }
        if options.tools.is_empty() {
            options.tools = Tool::ALL.to_vec();
        }
        Ok(options)
    }
}

/// Measures, and writes the page if everything was measured.
///
/// The arguments may name a number of hosts, tools, and after `--image` the image of the
/// hosts.
#[expect(clippy::disallowed_methods, reason = "this is no library")]
pub(crate) fn measure_hosts(arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments)?;
    if let Ok(outside) = env::var(INSIDE) {
        let outside = outside.parse().context("not a process id")?;
        return inside(&options, Outside(outside));
    }
    release::build()?;
    Peers::install()?;
    // The controller has its own network namespace, so that all its traffic goes over the wire.
    let program = env::current_exe()?;
    run(Command::new("unshare")
        .arg("--net")
        .arg(program)
        .args(["bench", "hosts"])
        .args(arguments)
        .env(INSIDE, std::process::id().to_string()))
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developers' tool talks to a terminal"
)]
fn inside(options: &Options, outside: Outside) -> Result<()> {
    run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    let programs = Peers::install()?;
    let directory = env::temp_dir().join(lab::NAME);
    let guard = Guard::post(&directory)?;
    let measured = (|| {
        eprintln!("bench: {} hosts boot", options.hosts);
        let lab = Lab::up(&directory, options.hosts, &options.image)?;
        let line = Line::lay(&programs.join("python"), &directory, outside)?;
        let peers = Peers::prepare(programs, &lab)?;
        eprintln!("bench: bringing hosts to the wanted state");
        crate::process::output(lab.command().args([
            "--output",
            "json",
            "infra",
            "bootstrap",
            "--yes",
        ]))?;
        let bench = Bench {
            lab: &lab,
            peers: &peers,
            line: &line,
        };
        let figures = measure(options, &bench)?;
        Ok::<_, anyhow::Error>((figures, peers.versions))
    })();
    eprintln!("bench: removing everything");
    guard.finish()?;
    let (figures, versions) = measured?;
    let text = page::section(&figures, &versions)?;
    if options.is_whole() {
        let path = root().join(PAGE);
        let whole = pages::with_hosts(&fs::read_to_string(&path)?, &text);
        fs::write(path, whole).with_context(|| format!("cannot write {PAGE}"))?;
        println!("bench: wrote {PAGE}");
    }
    println!("{text}");
    Ok(())
}

fn measure(options: &Options, bench: &Bench<'_>) -> Result<Figures> {
    let mut figures = Figures {
        hosts: options.hosts,
        rows: Vec::new(),
        one_host: Vec::new(),
    };
    // A warm-up: interpreters compile what they read for the first time.
    for tool in &options.tools {
        bench.run(*tool, Duration::ZERO, true)?;
    }
    for round_trip in ROUND_TRIPS {
        let mut rows: Vec<Row> = Vec::new();
        let most = options.tools.iter().map(|tool| tool.rounds()).max();
        // In turn, so that other load on the machine affects all tools alike.
        for round in 0..most.unwrap_or_default() {
            for tool in options.tools.iter().filter(|tool| round < tool.rounds()) {
                let run = bench.run_or_again(*tool, round_trip, false)?;
                match rows.iter_mut().find(|row| row.tool == *tool) {
                    Some(row) => row.runs.push(run),
                    None => rows.push(Row {
                        tool: *tool,
                        round_trip,
                        runs: vec![run],
                    }),
                }
            }
        }
        figures.rows.extend(rows);
    }
    for tool in &options.tools {
        let fastest = |round_trip| {
            let runs =
                (0..tool.one_host_rounds()).map(|_| bench.run_or_again(*tool, round_trip, true));
            let walls: Vec<Duration> = runs
                .map(|run| run.map(|run| run.wall))
                .collect::<Result<_>>()?;
            walls.into_iter().min().context("no run was measured")
        };
        let walls = (fastest(Duration::ZERO)?, fastest(LONG)?);
        figures.one_host.push((*tool, walls));
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_benchmark_writes_the_page() {
        assert!(Options::parse(&[]).unwrap().is_whole());
        assert!(Options::parse(&["--image", "x"]).unwrap().is_whole());
        let some = Options::parse(&["5", "stagecraft", "xargs"]).unwrap();
        assert_eq!(some.tools, [Tool::Stagecraft, Tool::Xargs]);
        assert!(!some.is_whole());
        let goals = ["stagecraft", "xargs", "pyinfra", "ansible"];
        assert!(Options::parse(&goals).unwrap().is_whole());
        assert!(Options::parse(&["puppet"]).is_err());
    }
}
