//! Explains a create that was refused because the stock ran out after the checks.

use stagecraft_core::{CreateEntry, Error};

use super::Apply;
use crate::availability::where_available;
use crate::error::ApiError;
use crate::facts::{list_regions, list_sizes};
use crate::wire::Concern;

/// The API's messages for an unavailable size or region.
const SOLD_OUT: [&str; 2] = [
    "Size is not available in this region",
    "Region is not available",
];

impl Apply<'_> {
    /// The error of a create. If the size is sold out, it says where it is available now.
    pub(super) async fn refused_create(&self, entry: &CreateEntry, error: ApiError) -> Error {
        let is_stock = matches!(
            &error,
            ApiError::Refused { status: 422, message, .. }
                if SOLD_OUT.iter().any(|words| message.contains(words))
        );
        let error = error.into_error("create_hosts");
        if !is_stock {
            return error;
        }
        // Read again: the plan's data is out of date.
        let (sizes, regions) = tokio::join!(
            list_sizes(self.client, self.run, Concern::Nobody),
            list_regions(self.client, self.run, Concern::Nobody)
        );
        let Ok(mut sizes) = sizes else {
            return error;
        };
        let mut regions = regions.ok();
        let (size, region) = (&entry.spec.size, &entry.spec.region);
        // The lists may not reflect the refusal yet.
        if let Some(offer) = sizes.get_mut(size) {
            offer.regions.retain(|other| other != region);
        }
        if let Some(regions) = &mut regions {
            regions.remove(region);
        }
        let found = where_available(&sizes, regions.as_ref(), size);
        error.with_hint(format!("size `{size}` in region `{region}`: {found}"))
    }
}
