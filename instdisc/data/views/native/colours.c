/* The photometric steps of views on the CPU: the operators of `operators.py`, on a block of pixels
 * at a time, so that what lies between two steps stays in the processor's first cache.
 *
 * Whatever differs between images (order of the jitter, what is left as it is, blurred or not) is
 * settled for each image before its pixels are read. The loops over a block are such that a
 * compiler makes vectors of them, and sums have a fixed order: results depend neither on the width
 * of the vectors nor on the threads, which share the images.
 *
 * `stages.py` says what a stage and a row of steps are: an integer of two bits for each step, the
 * first lowest. `library.py` mirrors the structures.
 */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 512 /* pixels */
#define LANES 16  /* partial sums, and neighbours that are blurred at once */
#define NUM_ORDERS 24
#define MOST_OPERATORS 20 /* of a row of 15 steps, of which one may be a jitter */

typedef struct {
    int32_t steps, column, threshold; /* where its numbers and thresholds begin */
} Row;

typedef struct {
    Row before, after;   /* the blur */
    int32_t blur_column; /* -1: none */
    int32_t radius;
    int32_t normalises;
} Stage;

enum { BYTES, FLOATS, NARROW }; /* uint8, float32, bfloat16 */

typedef struct {
    void *values;
    int64_t image, plane, pixel; /* distances */
    int32_t type;
} Images;

typedef struct {
    const float *numbers;   /* (B, columns) */
    int64_t columns;
    const float *constants; /* three means, three deviations, the thresholds */
    const int32_t *orders;  /* (24, 4) operators of the jitter */
} Tables;

enum { JITTER = 1, GREYSCALE, SOLARISATION };
enum { BRIGHTNESS, CONTRAST, SATURATION, HUE, GREY, INVERSION };

typedef struct {
    int kind;
    float number;
} Operator;

typedef struct {
    float red[BLOCK], green[BLOCK], blue[BLOCK];
} Block;

/* What is no number stays so. */
static inline float at_least(float value, float least) { return value < least ? least : value; }
static inline float at_most(float value, float most) { return value > most ? most : value; }
static inline float in_range(float value) { return at_most(at_least(value, 0.0f), 1.0f); }

static inline int smaller(int64_t a, int64_t b) { return (int)(a < b ? a : b); }

/* torchvision's weights */
static inline float grey_of(float red, float green, float blue) {
    return 0.2989f * red + 0.587f * green + 0.114f * blue;
}

/* Reading and writing. */

static void read_bytes(const uint8_t *restrict source, int64_t step, float *restrict plane,
                       int count) {
    /* Divided as torch does, for thresholds that are levels of 255. */
    if (step == 1)
        for (int i = 0; i < count; i++) plane[i] = (float)source[i] / 255.0f;
    else if (step == 3)
        for (int i = 0; i < count; i++) plane[i] = (float)source[3 * i] / 255.0f;
    else
        for (int i = 0; i < count; i++) plane[i] = (float)source[i * step] / 255.0f;
}

static void read_plane(const Images *images, int64_t place, float *restrict plane, int count) {
    if (images->type == BYTES) {
        read_bytes((const uint8_t *)images->values + place, images->pixel, plane, count);
        return;
    }
    const float *source = (const float *)images->values + place;
    if (images->pixel == 1)
        memcpy(plane, source, count * sizeof(float));
    else
        for (int i = 0; i < count; i++) plane[i] = source[i * images->pixel];
}

static void read_block(const Images *images, int64_t place, Block *block, int count) {
    read_plane(images, place, block->red, count);
    read_plane(images, place + images->plane, block->green, count);
    read_plane(images, place + 2 * images->plane, block->blue, count);
}

/* The nearest bfloat16, the even one of two. */
static inline uint16_t narrowed(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? 0x7FC0 : rounded); /* no number */
}

static void write_floats(float *restrict target, int64_t step, const float *restrict plane,
                         int count) {
    if (step == 1)
        memcpy(target, plane, count * sizeof(float));
    else if (step == 3)
        for (int i = 0; i < count; i++) target[3 * i] = plane[i];
    else
        for (int i = 0; i < count; i++) target[i * step] = plane[i];
}

static void write_narrow(uint16_t *restrict target, int64_t step, const float *restrict plane,
                         int count) {
    if (step == 1)
        for (int i = 0; i < count; i++) target[i] = narrowed(plane[i]);
    else if (step == 3)
        for (int i = 0; i < count; i++) target[3 * i] = narrowed(plane[i]);
    else
        for (int i = 0; i < count; i++) target[i * step] = narrowed(plane[i]);
}

static void write_block(const Images *images, int64_t place, const Block *block, int count) {
    const float *planes[3] = {block->red, block->green, block->blue};
    for (int colour = 0; colour < 3; colour++) {
        int64_t start = place + colour * images->plane;
        if (images->type == FLOATS)
            write_floats((float *)images->values + start, images->pixel, planes[colour], count);
        else
            write_narrow((uint16_t *)images->values + start, images->pixel, planes[colour], count);
    }
}

/* Operators on a block. */

static void blend(float *restrict plane, int count, float factor, float rest) {
    for (int i = 0; i < count; i++) plane[i] = in_range(plane[i] * factor + rest);
}

static void saturate(Block *restrict block, int count, float factor) {
    for (int i = 0; i < count; i++) {
        float red = block->red[i], green = block->green[i], blue = block->blue[i];
        float rest = grey_of(red, green, blue) * (1.0f - factor);
        block->red[i] = in_range(red * factor + rest);
        block->green[i] = in_range(green * factor + rest);
        block->blue[i] = in_range(blue * factor + rest);
    }
}

/* To the nearest whole number, for values below 2^22. */
static inline float nearest(float value) { return (value + 12582912.0f) - 12582912.0f; }

/* How much of its chroma a primary lacks at an angle. */
static inline float lack(float turns) {
    return in_range(2.0f - 6.0f * fabsf(turns - nearest(turns)));
}

static void turn(Block *restrict block, int count, float shift) {
    const float sixth = 1.0f / 6, third = 1.0f / 3;
    for (int i = 0; i < count; i++) {
        float red = block->red[i], green = block->green[i], blue = block->blue[i];
        float value = at_least(at_least(red, green), blue);
        float chroma = value - at_most(at_most(red, green), blue);
        /* Grey has no hue: its chroma of 0 makes any hue give the grey again. */
        float part = 1.0f / at_least(6.0f * chroma, 1e-20f);
        float near_red = (green - blue) * part;
        float near_green = (blue - red) * part + third;
        float near_blue = (red - green) * part + 2.0f * third;
        float rest = value == green ? near_green : near_blue;
        float turns = (value == red ? near_red : rest) + shift;
        block->red[i] = value - lack(turns + 0.5f) * chroma;
        block->green[i] = value - lack(turns + sixth) * chroma;
        block->blue[i] = value - lack(turns - sixth) * chroma;
    }
}

static void make_grey(Block *restrict block, int count) {
    for (int i = 0; i < count; i++) {
        float level = grey_of(block->red[i], block->green[i], block->blue[i]);
        block->red[i] = block->green[i] = block->blue[i] = level;
    }
}

static void invert(float *restrict plane, int count, float threshold) {
    for (int i = 0; i < count; i++) plane[i] = plane[i] >= threshold ? 1.0f - plane[i] : plane[i];
}

static void normalise(float *restrict plane, int count, float mean, float scale) {
    for (int i = 0; i < count; i++) plane[i] = (plane[i] - mean) * scale;
}

/* `mean` is the image's mean grey as it is when contrast comes. */
static void run(const Operator *operators, int many, float mean, Block *block, int count) {
    float *planes[3] = {block->red, block->green, block->blue};
    for (int each = 0; each < many; each++) {
        int kind = operators[each].kind;
        float number = operators[each].number;
        float rest = kind == CONTRAST ? mean * (1.0f - number) : 0.0f;
        if (kind == SATURATION) saturate(block, count, number);
        else if (kind == HUE) turn(block, count, number);
        else if (kind == GREY) make_grey(block, count);
        else if (kind == INVERSION)
            for (int colour = 0; colour < 3; colour++) invert(planes[colour], count, number);
        else
            for (int colour = 0; colour < 3; colour++) blend(planes[colour], count, number, rest);
    }
}

/* The operators that change an image, and the place of contrast among them; -1 if the number of an
 * order is none. */
static int operators_of(const Row *row, const float *numbers, const Tables *tables,
                        Operator *operators, int *contrast) {
    int many = 0;
    const float *threshold = tables->constants + row->threshold;
    numbers += row->column;
    for (int steps = row->steps; steps; steps >>= 2) {
        int step = steps & 3;
        if (step == JITTER) {
            if (!(numbers[4] >= 0 && numbers[4] < NUM_ORDERS)) return -1;
            const int32_t *order = tables->orders + 4 * (int)numbers[4];
            for (int place = 0; place < 4; place++) {
                float number = numbers[order[place]];
                if (number == (order[place] == HUE ? 0.0f : 1.0f)) continue;
                if (order[place] == CONTRAST) *contrast = many;
                operators[many++] = (Operator){order[place], number};
            }
            numbers += 5;
            continue;
        }
        if (*numbers > 0)
            operators[many++] = step == GREYSCALE ? (Operator){GREY, 0}
                                                  : (Operator){INVERSION, *threshold};
        numbers++;
        threshold += step == SOLARISATION;
    }
    return many;
}

static double sum_of_grey(const Block *block, int count) {
    float sums[LANES] = {0};
    double total = 0;
    int i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int j = 0; j < LANES; j++)
            sums[j] += grey_of(block->red[i + j], block->green[i + j], block->blue[i + j]);
    for (; i < count; i++) total += grey_of(block->red[i], block->green[i], block->blue[i]);
    for (int j = 0; j < LANES; j++) total += sums[j];
    return total;
}

/* Blur. */

/* Weights of the taps from the middle one on, and how far they reach; to both sides they make 1. */
static int gaussian(float sigma, int radius, float *weights) {
    double width = at_least(sigma, 1e-3f), total = 0;
    int reach = 0;
    for (int tap = 0; tap <= radius; tap++) {
        double weight = exp(-0.5 * (tap / width) * (tap / width));
        if (weight < 1e-9) break; /* less than float32 can show beside the middle one */
        weights[tap] = (float)weight;
        total += tap ? 2 * weight : weight;
        reach = tap;
    }
    for (int tap = 0; tap <= reach; tap++) weights[tap] = (float)(weights[tap] / total);
    return reach;
}

static inline int64_t reflected(int64_t place, int64_t last) {
    place = place < 0 ? -place : place;
    return place > last ? 2 * last - place : place;
}

/* The rows of a plane along themselves; `line` has room for one with its borders. */
static void blur_across(float *plane, int64_t height, int64_t width, const float *weights,
                        int reach, float *restrict line) {
    const float *middle = line + reach;
    for (int64_t y = 0; y < height; y++) {
        float *restrict row = plane + y * width;
        memcpy(line + reach, row, width * sizeof(float));
        for (int tap = 1; tap <= reach; tap++) {
            line[reach - tap] = row[reflected(-tap, width - 1)];
            line[reach + width - 1 + tap] = row[reflected(width - 1 + tap, width - 1)];
        }
        int64_t x = 0;
        for (; x + LANES <= width; x += LANES) {
            float sums[LANES];
            for (int j = 0; j < LANES; j++) sums[j] = weights[0] * middle[x + j];
            for (int tap = 1; tap <= reach; tap++)
                for (int j = 0; j < LANES; j++)
                    sums[j] += weights[tap] * (middle[x + j - tap] + middle[x + j + tap]);
            memcpy(row + x, sums, sizeof sums);
        }
        for (; x < width; x++) {
            float sum = weights[0] * middle[x];
            for (int tap = 1; tap <= reach; tap++)
                sum += weights[tap] * (middle[x - tap] + middle[x + tap]);
            row[x] = sum;
        }
    }
}

/* `count` pixels of row `y` of a plane, from the rows above and below. */
static void blur_down(const float *plane, int64_t y, int64_t height, int64_t width, int count,
                      const float *weights, int reach, float *restrict target) {
    const float *middle = plane + y * width;
    int x = 0;
    for (; x + LANES <= count; x += LANES) {
        float sums[LANES];
        for (int j = 0; j < LANES; j++) sums[j] = weights[0] * middle[x + j];
        for (int tap = 1; tap <= reach; tap++) {
            const float *above = plane + reflected(y - tap, height - 1) * width + x;
            const float *below = plane + reflected(y + tap, height - 1) * width + x;
            for (int j = 0; j < LANES; j++) sums[j] += weights[tap] * (above[j] + below[j]);
        }
        memcpy(target + x, sums, sizeof sums);
    }
    for (; x < count; x++) {
        float sum = weights[0] * middle[x];
        for (int tap = 1; tap <= reach; tap++)
            sum += weights[tap] * (plane[reflected(y - tap, height - 1) * width + x] +
                                   plane[reflected(y + tap, height - 1) * width + x]);
        target[x] = sum;
    }
}

/* Images. */

typedef struct {
    Operator operators[MOST_OPERATORS];
    int many;
    const float *constants; /* of the normalisation; NULL: none */
} Ending;

/* What follows the blur, to the target. */
static void end_block(const Ending *ending, const Images *target, int64_t place, Block *block,
                      int count) {
    float *planes[3] = {block->red, block->green, block->blue};
    run(ending->operators, ending->many, 0, block, count);
    if (ending->constants)
        for (int colour = 0; colour < 3; colour++) {
            float mean = ending->constants[colour], scale = 1.0f / ending->constants[3 + colour];
            normalise(planes[colour], count, mean, scale);
        }
    write_block(target, place, block, count);
}

/* From planes, which are changed, to the target; `room` is for a row with borders and weights. */
static void blur(float *planes, float *room, float sigma, int radius, int64_t height,
                 int64_t width, const Ending *ending, const Images *target, int64_t place) {
    int64_t pixels = height * width;
    float *across = room, *down = across + radius + 1, *line = down + radius + 1;
    int wide = gaussian(sigma, smaller(radius, width - 1), across);
    int tall = gaussian(sigma, smaller(radius, height - 1), down);
    Block block;
    float *blurred[3] = {block.red, block.green, block.blue};
    for (int colour = 0; colour < 3; colour++)
        blur_across(planes + colour * pixels, height, width, across, wide, line);
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x += BLOCK) {
            int count = smaller(BLOCK, width - x);
            for (int colour = 0; colour < 3; colour++)
                blur_down(planes + colour * pixels + x, y, height, width, count, down, tall,
                          blurred[colour]);
            end_block(ending, target, place + (y * width + x) * target->pixel, &block, count);
        }
}

static int finish(const Stage *stage, const Images *source, const Images *target, int64_t image,
                  int64_t height, int64_t width, const Tables *tables, float *room) {
    const float *numbers = tables->numbers + image * tables->columns;
    Operator operators[MOST_OPERATORS];
    Ending ending = {.constants = stage->normalises ? tables->constants : 0};
    int contrast = -1, none, first = 0;
    int many = operators_of(&stage->before, numbers, tables, operators, &contrast);
    ending.many = operators_of(&stage->after, numbers, tables, ending.operators, &none);
    if (many < 0 || ending.many < 0) return 0;
    float sigma = stage->blur_column < 0 ? 0 : numbers[stage->blur_column];
    int64_t pixels = height * width, start = image * source->image, end = image * target->image;
    Images planes = {room, 0, pixels, 1, FLOATS};
    float mean = 0;
    Block block;
    if (contrast >= 0) { /* what comes before it, for the mean */
        double total = 0;
        for (int64_t pixel = 0; pixel < pixels; pixel += BLOCK) {
            int count = smaller(BLOCK, pixels - pixel);
            read_block(source, start + pixel * source->pixel, &block, count);
            run(operators, contrast, 0, &block, count);
            total += sum_of_grey(&block, count);
            write_block(&planes, pixel, &block, count);
        }
        mean = (float)(total / (double)pixels);
        source = &planes;
        start = 0;
        first = contrast;
    }
    for (int64_t pixel = 0; pixel < pixels; pixel += BLOCK) {
        int count = smaller(BLOCK, pixels - pixel);
        read_block(source, start + pixel * source->pixel, &block, count);
        run(operators + first, many - first, mean, &block, count);
        if (sigma > 0)
            write_block(&planes, pixel, &block, count);
        else
            end_block(&ending, target, end + pixel * target->pixel, &block, count);
    }
    if (sigma > 0)
        blur(room, room + 3 * pixels, sigma, stage->radius, height, width, &ending, target, end);
    return 1;
}

/* Finishes images `begin` to `end`. `room` holds `values_of_room` floats, which no other thread
 * uses. Gives -1, or the first image whose numbers name no order of the jitter. */
int64_t finish_images(const Stage *stage, const Images *source, const Images *target,
                      int64_t begin, int64_t end, int64_t height, int64_t width,
                      const Tables *tables, float *room) {
    for (int64_t image = begin; image < end; image++)
        if (!finish(stage, source, target, image, height, width, tables, room)) return image;
    return -1;
}

int64_t values_of_room(const Stage *stage, int64_t height, int64_t width) {
    return 3 * height * width + 2 * (stage->radius + 1) + width + 2 * stage->radius;
}
