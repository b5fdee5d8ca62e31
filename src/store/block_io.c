/* Holdfast store: moving runs of blocks between a volume file and memory, verified where they land (invariant 2). */
#include "store/store_priv.h"

uint64_t blocks_data_bytes(const struct extent *x, uint64_t index, unsigned n)
{
    uint64_t from = index * BLOCK_DATA_MAX, end = (index + n) * BLOCK_DATA_MAX;
    return (end < x->length ? end : x->length) - from;
}

/* One piece for each header and each block's data; returns how many. */
static int run_iov(const struct extent *x, uint64_t index, unsigned n, const struct run *run,
                   struct iovec iov[2 * RUN_BLOCKS])
{
    uint8_t *data = run->data;
    for (unsigned i = 0; i < n; i++) {
        uint32_t size = block_data_size(x, index + i);
        iov[2 * i] = (struct iovec){(void *)(uintptr_t)run->header[i], BLOCK_HEADER_SIZE};
        iov[2 * i + 1] = (struct iovec){data, size};
        data += size;
    }
    return (int)(2 * n);
}

enum rc blocks_read(struct os *os, struct os_file *f, const struct extent *x, uint64_t index, unsigned n,
                    struct run *run, struct err *e)
{
    struct iovec iov[2 * RUN_BLOCKS];
    size_t got = 0, at = 0;
    HF_ASSERT(n > 0 && n <= RUN_BLOCKS && index + n <= extent_blocks(x->length));
    int n_iov = run_iov(x, index, n, run, iov);
    run->bad = (1u << n) - 1;
    HF_TRY(os_preadv(os, f, iov, n_iov, block_offset(x, index), &got, e));
    run->bad = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct iovec *data = &iov[2 * i + 1];
        at += BLOCK_HEADER_SIZE + data->iov_len;
        if (at > got ||
            block_verify(run->header[i], block_id_of(x, index + i), data->iov_base, (uint32_t)data->iov_len) != RC_OK)
            run->bad |= 1u << i;
    }
    return RC_OK;
}

enum rc blocks_write(struct os *os, struct os_file *f, const struct extent *x, uint64_t index, unsigned n,
                     const struct run *run, struct err *e)
{
    struct iovec iov[2 * RUN_BLOCKS];
    HF_ASSERT(n > 0 && n <= RUN_BLOCKS);
    (void)run_iov(x, index, n, run, iov);
    for (unsigned i = 0; i < n;) {
        unsigned end = i; /* of the whole blocks in a row */
        while (end < n && !(run->bad & (1u << end)))
            end++;
        if (end > i)
            HF_TRY(os_pwritev(os, f, &iov[2 * i], (int)(2 * (end - i)), block_offset(x, index + i), e));
        i = end + 1;
    }
    return RC_OK;
}
