//! The report of `llvm-cov export --format=lcov`, as far as it is about lines.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// How often each line with code ran, by file.
pub(crate) type Report = BTreeMap<PathBuf, BTreeMap<usize, u64>>;

/// Reads `SF:` (a file begins) and `DA:` (a line, how often it ran); nothing else is needed.
pub(crate) fn parse(text: &str) -> Report {
    let mut report = Report::new();
    let mut file = None;
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            file = Some(PathBuf::from(path));
        } else if let Some(rest) = line.strip_prefix("DA:")
            && let Some(file) = &file
            && let Some((line, count)) = rest.split_once(',')
            && let (Ok(line), Ok(count)) = (line.parse(), count.parse::<u64>())
        {
            let lines = report.entry(file.clone()).or_default();
            let known = lines.entry(line).or_default();
            *known = known.saturating_add(count);
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_by_file_and_counts_of_one_line_are_added() {
        let report = parse(
            "SF:/w/a.rs\nFN:1,f\nDA:1,2\nDA:2,0\nLF:2\nend_of_record\n\
             SF:/w/b.rs\nDA:7,1\nend_of_record\nSF:/w/a.rs\nDA:1,3\nend_of_record\n",
        );
        assert_eq!(
            report,
            Report::from([
                ("/w/a.rs".into(), BTreeMap::from([(1, 5), (2, 0)])),
                ("/w/b.rs".into(), BTreeMap::from([(7, 1)])),
            ])
        );
    }
}
