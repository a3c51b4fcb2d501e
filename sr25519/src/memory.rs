//! The linear memory: a request at the beginning of the heap, and behind it what an operation allocates. All of that is given
//! up at the end of the operation, so nothing needs to be freed one by one.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::cell::UnsafeCell;

const PAGE: usize = 65_536;

struct Heap {
    /// Length of the request.
    request: UnsafeCell<usize>,
    /// First free byte behind it.
    free: UnsafeCell<usize>,
}

// SAFETY: an instance of the module runs on one thread; its host makes an instance for each.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap { request: UnsafeCell::new(0), free: UnsafeCell::new(0) };

extern "C" {
    /// Where the linker says that the data of the module ends.
    static __heap_base: u8;
}

fn base() -> usize {
    core::ptr::addr_of!(__heap_base) as usize
}

/// Makes sure that memory reaches up to `end`.
fn grow_to(end: usize) -> bool {
    let there = wasm32::memory_size(0) * PAGE;
    end <= there || wasm32::memory_grow(0, (end - there).div_ceil(PAGE)) != usize::MAX
}

unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let free = &mut *self.free.get();
        let start = (*free).next_multiple_of(layout.align());
        let Some(end) = start.checked_add(layout.size()) else { return core::ptr::null_mut() };
        if !grow_to(end) {
            return core::ptr::null_mut();
        }
        *free = end;
        start as *mut u8
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

/// Room for a request. Null where there is not that much memory.
pub fn reserve(length: usize) -> *mut u8 {
    let Some(end) = base().checked_add(length) else { return core::ptr::null_mut() };
    if !grow_to(end) {
        return core::ptr::null_mut();
    }
    // SAFETY: between two operations nothing of the heap is in use.
    unsafe {
        *HEAP.request.get() = length;
        *HEAP.free.get() = end;
    }
    base() as *mut u8
}

pub fn request() -> &'static [u8] {
    // SAFETY: `reserve` made sure that this much memory is there; it is written to by the host before, and by `finish` after
    // the operation.
    unsafe { core::slice::from_raw_parts(base() as *const u8, *HEAP.request.get()) }
}

/// Writes the answer, which the operation allocated, over the request, and zeros over all behind it.
pub fn finish(answer: &[u8]) {
    // SAFETY: as above; the answer may overlap with where it goes, and nothing else is in use any more.
    unsafe {
        let length = answer.len().min(*HEAP.free.get() - base());
        core::ptr::copy(answer.as_ptr(), base() as *mut u8, length);
        core::ptr::write_bytes((base() + length) as *mut u8, 0, *HEAP.free.get() - base() - length);
        *HEAP.request.get() = 0;
        *HEAP.free.get() = base();
    }
}
