#include "graph_codes.h"

#include <cmath>
#include <cstring>

namespace tercet {
namespace {

uint16_t to_half(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const uint32_t sign = bits >> 16 & 0x8000;
  bits &= 0x7fffffff;
  if (bits >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00);  // rounds beyond 65504
  if (bits < 0x38800000u) {  // subnormal: the sum with 0.5 rounds at the right bit
    float small;
    std::memcpy(&small, &bits, 4);
    small += 0.5f;
    std::memcpy(&bits, &small, 4);
    return static_cast<uint16_t>(sign | (bits - 0x3f000000u));
  }
  bits += 0xfff + (bits >> 13 & 1);
  return static_cast<uint16_t>(sign | (bits - 0x38000000u) >> 13);
}

float from_half(uint16_t half) {
  const uint32_t exponent = half >> 10 & 31;
  const uint32_t fraction = half & 0x3ff;
  const float size = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                   : std::ldexp(static_cast<float>(fraction | 0x400), static_cast<int>(exponent) - 25);
  return (half & 0x8000) != 0 ? -size : size;
}

size_t half_block(size_t count, size_t at) { return count - at >= 128 ? 64 : 32; }

void pack_u4(const uint8_t *codes, size_t count, uint8_t *out) {
  for (size_t at = 0; at < count;) {
    const size_t half = half_block(count, at);
    for (size_t i = 0; i < half; i++) {
      out[at / 2 + i] = static_cast<uint8_t>(codes[at + i] | codes[at + half + i] << 4);
    }
    at += 2 * half;
  }
}

uint32_t code_u4(const uint8_t *codes, size_t count, size_t i) {
  const size_t at = i / 128 * 128;
  const size_t half = half_block(count, at);
  const uint8_t byte = codes[at / 2 + (i - at) % half];
  return i - at >= half ? byte >> 4 : byte & 15;
}

uint32_t code_u2(const uint8_t *codes, size_t i) { return codes[i / 64 * 16 + i % 16] >> (i % 64 / 16 * 2) & 3; }

/** Codes of 6 bits are their upper four and then their lower two. `codes` is left with what was written last. */
void put(uint8_t *row, uint8_t *codes, size_t count, uint64_t bits) {
  if (bits == 8) {
    std::memcpy(row, codes, count);
    return;
  }
  if (bits == 6) {
    uint8_t *lower = row + count / 2;
    std::memset(lower, 0, count / 4);
    for (size_t i = 0; i < count; i++) {
      lower[i / 64 * 16 + i % 16] |= static_cast<uint8_t>((codes[i] & 3) << (i % 64 / 16 * 2));
      codes[i] >>= 2;
    }
  }
  pack_u4(codes, count, row);
}

uint32_t get(const uint8_t *row, size_t count, uint64_t bits, size_t i) {
  if (bits == 8) return row[i];
  return bits == 6 ? code_u4(row, count, i) * 4 + code_u2(row + count / 2, i) : code_u4(row, count, i);
}

/**
 * One grid for each vector, from its least to its greatest component; the first level has the leading bits of a code,
 * the second the others. See Aguerrebere et al. 2023, arXiv:2304.04759, without the mean that is subtracted there.
 */
void encode_lvq(const tercet_graph &graph, uint32_t slot, const float *values) {
  const size_t count = padded(graph.dim);
  float least = values[0], most = values[0];
  for (size_t i = 1; i < graph.dim; i++) {
    least = values[i] < least ? values[i] : least;
    most = values[i] > most ? values[i] : most;
  }
  const uint64_t bits = graph.code_bits + graph.rest_bits;
  const double levels = static_cast<double>((1u << bits) - 1);
  const float scale = static_cast<float>((static_cast<double>(most) - least) / levels);
  const double inverse = scale == 0 ? 0 : 1 / static_cast<double>(scale);
  const uint64_t drop = bits > 8 ? bits - 8 : 0;
  uint8_t first[8192], rest[8192];
  uint32_t sum = 0;
  double squares = 0;
  for (size_t i = 0; i < count; i++) {
    if (i >= graph.dim) {
      first[i] = rest[i] = 0;
      continue;
    }
    double level = (static_cast<double>(values[i]) - least) * inverse + 0.5;
    const uint32_t code = static_cast<uint32_t>(level > levels ? levels : level);
    level = code;
    first[i] = static_cast<uint8_t>(code >> graph.rest_bits);
    rest[i] = static_cast<uint8_t>(code & ((1u << graph.rest_bits) - 1));
    sum += code >> drop;
    const double value = least + static_cast<double>(scale) * level;
    squares += value * value;
  }
  const double cells = static_cast<double>(1u << graph.rest_bits);
  RowHead head;
  head.scale = static_cast<float>(scale * cells);
  head.low = static_cast<float>(least + scale * ((cells - 1) / 2));
  head.bias = graph.metric == TERCET_L2 ? static_cast<float>(squares) : 0;
  head.sum = sum;
  uint8_t *row = graph.codes + graph.code_stride * slot;
  put(row + sizeof head, first, count, graph.code_bits);
  if (graph.rest_bits != 0) put(graph.rests + graph.rest_stride * slot, rest, count, graph.rest_bits);
  std::memcpy(row, &head, sizeof head);
}

}  // namespace

Query prepare(const tercet_graph &graph, const float *vector, const QueryRoom &room) {
  const size_t count = padded(graph.dim);
  double squares = 0;
  for (size_t i = 0; i < graph.dim; i++) squares += static_cast<double>(vector[i]) * vector[i];
  const double shrink = graph.metric == TERCET_COSINE ? 1 / std::sqrt(squares) : 1;
  double sum = 0;
  float most = 0;
  for (size_t i = 0; i < count; i++) {
    const float value = i < graph.dim ? static_cast<float>(vector[i] * shrink) : 0;
    room.values[i] = value;
    sum += value;
    most = std::fabs(value) > most ? std::fabs(value) : most;
  }
  const float scale = most / 127;
  const double inverse = scale == 0 ? 0 : 1 / static_cast<double>(scale);
  for (size_t i = 0; i < count; i++) {
    // Cut off above zero, where that rounds to the nearest.
    room.codes[i] = static_cast<int8_t>(static_cast<int32_t>(room.values[i] * inverse + 128.5) - 128);
  }
  const bool l2 = graph.metric == TERCET_L2;
  const float base = l2 ? static_cast<float>(squares) : graph.metric == TERCET_COSINE ? 1.0f : 0.0f;
  return {room.values, room.codes, scale, static_cast<float>(sum), base, l2 ? 2.0f : 1.0f};
}

void encode(const tercet_graph &graph, uint32_t slot, const float *values) {
  uint8_t *row = graph.codes + graph.code_stride * slot;
  const size_t count = padded(graph.dim);
  if (graph.code == TERCET_FLOAT32) {
    std::memcpy(row, values, count * sizeof(float));
  } else if (graph.code == TERCET_FLOAT16) {
    uint16_t *halves = reinterpret_cast<uint16_t *>(row);
    for (size_t i = 0; i < count; i++) halves[i] = to_half(values[i]);
  } else {
    encode_lvq(graph, slot, values);
  }
}

void decode(const tercet_graph &graph, uint32_t slot, float *out) {
  const uint8_t *row = code_of(graph, slot);
  const size_t count = padded(graph.dim);
  std::memset(out, 0, count * sizeof(float));
  if (graph.code == TERCET_FLOAT32) {
    std::memcpy(out, row, count * sizeof(float));
    return;
  }
  if (graph.code == TERCET_FLOAT16) {
    const uint16_t *halves = reinterpret_cast<const uint16_t *>(row);
    for (size_t i = 0; i < graph.dim; i++) out[i] = from_half(halves[i]);
    return;
  }
  RowHead head;
  std::memcpy(&head, row, sizeof head);
  const double cells = static_cast<double>(1u << graph.rest_bits);
  const double scale = head.scale / cells;
  const double low = head.low - scale * ((cells - 1) / 2);
  for (size_t i = 0; i < graph.dim; i++) {
    const uint32_t first = get(row + sizeof head, count, graph.code_bits, i);
    const uint32_t rest = graph.rest_bits == 0 ? 0 : get(rest_of(graph, slot), count, graph.rest_bits, i);
    out[i] = static_cast<float>(low + scale * (first * cells + rest));
  }
}

void blank(const tercet_graph &graph, uint32_t slot) {
  uint8_t *row = graph.codes + graph.code_stride * slot;
  if (graph.code == TERCET_LVQ) {
    const float never = INFINITY;
    std::memcpy(row + offsetof(RowHead, bias), &never, sizeof never);
  } else {
    std::memset(row, 0xff, 16);  // NaN in either precision
  }
}

}  // namespace tercet
