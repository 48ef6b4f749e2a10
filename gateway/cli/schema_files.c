/* schema_files: NNNN_name.sql, in order, each once. */
#include "cli/schema_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/strbuf.h"
#include "lib/xalloc.h"

#define SCHEMA_FILE_MAX (1024 * 1024)
#define NUMBER_DIGITS	4

static int is_schema_file(const struct dirent *entry)
{
	struct span name = span_str(entry->d_name);

	return name.len > NUMBER_DIGITS + 5 &&
	       strspn(name.ptr, "0123456789") == NUMBER_DIGITS &&
	       name.ptr[NUMBER_DIGITS] == '_' && span_iends(name, SPAN(".sql"));
}

static int read_file(const char *path, struct strbuf *out, struct error *err_r)
{
	FILE *file = fopen(path, "re");
	char block[8192];
	size_t len;
	int status = 0;

	if (file == NULL) {
		return error_set(err_r, "%s: %s", path, strerror(errno));
	}
	while ((len = fread(block, 1, sizeof(block), file)) > 0) {
		strbuf_add(out, span_of(block, len));
	}
	if (ferror(file) || out->overflow) {
		status = error_set(err_r, "%s: cannot be read, or too long",
				   path);
	}
	fclose(file);
	return status;
}

static int load_one(const char *dir, const char *name,
		    struct schema_file *file_r, struct error *err_r)
{
	struct strbuf text = STRBUF_INIT(SCHEMA_FILE_MAX);
	unsigned char digest[HASH_SHA256_SIZE];
	char *path = xasprintf("%s/%s", dir, name);
	int status = read_file(path, &text, err_r);

	if (status == 0) {
		hash_sha256(strbuf_span(&text), digest);
		hash_hex(span_of(digest, sizeof(digest)), file_r->sha256);
		file_r->name = xstrdup(name);
		file_r->text = xstrdup(strbuf_cstr(&text));
		file_r->version = (unsigned int)atoi(name);
	}
	strbuf_finish(&text);
	free(path);
	return status;
}

static int load_names(const char *dir, struct dirent **names, size_t count,
		      struct schema_files *files, struct error *err_r)
{
	files->items = xcalloc(count + 1, sizeof(*files->items));
	for (size_t i = 0; i < count; i++) {
		if (load_one(dir, names[i]->d_name, &files->items[i], err_r) <
		    0) {
			return -1;
		}
		files->count++;
		if (files->items[i].version != i + 1) {
			return error_set(err_r, "%s: %s should be number %zu",
					 dir, names[i]->d_name, i + 1);
		}
	}
	return 0;
}

int schema_files_load(const char *dir, struct schema_files *files_r,
		      struct error *err_r)
{
	struct dirent **names = NULL;
	int count = scandir(dir, &names, is_schema_file, alphasort);
	int status;

	*files_r = (struct schema_files){ 0 };
	if (count <= 0) {
		free(names);
		return error_set(err_r, "%s: %s", dir,
				 count < 0 ? strerror(errno)
					   : "has no NNNN_name.sql");
	}
	status = load_names(dir, names, (size_t)count, files_r, err_r);
	for (int i = 0; i < count; i++) {
		free(names[i]);
	}
	free(names);
	if (status < 0) {
		schema_files_finish(files_r);
	}
	return status;
}

void schema_files_finish(struct schema_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->items[i].name);
		free(files->items[i].text);
	}
	free(files->items);
	*files = (struct schema_files){ 0 };
}
