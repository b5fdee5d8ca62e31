/* Holdfast: what stands on a disk is never trusted: a segment's header, a table of disks, and a batch whose checksums
 * are right but whose records are hostile. The first byte chooses. */
#include "codec/codec.h"
#include "journal/format_priv.h"

#include <stdlib.h>

#define RECORDS_MAX 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t store[16] = {1};

static void header(const uint8_t *data, size_t size)
{
    uint8_t bytes[SEG_HEADER_SIZE] = {0};
    struct seg_head h;

    memcpy(bytes, data, size < sizeof bytes ? size : sizeof bytes);
    if (seg_head_decode(bytes, store, 1, &h) == RC_OK)
        HF_ASSERT(h.first == 1 && h.tree.n == 0 && h.table.n <= DISKS_MAX);
}

static void table(const uint8_t *data, size_t size)
{
    struct disk_table t, again;
    struct buf out = BUF(1u << 20);

    if (table_decode(view_of(data, size), &t) == RC_OK) {
        HF_ASSERT(t.n <= DISKS_MAX);
        HF_ASSERT(table_encode(&t, &out) == RC_OK && table_decode(buf_view(&out), &again) == RC_OK);
        HF_ASSERT(again.n == t.n && again.epoch == t.epoch);
    }
    buf_free(&out);
}

/* count and the sizes are the input's; the checksum over header and records is made right. */
static void batch(const uint8_t *data, size_t size)
{
    uint8_t head[BATCH_HEADER_SIZE], *records;
    struct batch_head h = {.epoch = 1, .segment = 1, .offset = SEG_HEADER_SIZE, .first_seq = 1}, got;
    struct rec_head r;
    const uint8_t *at;
    struct view payload;
    uint32_t pos = 0, n = 0;

    if (size < 8)
        return;
    h.count = le16_get(data);
    h.attach_size = (uint32_t)le16_get(data + 2) * 64;
    h.records_size = (uint32_t)(size - 8 < RECORDS_MAX ? size - 8 : RECORDS_MAX);
    h.total = (BATCH_HEADER_SIZE + h.attach_size + h.records_size + 4095u) / 4096u * 4096u;
    records = malloc(h.records_size + 1u); /* exactly as long as said: reading past it is seen */
    HF_ASSERT(records);
    memcpy(records, data + 8, h.records_size);
    batch_head_encode(head, &h, records, store);
    if (batch_head_decode(head, h.segment, h.offset, UINT32_MAX, &got) == RC_OK &&
        batch_verify(head, &got, records, store) == RC_OK) {
        while (rec_next(records, got.records_size, &pos, &r, &at, &payload) == RC_OK) {
            HF_ASSERT(r.seq == got.first_seq + n && payload.n == r.payload_size);
            n++;
        }
        HF_ASSERT(n == got.count);
    }
    free(records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] % 3) {
    case 0:
        header(data + 1, size - 1);
        break;
    case 1:
        table(data + 1, size - 1);
        break;
    default:
        batch(data + 1, size - 1);
    }
    return 0;
}
