/* Runs the kernel over a corpus under sanitisers.
 *
 * Arguments: the pages of ISO 8859, table files. Standard input: for each model u8 which table, u32 length (little endian), bytes. Standard
 * output: for each "error offset digest", the digest over every array. A model's bytes end where their memory ends. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bim.h"
#include "sha256.h"

static uint8_t *whole_file(const char *path, uint64_t *length) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) exit(2);
    long size = ftell(file);
    rewind(file);
    uint8_t *bytes = malloc((size_t)size + 1);
    if (bytes == NULL || fread(bytes, 1, (size_t)size, file) != (size_t)size) exit(2);
    fclose(file);
    *length = (uint64_t)size;
    return bytes;
}

int main(int count, char **paths) {
    uint8_t *tables[8], seed[32] = {7}, head[5];
    uint64_t lengths[8];
    for (int i = 1; i < count && i <= 8; i++) tables[i - 1] = whole_file(paths[i], &lengths[i - 1]);
    if (count < 2 || lengths[0] != BIM_PAGES_LENGTH) return 2;
    while (fread(head, 1, sizeof head, stdin) == sizeof head) {
        uint32_t length;
        memcpy(&length, head + 1, sizeof length);
        uint8_t *model = malloc(length ? length : 1);
        if (model == NULL || head[0] + 2 >= count || fread(model, 1, length, stdin) != length) return 2;
        bim_result result;
        sha256_context hash;
        uint8_t digest[32];
        yunshang_bim_header(model, length, tables[0], &result);
        yunshang_bim_release(&result);
        const uint8_t *table = tables[head[0] + 1];
        yunshang_bim_scan(model, length, tables[0], table, lengths[head[0] + 1], table, 0, seed, &result);
        sha256_begin(&hash, sha256_portable());
        for (int i = 0; i < BIM_ARRAYS; i++) sha256_add(&hash, result.arrays[i], (size_t)result.bytes[i]);
        sha256_end(&hash, digest);
        printf("%u %llu ", (unsigned)result.error, (unsigned long long)result.offset);
        for (int i = 0; i < 32; i++) printf("%02x", digest[i]);
        printf("\n");
        fflush(stdout);
        yunshang_bim_release(&result);
        free(model);
    }
    for (int i = 1; i < count && i <= 8; i++) free(tables[i - 1]);
    return 0;
}
