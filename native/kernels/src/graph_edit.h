// Insertions into the graph and removals from it.
#pragma once
#include "graph.h"

namespace tercet {

/** Guards rows of links while several threads insert; a slot's lock is shared with other slots. */
struct RowLocks;
RowLocks *new_row_locks();
void free_row_locks(RowLocks *locks);

/** Links a row that was encoded; `scratch.beam.room` is `ef_construction`. */
void link(const tercet_graph &graph, const GraphVariant &variant, uint32_t slot, const Query &query, Scratch &scratch,
          RowLocks &locks);

/** Takes a row out, and gives those that linked to it what it linked to. `query` is the row's own vector. */
void unlink(const tercet_graph &graph, const GraphVariant &variant, uint32_t slot, const Query &query,
            Scratch &scratch, RowLocks &locks);

}  // namespace tercet
