/* A model on the NPU: load it, run it, and give back what belongs to the library. */
#ifndef ILGOV_HIAI_MODEL_H
#define ILGOV_HIAI_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "library.h"

enum { MOST_NAME = 64, MOST_PARTS = 2 };

/* What the client wants: one part is a compiled model, two are Caffe's prototxt and caffemodel,
 * which are compiled here. The bytes stay the caller's, and must stay until the model is unloaded. */
struct wanted {
    char name[MOST_NAME];
    uint32_t batch, inputs, outputs;
    uint32_t parts;
    uint32_t size[MOST_PARTS];
    unsigned char *bytes[MOST_PARTS];
};

struct model {
    const struct library *library;
    const struct wanted *wanted;
    HIAI_ModelManager *manager;
    HIAI_ModelBuffer *buffer;
    HIAI_TensorBuffer *input, *output;
    bool is_loaded;
    unsigned char *built; /* what was compiled here, as bytes */
};

/* False, and `why`, where the library refuses; nothing is left behind then. `build_path` is where a
 * model that is compiled here is written. */
bool model_load(struct model *model, const struct library *library, const struct wanted *wanted,
                const char *build_path, char *why, size_t why_size);

/* Run `batch` x `inputs` numbers, which gives `batch` x `outputs`. The rows need no alignment. False,
 * and `why`, where the library fails. */
bool model_run(struct model *model, const unsigned char *rows, unsigned char *scores, char *why,
               size_t why_size);

void model_unload(struct model *model);

#endif
