/* Holdfast store: a volume's first 4096 bytes, and giving a volume file its name.
 *
 *   0 u32 magic "HFV1" | 4 u8 format=1 | 5 zero | 8 store uuid | 24 u64 volume id | 32 u32 number of slots
 *  36 u8 slots[16], ascending, the rest 0xff | zero | 4080 XXH3-128 of bytes 0..4079
 *
 * Reads do not need it: a block names its volume, offset and owner under its own checksum. It is there for people, and
 * for a disk that must know which volumes it should hold. */
#include "store/store_priv.h"

#include <stdlib.h>

#define HEADER_MAGIC 0x31564648u /* "HFV1" */
#define HEADER_FORMAT 1
#define HEADER_HASHED (VOLUME_HEADER_SIZE - XXH_SIZE)
#define NO_SLOT 0xff

void header_fill(const struct store *s, uint64_t id, uint32_t slots, uint8_t header[VOLUME_HEADER_SIZE])
{
    memset(header, 0, VOLUME_HEADER_SIZE);
    le32_put(header, HEADER_MAGIC);
    header[4] = HEADER_FORMAT;
    memcpy(header + 8, s->disks->store_uuid, 16);
    le64_put(header + 24, id);
    memset(header + 36, NO_SLOT, DISKS_MAX);
    uint32_t n = 0;
    for (unsigned i = 0; i < DISKS_MAX; i++)
        if (slots & SLOT_BIT(i))
            header[36 + n++] = (uint8_t)i;
    le32_put(header + 32, n);
    xxh128(header, HEADER_HASHED, 0, header + HEADER_HASHED);
}

/* The slots that a header names; 0 when it is not whole or not of this volume. */
static uint32_t header_slots(const struct store *s, uint64_t id, const uint8_t header[VOLUME_HEADER_SIZE])
{
    uint8_t sum[XXH_SIZE];
    xxh128(header, HEADER_HASHED, 0, sum);
    uint32_t n = le32_get(header + 32);
    if (memcmp(sum, header + HEADER_HASHED, XXH_SIZE) != 0 || le32_get(header) != HEADER_MAGIC ||
        header[4] != HEADER_FORMAT || memcmp(header + 8, s->disks->store_uuid, 16) != 0 ||
        le64_get(header + 24) != id || n > DISKS_MAX)
        return 0;
    uint32_t slots = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (header[36 + i] >= s->n_slots)
            return 0;
        slots |= SLOT_BIT(header[36 + i]);
    }
    return slots;
}

/* As many slots as a volume should have when no header is left to say which. */
static uint32_t slots_guess(const struct store *s, uint32_t have)
{
    for (unsigned i = 0; i < s->n_slots && (unsigned)__builtin_popcount(have) < s->disks->copies; i++)
        have |= SLOT_BIT(i);
    return have;
}

enum rc volume_learn(struct store *s, struct volume *v, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    bool known = v->slots_known;
    uint32_t have = v->have;
    pthread_mutex_unlock(&s->lock);
    if (known)
        return RC_OK;
    uint8_t header[VOLUME_HEADER_SIZE];
    uint32_t slots = 0;
    for (unsigned i = 0; i < s->n_slots && slots == 0; i++) {
        struct vol_file *h;
        if (!(have & SLOT_BIT(i)) || !slot_usable(s, i))
            continue;
        enum rc rc = file_get(s, v, i, &h, e);
        if (rc == RC_NOMEM)
            return rc;
        if (rc != RC_OK)
            continue;
        if (os_pread(s->os, h->f, header, sizeof header, 0, e) == RC_OK)
            slots = header_slots(s, v->id, header);
        file_put(s, h);
    }
    pthread_mutex_lock(&s->lock);
    v->slots = (slots ? slots : slots_guess(s, have)) | have;
    v->slots_known = slots != 0;
    pthread_mutex_unlock(&s->lock);
    return RC_OK;
}

enum rc volume_file_begin(struct store *s, unsigned slot, uint64_t id, uint32_t slots, struct os_file **ret,
                          struct err *e)
{
    char path[OS_PATH_MAX];
    uint8_t header[VOLUME_HEADER_SIZE];
    volume_path(s, slot, id, ".tmp", path);
    struct os_file *f;
    HF_TRY(os_open(s->os, path, OS_READ | OS_WRITE | OS_CREATE | OS_TRUNCATE, &f, e));
    header_fill(s, id, slots, header);
    enum rc rc = os_pwrite(s->os, f, header, sizeof header, 0, e);
    if (rc != RC_OK) {
        os_close(s->os, f);
        return rc;
    }
    *ret = f;
    return RC_OK;
}

enum rc volume_file_commit(struct store *s, unsigned slot, uint64_t id, struct os_file *f, struct err *e)
{
    char temp[OS_PATH_MAX], path[OS_PATH_MAX], dir[OS_PATH_MAX];
    volume_path(s, slot, id, ".tmp", temp);
    volume_path(s, slot, id, "", path);
    slot_dir(s, slot, dir);
    HF_TRY(os_datasync(s->os, f, e));
    HF_TRY(os_rename(s->os, temp, path, e));
    return os_sync_dir(s->os, dir, e);
}
