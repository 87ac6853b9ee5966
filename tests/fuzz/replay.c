/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replays a corpus through a fuzz target without libFuzzer, so that every test run does it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *folder, const char *name)
{
	char path[4096];
	uint8_t *data;
	size_t size;
	FILE *file;
	long end;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rbe");
	if (!file || fseek(file, 0, SEEK_END) < 0 || (end = ftell(file)) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(EXIT_FAILURE);
	}
	rewind(file);
	/* Exactly as large as the input: a read past it is seen by a sanitizer. */
	data = malloc(end ? (size_t)end : 1);
	size = data ? fread(data, 1, (size_t)end, file) : 0;
	fclose(file);
	if (!data || size != (size_t)end) {
		fprintf(stderr, "%s: cannot read it\n", path);
		exit(EXIT_FAILURE);
	}
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 1;
}

int main(int argc, char **argv)
{
	struct dirent *entry;
	int count = 0;
	DIR *dir;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	dir = opendir(argv[1]);
	if (!dir) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return EXIT_FAILURE;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			count += replay(argv[1], entry->d_name);
	closedir(dir);
	printf("%s: %d inputs replayed\n", argv[1], count);
	return count ? EXIT_SUCCESS : EXIT_FAILURE;
}
