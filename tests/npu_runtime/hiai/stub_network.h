/* What the stub computes: fully connected layers in half precision, read from two formats. */
#ifndef STUB_NETWORK_H
#define STUB_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MOST_LAYERS = 16 };

struct layer {
    uint32_t inputs, outputs, relu;
    float *weight; /* inputs x outputs, rounded to half precision */
    float *bias;   /* outputs */
};

struct network {
    uint32_t batch, count;
    struct layer layers[MOST_LAYERS];
};

/* The stub's compiled format: "STUB", batch, number of layers; then for each layer inputs, outputs,
 * 1 for a ReLU, its weights (inputs x outputs) and biases as float32. False where it is cut off. */
bool network_read(struct network *network, const unsigned char *bytes, size_t size);

/* Write that format from Caffe's two files; 0 where they are none. `out` NULL: only the size. */
size_t network_compile(const unsigned char *prototxt, size_t prototxt_size,
                       const unsigned char *caffemodel, size_t caffemodel_size, unsigned char *out);

void network_run(const struct network *network, const float *rows, float *scores);

void network_free(struct network *network);

#endif
