//! `Phi<T>`: a value that is, or may hold, protected health information.

use std::fmt;

/// Wraps patient data so that it cannot be printed, logged or serialised by accident.
/// [`Phi::expose`] is the one way in, and easy to search for.
#[derive(Clone, PartialEq, Eq)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    pub const fn expose(&self) -> &T {
        &self.0
    }

    pub fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }

    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phi]")
    }
}

impl<T: Default> Default for Phi<T> {
    fn default() -> Self {
        Self(T::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_redacted() {
        assert_eq!(format!("{:?}", Some(Phi::new("Jane Doe"))), "Some([phi])");
    }
}
