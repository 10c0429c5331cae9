// The largest of many numbers. The inner loop has no branch and sixteen independent lanes, which every compiler turns
// into the vector instructions that all CPUs of its kind have; wider ones gain nothing, the values come from memory.
#include <cmath>
#include <limits>

#include "tercet_kernels.h"

namespace {

constexpr size_t lanes = 16;
constexpr size_t block_values = 1024;
constexpr float least = -std::numeric_limits<float>::infinity();

// The largest of a whole block; NaN where a NaN stands in it.
float largest_of_block(const float *values) {
  float most[lanes];
  uint32_t unordered[lanes] = {};
  for (size_t lane = 0; lane < lanes; lane++) most[lane] = least;
  for (size_t at = 0; at < block_values; at += lanes) {
    for (size_t lane = 0; lane < lanes; lane++) {
      const float value = values[at + lane];
      most[lane] = value > most[lane] ? value : most[lane];
      unordered[lane] |= value != value ? 1u : 0u;
    }
  }
  float result = least;
  uint32_t any = 0;
  for (size_t lane = 0; lane < lanes; lane++) {
    result = most[lane] > result ? most[lane] : result;
    any |= unordered[lane];
  }
  return any != 0 ? std::numeric_limits<float>::quiet_NaN() : result;
}

}  // namespace

extern "C" int64_t tercet_largest_f32(const float *values, size_t count) {
  float most = least;
  size_t from = 0;
  size_t at = 0;
  for (; at + block_values <= count; at += block_values) {
    const float largest = largest_of_block(values + at);
    if (std::isnan(largest)) return -1;
    if (largest <= most) continue;
    most = largest;
    from = at;
  }
  int64_t found = -1;
  for (; at < count; at++) {
    if (std::isnan(values[at])) return -1;
    if (values[at] <= most) continue;
    most = values[at];
    found = static_cast<int64_t>(at);
  }
  if (std::isinf(most)) return -1;
  if (found >= 0) return found;
  while (values[from] != most) from++;
  return static_cast<int64_t>(from);
}
