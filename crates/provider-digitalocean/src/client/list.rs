//! Reading lists that may change while they are read.

use std::collections::BTreeSet;

use stagecraft_core::Run;

use super::answer::page_number;
use super::{ATTEMPTS, Client, LIST_LIMIT, PAGE_LIMIT};
use crate::error::ApiError;
use crate::wire::{Meta, Page};

impl Client {
    /// Reads a whole list. From the link to the next page only its number is taken.
    ///
    /// Pages are cut from a list that may shift while it is read, so that an item is missed or
    /// comes twice. The list is read again if its pages give different totals, if the total does
    /// not match, if an item comes twice, or if a page but the last is another one when it is
    /// read once more: a shift moves what lies before it.
    pub(crate) async fn list<P: Page>(
        &self,
        run: &Run,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<P::Item>, ApiError> {
        for _ in 0..ATTEMPTS {
            if let Some(items) = self.list_once::<P>(run, path, query, None).await? {
                return Ok(items);
            }
            run.sleep(self.first_pause)
                .await
                .map_err(|_| ApiError::Cancelled)?;
        }
        Err(ApiError::Shifting)
    }

    /// Reads a list once, or twice if it shifts. Then it gives each item that any page had: what
    /// is there was there just now, what is not may still be there.
    pub(crate) async fn list_shown<P: Page>(
        &self,
        run: &Run,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Shown<P::Item>, ApiError> {
        let mut seen = Vec::new();
        for _ in 0..2 {
            let read = self.list_once::<P>(run, path, query, Some(&mut seen));
            if let Some(items) = read.await? {
                return Ok(Shown {
                    items,
                    is_whole: true,
                });
            }
        }
        // The latest that was read of each.
        let mut known = BTreeSet::new();
        let latest = seen.into_iter().rev();
        let items = latest.filter(|item| known.insert(P::key(item))).collect();
        Ok(Shown {
            items,
            is_whole: false,
        })
    }

    /// `None`: it shifted. All that was read of it is in `seen` then.
    async fn list_once<P: Page>(
        &self,
        run: &Run,
        path: &str,
        query: &[(&str, &str)],
        mut seen: Option<&mut Vec<P::Item>>,
    ) -> Result<Option<Vec<P::Item>>, ApiError> {
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
            pages.push(keys::<P>(&page.items));
            items.extend(page.items);
            if number == 1 {
                total = page.total;
            } else if page.total != total {
                is_shifting = true;
                // What its other pages have is of use only to who takes what shows.
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
            // A page without items that is followed by another could go on for ever.
            match page_number(&next).filter(|_| !is_empty) {
                Some(next) if next == number + 1 && next <= PAGE_LIMIT => number = next,
                _ => return Err(ApiError::BadPage(number)),
            }
        }
        let is_whole = total.is_none_or(|meta| meta.total == items.len() as u64);
        let distinct: BTreeSet<&String> = pages.iter().flatten().collect();
        is_shifting |= !is_whole || distinct.len() != items.len();
        pages.pop();
        for (number, keys_before) in (1..).zip(pages) {
            if is_shifting {
                break;
            }
            let page = self.page::<P>(run, path, query, number).await?;
            is_shifting = page.total != total || keys::<P>(&page.items) != keys_before;
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
        let (answer, length) = self.get_sized::<P>(run, path, &query).await?;
        let (items, links, total) = answer.into_parts();
        Ok(One {
            items,
            next: links.pages.and_then(|pages| pages.next),
            total,
            length,
        })
    }
}

/// What a list showed.
#[derive(Debug)]
pub(crate) struct Shown<T> {
    pub(crate) items: Vec<T>,
    /// Whether it held still, so that what is not in it is not there.
    pub(crate) is_whole: bool,
}

/// One page.
struct One<P: Page> {
    items: Vec<P::Item>,
    next: Option<String>,
    total: Option<Meta>,
    /// In bytes.
    length: usize,
}

fn keys<P: Page>(items: &[P::Item]) -> Vec<String> {
    items.iter().map(P::key).collect()
}
