//! Reads lists that may change during reading.

use std::collections::BTreeSet;

use stagecraft_core::{Run, shorten};

use super::answer::page_number;
use super::{Client, LIST_LIMIT, PAGE_LIMIT};
use crate::error::ApiError;
use crate::retry::ATTEMPTS;
use crate::wire::{Concern, Decoded, Element, Listed, Page, Strange, decode_page};

impl Client {
    /// Reads a whole list. Of the link to the next page only the page number is used.
    ///
    /// An element that cannot be decoded is an error if `concern` includes it, and is ignored
    /// otherwise.
    ///
    /// The list may shift between pages, so that an item is missed or comes twice. The list is read
    /// again if its pages give different totals, if the total does not match, if an item comes
    /// twice, or if any page but the last differs when read once more: a shift moves what lies
    /// before it.
    pub(crate) async fn list<P: Page>(
        &self,
        run: &Run,
        path: &str,
        query: &[(&str, &str)],
        concern: Concern<'_>,
    ) -> Result<Vec<P::Item>, ApiError> {
        let (items, _) = self.list_or_not::<P>(run, path, query, concern).await?;
        Ok(items)
    }

    /// Like [`list`](Self::list), and returns whether every element could be decoded.
    pub(crate) async fn list_or_not<P: Page>(
        &self,
        run: &Run,
        path: &str,
        query: &[(&str, &str)],
        concern: Concern<'_>,
    ) -> Result<(Vec<P::Item>, bool), ApiError> {
        for _ in 0..ATTEMPTS {
            if let Some(items) = self.list_once::<P>(run, path, query, None).await? {
                let all = items.len();
                let items = self.known(path, items, concern)?;
                let is_every = items.len() == all;
                return Ok((items, is_every));
            }
            run.sleep(self.first_pause)
                .await
                .map_err(|_| ApiError::Cancelled)?;
        }
        Err(ApiError::Shifting)
    }

    /// Reads a list once, or twice if it shifts, and returns each item of any page. A returned item
    /// existed just now; a missing one may still exist. `concern` as in [`list`](Self::list).
    pub(crate) async fn list_shown<P: Page>(
        &self,
        run: &Run,
        path: &str,
        query: &[(&str, &str)],
        concern: Concern<'_>,
    ) -> Result<Shown<P::Item>, ApiError> {
        let mut seen = Vec::new();
        for _ in 0..2 {
            let read = self.list_once::<P>(run, path, query, Some(&mut seen));
            if let Some(items) = read.await? {
                return Ok(Shown {
                    items: self.known(path, items, concern)?,
                    is_whole: true,
                });
            }
        }
        // The latest version of each item.
        let mut known = BTreeSet::new();
        let latest = seen.into_iter().rev();
        let latest = latest.filter(|item| known.insert(item.key())).collect();
        Ok(Shown {
            items: self.known(path, latest, concern)?,
            is_whole: false,
        })
    }

    /// The decoded elements, if none of the others matters.
    fn known<T>(
        &self,
        path: &str,
        items: Vec<Listed<T>>,
        concern: Concern<'_>,
    ) -> Result<Vec<T>, ApiError> {
        let mut known = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Listed::Known(item) => known.push(item),
                Listed::Strange(strange) if concern.includes(&strange) => {
                    return Err(ApiError::Strange(self.describe(&strange)));
                }
                Listed::Strange(strange) => {
                    tracing::warn!(path, element = %self.describe(&strange), "ignoring what cannot be decoded");
                }
            }
        }
        Ok(known)
    }

    fn describe(&self, strange: &Strange) -> String {
        shorten(&self.without_token(&strange.to_string()), 500)
    }

    /// Reads a list once. Returns `None` if it shifted; `seen` then holds everything read.
    async fn list_once<P: Page>(
        &self,
        run: &Run,
        path: &str,
        query: &[(&str, &str)],
        mut seen: Option<&mut Vec<Listed<P::Item>>>,
    ) -> Result<Option<Vec<Listed<P::Item>>>, ApiError> {
        let mut is_shifting = false;
        let mut items = Vec::new();
        let mut pages = Vec::new();
        let mut total = None;
        let mut read = 0;
        let mut number = 1;
        loop {
            let page = self.page::<P>(run, path, query, number).await?;
            read += page.length;
            let is_empty = page.items.is_empty();
            pages.push(keys(&page.items));
            items.extend(page.items);
            if number == 1 {
                total = page.total;
            } else if page.total != total {
                is_shifting = true;
                // Only callers that accept a shifted list need the other pages.
                if seen.is_none() {
                    return Ok(None);
                }
            }
            let Some(next) = page.next else {
                break;
            };
            if read > LIST_LIMIT {
                return Err(ApiError::TooLong);
            }
            // An empty page with a successor could continue forever.
            match page_number(&next).filter(|_| !is_empty) {
                Some(next) if next == number + 1 && next <= PAGE_LIMIT => number = next,
                _ => return Err(ApiError::BadPage(number)),
            }
        }
        let is_whole = total.is_none_or(|total| total == items.len() as u64);
        let distinct: BTreeSet<&String> = pages.iter().flatten().collect();
        is_shifting |= !is_whole || distinct.len() != items.len();
        pages.pop();
        for (number, keys_before) in (1..).zip(pages) {
            if is_shifting {
                break;
            }
            let page = self.page::<P>(run, path, query, number).await?;
            is_shifting = page.total != total || keys(&page.items) != keys_before;
            if let Some(seen) = seen.as_mut().filter(|_| is_shifting) {
                seen.extend(page.items);
            }
        }
        if !is_shifting {
            return Ok(Some(items));
        }
        if let Some(seen) = seen {
            seen.extend(items);
        }
        Ok(None)
    }

    async fn page<P: Page>(
        &self,
        run: &Run,
        path: &str,
        query: &[(&str, &str)],
        number: u32,
    ) -> Result<One<P>, ApiError> {
        let number = number.to_string();
        let mut query = query.to_vec();
        query.extend([("per_page", "200"), ("page", number.as_str())]);
        let (page, length) = self.get_sized(run, path, &query, decode_page::<P>).await?;
        let Decoded {
            items,
            links,
            total,
        } = page;
        Ok(One {
            items,
            next: links.pages.and_then(|pages| pages.next),
            total: total.and_then(|meta| meta.total),
            length,
        })
    }
}

/// The items that a list showed.
#[derive(Debug)]
pub(crate) struct Shown<T> {
    pub(crate) items: Vec<T>,
    /// Whether the list did not shift, so that a missing item does not exist.
    pub(crate) is_whole: bool,
}

/// One page.
struct One<P: Page> {
    items: Vec<Listed<P::Item>>,
    next: Option<String>,
    total: Option<u64>,
    /// In bytes.
    length: usize,
}

fn keys<T: Element>(items: &[Listed<T>]) -> Vec<String> {
    items.iter().map(Listed::key).collect()
}
