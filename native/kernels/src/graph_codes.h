// From vectors to rows and prepared queries, and back. In double precision and in a fixed order: every variant and the
// TypeScript twin get the same bytes.
#pragma once
#include "graph.h"

namespace tercet {

/** Room for what a prepared query points to, of `padded(dim)` elements each. */
struct QueryRoom {
  float *values;
  int8_t *codes;
};

/** `vector` is [dim], of any length other than 0 for cosine. */
Query prepare(const tercet_graph &graph, const float *vector, const QueryRoom &room);

/** Writes the row of a prepared vector. */
void encode(const tercet_graph &graph, uint32_t slot, const float *values);

/** The vector that a row stands for, [padded(dim)]. */
void decode(const tercet_graph &graph, uint32_t slot, float *out);

/** Makes the distance of a row to everything infinite or NaN: no walk takes it in. */
void blank(const tercet_graph &graph, uint32_t slot);

}  // namespace tercet
