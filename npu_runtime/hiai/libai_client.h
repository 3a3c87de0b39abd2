/* The part of Huawei's HiAI DDK V100.150 that this program calls, declared anew.
 *
 * Names, argument lists and values are those of HIAIModelManager.h of that DDK, as copies of it in
 * public projects show it, and of the casts that Huawei's HiAI Foundation (Apache-2.0) makes when it
 * looks the same symbols up in libai_client.so. Objects of the library are opaque: their layouts
 * differ between generations of the DDK. The one exception is said below.
 *
 * What the sources leave open is in docs/npu-hiai.md.
 */
#ifndef ILGOV_LIBAI_CLIENT_H
#define ILGOV_LIBAI_CLIENT_H

#include <stdbool.h>

typedef struct HIAI_ModelManager HIAI_ModelManager;
typedef struct HIAI_ModelManagerListener HIAI_ModelManagerListener; /* never made: NULL is synchronous */
typedef struct HIAI_ModelBuffer HIAI_ModelBuffer;
typedef struct HIAI_TensorBuffer HIAI_TensorBuffer;
typedef struct HIAI_MemBuffer HIAI_MemBuffer;

/* Read, never made: counts of tensors, and four numbers (N, C, H, W) for each. This layout is the
 * same in the header of V100.150 and in HiAI Foundation of 2023. */
typedef struct {
    int input_count;
    int output_count;
    int *input_shape;
    int *output_shape;
} HIAI_ModelTensorInfo;

/* C enumerations, passed as int. */
enum { HIAI_FRAMEWORK_CAFFE = 3 };
enum { HIAI_DEVPREF_HIGH = 3 };

/* The library's functions, each by its own name without "HIAI_". Who makes an object destroys it. */
struct libai_client {
    /* <product>.<V>.<C>.<B>, or 000.000.000.000 without an NPU. The text stays the library's. */
    char *(*GetVersion)(void);

    HIAI_ModelManager *(*ModelManager_create)(HIAI_ModelManagerListener *);
    void (*ModelManager_destroy)(HIAI_ModelManager *);

    HIAI_ModelBuffer *(*ModelBuffer_create_from_buffer)(const char *name, void *bytes, int size,
                                                        int performance);
    void (*ModelBuffer_destroy)(HIAI_ModelBuffer *);

    /* 0 or a positive task stamp: done; below 0: failed. */
    int (*ModelManager_loadFromModelBuffers)(HIAI_ModelManager *, HIAI_ModelBuffer *[], int count);
    int (*ModelManager_unloadModel)(HIAI_ModelManager *);

    /* float32, in the order N, C, H, W. */
    HIAI_TensorBuffer *(*TensorBuffer_create)(int n, int c, int h, int w);
    void *(*TensorBuffer_getRawBuffer)(HIAI_TensorBuffer *);
    int (*TensorBuffer_getBufferSize)(HIAI_TensorBuffer *);
    void (*TensorBuffer_destroy)(HIAI_TensorBuffer *);

    /* As loading. The time-out, in ms, does nothing in a synchronous call. */
    int (*ModelManager_runModel)(HIAI_ModelManager *, HIAI_TensorBuffer *inputs[], int input_count,
                                 HIAI_TensorBuffer *outputs[], int output_count, int timeout_ms,
                                 const char *name);

    /* NULL where the library has no such symbol: the shapes of a loaded model. */
    HIAI_ModelTensorInfo *(*ModelManager_getModelTensorInfo)(HIAI_ModelManager *, const char *name);
    void (*ModelManager_releaseModelTensorInfo)(HIAI_ModelTensorInfo *);

    /* NULL where the library has no such symbol: compile a model on the device. */
    HIAI_MemBuffer *(*MemBuffer_create_from_buffer)(void *bytes, unsigned size);
    HIAI_MemBuffer *(*MemBuffer_create)(int framework, HIAI_MemBuffer *[], unsigned count);
    void (*MemBuffer_destroy)(HIAI_MemBuffer *);
    bool (*MemBuffer_export_file)(HIAI_MemBuffer *, unsigned size, const char *path);
    int (*ModelManager_buildModel)(HIAI_ModelManager *, int framework, HIAI_MemBuffer *inputs[],
                                   unsigned input_count, HIAI_MemBuffer *output, unsigned *size);
};

#endif
