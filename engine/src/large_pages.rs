//! Memory in large pages for what is large.
//!
//! Books and balances of a large exchange are gigabytes that commands touch here and there. In pages of 4 KiB nearly
//! every touch would also look for its page in main memory, so blocks from `LARGE` on are mapped on their own, aligned
//! to large pages, and the system is asked for those. Growing one moves its pages and copies nothing.
#![allow(unsafe_code)] // an allocator hands out raw memory

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;

/// Of one large page.
const PAGE: usize = 2 << 20;
/// Smaller blocks would waste too much of their last page.
const LARGE: usize = 2 * PAGE;

pub struct LargePages;

fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE
}

/// What a block of `size` bytes maps; whole pages, so that they can move as they are.
fn mapped(size: usize) -> usize {
    size.next_multiple_of(PAGE)
}

// SAFETY: small blocks are the system allocator's; a large one is a mapping of its own, of `mapped` bytes, aligned to
// `PAGE`, which is more than any layout asks for. Which of the two it is follows from the layout's size alone.
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            map(layout.size())
        } else {
            System.alloc(layout)
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            map(layout.size()) // new pages are zero
        } else {
            System.alloc_zeroed(layout)
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_large(layout) {
            libc::munmap(block.cast(), mapped(layout.size()));
        } else {
            System.dealloc(block, layout);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let new = Layout::from_size_align_unchecked(size, layout.align());
        match (is_large(layout), is_large(new)) {
            (true, true) => resize(block, layout.size(), size),
            (false, false) => System.realloc(block, layout, size),
            _ => {
                let moved = self.alloc(new);
                if !moved.is_null() {
                    moved.copy_from_nonoverlapping(block, size.min(layout.size()));
                    self.dealloc(block, layout);
                }
                moved
            }
        }
    }
}

/// A new block, or null.
unsafe fn map(size: usize) -> *mut u8 {
    let block = reserve(size);
    if !block.is_null() {
        // Where there are no large pages, small ones do.
        libc::madvise(block.cast(), mapped(size), libc::MADV_HUGEPAGE);
    }
    block
}

/// Addresses for a block, aligned to `PAGE`, or null.
unsafe fn reserve(size: usize) -> *mut u8 {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let length = mapped(size) + PAGE;
    let found = libc::mmap(null_mut(), length, access, kind, -1, 0);
    if found == libc::MAP_FAILED {
        return null_mut();
    }
    let before = found.align_offset(PAGE);
    let block = found.byte_add(before);
    if before > 0 {
        libc::munmap(found, before);
    }
    libc::munmap(block.byte_add(mapped(size)), PAGE - before);
    block.cast()
}

/// The same block with another size, at another place if there is no room behind it; or null, and nothing has changed.
unsafe fn resize(block: *mut u8, old: usize, new: usize) -> *mut u8 {
    let (from, to) = (mapped(old), mapped(new));
    if from == to || libc::mremap(block.cast(), from, to, 0) != libc::MAP_FAILED {
        return block;
    }
    let place = reserve(new);
    if place.is_null() {
        return null_mut();
    }
    let moved = libc::mremap(block.cast(), from, to, libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED, place);
    if moved == libc::MAP_FAILED {
        libc::munmap(place.cast(), to);
        return null_mut();
    }
    moved.cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_keeps_what_it_holds_while_it_grows_and_shrinks() {
        let layout = |size| Layout::from_size_align(size, 8).unwrap();
        let sizes = [100, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE, 9 * LARGE, 2 * LARGE, LARGE, 50];
        // SAFETY: one block, of the size that was asked for last, is written within it and freed once.
        unsafe {
            let (mut block, mut size) = (LargePages.alloc_zeroed(layout(sizes[0])), sizes[0]);
            for (round, next) in sizes.into_iter().enumerate() {
                block = LargePages.realloc(block, layout(size), next);
                size = next;
                assert!(size < LARGE || block.align_offset(PAGE) == 0);
                assert_eq!(*block.add(40), round as u8);
                *block.add(40) += 1;
                block.add(size - 1).write(7);
            }
            LargePages.dealloc(block, layout(size));
            let zeros = LargePages.alloc_zeroed(layout(2 * LARGE));
            assert_eq!((*zeros, *zeros.add(2 * LARGE - 1)), (0, 0));
            LargePages.dealloc(zeros, layout(2 * LARGE));
        }
    }
}
