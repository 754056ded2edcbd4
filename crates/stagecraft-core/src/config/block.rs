//! A part of the file that belongs to one provider or step.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::document::Document;
use super::error::{ConfigError, ConfigErrors};

/// A part of the file, opaque to everyone but its owner.
#[derive(Debug, Clone)]
pub struct ConfigBlock {
    document: Arc<Document>,
    path: Vec<String>,
}

impl ConfigBlock {
    /// Names the part of the document under `path`.
    pub fn new<T: Into<String>>(
        document: Arc<Document>,
        path: impl IntoIterator<Item = T>,
    ) -> Self {
        Self {
            document,
            path: path.into_iter().map(Into::into).collect(),
        }
    }

    /// Decodes the block. A block that is absent or empty is decoded as an empty mapping, so
    /// that the error names the first required key.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with their places in the file, all in one pass.
    pub fn parse<T: DeserializeOwned + JsonSchema>(&self) -> Result<T, ConfigErrors> {
        let path = self.keys();
        if let Some(value) = self.document.parse(&path)? {
            return Ok(value);
        }
        serde_yaml::from_str("{}").map_err(|error| {
            let text = error.to_string();
            let text = text.split(" at line ").next().unwrap_or_default();
            self.document.error(&path, text).into()
        })
    }

    /// An error about a key below the block.
    pub fn error(&self, below: &[&str], message: impl Into<String>) -> ConfigError {
        let mut path = self.keys();
        path.extend(below);
        self.document.error(&path, message)
    }

    fn keys(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }
}
