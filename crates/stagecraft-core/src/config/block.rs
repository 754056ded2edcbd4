//! A part of the file that belongs to one provider or step.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::Document;
use super::error::{ConfigError, ConfigErrors, Location};
use crate::secret::SecretKeyError;

/// A part of the file that only its owner can decode.
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

    /// Decodes the block. An absent or empty block is decoded as an empty mapping, so
    /// that the error names the first required key.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with their places in the file, found in one pass.
    pub fn parse<T: DeserializeOwned + JsonSchema>(&self) -> Result<T, ConfigErrors> {
        let path = self.keys();
        match self.document.parse(&path)? {
            Some(value) => Ok(value),
            None => self.document.absent(&path),
        }
    }

    /// Returns an error about a key below the block.
    pub fn error(&self, below: &[&str], message: impl Into<String>) -> ConfigError {
        let mut path = self.keys();
        path.extend(below);
        self.document.error(&path, message)
    }

    /// Returns an error about a place in a text below the block, for example an embedded file.
    ///
    /// In a block scalar (`key: |`) its place is that of the line in the file. Otherwise it is that
    /// of the key, and the message names the line of the text.
    pub fn error_in_text(&self, below: &[&str], inside: Location, message: &str) -> ConfigError {
        let mut path = self.keys();
        path.extend(below);
        self.document.error_in_text(&path, inside, message)
    }

    /// Returns an error about a key below the block itself, not about its value.
    pub fn key_error(&self, below: &[&str], message: impl Into<String>) -> ConfigError {
        let mut path = self.keys();
        path.extend(below);
        self.document.key_error(&path, message.into(), None)
    }

    /// Returns an error about the keys that name a secret. A possible secret is not shown.
    pub fn secret_error(&self, error: SecretKeyError) -> ConfigError {
        let below: Vec<&str> = error.key.iter().map(String::as_str).collect();
        let mut shown = self.error(&below, error.message);
        if error.is_secret {
            shown.excerpt = None;
        }
        shown
    }

    /// Returns the block with the defaults of its type.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse).
    pub fn effective<T: DeserializeOwned + JsonSchema + Serialize>(
        &self,
    ) -> Result<EffectiveBlock, ConfigErrors> {
        let value: T = self.parse()?;
        Ok(EffectiveBlock {
            value: serde_json::to_value(value)
                .map_err(|error| self.error(&[], error.to_string()))?,
            taken_from: BTreeMap::new(),
        })
    }

    fn keys(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }
}

/// A block in effect, with all defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveBlock {
    /// The keys with their values. `null` means not set and without a default.
    pub value: Value,
    /// Keys below the block that take the value of another key of it.
    pub taken_from: BTreeMap<Vec<String>, Vec<String>>,
}
