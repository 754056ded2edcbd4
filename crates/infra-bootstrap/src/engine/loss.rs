//! Detection of a lost connection, independent of its user.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use stagecraft_core::{
    Error, ErrorKind, Fingerprint, HostName, Login, Remote, RemoteCommand, RemoteOutput, Result,
    Run, Upload,
};

/// The cause of a lost connection, if it was lost.
#[derive(Debug, Clone, Default)]
pub(super) struct Loss(Arc<Mutex<Option<String>>>);

impl Loss {
    /// Returns the first cause.
    pub(super) fn cause(&self) -> Option<String> {
        let cause = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cause.clone()
    }

    fn note(&self, error: &Error) {
        if error.kind() == ErrorKind::Unavailable {
            let mut cause = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            cause.get_or_insert_with(|| error.chain().join(": "));
        }
    }
}

/// A connection that records its own loss.
///
/// Steps convert errors to their own failures, so the engine could not distinguish a lost
/// connection from a failed command.
#[derive(Debug)]
pub(super) struct Noted {
    inner: Arc<dyn Remote>,
    loss: Loss,
}

impl Noted {
    pub(super) fn new(inner: Arc<dyn Remote>, loss: Loss) -> Self {
        Self { inner, loss }
    }
}

#[async_trait]
impl Remote for Noted {
    fn host(&self) -> &HostName {
        self.inner.host()
    }

    fn host_key(&self) -> Fingerprint {
        self.inner.host_key()
    }

    fn warnings(&self) -> Vec<String> {
        self.inner.warnings()
    }

    fn login(&self) -> Option<Login> {
        self.inner.login()
    }

    async fn exec(&self, run: &Run, command: &RemoteCommand) -> Result<RemoteOutput> {
        let result = self.inner.exec(run, command).await;
        result.inspect_err(|error| self.loss.note(error))
    }

    async fn upload(&self, run: &Run, upload: &Upload) -> Result<()> {
        let result = self.inner.upload(run, upload).await;
        result.inspect_err(|error| self.loss.note(error))
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
