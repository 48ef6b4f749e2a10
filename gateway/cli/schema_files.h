/* schema_files: the numbered SQL files of conf/schema, as a directory has
   them. Knows nothing of a database. */
#ifndef POSTERN_CLI_SCHEMA_FILES_H
#define POSTERN_CLI_SCHEMA_FILES_H

#include <stddef.h>

#include "lib/error.h"
#include "lib/hash.h"

struct schema_file {
	/* 1, 2, 3, ... without a gap. */
	unsigned int version;
	/* "0001_roles.sql". */
	char *name;
	char *text;
	char sha256[HASH_HEX_SIZE];
};

struct schema_files {
	struct schema_file *items;
	size_t count;
};

/* Read all of dir, in order. Return 0, or -1 with what is wrong with it. */
int schema_files_load(const char *dir, struct schema_files *files_r,
		      struct error *err_r);
void schema_files_finish(struct schema_files *files);

#endif
