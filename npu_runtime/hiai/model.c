#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGGED_TIMEOUT_MS 1000 /* it does nothing in a synchronous call */

/* Nothing is larger: the client's limit as well. */
#define MOST_BUILT_BYTES (16u << 20)

#define TELL(...) snprintf(why, why_size, __VA_ARGS__)

/* --- compile Caffe's two files on the device: untested on hardware --------------------------------- */

static unsigned char *file_content(const char *path, unsigned size)
{
    unsigned char *bytes = malloc(size);
    FILE *file = fopen(path, "rb");
    size_t count = bytes != NULL && file != NULL ? fread(bytes, 1, size, file) : 0;
    if (file != NULL)
        fclose(file);
    if (count == size)
        return bytes;
    free(bytes);
    return NULL;
}

/* The compiled model goes through a file: a buffer of the library is opaque, and the user wants it. */
static bool compile_into(struct model *model, HIAI_MemBuffer *parts[], HIAI_MemBuffer *output,
                         const char *path, unsigned *size, char *why, size_t why_size)
{
    const struct libai_client *call = &model->library->call;
    int code = call->ModelManager_buildModel(model->manager, HIAI_FRAMEWORK_CAFFE, parts,
                                             MOST_PARTS, output, size);
    if (code != 0) /* Huawei's own code takes anything else for a failure, here alone */
        return TELL("HIAI_ModelManager_buildModel must return 0 (got %d)", code), false;
    if (*size == 0 || *size > MOST_BUILT_BYTES)
        return TELL("the compiled model must have 1 to %u bytes (got %u)", MOST_BUILT_BYTES, *size),
               false;
    if (!call->MemBuffer_export_file(output, *size, path))
        return TELL("the compiled model must be written to %s; name another place with --build PATH",
                    path),
               false;
    model->built = file_content(path, *size);
    if (model->built == NULL)
        return TELL("the compiled model must be readable at %s", path), false;
    return true;
}

static bool compile(struct model *model, const char *path, unsigned *size, char *why,
                    size_t why_size)
{
    const struct libai_client *call = &model->library->call;
    const struct wanted *wanted = model->wanted;
    if (!model->library->builds)
        return TELL("this library must be able to compile Caffe models; give it a .cambricon file"),
               false;
    HIAI_MemBuffer *parts[MOST_PARTS], *output = NULL;
    for (int i = 0; i < MOST_PARTS; i++)
        parts[i] = call->MemBuffer_create_from_buffer(wanted->bytes[i], wanted->size[i]);
    if (parts[0] != NULL && parts[1] != NULL)
        output = call->MemBuffer_create(HIAI_FRAMEWORK_CAFFE, parts, MOST_PARTS);
    bool done = false;
    if (output == NULL)
        TELL("the library must give memory to compile a model");
    else
        done = compile_into(model, parts, output, path, size, why, why_size);
    for (int i = 0; i < MOST_PARTS; i++)
        if (parts[i] != NULL)
            call->MemBuffer_destroy(parts[i]);
    if (output != NULL)
        call->MemBuffer_destroy(output);
    return done;
}

/* --- load ------------------------------------------------------------------------------------------ */

static bool shapes_agree(const struct model *model, char *why, size_t why_size)
{
    const struct libai_client *call = &model->library->call;
    const struct wanted *wanted = model->wanted;
    if (!model->library->tells_shapes)
        return true;
    HIAI_ModelTensorInfo *info = call->ModelManager_getModelTensorInfo(model->manager, wanted->name);
    if (info == NULL)
        return true;
    bool is_one_each = info->input_count == 1 && info->output_count == 1;
    const int *in = info->input_shape, *out = info->output_shape;
    bool agree = is_one_each && in[0] == (int)wanted->batch && in[1] == (int)wanted->inputs &&
                 in[2] == 1 && in[3] == 1 && out[0] == (int)wanted->batch &&
                 out[1] == (int)wanted->outputs && out[2] == 1 && out[3] == 1;
    if (!is_one_each)
        TELL("the model must have one input and one output (got %d and %d)", info->input_count,
             info->output_count);
    else if (!agree)
        TELL("the model must be (%u,%u,1,1) to (%u,%u,1,1) (got (%d,%d,%d,%d) to (%d,%d,%d,%d))",
             wanted->batch, wanted->inputs, wanted->batch, wanted->outputs, in[0], in[1], in[2],
             in[3], out[0], out[1], out[2], out[3]);
    call->ModelManager_releaseModelTensorInfo(info);
    return agree;
}

static HIAI_TensorBuffer *tensor(const struct model *model, uint32_t columns, char *why,
                                 size_t why_size)
{
    const struct libai_client *call = &model->library->call;
    uint32_t rows = model->wanted->batch;
    size_t needed = sizeof(float) * rows * columns;
    HIAI_TensorBuffer *made = call->TensorBuffer_create((int)rows, (int)columns, 1, 1);
    if (made == NULL)
        return TELL("the library must give a tensor of %zu bytes", needed), NULL;
    int size = call->TensorBuffer_getBufferSize(made);
    if (size >= 0 && (size_t)size >= needed && call->TensorBuffer_getRawBuffer(made) != NULL)
        return made;
    TELL("a tensor (%u,%u,1,1) must have %zu bytes (got %d)", rows, columns, needed, size);
    call->TensorBuffer_destroy(made);
    return NULL;
}

static bool load_bytes(struct model *model, const char *build_path, char *why, size_t why_size)
{
    const struct libai_client *call = &model->library->call;
    const struct wanted *wanted = model->wanted;
    unsigned size = wanted->size[0];
    if (wanted->parts == MOST_PARTS && !compile(model, build_path, &size, why, why_size))
        return false;
    void *bytes = wanted->parts == MOST_PARTS ? model->built : wanted->bytes[0];
    model->buffer =
        call->ModelBuffer_create_from_buffer(wanted->name, bytes, (int)size, HIAI_DEVPREF_HIGH);
    if (model->buffer == NULL)
        return TELL("the library must take the model's %u bytes", size), false;
    int code = call->ModelManager_loadFromModelBuffers(model->manager, &model->buffer, 1);
    if (code < 0)
        return TELL("HIAI_ModelManager_loadFromModelBuffers must not fail (got %d)", code), false;
    model->is_loaded = true;
    return true;
}

bool model_load(struct model *model, const struct library *library, const struct wanted *wanted,
                const char *build_path, char *why, size_t why_size)
{
    memset(model, 0, sizeof *model);
    model->library = library;
    model->wanted = wanted;
    model->manager = library->call.ModelManager_create(NULL);
    if (model->manager == NULL)
        TELL("the library must give a model manager");
    else if (load_bytes(model, build_path, why, why_size) && shapes_agree(model, why, why_size)) {
        model->input = tensor(model, wanted->inputs, why, why_size);
        if (model->input != NULL)
            model->output = tensor(model, wanted->outputs, why, why_size);
        if (model->output != NULL)
            return true;
    }
    model_unload(model);
    return false;
}

/* --- run and unload -------------------------------------------------------------------------------- */

bool model_run(struct model *model, const unsigned char *rows, unsigned char *scores, char *why,
               size_t why_size)
{
    const struct libai_client *call = &model->library->call;
    const struct wanted *wanted = model->wanted;
    size_t in_bytes = sizeof(float) * wanted->batch * wanted->inputs;
    size_t out_bytes = sizeof(float) * wanted->batch * wanted->outputs;
    memcpy(call->TensorBuffer_getRawBuffer(model->input), rows, in_bytes);
    /* Not a number, until the library writes: what it did not compute can never pass for scores. */
    memset(call->TensorBuffer_getRawBuffer(model->output), 0xff, out_bytes);
    int code = call->ModelManager_runModel(model->manager, &model->input, 1, &model->output, 1,
                                           LOGGED_TIMEOUT_MS, wanted->name);
    if (code < 0)
        return TELL("HIAI_ModelManager_runModel must not fail (got %d)", code), false;
    memcpy(scores, call->TensorBuffer_getRawBuffer(model->output), out_bytes);
    return true;
}

/* In this order: the buffer stays until the model that was made from it is gone. Huawei's own code
 * destroys it earlier, so nothing depends on it being destroyed first. */
void model_unload(struct model *model)
{
    if (model->library == NULL)
        return;
    const struct libai_client *call = &model->library->call;
    if (model->input != NULL)
        call->TensorBuffer_destroy(model->input);
    if (model->output != NULL)
        call->TensorBuffer_destroy(model->output);
    if (model->is_loaded)
        call->ModelManager_unloadModel(model->manager);
    if (model->buffer != NULL)
        call->ModelBuffer_destroy(model->buffer);
    if (model->manager != NULL)
        call->ModelManager_destroy(model->manager);
    free(model->built);
    memset(model, 0, sizeof *model);
}
