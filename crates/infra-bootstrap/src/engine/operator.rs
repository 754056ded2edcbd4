//! The key that the cloud installs on new hosts, and whether the login uses it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use stagecraft_core::{CloudProvider, Login, Run};
use tokio::sync::Mutex;

/// Queries the cloud about the operator's key, once for each key of a login.
pub(super) struct Operator {
    cloud: Arc<dyn CloudProvider>,
    asked: Mutex<BTreeMap<String, bool>>,
}

impl Operator {
    pub(super) fn new(cloud: Arc<dyn CloudProvider>) -> Self {
        Self {
            cloud,
            asked: Mutex::default(),
        }
    }

    /// The name of the key that the configuration gives to new hosts.
    pub(super) fn name(&self) -> Option<&str> {
        self.cloud.operator_key_name()
    }

    /// Whether a login is proven to use that key. A failed query proves nothing.
    pub(super) async fn is_login(&self, run: &Run, login: &Login) -> bool {
        let mut asked = self.asked.lock().await;
        if let Some(answer) = asked.get(&login.key) {
            return *answer;
        }
        let answer = match self.cloud.is_operator_key(run, login).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "the account's keys could not be read");
                false
            }
        };
        asked.insert(login.key.clone(), answer);
        answer
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
