/* Holdfast: the file `identity` on a disk: two equal halves, each with its checksum, so one heals the other. */
#include "codec/codec.h"
#include "journal/diskset_priv.h"

enum { FORMAT = 1, HALF = 512, HALVES = 2 };
enum { AT_STORE = 8, AT_DISK = 24, AT_SLOT = 40, AT_COPIES = 44, AT_SUM = HALF - XXH_SIZE };
static const uint8_t magic[4] = {'H', 'F', 'I', '1'};

static void half_encode(uint8_t *dst, const struct identity *id)
{
    memset(dst, 0, HALF);
    memcpy(dst, magic, sizeof(magic));
    dst[4] = FORMAT;
    memcpy(dst + AT_STORE, id->store, UUID_SIZE);
    memcpy(dst + AT_DISK, id->disk, UUID_SIZE);
    le32_put(dst + AT_SLOT, id->slot);
    le32_put(dst + AT_COPIES, id->copies);
    xxh128(dst, AT_SUM, 0, dst + AT_SUM);
}

static bool half_decode(const uint8_t *src, struct identity *ret)
{
    uint8_t sum[XXH_SIZE];

    xxh128(src, AT_SUM, 0, sum);
    if (memcmp(src, magic, sizeof(magic)) != 0 || src[4] != FORMAT || memcmp(sum, src + AT_SUM, XXH_SIZE) != 0)
        return false;
    memcpy(ret->store, src + AT_STORE, UUID_SIZE);
    memcpy(ret->disk, src + AT_DISK, UUID_SIZE);
    ret->slot = le32_get(src + AT_SLOT);
    ret->copies = le32_get(src + AT_COPIES);
    return ret->slot < DISKS_MAX && ret->copies > 0 && ret->copies <= DISKS_MAX;
}

static enum rc identity_path(const char *disk_path, char *dst, struct err *e)
{
    if (!os_path(dst, disk_path, "identity"))
        return err_set(e, RC_LIMIT, "%s: the path is too long", disk_path);
    return RC_OK;
}

enum rc identity_read(struct os *os, const char *disk_path, struct identity *ret, bool *ret_damaged, struct err *e)
{
    char path[OS_PATH_MAX];
    uint8_t bytes[HALF * HALVES + 1] = {0};
    struct os_file *f;
    struct iovec iov = {bytes, sizeof(bytes)};
    size_t n;
    bool good0, good1;
    enum rc rc;

    HF_TRY(identity_path(disk_path, path, e));
    HF_TRY(os_open(os, path, OS_READ, &f, e));
    rc = os_preadv(os, f, &iov, 1, 0, &n, e);
    os_close(os, f);
    HF_TRY(rc);
    good0 = half_decode(bytes, ret);
    good1 = half_decode(bytes + HALF, good0 ? &(struct identity){0} : ret);
    if (!good0 && !good1)
        return err_set(e, RC_CORRUPT, "%s: both halves are damaged", path);
    *ret_damaged = n != HALF * HALVES || memcmp(bytes, bytes + HALF, HALF) != 0;
    return RC_OK;
}

enum rc identity_write(struct os *os, const char *disk_path, const struct identity *id, struct err *e)
{
    char path[OS_PATH_MAX];
    uint8_t bytes[HALF * HALVES];

    HF_TRY(identity_path(disk_path, path, e));
    half_encode(bytes, id);
    half_encode(bytes + HALF, id);
    return os_write_file(os, path, view_of(bytes, sizeof(bytes)), e);
}
