/* Holdfast: the unit in which bodies rest on disk, in volumes and beside journal records alike.
 *
 * A block is a 64-byte header and up to BLOCK_DATA_MAX bytes of data. All numbers little-endian:
 *   0 u32 magic "HFB1" | 4 u8 format=1 | 5 u8 cipher=0 (none) | 6 u16 flags=0 | 8 u32 key_id=0 | 12 u32 data_size
 *  16 u64 container (volume id or segment's first sequence) | 24 u64 offset of this header in the container's file
 *  32 u64 owner (the extent's id in a volume; the record's sequence in a segment) | 40 u64 index of the block in its
 * extent 48 u8[16] XXH3-128 of the data, seeded with XXH3-64 of bytes 0..47 so a block that was written for another
 * place, object or version never verifies (faults 9, 11). The checksum covers the stored bytes; format, cipher and key
 * id are reserved for encryption at rest. */
#ifndef HF_JOURNAL_BLOCK_H
#define HF_JOURNAL_BLOCK_H

#include "base/view.h"

#define BLOCK_HEADER_SIZE 64u
#define BLOCK_DATA_MAX 131072u /* 128 KiB */

struct block_id {
    uint64_t container, offset, owner, index;
};
/* Fills 64 bytes. */
void block_seal(uint8_t header[BLOCK_HEADER_SIZE], struct block_id id, const void *data, uint32_t data_size);
/* RC_CORRUPT unless header is of exactly this id, data_size and checksum. */
enum rc block_verify(const uint8_t header[BLOCK_HEADER_SIZE], struct block_id id, const void *data,
                     uint32_t data_size) HF_MUST_USE;

#endif
