/* A stand-in for Huawei's libai_client.so, for tests: the same symbols, and rules of ownership that
 * are as strict as any reading of the sources. Who breaks a rule is told and aborted.
 *
 * Rules: nothing is used or destroyed after it was destroyed. A model's bytes stay the caller's and
 * are read whenever it runs; they and the model buffer outlive the loaded model. A manager loads one
 * model, unloads it, and is destroyed last of all.
 *
 * The environment variable ILGOV_STUB_HIAI names a fault. Faults of running show from the second run
 * of a process on, so that a back end can become ready.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stub_network.h"

enum { CAFFE = 3, LATE_MS = 60 };

static bool is_mode(const char *mode)
{
    const char *set = getenv("ILGOV_STUB_HIAI");
    return set != NULL && strcmp(set, mode) == 0;
}

static void require(bool holds, const char *rule)
{
    if (holds)
        return;
    fprintf(stderr, "stub: broken rule: %s\n", rule);
    abort();
}

static void sleep_ms(long ms)
{
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
}

/* --- objects: never freed themselves, so that a dead one can be told ---------------------------------- */

enum object_kind { MANAGER = 1, MODEL, TENSOR, MEMORY, SHAPES };

struct object {
    enum object_kind kind;
    bool is_alive;
    struct object *next; /* all that were ever made */
};

static struct object *all;

static void *make(enum object_kind kind, size_t size)
{
    struct object *object = calloc(1, size);
    object->kind = kind;
    object->is_alive = true;
    object->next = all;
    all = object;
    return object;
}

static void use(const void *pointer, enum object_kind kind, const char *rule)
{
    const struct object *object = all;
    while (object != NULL && object != pointer)
        object = object->next;
    require(object != NULL && object->kind == kind && object->is_alive, rule);
}

static void end(void *pointer, enum object_kind kind, const char *rule)
{
    use(pointer, kind, rule);
    ((struct object *)pointer)->is_alive = false;
}

static int count_alive(void)
{
    int count = 0;
    for (const struct object *object = all; object != NULL; object = object->next)
        count += object->is_alive;
    return count;
}

/* --- version ------------------------------------------------------------------------------------------ */

char *HIAI_GetVersion(void)
{
    static char version[] = "100.150.010.010", without[] = "000.000.000.000", odd[] = "\"none\"\n";
    return is_mode("version-zeros") ? without : is_mode("version-odd") ? odd : version;
}

/* --- model buffers ------------------------------------------------------------------------------------ */

struct model {
    struct object object;
    const unsigned char *bytes;
    size_t size;
    bool is_loaded;
};

void *HIAI_ModelBuffer_create_from_buffer(const char *name, void *bytes, int size, int performance)
{
    require(name != NULL && name[0] != 0 && bytes != NULL && size > 0, "a model has name and bytes");
    require(performance >= 0 && performance <= 3, "performance is 0 to 3");
    if (is_mode("no-buffer"))
        return NULL;
    struct model *model = make(MODEL, sizeof *model);
    model->bytes = bytes;
    model->size = (size_t)size;
    return model;
}

void HIAI_ModelBuffer_destroy(void *pointer)
{
    use(pointer, MODEL, "only a live model buffer is destroyed");
    require(!((struct model *)pointer)->is_loaded, "a model buffer outlives the loaded model");
    end(pointer, MODEL, "only a live model buffer is destroyed");
}

/* --- tensors ------------------------------------------------------------------------------------------ */

struct tensor {
    struct object object;
    int n, c, h, w;
    float *values;
};

void *HIAI_TensorBuffer_create(int n, int c, int h, int w)
{
    require(n > 0 && c > 0 && h > 0 && w > 0, "a tensor has a size");
    if (is_mode("no-tensor"))
        return NULL;
    struct tensor *tensor = make(TENSOR, sizeof *tensor);
    tensor->n = n, tensor->c = c, tensor->h = h, tensor->w = w;
    tensor->values = calloc((size_t)n * c * h * w, sizeof(float));
    return tensor;
}

void *HIAI_TensorBuffer_getRawBuffer(void *pointer)
{
    use(pointer, TENSOR, "only a live tensor is read");
    return ((struct tensor *)pointer)->values;
}

int HIAI_TensorBuffer_getBufferSize(void *pointer)
{
    use(pointer, TENSOR, "only a live tensor has a size");
    const struct tensor *tensor = pointer;
    int size = tensor->n * tensor->c * tensor->h * tensor->w * (int)sizeof(float);
    return is_mode("short-tensor") ? size - 4 : size;
}

void HIAI_TensorBuffer_destroy(void *pointer)
{
    end(pointer, TENSOR, "only a live tensor is destroyed");
    free(((struct tensor *)pointer)->values);
}

/* --- a manager ---------------------------------------------------------------------------------------- */

struct manager {
    struct object object;
    struct model *model;
    struct network network;
    int stamp, runs;
};

void *HIAI_ModelManager_create(void *listener)
{
    require(listener == NULL, "this stub is synchronous");
    return is_mode("no-manager") ? NULL : make(MANAGER, sizeof(struct manager));
}

void HIAI_ModelManager_destroy(void *pointer)
{
    use(pointer, MANAGER, "only a live manager is destroyed");
    require(((struct manager *)pointer)->model == NULL, "a model is unloaded before its manager goes");
    end(pointer, MANAGER, "only a live manager is destroyed");
    require(count_alive() == 0, "all is given back before the manager");
    fputs("stub: all is given back\n", stderr);
}

static int done(struct manager *manager)
{
    return is_mode("stamps") ? ++manager->stamp : 0;
}

int HIAI_ModelManager_loadFromModelBuffers(void *pointer, void *buffers[], int count)
{
    struct manager *manager = pointer;
    use(manager, MANAGER, "only a live manager loads");
    require(count == 1 && manager->model == NULL, "this stub loads one model");
    use(buffers[0], MODEL, "only a live model buffer is loaded");
    struct model *model = buffers[0];
    if (is_mode("load-fails"))
        return -1;
    if (is_mode("load-crashes"))
        raise(SIGSEGV);
    if (is_mode("load-hangs"))
        for (;;)
            pause();
    if (!network_read(&manager->network, model->bytes, model->size))
        return -2;
    manager->model = model;
    model->is_loaded = true;
    return done(manager);
}

int HIAI_ModelManager_unloadModel(void *pointer)
{
    struct manager *manager = pointer;
    use(manager, MANAGER, "only a live manager unloads");
    require(manager->model != NULL, "only what is loaded is unloaded");
    manager->model->is_loaded = false;
    manager->model = NULL;
    network_free(&manager->network);
    return done(manager);
}

/* The bytes of the model as they are now, which ends the process if they are not there any more. */
static bool is_as_loaded(const struct manager *manager)
{
    struct network now;
    bool is_whole = network_read(&now, manager->model->bytes, manager->model->size);
    if (is_whole)
        network_free(&now);
    return is_whole && now.batch == manager->network.batch;
}

static void spoil(float *scores, size_t count)
{
    if (is_mode("slow"))
        sleep_ms(LATE_MS);
    if (is_mode("hangs"))
        for (;;)
            pause();
    if (is_mode("crashes"))
        raise(SIGSEGV);
    for (size_t i = 0; i < count && is_mode("zeros"); i++)
        scores[i] = 0.0f;
    for (size_t i = 0; i < count && is_mode("nan"); i++)
        scores[i] = 0.0f / 0.0f;
}

int HIAI_ModelManager_runModel(void *pointer, void *in[], int in_count, void *out[], int out_count,
                               int timeout_ms, const char *name)
{
    (void)timeout_ms; /* it does nothing in a synchronous call */
    struct manager *manager = pointer;
    use(manager, MANAGER, "only a live manager runs");
    require(manager->model != NULL && name != NULL && is_as_loaded(manager), "a model is loaded");
    require(in_count == 1 && out_count == 1, "this stub has one input and one output");
    use(in[0], TENSOR, "only a live tensor is an input");
    use(out[0], TENSOR, "only a live tensor is an output");
    struct tensor *input = in[0], *output = out[0];
    const struct network *network = &manager->network;
    require(input->n == (int)network->batch && input->c == (int)network->layers[0].inputs &&
                output->n == input->n && input->h * input->w * output->h * output->w == 1 &&
                output->c == (int)network->layers[network->count - 1].outputs,
            "tensors have the shapes of the model");
    bool is_sound = ++manager->runs == 1;
    if (!is_sound && is_mode("run-fails"))
        return -5;
    if (!is_sound && is_mode("positive-error"))
        return 1; /* an error by one reading of the sources; nothing is computed */
    network_run(network, input->values, output->values);
    if (!is_sound)
        spoil(output->values, (size_t)output->n * output->c);
    return done(manager);
}

#ifndef WITHOUT_OPTIONAL_SYMBOLS

/* --- shapes ------------------------------------------------------------------------------------------- */

struct shapes {
    int input_count, output_count;
    int *input_shape, *output_shape;
};

struct shapes_object {
    struct object object;
    struct shapes shapes;
    int input[4], output[4];
};

void *HIAI_ModelManager_getModelTensorInfo(void *pointer, const char *name)
{
    struct manager *manager = pointer;
    use(manager, MANAGER, "only a live manager tells shapes");
    require(manager->model != NULL && name != NULL, "a model is loaded");
    const struct network *network = &manager->network;
    const struct shapes_object sizes = {
        .shapes = {is_mode("two-inputs") ? 2 : 1, 1, NULL, NULL},
        .input = {(int)network->batch, (int)network->layers[0].inputs, 1, 1},
        .output = {(int)network->batch, (int)network->layers[network->count - 1].outputs, 1, 1},
    };
    struct shapes_object *made = make(SHAPES, sizeof *made);
    made->shapes = sizes.shapes;
    memcpy(made->input, sizes.input, sizeof made->input);
    memcpy(made->output, sizes.output, sizeof made->output);
    made->shapes.input_shape = made->input;
    made->shapes.output_shape = made->output;
    return &made->shapes;
}

void HIAI_ModelManager_releaseModelTensorInfo(void *pointer)
{
    end((char *)pointer - offsetof(struct shapes_object, shapes), SHAPES,
        "only live shapes are released");
}

/* --- compile ------------------------------------------------------------------------------------------ */

struct memory {
    struct object object;
    unsigned char *bytes;
    unsigned size;
};

void *HIAI_MemBuffer_create_from_buffer(void *bytes, unsigned size)
{
    struct memory *memory = make(MEMORY, sizeof *memory);
    memory->bytes = malloc(size);
    memory->size = size;
    memcpy(memory->bytes, bytes, size);
    return memory;
}

void *HIAI_MemBuffer_create(int framework, void *parts[], unsigned count)
{
    require(framework == CAFFE && count == 2, "Caffe models have two parts");
    use(parts[0], MEMORY, "only live memory is compiled");
    use(parts[1], MEMORY, "only live memory is compiled");
    struct memory *memory = make(MEMORY, sizeof *memory);
    memory->size = 16 << 20;
    memory->bytes = malloc(memory->size);
    return memory;
}

void HIAI_MemBuffer_destroy(void *pointer)
{
    end(pointer, MEMORY, "only live memory is destroyed");
    free(((struct memory *)pointer)->bytes);
}

int HIAI_ModelManager_buildModel(void *pointer, int framework, void *parts[], unsigned count,
                                 void *output, unsigned *size)
{
    use(pointer, MANAGER, "only a live manager compiles");
    require(framework == CAFFE && count == 2, "Caffe models have two parts");
    use(parts[0], MEMORY, "only live memory is compiled");
    use(parts[1], MEMORY, "only live memory is compiled");
    use(output, MEMORY, "only live memory takes a model");
    const struct memory *text = parts[0], *weights = parts[1];
    struct memory *made = output;
    size_t needed =
        network_compile(text->bytes, text->size, weights->bytes, weights->size, NULL);
    if (needed == 0 || needed > made->size || is_mode("build-fails"))
        return 1;
    network_compile(text->bytes, text->size, weights->bytes, weights->size, made->bytes);
    *size = (unsigned)needed;
    return 0;
}

bool HIAI_MemBuffer_export_file(void *pointer, unsigned size, const char *path)
{
    use(pointer, MEMORY, "only live memory is written");
    const struct memory *memory = pointer;
    require(size <= memory->size, "no more is written than there is");
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return false;
    bool is_written = fwrite(memory->bytes, 1, size, file) == size;
    return fclose(file) == 0 && is_written;
}

#endif
