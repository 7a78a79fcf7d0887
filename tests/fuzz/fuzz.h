/* SPDX-License-Identifier: MIT
 *
 * tests/fuzz/fuzz.h - what every fuzzer is: bytes in, no crash, no leak, bounded time
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
