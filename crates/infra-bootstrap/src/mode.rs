//! Whether a run changes hosts.

/// Whether hosts are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Hosts are changed as wanted.
    Apply,
    /// Hosts are only read. The report says what would be changed. The connection itself
    /// refuses everything but the steps' probes.
    DryRun,
}
