//! The fake API: `/v2/…` as the vendor documents and serves it.
//!
//! <https://docs.digitalocean.com/reference/api/>, with behaviour that is only known from real
//! answers: each place says so.

mod account;
mod act;
mod actions;
mod catalog;
pub(crate) mod connection;
mod create;
mod droplets;
mod error;
mod firewalls;
mod gate;
mod leftovers;
mod page;
mod projects;
mod tags;
mod vpcs;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::get;

use self::error::ApiError;
use crate::state::World;

type Shared = axum::extract::State<Arc<World>>;
type Answer<T> = Result<T, ApiError>;
type Created = (StatusCode, axum::Json<serde_json::Value>);

/// The routes of the API. Any other path is a 404, whatever the method.
pub(crate) fn routes(world: &Arc<World>) -> Router {
    Router::new()
        .route("/v2/account", get(account::show))
        .route(
            "/v2/account/keys",
            get(account::list_keys).post(account::create_key),
        )
        .route(
            "/v2/account/keys/{key}",
            get(account::get_key)
                .put(account::rename_key)
                .delete(account::delete_key),
        )
        .route("/v2/sizes", get(catalog::list_sizes))
        .route("/v2/regions", get(catalog::list_regions))
        .route("/v2/images", get(catalog::list_images))
        .route(
            "/v2/images/{key}",
            get(catalog::get_image).delete(catalog::delete_image),
        )
        .route(
            "/v2/droplets",
            get(droplets::list)
                .post(create::create)
                .delete(droplets::delete_by_tag),
        )
        .route(
            "/v2/droplets/{id}",
            get(droplets::get).delete(droplets::delete),
        )
        .route(
            "/v2/droplets/actions",
            axum::routing::post(act::on_tagged_droplets),
        )
        .route(
            "/v2/droplets/{id}/actions",
            get(actions::list_of_droplet).post(act::on_droplet),
        )
        .route(
            "/v2/droplets/{id}/actions/{action}",
            get(actions::get_of_droplet),
        )
        .route(
            "/v2/droplets/{id}/destroy_with_associated_resources",
            get(leftovers::associated),
        )
        .route(
            "/v2/droplets/{id}/backups/policy",
            get(leftovers::backup_policy),
        )
        .route("/v2/actions/{action}", get(actions::get))
        .route(
            "/v2/firewalls",
            get(firewalls::list).post(firewalls::create),
        )
        .route(
            "/v2/firewalls/{id}",
            get(firewalls::get)
                .put(firewalls::replace)
                .delete(firewalls::delete),
        )
        .route("/v2/tags", get(tags::list).post(tags::create))
        .route("/v2/tags/{tag}", get(tags::get).delete(tags::delete))
        .route(
            "/v2/tags/{tag}/resources",
            axum::routing::post(tags::tag).delete(tags::untag),
        )
        .merge(beside_droplets())
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(middleware::from_fn_with_state(
            Arc::clone(world),
            gate::pass,
        ))
        .with_state(Arc::clone(world))
}

/// The routes of droplets' placement, leftovers and attachments.
fn beside_droplets() -> Router<Arc<World>> {
    Router::new()
        .route("/v2/vpcs", get(vpcs::list).post(vpcs::create))
        .route(
            "/v2/vpcs/{id}",
            get(vpcs::get)
                .put(vpcs::rename)
                .patch(vpcs::rename)
                .delete(vpcs::delete),
        )
        .route("/v2/vpcs/{id}/members", get(vpcs::list_members))
        .route("/v2/projects", get(projects::list).post(projects::create))
        .route(
            "/v2/projects/{id}",
            get(projects::get).delete(projects::delete),
        )
        .route(
            "/v2/projects/{id}/resources",
            get(projects::list_resources).post(projects::assign),
        )
        .route("/v2/volumes", get(leftovers::list_volumes))
        .route(
            "/v2/volumes/{id}",
            get(leftovers::get_volume).delete(leftovers::delete_volume),
        )
        .route("/v2/snapshots", get(leftovers::list_snapshots))
        .route(
            "/v2/snapshots/{id}",
            get(leftovers::get_snapshot).delete(catalog::delete_image),
        )
        .route("/v2/reserved_ips", get(leftovers::list_reserved))
        .route(
            "/v2/reserved_ips/{ip}",
            get(leftovers::get_reserved).delete(leftovers::delete_reserved),
        )
}

async fn unknown() -> ApiError {
    ApiError::not_found()
}
