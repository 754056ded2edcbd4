//! Decoding that inserts variables and continues after an error to find more.
//!
//! A decoder stops at its first error. So the text is decoded again without the faulty entry,
//! until no new error is found.

mod key;
mod traced;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

pub(super) use self::traced::Traced;
use super::variables::{interpolate, names};
use crate::run::Lookup;

/// The deepest nesting of mappings and lists.
const DEPTH_LIMIT: usize = 32;
/// The most values in a file. Each use of an alias counts.
const VALUE_LIMIT: usize = 100_000;
/// The most bytes of text in a file, counted in the same way.
const TEXT_LIMIT: usize = 8 * 1024 * 1024;

/// One decoding: what it inserts and skips, and where it failed.
pub(super) struct Trace<'a> {
    /// `None` leaves variables as written.
    variables: Option<&'a dyn Lookup>,
    skipped: &'a BTreeSet<Place>,
    path: RefCell<Vec<Step>>,
    failed: RefCell<Option<Failed>>,
    values: Cell<usize>,
    bytes: Cell<usize>,
    is_over_limit: Cell<bool>,
    interpolated: RefCell<Vec<String>>,
    /// Whether the value being read is decoded once more where it is merged.
    is_merging: Cell<bool>,
}

/// The index of the entry in each mapping and list, from the root. Names would not distinguish
/// two equal keys.
pub(super) type Place = Vec<usize>;

#[derive(Debug, Clone)]
struct Step {
    number: usize,
    name: String,
}

/// Where a decoding failed.
#[derive(Debug, Clone, Default)]
pub(super) struct Failed {
    pub(super) place: Place,
    /// The keys that lead there.
    pub(super) names: Vec<String>,
    /// Whether the key itself was refused, not its value.
    pub(super) is_at_key: bool,
    /// The variables whose values were part of the refused value.
    pub(super) variables: Vec<String>,
    /// Whether the file is too large or too deep to be decoded again.
    pub(super) is_over_limit: bool,
}

impl<'a> Trace<'a> {
    pub(super) fn new(variables: Option<&'a dyn Lookup>, skipped: &'a BTreeSet<Place>) -> Self {
        Self {
            variables,
            skipped,
            path: RefCell::default(),
            failed: RefCell::default(),
            values: Cell::default(),
            bytes: Cell::default(),
            is_over_limit: Cell::default(),
            interpolated: RefCell::default(),
            is_merging: Cell::default(),
        }
    }

    /// Wraps a decoder, so that everything it decodes passes through this trace.
    pub(super) fn wrap<D>(&self, inner: D) -> Traced<'_, D> {
        Traced {
            inner,
            trace: self,
            is_typed: false,
        }
    }

    /// Returns where it failed; the root if no place below it is known.
    pub(super) fn into_failed(self) -> Failed {
        let failed = self.failed.into_inner().unwrap_or_default();
        Failed {
            is_over_limit: self.is_over_limit.get(),
            ..failed
        }
    }

    /// Whether the current value is directly under the root.
    fn is_root(&self) -> bool {
        self.path.borrow().is_empty()
    }

    fn is_skipped(&self, number: usize) -> bool {
        if self.skipped.is_empty() || self.is_merging.get() {
            return false;
        }
        let mut place: Place = self.path.borrow().iter().map(|step| step.number).collect();
        place.push(number);
        self.skipped.contains(&place)
    }

    /// Records the innermost failure; the outer ones are its consequences.
    fn fail(&self, step: Step, is_at_key: bool) {
        let mut failed = self.failed.borrow_mut();
        if failed.is_none() {
            let mut path = self.path.borrow().clone();
            path.push(step);
            *failed = Some(Failed {
                place: path.iter().map(|step| step.number).collect(),
                names: path.into_iter().map(|step| step.name).collect(),
                is_at_key,
                variables: if is_at_key {
                    Vec::new()
                } else {
                    self.interpolated.borrow().clone()
                },
                is_over_limit: false,
            });
        }
    }

    fn within<T, E>(&self, step: Step, decode: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.path.borrow_mut().push(step);
        self.interpolated.borrow_mut().clear();
        let result = decode();
        let step = self.path.borrow_mut().pop();
        if let (Err(_), Some(step)) = (&result, step) {
            self.fail(step, false);
        }
        result
    }

    /// Like [`within`](Self::within), for the value of `<<`. Its variables stay as written until
    /// it is decoded where it is merged.
    fn within_merge<T, E>(
        &self,
        step: Step,
        decode: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let outer = self.is_merging.replace(true);
        let result = self.within(step, decode);
        self.is_merging.set(outer);
        result
    }

    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > VALUE_LIMIT {
            self.is_over_limit.set(true);
            return Err(E::custom(
                "more than 100000 values, each counted as often as an alias stands for it",
            ));
        }
        Ok(())
    }

    fn descend<E: serde::de::Error>(&self) -> Result<(), E> {
        self.count()?;
        if self.path.borrow().len() >= DEPTH_LIMIT {
            self.is_over_limit.set(true);
            return Err(E::custom("nested deeper than 32 levels"));
        }
        Ok(())
    }

    fn interpolate<E: serde::de::Error>(&self, text: &str) -> Result<Option<String>, E> {
        let value = match self.variables {
            Some(variables) if !self.is_merging.get() => {
                interpolate(text, variables).map_err(E::custom)?
            }
            _ => None,
        };
        let length = value.as_deref().unwrap_or(text).len();
        self.bytes.set(self.bytes.get() + length);
        if self.bytes.get() > TEXT_LIMIT {
            self.is_over_limit.set(true);
            return Err(E::custom(
                "more than 8 MiB of text, each counted as often as an alias stands for it",
            ));
        }
        if value.is_some() {
            let mut interpolated = self.interpolated.borrow_mut();
            interpolated.extend(names(text).into_iter().map(str::to_owned));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests;
