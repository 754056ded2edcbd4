//! Pins of host keys: one tag per key, on the droplets that may present it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use reqwest::Method;
use stagecraft_core::{ErrorKind, Fingerprint, HostId, HostKeyPins, Result, Run};

use crate::client::Client;
use crate::error::ApiError;
use crate::provider::DigitalOcean;
use crate::tagging::{BATCH, put_tag, send_tag};
use crate::wire::TagEnvelope;

#[async_trait]
impl HostKeyPins for DigitalOcean {
    /// Two calls: a tag must exist before a droplet can have it.
    async fn pin(&self, run: &Run, host: &HostId, key: Fingerprint) -> Result<()> {
        let client = self.client(run).await?;
        put_tag(&client, run, &key.tag(), &[host]).await
    }

    /// Three calls per key, for up to 100 droplets that have it.
    async fn unpin(&self, run: &Run, pins: &[(HostId, Fingerprint)]) -> Result<()> {
        let client = self.client(run).await?;
        let mut by_key: BTreeMap<Fingerprint, Vec<&HostId>> = BTreeMap::new();
        for (host, key) in pins {
            by_key.entry(*key).or_default().push(host);
        }
        for (key, ids) in by_key {
            let tag = key.tag();
            for ids in ids.chunks(BATCH) {
                untag(&client, run, &tag, ids).await?;
            }
            drop_if_unused(&client, run, &tag).await?;
        }
        Ok(())
    }
}

/// Removes a tag from droplets. One call names all of them and fails for all if one is gone; then
/// each is tried by itself.
async fn untag(client: &Client, run: &Run, tag: &str, ids: &[&HostId]) -> Result<()> {
    let result = send_tag(client, run, Method::DELETE, tag, ids).await;
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound && ids.len() > 1 => {
            for id in ids {
                Box::pin(untag(client, run, tag, &[id])).await?;
            }
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Deletes a tag if no resource has it. Otherwise the delete would remove it from resources: hosts
/// of one create request share the tag of their first key.
async fn drop_if_unused(client: &Client, run: &Run, tag: &str) -> Result<()> {
    let path = format!("/v2/tags/{tag}");
    let count = match client.get::<TagEnvelope>(run, &path, &[]).await {
        Ok(answer) => answer.tag.resources.count,
        Err(ApiError::Refused { status: 404, .. }) => return Ok(()),
        Err(error) => return Err(error.into_error("read_tag")),
    };
    if count > 0 {
        return Ok(());
    }
    run.before_write().await?;
    let deleted = client.delete(run, &path).await;
    deleted.map_err(|error| error.into_error("delete_tag"))
}
