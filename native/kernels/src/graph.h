// What the variants of the graph kernels share: rows, prepared queries and the memory that a search works in.
// Only plain data and functions of internal linkage: units are compiled for different instruction sets, and the linker
// keeps one of several equal inline functions.
#pragma once
#include <cstddef>
#include <cstdint>

#include "tercet_vectors.h"

namespace tercet {

/** In front of every LVQ code: component i is `low` + `scale` · code[i], as far as the first level knows. */
struct RowHead {
  float scale;
  float low;
  float bias;  // what the row adds to its distance: squared length for L2, else 0; infinite in a free row
  uint32_t sum;  // of the codes that `pairs` compares
};

/** A query as the kernels want it; `values` and `codes` are filled up with zeros to a multiple of 64. */
struct Query {
  const float *values;
  const int8_t *codes;
  float scale;  // of `codes`
  float sum;    // of the values
  float base;   // what the query adds to every distance
  float factor;  // of the inner product in a distance
};

struct Candidate {
  float distance;
  uint32_t slot;  // the top bit tells that its links were followed
};

/** Candidates that links are chosen among, at most. */
constexpr size_t pool_max = 1024;

constexpr uint32_t expanded = 0x80000000u;

/** Nearest first; `size` of at most `room`. */
struct Beam {
  Candidate *items;
  size_t size;
  size_t room;
};

/** What one thread works in; grown before a call, never within. */
struct Scratch {
  uint64_t *visited;       // a bit per slot, zero between searches
  uint32_t *touched;       // slots that were visited, [slots]
  size_t touched_count;
  uint32_t slots;          // that `visited` has a bit for: what comes later is not seen
  Beam beam;
  Beam found;              // the allowed ones, where there is a filter
  uint8_t *rows;           // decoded rows of the candidates that are pruned
  Candidate *pool;
  uint32_t *kept;
  uint64_t computations;
};

/** A row of the working precision that links are chosen by. */
struct WorkRow {
  const uint8_t *codes;
  double scale;
  double low;
  double sum;
  double bias;
};

/** The slots that a search may return: a bit for each. `words` is null where all are allowed. */
struct Allowed {
  const uint32_t *words;
  size_t count;
};

static inline bool is_allowed(const Allowed &allowed, uint32_t slot) {
  return slot / 32 < allowed.count && (allowed.words[slot / 32] >> (slot % 32) & 1) != 0;
}

struct GraphVariant {
  const char *name;
  void (*walk)(const tercet_graph &graph, const Query &query, const Allowed &allowed, Scratch &scratch);
  void (*scan)(const tercet_graph &graph, const Query &query, const Allowed &allowed, Scratch &scratch);
  float (*near)(const tercet_graph &graph, const Query &query, uint32_t slot);
  float (*exact)(const tercet_graph &graph, const Query &query, uint32_t slot);
  /** Chooses links of `base` among `scratch.pool[0..count)` into `scratch.kept`; returns how many. */
  size_t (*prune)(const tercet_graph &graph, uint32_t base, size_t count, size_t degree, Scratch &scratch);
  bool (*covers)(const tercet_graph &graph, uint32_t from, uint32_t to, Scratch &scratch);
};

extern const GraphVariant graph_scalar;
extern const GraphVariant graph_avx2;
extern const GraphVariant graph_avx512;
extern const GraphVariant graph_neon;

static inline size_t padded(size_t dim) { return (dim + 63) / 64 * 64; }

static inline const uint8_t *code_of(const tercet_graph &graph, uint32_t slot) {
  return graph.codes + graph.code_stride * slot;
}

static inline const uint8_t *rest_of(const tercet_graph &graph, uint32_t slot) {
  return graph.rests + graph.rest_stride * slot;
}

static inline uint32_t *links_of(const tercet_graph &graph, uint32_t slot) {
  return graph.links + graph.degree_max * slot;
}

static inline uint32_t load_word(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
static inline void store_word(uint32_t *word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_RELAXED); }

/** Takes a candidate in; returns its place, or `size` when it is not among the nearest. NaN never is. */
static inline size_t take(Beam &beam, Candidate candidate) {
  if (beam.size == beam.room && !(candidate.distance < beam.items[beam.size - 1].distance)) return beam.room;
  size_t low = 0, high = beam.size;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (beam.items[middle].distance <= candidate.distance) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const size_t last = beam.size < beam.room ? beam.size++ : beam.size - 1;
  for (size_t at = last; at > low; at--) beam.items[at] = beam.items[at - 1];
  beam.items[low] = candidate;
  return low;
}

}  // namespace tercet
