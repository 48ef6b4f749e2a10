/* store: the transaction that files a batch. */
#include "writer/store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/xalloc.h"
#include "writer/batch.h"

struct store {
	struct database *database;
};

static const struct {
	const char *name;
	const char *text;
} statements[] = {
	{ "add_organization",
	  "INSERT INTO organization (organization_id, name) "
	  "SELECT $1::uuid, $2 WHERE NOT EXISTS (SELECT FROM organization "
	  "WHERE organization_id = $1::uuid) ON CONFLICT DO NOTHING" },
	{ "add_events",
	  "INSERT INTO event (organization_id, event_id) "
	  "SELECT $1::uuid, e.id FROM unnest($2::bytea[]) AS e (id) "
	  "ORDER BY e.id ON CONFLICT DO NOTHING "
	  "RETURNING encode(event_id, 'hex')" },
	{ "file_sightings",
	  "SELECT file_sightings($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
	  "$11, $12, $13, $14, $15, $16, $17, $18, $19, $20)" },
};

static int check_role(struct database *database, struct error *err_r)
{
	struct database_result *result = NULL;
	int status = 0;

	if (database_run(database,
			 "SELECT FROM pg_roles WHERE rolname = current_user "
			 "AND (rolsuper OR rolbypassrls)",
			 0, NULL, &result, err_r) != DATABASE_DONE) {
		return -1;
	}
	if (database_rows(result) > 0) {
		status = error_set(err_r,
				   "postgresql: this role bypasses row level "
				   "security: connect as postern_writer");
	}
	database_result_free(&result);
	return status;
}

static int check_version(struct database *database, struct error *err_r)
{
	struct database_result *result = NULL;
	int version;

	if (database_run(database,
			 "SELECT coalesce(max(version), 0) FROM "
			 "schema_version",
			 0, NULL, &result, err_r) != DATABASE_DONE) {
		error_prefix(err_r, "no schema (run postern db migrate)");
		return -1;
	}
	version = atoi(database_value(result, 0, 0));
	database_result_free(&result);
	if (version != STORE_SCHEMA_VERSION) {
		return error_set(err_r,
				 "postgresql: the schema is version %d, this "
				 "program needs %d: %s",
				 version, STORE_SCHEMA_VERSION,
				 version < STORE_SCHEMA_VERSION
					 ? "run postern db migrate"
					 : "update this program");
	}
	return 0;
}

static int prepare(struct database *database, struct error *err_r)
{
	for (size_t i = 0; i < N_ELEMENTS(statements); i++) {
		if (database_prepare(database, statements[i].name,
				     statements[i].text,
				     err_r) != DATABASE_DONE) {
			return -1;
		}
	}
	return 0;
}

struct store *store_open(const char *conninfo, struct error *err_r)
{
	struct database *database =
		database_open(conninfo, "postern-writer", err_r);
	struct store *store;

	if (database == NULL) {
		return NULL;
	}
	if (check_role(database, err_r) < 0 ||
	    check_version(database, err_r) < 0 ||
	    prepare(database, err_r) < 0) {
		database_close(&database);
		return NULL;
	}
	store = xcalloc(1, sizeof(*store));
	store->database = database;
	return store;
}

void store_close(struct store **store)
{
	if (*store == NULL) {
		return;
	}
	database_close(&(*store)->database);
	free(*store);
	*store = NULL;
}

static int compare_events(const void *a, const void *b)
{
	const struct record_reading *const *one = a;
	const struct record_reading *const *other = b;

	return strcmp((*one)->event, (*other)->event);
}

/* Sort by event and leave each event once; return how many are left. */
static size_t unique_events(const struct record_reading **readings,
			    size_t count)
{
	size_t kept = 0;

	qsort(readings, count, sizeof(*readings), compare_events);
	for (size_t i = 1; i < count; i++) {
		if (compare_events(&readings[kept], &readings[i]) != 0) {
			readings[++kept] = readings[i];
		}
	}
	return count == 0 ? 0 : kept + 1;
}

/* Keep those readings whose event is among the rows of result. */
static size_t keep_named(const struct record_reading **readings, size_t count,
			 const struct database_result *result)
{
	size_t rows = database_rows(result);
	const struct record_reading **kept = xcalloc(rows + 1, sizeof(*kept));
	size_t kept_count = 0;

	for (size_t row = 0; row < rows && row < count; row++) {
		struct record_reading wanted = { 0 };
		const struct record_reading *key = &wanted;
		const struct record_reading **found;

		snprintf(wanted.event, sizeof(wanted.event), "%s",
			 database_value(result, row, 0));
		found = bsearch(&key, readings, count, sizeof(*readings),
				compare_events);
		if (found != NULL) {
			kept[kept_count++] = *found;
		}
	}
	memcpy(readings, kept, kept_count * sizeof(*kept));
	free(kept);
	return kept_count;
}

/* Insert the event ids; leave the readings whose event was not there. */
static enum database_outcome add_events(struct store *store,
					const struct record_reading **readings,
					size_t *count, struct error *err_r)
{
	struct strbuf ids = STRBUF_INIT(SIZE_MAX / 2);
	struct database_result *result = NULL;
	const char *values[2] = { readings[0]->organization_id };
	enum database_outcome outcome;

	array_begin(&ids);
	for (size_t i = 0; i < *count; i++) {
		array_add_hex(&ids, readings[i]->event);
	}
	array_end(&ids);
	values[1] = strbuf_cstr(&ids);
	outcome = database_run_prepared(store->database, "add_events", 2,
					values, &result, err_r);
	if (outcome == DATABASE_DONE) {
		*count = keep_named(readings, *count, result);
	}
	database_result_free(&result);
	strbuf_finish(&ids);
	return outcome;
}

static enum database_outcome
file_sightings(struct store *store,
	       const struct record_reading *const *readings, size_t count,
	       struct store_counts *counts, struct error *err_r)
{
	const char *values[BATCH_COLUMN_COUNT];
	struct database_result *result = NULL;
	struct batch batch;
	enum database_outcome outcome = DATABASE_DONE;

	batch_init(&batch, readings, count);
	for (size_t i = 0; i < BATCH_COLUMN_COUNT; i++) {
		values[i] = strbuf_cstr(&batch.columns[i]);
	}
	if (batch.sighting_count > 0) {
		outcome = database_run_prepared(
			store->database, "file_sightings", BATCH_COLUMN_COUNT,
			values, &result, err_r);
	}
	if (result != NULL) {
		counts->new_sightings =
			(size_t)atoll(database_value(result, 0, 0));
	}
	database_result_free(&result);
	batch_finish(&batch);
	return outcome;
}

static enum database_outcome
file_in_transaction(struct store *store, const struct record_reading **readings,
		    size_t count, struct store_counts *counts,
		    struct error *err_r)
{
	const char *organization[] = { readings[0]->organization_id,
				       readings[0]->organization };
	enum database_outcome outcome =
		database_begin(store->database, organization[0], err_r);
	size_t fresh = count;

	if (outcome == DATABASE_DONE) {
		outcome = database_run_prepared(store->database,
						"add_organization", 2,
						organization, NULL, err_r);
	}
	if (outcome == DATABASE_DONE) {
		outcome = add_events(store, readings, &fresh, err_r);
	}
	counts->new_events = fresh;
	counts->old_events = count - fresh;
	if (outcome == DATABASE_DONE) {
		outcome = file_sightings(store, readings, fresh, counts, err_r);
	}
	if (outcome == DATABASE_DONE) {
		return database_commit(store->database, err_r);
	}
	database_rollback(store->database);
	return outcome;
}

enum database_outcome store_file(struct store *store,
				 const struct record_reading *const *readings,
				 size_t count, struct store_counts *counts_r,
				 struct error *err_r)
{
	const struct record_reading **sorted = xcalloc(count, sizeof(*sorted));
	enum database_outcome outcome;

	assert(count > 0);
	*counts_r = (struct store_counts){ 0 };
	memcpy(sorted, readings, count * sizeof(*sorted));
	count = unique_events(sorted, count);
	outcome = file_in_transaction(store, sorted, count, counts_r, err_r);
	free(sorted);
	return outcome;
}
