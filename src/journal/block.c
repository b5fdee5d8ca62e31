/* Holdfast: sealing and verifying one block of stored bytes. */
#include "journal/block.h"

#include "codec/codec.h"

enum { BLOCK_FORMAT = 1, BLOCK_SEALED_PART = 48 };
static const uint8_t block_magic[4] = {'H', 'F', 'B', '1'};

/* Everything before the checksum: what the data is seeded with, so it verifies only in its own place. */
static void block_place(uint8_t *header, struct block_id id, uint32_t data_size)
{
    memset(header, 0, BLOCK_HEADER_SIZE);
    memcpy(header, block_magic, sizeof(block_magic));
    header[4] = BLOCK_FORMAT;
    le32_put(header + 12, data_size);
    le64_put(header + 16, id.container);
    le64_put(header + 24, id.offset);
    le64_put(header + 32, id.owner);
    le64_put(header + 40, id.index);
}

static void block_sum(const uint8_t *header, const void *data, uint32_t data_size, uint8_t sum[XXH_SIZE])
{
    xxh128(data, data_size, xxh64(header, BLOCK_SEALED_PART, 0), sum);
}

void block_seal(uint8_t header[BLOCK_HEADER_SIZE], struct block_id id, const void *data, uint32_t data_size)
{
    HF_ASSERT(data_size <= BLOCK_DATA_MAX);
    block_place(header, id, data_size);
    block_sum(header, data, data_size, header + BLOCK_SEALED_PART);
}

enum rc block_verify(const uint8_t header[BLOCK_HEADER_SIZE], struct block_id id, const void *data, uint32_t data_size)
{
    uint8_t want[BLOCK_HEADER_SIZE];

    if (data_size > BLOCK_DATA_MAX)
        return RC_CORRUPT;
    block_place(want, id, data_size);
    if (memcmp(want, header, BLOCK_SEALED_PART) != 0)
        return RC_CORRUPT;
    block_sum(want, data, data_size, want + BLOCK_SEALED_PART);
    return memcmp(want, header, BLOCK_HEADER_SIZE) == 0 ? RC_OK : RC_CORRUPT;
}
