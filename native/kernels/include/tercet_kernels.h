// Native kernels of tercet over bulk memory: plain C, no state, no allocation. Sizes are in elements; memory belongs to
// the caller.
// Functions that cannot fail return their result; all others return a status (0 = well).
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define TERCET_API __declspec(dllexport)
#else
#define TERCET_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Grows when a signature changes; the caller refuses a library with another number.
#define TERCET_KERNELS_ABI 3
TERCET_API int32_t tercet_kernels_abi(void);

// Instruction set that the running CPU is served with: "avx512", "pclmul", "armcrc" or "scalar".
TERCET_API const char *tercet_kernels_variant(void);

// CRC-32 (IEEE 802.3, reflected, as zlib) continuing from `seed`, the checksum of what came before (0 at the start).
TERCET_API uint32_t tercet_crc32(const uint8_t *bytes, size_t count, uint32_t seed);
TERCET_API uint32_t tercet_crc32_scalar(const uint8_t *bytes, size_t count, uint32_t seed);

// Copies `count` bytes and returns the CRC-32 of what was copied; the source is read once, so that a writer in another
// process cannot come between sum and copy. The two must not overlap.
TERCET_API uint32_t tercet_copy_crc32(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed);
TERCET_API uint32_t tercet_copy_crc32_scalar(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed);

// Index of the largest of `count` values, the lowest of equal ones; -1 where a value is no number, the largest is not
// finite, or there is none.
TERCET_API int64_t tercet_largest_f32(const float *values, size_t count);

#ifdef __cplusplus
}
#endif
