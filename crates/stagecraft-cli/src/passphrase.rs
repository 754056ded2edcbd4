//! Passphrases of encrypted keys, typed on the terminal.

use std::path::Path;

use async_trait::async_trait;
use secrecy::SecretString;
use stagecraft_core::Run;
use stagecraft_ssh::AskPassphrase;

use crate::progress;

/// Prompts on the terminal, if there is one.
#[derive(Debug)]
pub(crate) struct AtTerminal;

#[async_trait]
impl AskPassphrase for AtTerminal {
    async fn ask(&self, run: &Run, key_file: &Path, is_again: bool) -> Option<SecretString> {
        let place = key_file.display();
        let question = if is_again {
            format!("That was not it. Passphrase of {place}, again:")
        } else {
            format!("Passphrase of {place}:")
        };
        progress::ask_hidden(&question, run).await
    }
}
