// SPDX-License-Identifier: Apache-2.0
// cmocka, which wants its prerequisites in this order.
#pragma once

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
