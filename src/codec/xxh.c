/* Holdfast: XXH3 of blocks. On x86-64 the library's dispatching variant, which uses the widest vectors there are. */
#include "codec/codec.h"

#include <xxhash.h>

#ifdef __x86_64__
#define XXH_DISPATCH_DISABLE_REPLACE
#include <xxh_x86dispatch.h>
#define HASH128 XXH3_128bits_withSeed_dispatch
#define HASH64 XXH3_64bits_withSeed_dispatch
#else
#define HASH128 XXH3_128bits_withSeed
#define HASH64 XXH3_64bits_withSeed
#endif

void xxh128(const void *p, size_t n, uint64_t seed, uint8_t out[XXH_SIZE])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, HASH128(p, n, seed));
    memcpy(out, canonical.digest, XXH_SIZE);
}

uint64_t xxh64(const void *p, size_t n, uint64_t seed)
{
    return HASH64(p, n, seed);
}
