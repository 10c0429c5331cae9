// The largest of many numbers, by vectors of TERCET_VECTOR_BYTES, which each translation unit sets for its instruction
// set before it includes this. Wider ones than AVX2's gain nothing: the values come from memory.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace tercet {

using LargestFunction = int64_t (*)(const float *values, size_t count);

int64_t largest_baseline(const float *values, size_t count);
int64_t largest_avx2(const float *values, size_t count);

#ifdef TERCET_VECTOR_BYTES

namespace {

struct Largest {
  static constexpr size_t bytes = TERCET_VECTOR_BYTES;
  static constexpr size_t lanes = bytes / sizeof(float);
  typedef float Floats __attribute__((vector_size(bytes)));
  typedef int32_t Truths __attribute__((vector_size(bytes)));

  // Vectors that are compared side by side, so that none waits for the one before it.
  static constexpr size_t chains = 4;
  static constexpr size_t block_values = 1024;

  // The largest of a whole block, and whether something in it is no number.
  static float of_block(const float *values, bool *out_unordered) {
    Floats most[chains];
    Truths unordered = {};
    for (size_t chain = 0; chain < chains; chain++) std::memcpy(&most[chain], values + chain * lanes, bytes);
    for (size_t at = 0; at < block_values; at += chains * lanes) {
      for (size_t chain = 0; chain < chains; chain++) {
        Floats next;
        std::memcpy(&next, values + at + chain * lanes, bytes);
        most[chain] = next > most[chain] ? next : most[chain];
        unordered |= next != next;
      }
    }
    float result = -std::numeric_limits<float>::infinity();
    int32_t any = 0;
    for (size_t lane = 0; lane < lanes; lane++) {
      any |= unordered[lane];
      for (const Floats &each : most) result = each[lane] > result ? each[lane] : result;
    }
    *out_unordered = any != 0;
    return result;
  }

  static int64_t index_of(const float *values, size_t count) {
    float most = -std::numeric_limits<float>::infinity();
    size_t from = 0;
    size_t at = 0;
    for (; at + block_values <= count; at += block_values) {
      bool unordered;
      const float largest = of_block(values + at, &unordered);
      if (unordered) return -1;
      if (largest <= most) continue;
      most = largest;
      from = at;
    }
    for (; at < count; at++) {
      if (std::isnan(values[at])) return -1;
      if (values[at] <= most) continue;
      most = values[at];
      from = at;
    }
    if (std::isinf(most)) return -1;
    while (values[from] != most) from++;
    return static_cast<int64_t>(from);
  }
};

}  // namespace

#endif

}  // namespace tercet
