/* Holdfast: Reed–Solomon over GF(2^8) with a Cauchy matrix, on Intel ISA-L: k data shards, m parity shards, any k of
 * the k + m give all back. Cauchy, because ISA-L's Vandermonde matrix is not invertible for every erasure set (ISA-L,
 * erasure_code.h, gf_gen_rs_matrix). Read-only after ec_new: any thread. */
#ifndef HF_CODEC_EC_H
#define HF_CODEC_EC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define EC_SHARDS_MAX 16

struct ec;
/* 1 <= k, 1 <= m, k + m <= EC_SHARDS_MAX; RC_INVALID otherwise. */
enum rc ec_new(unsigned k, unsigned m, struct ec **ret) HF_MUST_USE;
void ec_free(struct ec *e);
unsigned ec_data(const struct ec *e);
unsigned ec_parity(const struct ec *e);
/* shard[0..k) of `size` bytes each are read, shard[k..k+m) are written. */
void ec_encode(const struct ec *e, size_t size, uint8_t *const shard[]);
/* Makes the shards whose bit in `missing` is set from the others. RC_CORRUPT when more than m are missing: nothing is
 * written. shard[i] of a missing one that is not wanted may be NULL (want: bit per shard to make, within missing). */
enum rc ec_rebuild(const struct ec *e, size_t size, uint8_t *const shard[], uint32_t missing,
                   uint32_t want) HF_MUST_USE;
/* Does the parity fit the data? For a scrub over whole stripes. scratch: m x size bytes. */
bool ec_verify(const struct ec *e, size_t size, uint8_t *const shard[], uint8_t *scratch);

#endif
