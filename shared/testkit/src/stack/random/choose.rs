//! Choices from numbers.

/// Takes one number a choice; when there is none left, the plainest choice.
pub(super) struct Choose<'a> {
    numbers: std::slice::Iter<'a, u16>,
}

impl<'a> Choose<'a> {
    pub(super) fn new(numbers: &'a [u16]) -> Self {
        Self { numbers: numbers.iter() }
    }

    /// A number below another one.
    pub(super) fn below(&mut self, most: usize) -> usize {
        usize::from(self.numbers.next().copied().unwrap_or(0)) % most
    }

    /// One of these.
    pub(super) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}
