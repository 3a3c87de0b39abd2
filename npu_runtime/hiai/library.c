#include "library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define WITHOUT_NPU "000.000.000.000"

enum need { NEEDED, FOR_SHAPES, FOR_BUILDING };

struct symbol {
    const char *name;
    size_t place; /* in struct libai_client */
    enum need need;
};

#define SYMBOL(name, need) {"HIAI_" #name, offsetof(struct libai_client, name), need}

static const struct symbol SYMBOLS[] = {
    SYMBOL(GetVersion, NEEDED),
    SYMBOL(ModelManager_create, NEEDED),
    SYMBOL(ModelManager_destroy, NEEDED),
    SYMBOL(ModelBuffer_create_from_buffer, NEEDED),
    SYMBOL(ModelBuffer_destroy, NEEDED),
    SYMBOL(ModelManager_loadFromModelBuffers, NEEDED),
    SYMBOL(ModelManager_unloadModel, NEEDED),
    SYMBOL(TensorBuffer_create, NEEDED),
    SYMBOL(TensorBuffer_getRawBuffer, NEEDED),
    SYMBOL(TensorBuffer_getBufferSize, NEEDED),
    SYMBOL(TensorBuffer_destroy, NEEDED),
    SYMBOL(ModelManager_runModel, NEEDED),
    SYMBOL(ModelManager_getModelTensorInfo, FOR_SHAPES),
    SYMBOL(ModelManager_releaseModelTensorInfo, FOR_SHAPES),
    SYMBOL(MemBuffer_create_from_buffer, FOR_BUILDING),
    SYMBOL(MemBuffer_create, FOR_BUILDING),
    SYMBOL(MemBuffer_destroy, FOR_BUILDING),
    SYMBOL(MemBuffer_export_file, FOR_BUILDING),
    SYMBOL(ModelManager_buildModel, FOR_BUILDING),
};

/* Where a symbol that is needed is missing: its name; else NULL. */
static const char *resolve(struct library *library, void *handle)
{
    library->tells_shapes = library->builds = true;
    for (size_t i = 0; i < sizeof SYMBOLS / sizeof *SYMBOLS; i++) {
        const struct symbol *symbol = &SYMBOLS[i];
        void *found = dlsym(handle, symbol->name);
        memcpy((char *)&library->call + symbol->place, &found, sizeof found);
        if (found == NULL && symbol->need == NEEDED)
            return symbol->name;
        if (found == NULL && symbol->need == FOR_SHAPES)
            library->tells_shapes = false;
        if (found == NULL && symbol->need == FOR_BUILDING)
            library->builds = false;
    }
    return NULL;
}

/* Digits and dots alone: the version goes into JSON and into a log. */
static bool is_version(const char *text)
{
    size_t length = text == NULL ? 0 : strnlen(text, MOST_VERSION);
    return 0 < length && length < MOST_VERSION && strspn(text, "0123456789.") == length;
}

static bool check_version(struct library *library, char *why, size_t why_size)
{
    const char *version = library->call.GetVersion();
    if (!is_version(version)) {
        snprintf(why, why_size, "HIAI_GetVersion must give digits and dots");
        return false;
    }
    snprintf(library->version, sizeof library->version, "%s", version);
    if (strcmp(version, WITHOUT_NPU) == 0) {
        snprintf(why, why_size, "HIAI_GetVersion must not give %s: there is no NPU", version);
        return false;
    }
    return true;
}

bool library_open(struct library *library, const char *path, char *why, size_t why_size)
{
    memset(library, 0, sizeof *library);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        snprintf(why, why_size, "the library must be there: %s", dlerror());
        return false;
    }
    const char *missing = resolve(library, handle);
    if (missing != NULL)
        snprintf(why, why_size, "%s must have the symbol %s", path, missing);
    return missing == NULL && check_version(library, why, why_size);
}
