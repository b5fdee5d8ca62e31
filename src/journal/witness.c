/* Holdfast: the file `witness` in the data folder: which disks there are and which of them may be believed. */
#include "codec/codec.h"
#include "journal/diskset_priv.h"

enum { FORMAT = 1, HEAD = 32, AT_SIZE = 8, AT_SUM = 16, WITNESS_MAX = 64 << 10, ENTRY_MAX = DISK_PATH_MAX + 64 };
enum { TAG_STORE = 1, TAG_COPIES = 2, TAG_EPOCH = 3, TAG_ACKED = 4, TAG_VIRTUAL = 5, TAG_MAKING = 6, TAG_DISK = 7 };
enum { TAG_PATH = 1, TAG_PATH_BELOW = 2, TAG_UUID = 3, TAG_STATE = 4, TAG_WHOLE = 5 };
static const uint8_t magic[4] = {'H', 'F', 'W', '1'};

/* The part of path below the data folder, or NULL. */
static const char *below(const char *data_dir, const char *path)
{
    size_t n = strlen(data_dir);

    return strncmp(path, data_dir, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

static enum rc disk_encode(const struct diskset *d, const struct disk *k, struct buf *out)
{
    const char *rel = below(d->data_dir, k->path);

    if (rel)
        HF_TRY(tlv_put(out, TAG_PATH_BELOW, view_cstr(rel)));
    else
        HF_TRY(tlv_put(out, TAG_PATH, view_cstr(k->path)));
    HF_TRY(tlv_put(out, TAG_UUID, view_of(k->uuid, UUID_SIZE)));
    HF_TRY(tlv_put_u64(out, TAG_STATE, k->state));
    return tlv_put_u64(out, TAG_WHOLE, k->journal_whole);
}

static enum rc body_encode(const struct diskset *d, struct buf *out)
{
    HF_TRY(tlv_put(out, TAG_STORE, view_of(d->store_uuid, UUID_SIZE)));
    HF_TRY(tlv_put_u64(out, TAG_COPIES, d->copies));
    HF_TRY(tlv_put_u64(out, TAG_EPOCH, d->epoch));
    HF_TRY(tlv_put_u64(out, TAG_ACKED, d->acked));
    HF_TRY(tlv_put_u64(out, TAG_VIRTUAL, d->was_virtual));
    HF_TRY(tlv_put_u64(out, TAG_MAKING, d->making));
    for (unsigned i = 0; i < d->n; i++) {
        struct buf one = BUF(ENTRY_MAX);
        enum rc rc = disk_encode(d, &d->disk[i], &one);

        if (rc == RC_OK)
            rc = tlv_put(out, TAG_DISK, buf_view(&one));
        buf_free(&one);
        HF_TRY(rc);
    }
    return RC_OK;
}

static void head_encode(uint8_t head[HEAD], struct view body)
{
    memset(head, 0, HEAD);
    memcpy(head, magic, sizeof(magic));
    head[4] = FORMAT;
    le64_put(head + AT_SIZE, body.n);
    xxh128(body.p, body.n, xxh64(head, AT_SUM, 0), head + AT_SUM);
}

static enum rc witness_write(const struct diskset *d, struct err *e)
{
    char path[OS_PATH_MAX];
    uint8_t head[HEAD];
    struct buf body = BUF(WITNESS_MAX), file = BUF(WITNESS_MAX);
    enum rc rc;

    if (!os_path(path, d->data_dir, "witness"))
        return err_set(e, RC_LIMIT, "%s: the path is too long", d->data_dir);
    rc = body_encode(d, &body);
    if (rc == RC_OK) {
        head_encode(head, buf_view(&body));
        rc = buf_put(&file, head, HEAD);
    }
    if (rc == RC_OK)
        rc = buf_putv(&file, buf_view(&body));
    if (rc == RC_OK)
        rc = os_write_file(d->os, path, buf_view(&file), e);
    else
        rc = err_set(e, rc, "%s: no memory for the witness", path);
    buf_free(&file);
    buf_free(&body);
    return rc;
}

enum rc diskset_witness(struct diskset *d, struct err *e)
{
    enum rc rc;

    pthread_mutex_lock(&d->lock);
    rc = witness_write(d, e);
    pthread_mutex_unlock(&d->lock);
    return rc;
}

static bool disk_path_decode(const struct diskset *d, struct view v, bool relative, struct disk *k)
{
    char rel[DISK_PATH_MAX], whole[OS_PATH_MAX];

    if (!relative)
        return view_copy(v, k->path, sizeof(k->path));
    return view_copy(v, rel, sizeof(rel)) && os_path(whole, d->data_dir, rel) &&
           view_copy(view_cstr(whole), k->path, sizeof(k->path));
}

static enum rc disk_decode(const struct diskset *d, struct view v, struct disk *k)
{
    struct tlv t = {v};
    struct view value;
    uint32_t tag;
    uint64_t u;
    enum rc rc;

    while ((rc = tlv_next(&t, &tag, &value)) == RC_OK) {
        if ((tag == TAG_PATH || tag == TAG_PATH_BELOW) && !disk_path_decode(d, value, tag == TAG_PATH_BELOW, k))
            return RC_CORRUPT;
        if (tag == TAG_UUID) {
            if (value.n != UUID_SIZE)
                return RC_CORRUPT;
            memcpy(k->uuid, value.p, UUID_SIZE);
        }
        if (tag != TAG_STATE && tag != TAG_WHOLE)
            continue;
        HF_TRY(tlv_u64(value, &u));
        if (tag == TAG_WHOLE)
            k->journal_whole = u != 0;
        else if (u <= DISK_QUARANTINED)
            k->state = (enum disk_state)u;
        else
            return RC_CORRUPT;
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc number_decode(struct diskset *d, uint32_t tag, struct view value)
{
    uint64_t u;

    if (tag < TAG_COPIES || tag > TAG_MAKING)
        return RC_OK;
    HF_TRY(tlv_u64(value, &u));
    if (tag == TAG_COPIES)
        d->copies = (unsigned)u;
    if (tag == TAG_EPOCH)
        d->epoch = u;
    if (tag == TAG_ACKED)
        d->acked = u;
    if (tag == TAG_VIRTUAL)
        d->was_virtual = u != 0;
    if (tag == TAG_MAKING)
        d->making = u != 0;
    return RC_OK;
}

static enum rc body_decode(struct diskset *d, struct view body)
{
    struct tlv t = {body};
    struct view value;
    uint32_t tag;
    enum rc rc;

    while ((rc = tlv_next(&t, &tag, &value)) == RC_OK) {
        if (tag == TAG_STORE) {
            if (value.n != UUID_SIZE)
                return RC_CORRUPT;
            memcpy(d->store_uuid, value.p, UUID_SIZE);
        }
        HF_TRY(number_decode(d, tag, value));
        if (tag != TAG_DISK)
            continue;
        if (d->n == DISKS_MAX)
            return RC_CORRUPT;
        d->disk[d->n].slot = d->n;
        HF_TRY(disk_decode(d, value, &d->disk[d->n]));
        d->n++;
    }
    if (rc != RC_END)
        return rc;
    return d->n > 0 && d->copies > 0 && d->copies <= d->n ? RC_OK : RC_CORRUPT;
}

static bool head_holds(struct view file)
{
    uint8_t head[HEAD];

    if (file.n < HEAD)
        return false;
    head_encode(head, view_sub(file, HEAD, file.n));
    return memcmp(head, file.p, HEAD) == 0;
}

enum rc witness_read(struct diskset *d, struct err *e)
{
    char path[OS_PATH_MAX];
    struct buf file = BUF(WITNESS_MAX);
    enum rc rc;

    if (!os_path(path, d->data_dir, "witness"))
        return err_set(e, RC_LIMIT, "%s: the path is too long", d->data_dir);
    rc = os_read_file(d->os, path, &file, e);
    if (rc == RC_OK && !head_holds(buf_view(&file)))
        rc = err_set(e, RC_CORRUPT, "%s: the checksum does not hold", path);
    if (rc == RC_OK && body_decode(d, view_sub(buf_view(&file), HEAD, file.n)) != RC_OK)
        rc = err_set(e, RC_INVALID, "%s: written by another version of holdfast", path);
    buf_free(&file);
    return rc;
}
