//! The memory that the events of a batch are written to: the caller's as long as they fit, then memory of its own.
#![allow(unsafe_code)] // what is lent for a batch has no lifetime here, or everything that tells events would need one

use std::mem::MaybeUninit;
use std::ptr;

/// Words that can be kept free.
const KEPT: usize = 6;

pub struct Page {
    start: *mut u64,
    /// Where the next word goes. All words before it were written.
    next: *mut u64,
    /// The words that were kept free last, if any.
    kept: *mut [u64; KEPT],
    /// Behind the last word that there is room for.
    end: *mut u64,
    /// Where the words are when they did not fit.
    own: Vec<u64>,
}

// SAFETY: nobody else uses the memory meanwhile, so it may be written from any thread, like a slice.
unsafe impl Send for Page {}
// SAFETY: shared, it can only be read.
unsafe impl Sync for Page {}

impl Default for Page {
    fn default() -> Self {
        let start = ptr::dangling_mut();
        Page { start, next: start, kept: ptr::null_mut(), end: start, own: Vec::new() }
    }
}

impl Page {
    /// Begins anew in `memory`.
    ///
    /// # Safety
    /// Nobody else uses the memory before `finish`, or before the next `begin`.
    pub unsafe fn begin(&mut self, memory: &mut [MaybeUninit<u64>]) {
        let room = memory.as_mut_ptr_range();
        let start = room.start.cast();
        *self = Page { start, next: start, end: room.end.cast(), ..Page::default() };
    }

    /// Gives the memory back, and all words: in memory of the page's own, if they did not fit.
    pub fn finish(&mut self) -> &[u64] {
        let (start, words) = (self.start, self.bytes() / size_of::<u64>());
        let own = std::mem::take(&mut self.own);
        *self = Page { own, ..Page::default() };
        // SAFETY: so many were written.
        unsafe { std::slice::from_raw_parts(start, words) }
    }

    /// How many bytes were written.
    #[inline(always)]
    pub fn bytes(&self) -> usize {
        (self.next as usize).wrapping_sub(self.start as usize)
    }

    /// The words behind the first `bytes`.
    pub fn written(&self, bytes: usize) -> &[u64] {
        let words = (self.bytes() - bytes) / size_of::<u64>();
        // SAFETY: they end where the written ones end.
        unsafe { std::slice::from_raw_parts(self.next.sub(words), words) }
    }

    #[inline(always)]
    pub fn put<const N: usize>(&mut self, words: [u64; N]) {
        let mut after = self.next.wrapping_add(N);
        if after > self.end {
            self.move_out(N);
            after = self.next.wrapping_add(N);
        }
        // SAFETY: there is room for them.
        unsafe { self.next.cast::<[u64; N]>().write(words) }
        self.next = after;
    }

    /// Keeps the next words free, to be filled later.
    #[inline(always)]
    pub fn keep_free(&mut self) {
        self.put([0; KEPT]);
        self.kept = self.next.wrapping_sub(KEPT).cast();
    }

    /// Fills the words that were kept free last.
    #[inline(always)]
    pub fn fill(&mut self, words: [u64; KEPT]) {
        assert!(!self.kept.is_null());
        // SAFETY: they are among those that were written.
        unsafe { self.kept.write(words) }
    }

    /// How many bytes were written behind the words that were kept free.
    #[inline(always)]
    pub fn bytes_behind_kept(&self) -> usize {
        (self.next as usize).wrapping_sub(self.kept as usize).wrapping_sub(size_of::<[u64; KEPT]>())
    }

    /// Goes on in memory of its own, with room for at least `more` words.
    #[cold]
    fn move_out(&mut self, more: usize) {
        let behind_kept = (!self.kept.is_null()).then(|| self.bytes_behind_kept());
        let mut own = Vec::with_capacity(2 * (self.written(0).len() + more));
        own.extend_from_slice(self.written(0));
        // From here on the vector only keeps its memory, which is written through `next`.
        self.start = own.as_mut_ptr();
        self.next = own.as_mut_ptr_range().end;
        self.end = self.start.wrapping_add(own.capacity());
        if let Some(behind) = behind_kept {
            self.kept = self.next.wrapping_byte_sub(behind).cast::<[u64; KEPT]>().wrapping_sub(1);
        }
        self.own = own;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_into(room: usize) -> Vec<u64> {
        let (mut memory, mut page) = (vec![MaybeUninit::uninit(); room], Page::default());
        // SAFETY: the memory is used by the page alone.
        unsafe { page.begin(&mut memory) };
        page.put([1, 2]);
        page.keep_free();
        for word in 0..96 {
            page.put([word, word + 1]);
        }
        assert_eq!((page.bytes(), page.bytes_behind_kept(), page.written(1_584)), (1_600, 1_536, &[95, 96][..]));
        page.fill([7; KEPT]);
        page.finish().to_vec()
    }

    #[test]
    fn holds_what_was_written_whatever_room_it_was_lent() {
        let whole = write_into(200);
        assert_eq!((whole.len(), &whole[..11]), (200, &[1, 2, 7, 7, 7, 7, 7, 7, 0, 1, 1][..]));
        for room in [0, 1, 2, 7, 8, 9, 150, 199, 1_000] {
            assert_eq!(write_into(room), whole);
        }
        let mut page = Page::default();
        page.put([5]);
        assert_eq!(page.finish(), [5]);
    }
}
