//! Adds tags to droplets and removes them.

use reqwest::Method;
use stagecraft_core::{HostId, Result, Run};

use crate::client::Client;
use crate::wire::{NamedTag, NewTag, Tagged, TaggedResource};

/// Most droplets in one call.
pub(crate) const BATCH: usize = 100;

/// Puts a tag on droplets and creates it if it is missing.
pub(crate) async fn put_tag(client: &Client, run: &Run, tag: &str, ids: &[&HostId]) -> Result<()> {
    run.before_write().await?;
    let made = client
        .dated::<NamedTag>(run, Method::POST, "/v2/tags", Some(&NewTag { name: tag }))
        .await
        .map_err(|error| error.into_error("make_tag"))?;
    // The answer has the account's spelling; a tag is found only by it.
    send_tag(client, run, Method::POST, &made.body.tag.name, ids).await
}

/// Adds a tag, in the account's spelling, to droplets or removes it.
pub(crate) async fn send_tag(
    client: &Client,
    run: &Run,
    method: Method,
    tag: &str,
    ids: &[&HostId],
) -> Result<()> {
    run.before_write().await?;
    let resources = ids.iter().map(|id| TaggedResource {
        resource_id: id.as_str(),
        resource_type: "droplet",
    });
    let body = Tagged {
        resources: resources.collect(),
    };
    let path = format!("/v2/tags/{tag}/resources");
    client
        .write(run, method, &path, &body)
        .await
        .map_err(|error| error.into_error("change_tags"))
}
