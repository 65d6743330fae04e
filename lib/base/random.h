// SPDX-License-Identifier: Apache-2.0
// Pseudo-random numbers per thread (not for secrets), seedable so that a test can be repeated.
// Thread: any; each has its own state, seeded from the kernel at first use.
#pragma once

#include "lib/base/compiler.h"

void random_seed(uint64_t seed); // the calling thread's state
uint32_t random_u32(void);
uint64_t random_u64(void);
uint32_t random_below(uint32_t n); // 0 … n-1, unbiased; 0 for n == 0
void random_fill(void *dst, size_t n);
// From getrandom(2): for identifiers that must not repeat between processes.
void random_secure(void *dst, size_t n);
