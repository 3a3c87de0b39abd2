#include "stub_network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- half precision --------------------------------------------------------------------------------- */

/* The nearest number of half precision: 11 bits of significand, to even; 65504 is the largest. */
static float half(float x)
{
    if (!isfinite(x) || x == 0.0f)
        return x;
    int exponent;
    frexpf(x, &exponent);
    int unit = exponent - 11 < -24 ? -24 : exponent - 11;
    float rounded = ldexpf(rintf(ldexpf(x, -unit)), unit);
    return fabsf(rounded) > 65504.0f ? copysignf(INFINITY, x) : rounded;
}

static void layer_run(const struct layer *layer, const float *in, float *out)
{
    for (uint32_t j = 0; j < layer->outputs; j++)
        out[j] = layer->bias[j];
    for (uint32_t i = 0; i < layer->inputs; i++)
        for (uint32_t j = 0; j < layer->outputs; j++)
            out[j] += in[i] * layer->weight[(size_t)i * layer->outputs + j];
    for (uint32_t j = 0; j < layer->outputs; j++)
        out[j] = half(layer->relu && out[j] < 0.0f ? 0.0f : out[j]);
}

void network_run(const struct network *network, const float *rows, float *scores)
{
    uint32_t widest = network->layers[0].inputs;
    for (uint32_t k = 0; k < network->count; k++)
        if (network->layers[k].outputs > widest)
            widest = network->layers[k].outputs;
    float *values = malloc(2 * sizeof(float) * widest), *in = values, *out = values + widest;
    uint32_t width = network->layers[0].inputs;
    uint32_t last = network->layers[network->count - 1].outputs;
    for (uint32_t row = 0; row < network->batch; row++) {
        for (uint32_t i = 0; i < width; i++)
            in[i] = half(rows[(size_t)row * width + i]);
        for (uint32_t k = 0; k < network->count; k++) {
            layer_run(&network->layers[k], in, out);
            float *swap = in;
            in = out;
            out = swap;
        }
        memcpy(scores + (size_t)row * last, in, sizeof(float) * last);
    }
    free(values);
}

/* --- the stub's own format -------------------------------------------------------------------------- */

struct reader {
    const unsigned char *at, *end;
    bool is_whole;
};

static uint32_t read_number(struct reader *reader)
{
    uint32_t value = 0;
    if (reader->end - reader->at < (ptrdiff_t)sizeof value)
        return reader->is_whole = false, 0;
    memcpy(&value, reader->at, sizeof value);
    reader->at += sizeof value;
    return value;
}

static float *read_floats(struct reader *reader, size_t count)
{
    if ((size_t)(reader->end - reader->at) / sizeof(float) < count)
        return reader->is_whole = false, NULL;
    float *values = malloc(sizeof(float) * count + 1);
    for (size_t i = 0; i < count; i++) {
        memcpy(&values[i], reader->at + sizeof(float) * i, sizeof(float));
        values[i] = half(values[i]);
    }
    reader->at += sizeof(float) * count;
    return values;
}

bool network_read(struct network *network, const unsigned char *bytes, size_t size)
{
    struct reader reader = {bytes + 4, bytes + size, size >= 4 && memcmp(bytes, "STUB", 4) == 0};
    memset(network, 0, sizeof *network);
    if (!reader.is_whole)
        return false;
    network->batch = read_number(&reader);
    uint32_t count = read_number(&reader);
    for (uint32_t k = 0; reader.is_whole && k < count && k < MOST_LAYERS; k++) {
        struct layer *layer = &network->layers[network->count++];
        layer->inputs = read_number(&reader);
        layer->outputs = read_number(&reader);
        layer->relu = read_number(&reader);
        layer->weight = read_floats(&reader, (size_t)layer->inputs * layer->outputs);
        layer->bias = read_floats(&reader, layer->outputs);
        if (k > 0 && layer->inputs != layer[-1].outputs)
            reader.is_whole = false;
    }
    if (reader.is_whole && network->count > 0 && network->count == count)
        return true;
    network_free(network);
    return false;
}

void network_free(struct network *network)
{
    for (uint32_t k = 0; k < network->count; k++) {
        free(network->layers[k].weight);
        free(network->layers[k].bias);
    }
    network->count = 0;
}

/* --- Caffe ------------------------------------------------------------------------------------------ */

/* Field numbers of https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto */
enum { NET_LAYER = 100, LAYER_TYPE = 2, LAYER_BLOBS = 7, BLOB_DATA = 5 };

struct field {
    uint64_t number;
    const unsigned char *bytes;
    size_t size;
};

static bool read_varint(struct reader *reader, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        unsigned char byte = *reader->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* The next field of a message; of a number only the field's own number counts here. */
static bool next_field(struct reader *reader, struct field *field)
{
    uint64_t key, value;
    if (reader->at >= reader->end || !read_varint(reader, &key))
        return false;
    field->number = key >> 3;
    field->bytes = reader->at;
    field->size = 0;
    if ((key & 7) == 0)
        return read_varint(reader, &value);
    if ((key & 7) != 2 || !read_varint(reader, &value))
        return false;
    if (value > (uint64_t)(reader->end - reader->at))
        return false;
    field->bytes = reader->at;
    field->size = (size_t)value;
    reader->at += value;
    return true;
}

struct writer {
    unsigned char *out; /* NULL: only count */
    size_t size;
};

static void write_bytes(struct writer *writer, const void *bytes, size_t size)
{
    if (writer->out != NULL)
        memcpy(writer->out + writer->size, bytes, size);
    writer->size += size;
}

static void write_number(struct writer *writer, uint32_t value)
{
    write_bytes(writer, &value, sizeof value);
}

/* Caffe's weights are outputs x inputs. */
static void write_product(struct writer *writer, const struct field *weight,
                          const struct field *bias, bool relu)
{
    uint32_t outputs = (uint32_t)(bias->size / sizeof(float));
    uint32_t inputs = (uint32_t)(weight->size / sizeof(float)) / outputs;
    write_number(writer, inputs);
    write_number(writer, outputs);
    write_number(writer, relu);
    for (uint32_t i = 0; i < inputs; i++)
        for (uint32_t j = 0; j < outputs; j++)
            write_bytes(writer, weight->bytes + sizeof(float) * ((size_t)j * inputs + i),
                        sizeof(float));
    write_bytes(writer, bias->bytes, bias->size);
}

static struct field blob_data(struct field blob)
{
    struct reader reader = {blob.bytes, blob.bytes + blob.size, true};
    struct field field, data = {0, NULL, 0};
    while (next_field(&reader, &field))
        if (field.number == BLOB_DATA)
            data = field;
    return data;
}

struct product {
    struct field weight, bias;
    bool relu;
};

/* The InnerProduct layers of a NetParameter, each with the ReLU behind it. */
static uint32_t products_of(const unsigned char *bytes, size_t size, struct product *products)
{
    struct reader net = {bytes, bytes + size, true};
    struct field layer, field;
    uint32_t count = 0;
    while (next_field(&net, &layer)) {
        if (layer.number != NET_LAYER)
            continue;
        struct reader reader = {layer.bytes, layer.bytes + layer.size, true};
        struct field blobs[2] = {{0, NULL, 0}, {0, NULL, 0}};
        bool is_product = false, is_relu = false;
        int found = 0;
        while (next_field(&reader, &field)) {
            if (field.number == LAYER_TYPE) {
                is_product = field.size == 12 && memcmp(field.bytes, "InnerProduct", 12) == 0;
                is_relu = field.size == 4 && memcmp(field.bytes, "ReLU", 4) == 0;
            }
            if (field.number == LAYER_BLOBS && found < 2)
                blobs[found++] = blob_data(field);
        }
        if (is_relu && count > 0)
            products[count - 1].relu = true;
        if (is_product && found == 2 && blobs[1].size > 0 && count < MOST_LAYERS)
            products[count++] = (struct product){blobs[0], blobs[1], false};
    }
    return count;
}

size_t network_compile(const unsigned char *prototxt, size_t prototxt_size,
                       const unsigned char *caffemodel, size_t caffemodel_size, unsigned char *out)
{
    struct product products[MOST_LAYERS];
    char *text = calloc(1, prototxt_size + 1);
    memcpy(text, prototxt, prototxt_size);
    const char *dim = strstr(text, "dim:");
    uint32_t batch = dim == NULL ? 0 : (uint32_t)strtoul(dim + 4, NULL, 10);
    free(text);
    uint32_t count = products_of(caffemodel, caffemodel_size, products);
    if (batch == 0 || count == 0)
        return 0;
    struct writer writer = {out, 0};
    write_bytes(&writer, "STUB", 4);
    write_number(&writer, batch);
    write_number(&writer, count);
    for (uint32_t k = 0; k < count; k++)
        write_product(&writer, &products[k].weight, &products[k].bias, products[k].relu);
    return writer.size;
}
