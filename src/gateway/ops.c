/* The operations and what each needs before it runs. */
#include "gateway/gateway_priv.h"

static const struct op_def ops[OP_COUNT] = {
    [OP_BUCKETS_LIST] = {false, false, BODY_IS_NONE, NULL, op_buckets_list},
    [OP_BUCKET_CREATE] = {true, false, BODY_IS_XML, op_bucket_create_check, op_bucket_create},
    [OP_BUCKET_HEAD] = {false, true, BODY_IS_NONE, NULL, op_bucket_head},
    [OP_BUCKET_DELETE] = {true, true, BODY_IS_NONE, NULL, op_bucket_delete},
    [OP_BUCKET_LOCATION] = {false, true, BODY_IS_NONE, NULL, op_bucket_location},
    [OP_VERSIONING_GET] = {false, true, BODY_IS_NONE, NULL, op_versioning_get},
    [OP_VERSIONING_PUT] = {true, true, BODY_IS_XML, NULL, op_versioning_put},
    [OP_BUCKET_TAGS_GET] = {false, true, BODY_IS_NONE, NULL, op_bucket_tags_get},
    [OP_BUCKET_TAGS_PUT] = {true, true, BODY_IS_XML, NULL, op_bucket_tags_put},
    [OP_BUCKET_TAGS_DELETE] = {true, true, BODY_IS_NONE, NULL, op_bucket_tags_delete},
    [OP_LIST_V1] = {false, true, BODY_IS_NONE, NULL, op_list_v1},
    [OP_LIST_V2] = {false, true, BODY_IS_NONE, NULL, op_list_v2},
    [OP_LIST_VERSIONS] = {false, true, BODY_IS_NONE, NULL, op_list_versions},
    [OP_LIST_UPLOADS] = {false, true, BODY_IS_NONE, NULL, op_list_uploads},
    [OP_DELETE_MANY] = {true, true, BODY_IS_XML, op_delete_many_check, op_delete_many},
    [OP_OBJECT_PUT] = {true, true, BODY_IS_OBJECT, op_object_put_check, op_object_put},
    [OP_OBJECT_COPY] = {true, true, BODY_IS_NONE, NULL, op_object_copy},
    [OP_OBJECT_GET] = {false, true, BODY_IS_NONE, NULL, op_object_get},
    [OP_OBJECT_HEAD] = {false, true, BODY_IS_NONE, NULL, op_object_head},
    [OP_OBJECT_DELETE] = {true, true, BODY_IS_NONE, NULL, op_object_delete},
    [OP_OBJECT_TAGS_GET] = {false, true, BODY_IS_NONE, NULL, op_object_tags_get},
    [OP_OBJECT_TAGS_PUT] = {true, true, BODY_IS_XML, NULL, op_object_tags_put},
    [OP_OBJECT_TAGS_DELETE] = {true, true, BODY_IS_NONE, NULL, op_object_tags_delete},
    [OP_OBJECT_ATTRIBUTES] = {false, true, BODY_IS_NONE, NULL, op_object_attributes},
    [OP_UPLOAD_CREATE] = {true, true, BODY_IS_NONE, NULL, op_upload_create},
    [OP_UPLOAD_PART] = {true, true, BODY_IS_OBJECT, op_upload_part_check, op_upload_part},
    [OP_UPLOAD_PART_COPY] = {true, true, BODY_IS_NONE, op_upload_part_check, op_upload_part_copy},
    [OP_UPLOAD_COMPLETE] = {true, true, BODY_IS_XML, NULL, op_upload_complete},
    [OP_UPLOAD_ABORT] = {true, true, BODY_IS_NONE, NULL, op_upload_abort},
    [OP_UPLOAD_PARTS] = {false, true, BODY_IS_NONE, NULL, op_upload_parts},
    [OP_NOT_MADE_READ] = {false, true, BODY_IS_NONE, NULL, op_not_made_read},
    [OP_NOT_MADE] = {true, true, BODY_IS_NONE, op_not_made, op_not_made},
};

const struct op_def *gw_op_def(enum gw_op op)
{
    HF_ASSERT(op > OP_NONE && op < OP_COUNT && ops[op].run != NULL);
    return &ops[op];
}
